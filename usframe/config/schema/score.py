"""The keys of the task that scores masks which are there already."""

# ruff: noqa: RUF009 - option() is dataclasses.field()

from dataclasses import dataclass
from typing import Any, Literal

from usframe.config.schema.options import Axis, Geometry, Intensity, Layout, option, spacing_problems
from usframe.config.schema.predict import FILE_NAME, Metrics
from usframe.config.schema.scored import Scored


@dataclass
class Score(Scored):
    """Score masks that are there, whoever made them.

    ``name``: what they are called in the tables. ``sets``: name -> masks of several programs, in the place of
    ``masks``, on the cases that all of them have. ``case_timeout``: seconds that a case may take, 0 is without end.
    """

    task: Literal["score"] = option("score")
    masks: str = option("")
    labels: str = option("")
    volumes: str | None = option(None)
    name: str = option("masks")
    sets: dict[str, Any] = option({}, wanted="a name for each folder of masks, such as {a: MASKS, b: MASKS}")
    label_suffix: str = option("")
    layout: Layout = option("auto")
    intensity: Intensity = option("auto")
    axis: Axis = option("auto")
    spacing: list[float] = option([], least=1e-6, most=1e5)
    time_point: int | None = option(None, least=0)
    geometry: Geometry = option("refuse")
    sparse: bool = option(False)
    ignore: int | None = option(None, least=1, most=255)
    allow_outside: bool = option(False)
    case_timeout: float = option(0.0, least=0)
    group: str | None = option(None)
    metrics: Metrics = option(Metrics)

    @property
    def named_masks(self) -> dict[str, str]:
        """What the masks of each program are called, and where they are."""
        return {name: str(place) for name, place in self.sets.items()} or {self.name: self.masks}

    def problems(self) -> list[str]:
        given = {"masks": self.masks or self.sets, "labels": self.labels}
        problems = super().problems() + spacing_problems(self.spacing)
        problems += [f"{key} is required: --{key} {key.upper()}" for key, place in given.items() if not place]
        if self.sets and (self.masks or self.name != "masks"):
            problems.append("sets and masks or name exclude each other; name every set: sets={a: MASKS, b: MASKS}")
        for name in self.named_masks:
            if not FILE_NAME.fullmatch(name):  # it becomes a folder in OUT
                problems.append(
                    f"name={name} is not possible; write a name without / and \\ that begins with no dot"
                )
        return problems
