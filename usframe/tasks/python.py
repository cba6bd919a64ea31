"""Tasks as functions of Python, for notebooks and scripts."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from usframe.config.overrides import written
from usframe.tasks import Output, execute


@dataclass(frozen=True)
class Finetuned:
    """What a training left behind: the best weights, and the mean Dice of the validation cases before and after.

    ``gains``: the rows of gains.csv, with prompt, object, before, after, n and gain.
    """

    checkpoint: Path
    gains: list[dict[str, Any]]


def finetune(
    volumes: str | Path,
    labels: str | Path,
    out: str | Path,
    *,
    experiment: str = "finetune",
    plugins: Sequence[str | Path] = (),
    quiet: bool = False,
    **settings: Any,
) -> Finetuned:
    """Train a backbone on volumes with labels, as `usframe run finetune` does, and go on where ``out`` has a part.

    ``settings``: keys of task finetune by name, sections as mappings: ``backbone="demo", train={"steps": 200}``.
    ``plugins``: files (.py). The answer's ``checkpoint`` is for `usframe.load_backbone`.
    Raises `RequestError` where the request cannot be met, `CaseError` for files that cannot be used, and
    `TrainingError` where the training cannot go on.
    """
    places = {"volumes": str(volumes), "labels": str(labels), "out": str(out)}
    overrides = [f"{key}={written(value)}" for key, value in (places | settings).items()]
    execute(experiment, overrides, Output(quiet=quiet), files=[str(file) for file in plugins])
    with Path(out, "gains.csv").open(encoding="utf-8", newline="") as file:
        gains = [
            {**row, **{key: float(row[key]) for key in ("before", "after", "gain")}} for row in csv.DictReader(file)
        ]
    return Finetuned(Path(out) / "checkpoint_best.pt", gains)
