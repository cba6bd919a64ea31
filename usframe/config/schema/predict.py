"""The keys of the tasks that segment, compare and score."""

# ruff: noqa: RUF009 - option() is dataclasses.field()

import re
from dataclasses import dataclass
from typing import Any

from usframe.config.schema.options import LAYOUTS, Common, Networked, Noise, Paired, option

FRAMES = re.compile(r"(largest|middle|first)|(every|uniform):([1-9]\d*)")
PROMPT_FILES = (".csv", ".json")
FROM_FILE = "file"  # name of the prompts that frames=file:PATH brings


@dataclass
class Noised(Noise):
    """That of configs/noise/mild.yaml."""

    box: float = option(0.1, least=0)
    point: float = option(0.25, least=0, most=1)
    mask: int = option(2, least=0, most=50)


@dataclass
class Postprocess:
    """What is done to masks before they are written and scored, see `usframe.inference.postprocess.clean_mask`."""

    largest_component: bool = option(False)
    fill_holes: bool = option(False)
    min_volume_ml: float = option(0.0, least=0)


@dataclass
class Metrics:
    """How masks are scored: ``tolerance_mm`` of the NSD, ``tolerances_mm`` for single objects (id -> mm)."""

    tolerance_mm: float = option(2.0, least=0)
    tolerances_mm: dict[str, float] = option({}, least=0)
    per_slice: bool = option(False)


@dataclass
class Predict(Paired, Networked):
    """Segment volumes from prompts made of their labels, or read from a file.

    ``box_margin`` is in pixels, ``batch_size`` counts the slices encoded at once, ``cases`` names the only
    cases to run, ``label_layout`` is that of the volumes where it is null. ``frames``: a rule, a list of slices or
    ``file:PATH``. ``patience`` counts slices, 0 is without end. ``z_range``: [first, last] slice, ``labels``, or
    null for all. ``group``: the patient of a case, see `usframe.data.patients.read_patients`.
    """

    task: str = option("predict", choices=("predict",))
    labels: str | None = option(None)
    cases: list[str] = option([])
    prompts: list[str] = option(["box+point"])
    components: str = option("largest", choices=("largest", "all", "merged"))
    box_margin: float = option(0.0, least=0)
    mode: str = option("slice", choices=("slice", "propagate"))
    frames: Any = option("largest")
    patience: int = option(0, least=0)
    z_range: Any = option(None)
    postprocess: Postprocess = option(Postprocess)
    multimask: str = option("auto", choices=("auto", "always", "never"))
    batch_size: int = option(8, least=1)
    overlays: bool = option(True)
    baselines: bool = option(True)
    group: str | None = option(None)
    metrics: Metrics = option(Metrics)


@dataclass
class Score(Common):
    """Score masks that are there, whoever made them. ``name``: what they are called in the tables."""

    task: str = option("score", choices=("score",))
    masks: str = option("")
    labels: str = option("")
    volumes: str | None = option(None)
    name: str = option("masks")
    label_suffix: str = option("")
    layout: str = option("auto", choices=LAYOUTS)
    intensity: str = option("auto", choices=("auto", "none", "minmax", "percentile"))
    group: str | None = option(None)
    metrics: Metrics = option(Metrics)


@dataclass
class Compare(Predict):
    """Compare strategies, in both modes (or one), on clean prompts and on ``seeds`` draws of ``noised`` ones."""

    task: str = option("compare", choices=("compare",))
    prompts: list[str] = option(["mask", "mask+point", "box+point", "box", "point"])
    mode: str = option("both", choices=("both", "slice", "propagate"))
    overlays: bool = option(False)
    noised: Noised = option(Noised)
    seeds: int = option(3, least=0)


def modes_of(config: Predict) -> tuple[str, ...]:
    """The modes a request runs in."""
    return ("slice", "propagate") if config.mode == "both" else (config.mode,)


def prompt_file(rule: Any) -> str:
    """The path in ``frames=file:PATH``; nothing for all else."""
    return rule.removeprefix("file:") if isinstance(rule, str) and rule.startswith("file:") else ""
