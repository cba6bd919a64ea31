"""`usframe report`: the tables of a run for masks that are there already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from usframe.cli.options import in_its_process, option, overrides_of, plugin_files


@click.command()
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--masks",
    metavar="[NAME=]MASKS",
    multiple=True,
    required=True,
    help="File or folder with the masks to be scored; repeatable with a NAME each, to compare them.",
)
@option("-l", "--labels", metavar="LABELS", required=True, help="File or folder with the labels.")
@option("-i", "--volumes", metavar="VOLUMES", help="The images, to draw a picture of every case.")
@option("-o", "--out", metavar="OUT", help="Folder for the results.  [default: outputs/score]")
@option("--name", metavar="NAME", help="What the masks are called in the tables.  [default: masks]")
@option("--label-suffix", metavar="S", help="What label file names have after the case name.")
@plugin_files
@click.option("--json", "json_output", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def command(
    overrides: tuple[str, ...],
    masks: tuple[str, ...],
    files: tuple[str, ...],
    json_output: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Score the masks of any program, such as nnU-Net, with the tables of `usframe run`.

    A mask and its labels have one name. Several sets of masks are tested against each other, on the cases that all
    of them have. KEY=VALUE reaches the keys of task score, such as group and metrics.
    """

    def work() -> int:
        from usframe.tasks import Output, execute

        given = [*overrides_of({**which(masks), **options}), *overrides]
        return execute("score", given, Output(quiet=quiet, json=json_output), files=files)

    raise SystemExit(in_its_process(work))


def which(masks: Sequence[str]) -> dict[str, Any]:
    """The keys ``masks`` or ``sets`` of what was given. Raises `click.UsageError`."""
    named = dict(one.split("=", 1) for one in masks if "=" in one and not Path(one).exists())
    if not named and len(masks) == 1:
        return {"masks": masks[0]}
    if len(named) < len(masks):
        raise click.UsageError(
            f"--masks is given {len(masks)} times ({', '.join(masks)}); name each once, as --masks nnunet=FOLDER"
        )
    return {"sets": named}
