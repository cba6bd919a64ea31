"""The keys of the task before a training: split, fingerprint and cache."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from usframe.config.schema.options import Paired, option, place_problems
from usframe.config.schema.scored import Called

SHARE = 0.2
CACHE = "cache"


@dataclass
class Prepare(Paired, Called):
    """Split labelled volumes by patient, tabulate what they are like, and cache them if asked.

    ``splits``: a file with the split, instead of a draw. ``folds``: of a cross-validation; 1 is one split. ``val``
    and ``test``: shares of the patients, null is 0.2 and none. ``group``: the patient of a case.
    """

    task: Literal["prepare"] = option("prepare")
    labels: str = option("")
    group: str | None = option(None)
    splits: str | None = option(None)
    folds: int = option(1)
    val: float | None = option(None)
    test: float | None = option(None)
    cache: bool = option(False)

    def problems(self) -> list[str]:
        problems = super().problems() + place_problems(self)
        if not self.out:
            problems.append("out is required: -o OUT")
        if self.folds > 1 and self.val is not None:
            problems.append("val is for one split; of several folds each validates its share of the patients")
        if self.splits and (self.folds > 1 or self.val is not None or self.test is not None):
            problems.append("splits is a split already; leave folds, val and test out")
        for key, place in (("volumes", self.volumes), ("labels", self.labels)):
            if place and self.out and Path(place).resolve().is_relative_to(Path(self.out, CACHE).resolve()):
                problems.append(f"{key}={place} is part of what was prepared; choose another -o")
        return problems
