"""`usframe prepare`: split, fingerprint and cache of a labelled data set, before a network is trained on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command()
@click.option("-i", "--volumes", metavar="VOLUMES", required=True, help="File or folder with the volumes.")
@click.option("-l", "--labels", metavar="LABELS", required=True, help="File or folder with their labels.")
@click.option("-o", "--out", metavar="OUT", required=True, help="Folder for what is prepared.")
@click.option("--group", metavar="RULE", help="Whose a case is: a regular expression, or a CSV file.")
@click.option(
    "--folds", type=int, default=1, show_default=True, help="Folds of a cross-validation; 1 is one split."
)
@click.option(
    "--val", type=float, metavar="SHARE", help="Patients to validate with, for one split.  [default: 0.2]"
)
@click.option("--test", type=float, metavar="SHARE", help="Patients to set aside for testing.  [default: 0]")
@click.option("--splits", metavar="FILE", help="Check and take this split instead of drawing one.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the draw.")
@click.option("--cache", is_flag=True, help="Also write every case as plain arrays, for fast training.")
@click.option("--label-suffix", metavar="S", default="", help="What label file names have after the case name.")
@click.option("--layout", metavar="AXES", default="auto", show_default=True, help="Axes as stored, such as hwd.")
@click.option("--label-layout", metavar="AXES", help="The same for labels.  [default: as the volumes]")
@click.option("--intensity", metavar="RULE", default="auto", show_default=True, help="How grey values become 0-1.")
@click.option("--plugin", "files", metavar="FILE", multiple=True, help="Also load FILE.py; repeatable.")
@click.option("--overwrite", is_flag=True, help="Replace what was prepared in OUT before.")
@click.option("--json", "json_output", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def command(files: tuple[str, ...], json_output: bool, quiet: bool, **options: Any) -> None:
    """Split labelled volumes by patient, tabulate what they are like, and cache them if asked.

    Writes OUT/splits.json, OUT/fingerprint.csv, OUT/prepare.json and OUT/cache. Exit status as of `usframe run`.
    """
    from usframe.errors import RequestError
    from usframe.plugins.load import load_plugins
    from usframe.tasks.prepare import Preparation, prepare

    shares = {key: options.pop(key) for key in ("val", "test")}
    given = {key: share for key, share in shares.items() if share is not None}
    if options["folds"] > 1 and "val" in given:
        raise RequestError("--val is for one split; of several folds each validates its share of the patients")
    if options["splits"] and (given or options["folds"] > 1):
        raise RequestError("--splits is a split already; leave --folds, --val and --test out")
    plugins = load_plugins([Path(file) for file in files])
    request = Preparation(**options, **given)
    raise SystemExit(prepare(request, plugins, quiet=quiet, json_output=json_output))
