"""`usframe run`: one experiment, from the command line to its exit status."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click


@click.command()
@click.argument("request", nargs=-1, metavar="[EXPERIMENT] [KEY=VALUE]...")
@click.option("-i", "--volumes", metavar="VOLUMES", help="File or folder with the volumes.")
@click.option("-l", "--labels", metavar="LABELS", help="File or folder with their labels.")
@click.option("-o", "--out", metavar="OUT", help="Folder for the results.  [default: outputs/EXPERIMENT]")
@click.option("-p", "--prompt", "prompts", metavar="PROMPT", multiple=True, help="Prompt strategy; repeatable.")
@click.option("--mode", metavar="slice|propagate", help="Each slice alone, or through the volume.")
@click.option("--backbone", metavar="NAME", help="Network; 'usframe plugins --kind backbone' lists them.")
@click.option("--checkpoint", metavar="FILE", help="Weights instead of those the backbone looks for.")
@click.option("--device", metavar="auto|cpu|cuda|cuda:N|mps", help="Where the network runs.")
@click.option("--precision", metavar="auto|fp32|bf16|fp16", help="Numbers the network computes with.")
@click.option("--label-suffix", metavar="S", help="What label file names have after the case name.")
@click.option("--dry-run", is_flag=True, help="Check everything and say what would be done.")
@click.option("--json", "json_output", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def command(
    request: tuple[str, ...],
    prompts: tuple[str, ...],
    dry_run: bool,
    json_output: bool,
    quiet: bool,
    **options: str | None,
) -> None:
    """Run EXPERIMENT, a name such as zero_shot (the default) or a YAML file.

    The options are short names for config keys; KEY=VALUE reaches every key. Exit status: 0 all cases done,
    1 some case failed, 2 the request itself is wrong.
    """
    from usframe.config.overrides import override

    experiment, overrides = split_request(request)
    given = [override(key, value) for key, value in options.items() if value is not None]
    given += [override("prompts", prompts)] if prompts else []
    status = execute(experiment, [*given, *overrides], dry_run=dry_run, json_output=json_output, quiet=quiet)
    raise SystemExit(status)


def split_request(request: Sequence[str]) -> tuple[str, list[str]]:
    """The experiment, which is the first word without ``=`` (or an existing YAML file), and the overrides."""
    for word in request:
        if "=" not in word or (word.endswith(".yaml") and Path(word).is_file()):
            position = request.index(word)
            return word, [*request[:position], *request[position + 1 :]]
    return "zero_shot", list(request)


def execute(
    experiment: str,
    overrides: Sequence[str],
    *,
    dry_run: bool = False,
    json_output: bool = False,
    quiet: bool = False,
) -> int:
    """Compose, check and run an experiment; returns the exit status.

    Raises `RequestError` with everything that is wrong with the request, before any weights are read.
    """
    from usframe.config.compose import Predict, check_names, read
    from usframe.config.schema import Compare, Finetune, Preview, Score
    from usframe.errors import ConfigError, PluginError, RequestError
    from usframe.plugins.load import load_plugins

    config, problems = read(experiment, overrides)
    try:
        plugins = load_plugins([Path(file) for file in config.plugins])
    except PluginError as error:
        raise PluginError(*problems, *error.problems) from error
    problems += check_names(config, plugins.by_kind())
    if problems:
        raise ConfigError(*problems)
    if isinstance(config, Predict) and dry_run:
        from usframe.tasks import dry_run as plan

        return plan.dry_run(config, plugins, json_output=json_output)
    if isinstance(config, Compare):
        from usframe.tasks import compare

        return compare.compare(config, plugins, quiet=quiet, json_output=json_output)
    if isinstance(config, Predict):
        from usframe.tasks import predict

        return predict.predict(config, plugins, quiet=quiet, json_output=json_output)
    if dry_run and not isinstance(config, Finetune):
        raise RequestError(f"--dry-run is not available for task={config.task}")
    if isinstance(config, Score):
        from usframe.tasks import score as evaluate

        return evaluate.evaluate(config, plugins, quiet=quiet, json_output=json_output)
    if json_output:
        raise RequestError(f"--json is not available for task={config.task}")
    if isinstance(config, Preview):
        from usframe.tasks import preview

        return preview.preview(config, plugins, quiet=quiet)
    if isinstance(config, Finetune):
        from usframe.tasks import finetune

        return finetune.finetune(config, plugins, quiet=quiet, dry_run=dry_run)
    from usframe.tasks import pretrain

    return pretrain.pretrain(config, plugins, quiet=quiet)
