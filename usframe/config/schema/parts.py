"""The keys that choose the cases of one part of a split."""

# ruff: noqa: RUF009 - option() is dataclasses.field()

from dataclasses import dataclass
from typing import Literal

from usframe.config.schema.options import Common, option

Part = Literal["all", "train", "val", "test"]


@dataclass
class Parted(Common):
    """``part`` of ``fold`` of ``splits``, a file as `usframe prepare` writes it."""

    splits: str | None = option(None)
    fold: int = option(0, least=0)
    part: Part = option("all")

    def problems(self) -> list[str]:
        problems = super().problems()
        if self.splits and self.part == "all":
            problems.append(f"splits={self.splits} says which cases are which; choose part=test, val or train")
        if self.part != "all" and not self.splits:
            problems.append(f"part={self.part} is one of a file: give splits=FILE, as usframe prepare writes it")
        if self.fold and not self.splits:
            problems.append(f"fold={self.fold} is one of a file: give splits=FILE, as usframe prepare writes it")
        return problems
