"""`usframe join`: one run of all shards of one."""

from __future__ import annotations

import click

from usframe.cli.options import option, plugin_files


@click.command()
@click.argument("out", metavar="OUT")
@click.argument("words", nargs=-1, metavar="[overwrite=true]")
@option("-o", "--out", "onto", metavar="WHOLE", help="Folder for the joined run.  [default: OUT]")
@plugin_files
@click.option("--json", "json_output", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def command(
    out: str, words: tuple[str, ...], onto: str | None, files: tuple[str, ...], json_output: bool, quiet: bool
) -> None:
    """Put together what 'usframe run ... shard=I/N -o OUT' has left for every I from 1 to N.

    Masks, pictures, tables and report are those of one run without shards. Exit status: 0 all cases done, 1 some
    case failed, 2 the shards are not all there, finished and of one run.
    """
    from usframe.errors import RequestError
    from usframe.tasks import Output, join

    if other := [word for word in words if word not in ("overwrite=true", "overwrite=false")]:
        raise RequestError(f"{other[0]} is not possible; what was run is run, and a join takes only overwrite=true")
    output = Output(quiet=quiet, json=json_output)
    raise SystemExit(join(out, output, onto=onto or "", overwrite="overwrite=true" in words, files=files))
