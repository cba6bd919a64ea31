"""`usframe prompts`: a table of prompts to fill in."""

from __future__ import annotations

from pathlib import Path

import click

from usframe.cli.options import option, plugin_files


@click.command()
@option("-i", "--volumes", required=True, metavar="VOLUMES", help="Folder with the volumes, or one file.")
@option("-o", "--out", default="prompts.csv", metavar="FILE", show_default=True, help="The table to write (.csv).")
@click.option(
    "--object", "objects", type=int, multiple=True, metavar="ID", help="An object; repeatable.  [default: 1]"
)
@plugin_files
def command(volumes: str, out: str, objects: tuple[int, ...], files: tuple[str, ...]) -> None:
    """Write a row for every case and object, on its middle slice, with the box and the points left to be filled in.

    'usframe run ... frames=file:FILE' takes the table once it is filled in. Rows may be added and taken out.
    """
    from usframe.errors import escape
    from usframe.plugins import load_plugins
    from usframe.prompting.template import write_template
    from usframe.reporting.text import counted

    count = write_template(Path(out), Path(volumes), objects or (1,), load_plugins([Path(file) for file in files]))
    print(escape(f"Wrote {out}, {counted(count, 'case')}: fill in box or points, then run with frames=file:{out}"))
