"""`usframe annotate`: label volumes in the browser, with the network's help."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import click

from usframe.cli.options import option, overrides_of, plugin_files


@click.command()
@click.argument("volumes", metavar="VOLUMES")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@option("-l", "--labels", metavar="LABELS", help="File or folder with labels to begin with.")
@option("-o", "--out", metavar="OUT", required=True, help="Folder for sessions, labels and prompts.")
@option("--backbone", metavar="NAME", help="Network; 'usframe plugins --kind backbone' lists them.")
@option("--checkpoint", metavar="FILE", help="Weights instead of those the backbone looks for.")
@option("--device", metavar="auto|cpu|cuda|cuda:N|mps", help="Where the network runs.")
@option("--port", type=click.IntRange(0, 65535), default=0, help="Port of 127.0.0.1.  [default: a free one]")
@click.option("--no-browser", is_flag=True, help="Print the address, and open nothing.")
@plugin_files
def command(
    volumes: str,
    overrides: tuple[str, ...],
    port: int,
    no_browser: bool,
    files: tuple[str, ...],
    **options: Any,
) -> None:
    """Label the volumes in VOLUMES in the browser: a page on this machine, for nobody but you.

    Every stroke is kept in OUT; the same command goes on where it was left. KEY=VALUE: cases, layout, label_layout,
    label_suffix, intensity, geometry, axis, spacing, time_point, allow_outside and precision, as for `usframe run`.
    """
    from usframe.errors import RequestError

    if missing := [name for name in ("starlette", "uvicorn") if find_spec(name) is None]:
        raise RequestError(f"usframe annotate needs {' and '.join(missing)}: pip install 'usframe[serve]'")

    from usframe.labelling.request import asked
    from usframe.labelling.serve import serve

    request = asked([*overrides_of({"volumes": volumes, **options}), *overrides], files)
    serve(request, port, browser=not no_browser, say=click.echo)
