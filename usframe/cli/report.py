"""`usframe report`: the tables of a run for masks that are there already."""

from __future__ import annotations

from typing import Any

import click

from usframe.cli.options import in_its_process, option, overrides_of, plugin_files


@click.command()
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@option("--masks", metavar="MASKS", required=True, help="File or folder with the masks to be scored.")
@option("-l", "--labels", metavar="LABELS", required=True, help="File or folder with the labels.")
@option("-i", "--volumes", metavar="VOLUMES", help="The images, to draw a picture of every case.")
@option("-o", "--out", metavar="OUT", help="Folder for the results.  [default: outputs/score]")
@option("--name", metavar="NAME", help="What the masks are called in the tables.  [default: masks]")
@option("--label-suffix", metavar="S", help="What label file names have after the case name.")
@plugin_files
@click.option("--json", "json_output", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def command(
    overrides: tuple[str, ...], files: tuple[str, ...], json_output: bool, quiet: bool, **options: Any
) -> None:
    """Score the masks of any program, such as nnU-Net, with the tables of `usframe run`.

    A mask and its labels have one name. KEY=VALUE reaches the keys of task score, such as group and metrics.
    """

    def work() -> int:
        from usframe.tasks import Output, execute

        given = [*overrides_of(options), *overrides]
        return execute("score", given, Output(quiet=quiet, json=json_output), files=files)

    raise SystemExit(in_its_process(work))
