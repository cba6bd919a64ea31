"""`usframe report`: the tables of a run for masks that are there already."""

from __future__ import annotations

from typing import Any

import click

from usframe.cli.options import in_its_process, overrides_of, plugin_files


class Once(click.Option):
    """An option that takes one value; given twice it is refused, where click would forget the first."""

    def __init__(self, *args: Any, **attrs: Any) -> None:
        super().__init__(*args, **{**attrs, "multiple": True})

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """The value, None where there is none. Raises `click.UsageError` in one line."""
        given = super().process_value(ctx, value)
        if len(given) > 1:
            listed = ", ".join(given)
            raise click.UsageError(f"{self.opts[-1]} is given {len(given)} times ({listed}); give one of them", ctx)
        return given[0] if given else None


@click.command()
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--masks", cls=Once, metavar="MASKS", required=True, help="File or folder with the masks to be scored."
)
@click.option("-l", "--labels", cls=Once, metavar="LABELS", required=True, help="File or folder with the labels.")
@click.option("-i", "--volumes", cls=Once, metavar="VOLUMES", help="The images, to draw a picture of every case.")
@click.option("-o", "--out", cls=Once, metavar="OUT", help="Folder for the results.  [default: outputs/score]")
@click.option("--name", cls=Once, metavar="NAME", help="What the masks are called in the tables.  [default: masks]")
@click.option("--label-suffix", cls=Once, metavar="S", help="What label file names have after the case name.")
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
