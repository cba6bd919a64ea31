"""What an experiment can do, a row per task. To add one: its keys, its module, its row, and a YAML of its own."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from usframe.config import compose as configuration
from usframe.config import schema
from usframe.config.named import problems_with
from usframe.config.overrides import override
from usframe.errors import ConfigError, PluginError, RequestError
from usframe.plugins import Plugins, load_plugins
from usframe.session import RECORD, Output, watch


@dataclass(frozen=True)
class Task:
    """``run``: a function (config, plugins, output) -> exit status. ``dry_run``: the same, but nothing is written.

    Both lie in this folder and are imported on use. ``writes``: the files and folders it leaves in OUT, a folder
    that it fills by other means than ours with a slash. ``json``: whether it can print JSON. ``report``: a
    function (config, plugins) -> `usframe.tasks.predict.Report`, where its cases can be shared out to shards.
    """

    schema: type[schema.Common]
    run: str
    dry_run: str = ""
    writes: tuple[str, ...] = ()
    json: bool = True
    report: str = ""


TABLES = (RECORD, "metrics.csv", "metrics_per_slice.csv", "summary.json", "failures.csv", "run.json", "report.html")
TOLD = ("quality.csv", "next.csv", "measures.csv")
SHAPES, SEEN = ("masks", "surfaces"), ("overlays", "report")
COMPARED = ("comparison.csv", "tests.csv", "comparison.png")
SPENT = ("budget.csv", "budget.png")
WEIGHTS = tuple(f"checkpoint_{name}.{kind}" for name in ("last", "best") for kind in ("pt", "safetensors"))
STATE = ("state/", "state.part/", "state.old/", "tensorboard/")
TRAINED = (RECORD, *WEIGHTS, "curve.csv", "run.json", "summary.json", *STATE)
GAINED = ("before.json", "splits.json", "gains.csv", "curve.png", "report.html", "embeddings/")
PREPARED = ("prepare.json", "splits.json", "fingerprint.csv", "report.html")

TASKS = {
    "predict": Task(
        *(schema.Predict, "predict:predict", "dry_run:dry_run", (*TABLES, *TOLD, *SHAPES, *SEEN)),
        report="predict:report_of",
    ),
    "compare": Task(
        *(schema.Compare, "compare:compare", "dry_run:dry_run", (*TABLES, *TOLD, *COMPARED, "overlays")),
        report="compare:report_of",
    ),
    "budget": Task(
        *(schema.Budget, "budget:budget", "dry_run:dry_run", (*TABLES, *SPENT)), report="budget:report_of"
    ),
    "score": Task(schema.Score, "score:score", "", (*TABLES, "tests.csv", *SEEN)),
    "prepare": Task(schema.Prepare, "prepare:prepare", "", PREPARED),
    "finetune": Task(schema.Finetune, "finetune:finetune", "finetune:dry_run", (*TRAINED, *GAINED), json=False),
    "pretrain": Task(schema.Pretrain, "pretrain:pretrain", "", TRAINED, json=False),
    "preview": Task(schema.Preview, "preview:preview", "", (RECORD, "augmentations.png"), json=False),
}


def read(experiment: str, overrides: Sequence[str] = ()) -> tuple[Any, list[str]]:
    """A request, and all that is wrong with it; see `usframe.config.compose.read`."""
    schemas = {name: task.schema for name, task in TASKS.items()}
    return configuration.read(experiment, overrides, schemas)


def compose(experiment: str = "zero_shot", overrides: Sequence[str] = ()) -> Any:
    """The experiment (a name under ``configs/experiment`` or a YAML file) with ``KEY=VALUE`` overrides.

    Raises `ConfigError` with every problem at once.
    """
    config, problems = read(experiment, overrides)
    if problems:
        raise ConfigError(*problems)
    return config


def execute(
    experiment: str,
    overrides: Sequence[str],
    output: Output,
    *,
    dry_run: bool = False,
    files: Sequence[str] = (),
) -> int:
    """Compose, check and run an experiment, with plugin ``files`` beside its own; returns the exit status.

    Raises `RequestError` with everything that is wrong with the request, before any weights are read.
    """
    config, problems = read(experiment, overrides)
    config.plugins = [*files, *config.plugins]
    plugins = load(config, problems)
    task = TASKS[config.task]
    for asked, possible, option in ((dry_run, task.dry_run, "--dry-run"), (output.json, task.json, "--json")):
        if asked and not possible:
            raise RequestError(f"{option} is not available for task={config.task}")
    run = _function(task.dry_run if dry_run else task.run)
    close_folder = import_module("usframe.session.folder").close_folder
    try:
        status: int = run(config, plugins, output)
    finally:
        close_folder()
    return status


def join(out: str, output: Output, *, onto: str = "", overwrite: bool = False, files: Sequence[str] = ()) -> int:
    """Make one run in ``onto``, which is OUT itself where it is not given, of all shards in OUT; the exit status.

    Raises `RequestError` where they are not all there, finished and of one run.
    """
    shards = import_module("usframe.session.shards").find_shards(Path(out))
    record = shards[0].folder / RECORD
    given = [override("out", onto or out), "shard=null", f"overwrite={str(overwrite).lower()}"]
    config = compose(str(record), given)
    config.plugins = [*files]
    report = _function(TASKS[config.task].report)(config, load(config))
    close_folder = import_module("usframe.session.folder").close_folder
    try:
        status: int = _function("predict:join")(config, shards, report, output)
    finally:
        close_folder()
    return status


def _function(named: str) -> Any:
    """What ``module:name`` is in this folder.

    Modules stay, so in a process of usframe's own what they are made of is not searched for garbage, neither now
    nor while the network runs.
    """
    module, _, name = named.partition(":")
    own = watch.line.is_watched
    if own:
        gc.disable()
    try:
        return getattr(import_module(f"usframe.tasks.{module}"), name)
    finally:
        if own:
            gc.freeze()
            gc.enable()


def load(config: schema.Common, problems: Sequence[str] = ()) -> Plugins:
    """The plugins of a request, every one that it names sound and given what it takes.

    Raises `ConfigError` with these ``problems`` and all that are found.
    """
    files = [Path(file) for file in config.plugins]
    try:
        plugins = load_plugins(files, prefer=config.prefer, block=config.block)
    except PluginError as error:
        raise PluginError(*problems, *error.problems) from error
    if wrong := [*problems, *problems_with(config.named(), plugins), *config.problems_with(plugins)]:
        raise ConfigError(*wrong)
    return plugins
