"""The keys of tasks with scores: whose cases are scored, and what their objects are called."""

# ruff: noqa: RUF009 - option() is dataclasses.field()

from dataclasses import dataclass
from typing import Any, Literal

from usframe.config.schema.options import Common, option

Part = Literal["all", "train", "val", "test"]


@dataclass
class Called(Common):
    """``objects``: label value -> name."""

    objects: dict[str, Any] = option({}, wanted="a name for each label value, such as {1: lumen, 2: wall}")

    def problems(self) -> list[str]:
        problems = super().problems()
        for value, name in self.objects.items():
            if not (value.isdecimal() and 1 <= int(value) <= 255 and isinstance(name, str) and name.strip()):
                problems.append(f"objects.{value}={name} is not possible; write objects={{1: lumen, 2: wall}}")
        if len({*map(str, self.objects.values())}) < len(self.objects):
            problems.append("objects gives one name to two label values; merge the values, or name them apart")
        return problems


@dataclass
class Scored(Called):
    """``part`` of ``fold`` of ``splits``, a file of `usframe prepare`."""

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
