"""`usframe run`: one experiment, from the command line to its exit status."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from usframe.cli.completion import words
from usframe.cli.options import in_its_process, option, overrides_of, plugin_files, several

EXPERIMENTS = {
    "zero_shot": "segment every labelled slice; the default",
    "all_prompts": "with every prompt that is made from labels",
    "propagate": "prompt one slice, carry the object through the volume",
    "fill": "prompt a few slices, fill those between",
    "compare_prompts": "all prompts, both modes, clean and noised, tested",
    "budget": "how many slices to label for a Dice",
    "finetune": "train on labelled volumes",
    "preview_augmentations": "a picture of each augmentation",
}
EPILOG = "\b\nExperiments:\n" + "\n".join(f"  {name:22}{does}" for name, does in EXPERIMENTS.items())


@click.command(epilog=EPILOG)
@click.argument("request", nargs=-1, metavar="[EXPERIMENT] [KEY=VALUE]...", shell_complete=words([*EXPERIMENTS]))
@option("-i", "--volumes", metavar="VOLUMES", help="File or folder with the volumes.")
@option("-l", "--labels", metavar="LABELS", help="File or folder with their labels.")
@option("-o", "--out", metavar="OUT", help="Folder for the results.  [default: outputs/EXPERIMENT]")
@several("-p", "--prompt", "prompts", metavar="PROMPT", help="Prompt strategy; repeatable.")
@option("--mode", metavar="slice|propagate", help="Each slice alone, or through the volume.")
@option("--backbone", metavar="NAME", help="Network; 'usframe plugins --kind backbone' lists them.")
@option("--checkpoint", metavar="FILE", help="Weights instead of those the backbone looks for.")
@option("--device", metavar="auto|cpu|cuda|cuda:N|mps", help="Where the network runs.")
@option("--precision", metavar="auto|fp32|bf16|fp16", help="Numbers the network computes with.")
@option("--label-suffix", metavar="S", help="What label file names have after the case name.")
@option("--frames", metavar="RULE", help="Which slices are prompted, such as uniform:3 or file:CLICKS.csv.")
@option("--group", metavar="REGEX|CSV", help="Which cases are of one patient.")
@plugin_files
@click.option("-m", "--multirun", is_flag=True, help="Run each of several values, as in frames=first,largest.")
@click.option("--dry-run", is_flag=True, help="Check everything and say what would be done.")
@click.option("--json", "json_output", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def command(
    request: tuple[str, ...],
    files: tuple[str, ...],
    multirun: bool,
    dry_run: bool,
    json_output: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Run EXPERIMENT, a name such as zero_shot (the default) or a YAML file.

    The options are short names for config keys; KEY=VALUE reaches every key. Exit status: 0 all cases done,
    1 some case failed, 2 the request itself is wrong.
    """

    experiment, overrides = split_request(request)

    def work() -> int:
        from usframe.tasks import Output, execute

        given, output = [*overrides_of(options), *overrides], Output(quiet=quiet, json=json_output)
        if not multirun:
            return execute(experiment, given, output, dry_run=dry_run, files=files)
        from usframe.cli.sweep import find_sweep, run_all, show_plan

        sweep = find_sweep(experiment, given, files)
        return show_plan(sweep, output) if dry_run else run_all(sweep, output)

    raise SystemExit(work() if dry_run or multirun else in_its_process(work))


def split_request(request: Sequence[str]) -> tuple[str, list[str]]:
    """The experiment, which is the first word without ``=`` (or an existing YAML file), and the overrides."""
    for word in request:
        if "=" not in word or (word.endswith(".yaml") and Path(word).is_file()):
            position = request.index(word)
            return word, [*request[:position], *request[position + 1 :]]
    return "zero_shot", list(request)
