"""`usframe prepare`: split, fingerprint and cache of a labelled data set, before a network is trained on it."""

from __future__ import annotations

from typing import Any

import click

from usframe.cli.options import option, overrides_of, plugin_files


@click.command()
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@option("-i", "--volumes", metavar="VOLUMES", required=True, help="File or folder with the volumes.")
@option("-l", "--labels", metavar="LABELS", required=True, help="File or folder with their labels.")
@option("-o", "--out", metavar="OUT", required=True, help="Folder for what is prepared.")
@option("--group", metavar="RULE", help="Whose a case is: a regular expression, or a CSV file.")
@option("--folds", metavar="N", help="Folds of a cross-validation; 1 is one split.  [default: 1]")
@option("--val", metavar="SHARE", help="Patients to validate with, for one split.  [default: 0.2]")
@option("--test", metavar="SHARE", help="Patients to set aside for testing.  [default: 0]")
@option("--splits", metavar="FILE", help="Check and take this split instead of drawing one.")
@option("--seed", metavar="N", help="Seed of the draw.  [default: 0]")
@click.option("--cache", is_flag=True, help="Also write every case as plain arrays, for fast training.")
@option("--label-suffix", metavar="S", help="What label file names have after the case name.")
@option("--layout", metavar="AXES", help="Axes as stored, such as hwd.  [default: auto]")
@option("--label-layout", metavar="AXES", help="The same for labels.  [default: as the volumes]")
@option("--intensity", metavar="RULE", help="How grey values become 0-1.  [default: auto]")
@plugin_files
@click.option("--overwrite", is_flag=True, help="Replace what was prepared in OUT before.")
@click.option("--json", "json_output", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def command(
    overrides: tuple[str, ...], files: tuple[str, ...], json_output: bool, quiet: bool, **options: Any
) -> None:
    """Split labelled volumes by patient, tabulate what they are like, and cache them if asked.

    Writes OUT/splits.json, OUT/fingerprint.csv, OUT/prepare.json, OUT/report.html and OUT/cache. KEY=VALUE reaches
    the keys of task prepare. Exit status as of `usframe run`.
    """
    from usframe.tasks import Output, execute

    given = [*overrides_of(options), *overrides]
    raise SystemExit(execute("prepare", given, Output(quiet=quiet, json=json_output), files=files))
