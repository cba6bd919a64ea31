"""The keys of the tasks that segment and compare."""

# ruff: noqa: RUF009 - option() is dataclasses.field()

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from unicodedata import normalize

from usframe.config.named import Named, in_list
from usframe.config.places import at_home, inside
from usframe.config.schema.frames import (
    Detections,
    frames_problems,
    prompt_file,
    selection_in,
    support_folder,
    z_range_problems,
)
from usframe.config.schema.options import (
    Cache,
    Networked,
    Noise,
    Paired,
    option,
    spacing_problems,
)
from usframe.config.schema.scored import Scored
from usframe.config.schema.shard import Shard
from usframe.errors import PluginError
from usframe.plugins import Plugins
from usframe.plugins.arguments import needs_labels

Mode = Literal["slice", "propagate"]
Components = Literal["largest", "all", "merged"]
Multimask = Literal["auto", "always", "never"]
Fill = Literal["memory", "shape", "both"]
Candidate = Literal["best", "first"]
Surface = Literal["none", "stl"]
MaskFormat = Literal["auto", "dicom", "slicer"]
Crop = Literal["none", "scan"]
Fallback = Literal["none", "center", "nearest"]
FILE_NAME = re.compile(r"[^./\\\x00-\x1f\x7f-\x9f][^/\\\x00-\x1f\x7f-\x9f]{0,99}")
FROM_FILE = "file"  # name of the prompts that frames=file:PATH brings
SUPPORT = "support"  # name of what frames=support:DIR stands for


@dataclass
class Noised(Noise):
    """That of configs/noise/mild.yaml."""

    box: float = option(0.1, least=0)
    point: float = option(0.25, least=0, most=1)
    mask: int = option(2, least=0, most=50)


@dataclass
class Metrics:
    """How masks are scored: ``tolerance_mm`` of the NSD, ``tolerances_mm`` for single objects (id -> mm)."""

    tolerance_mm: float = option(2.0, least=0)
    tolerances_mm: dict[str, float] = option({}, least=0)
    per_slice: bool = option(False)


@dataclass
class Drift:
    """What propagation remembers of the slices it has come to.

    ``candidate``: of the decoder's three masks the ``best`` by its own prediction, or the ``first``. ``least_iou``:
    a slice of less predicted IoU is not remembered. ``most_growth``: nor is a mask of more than that many times the
    pixels of the object's largest prompted one; 0 is without limit.
    """

    candidate: Candidate = option("best")
    least_iou: float = option(0.0, least=0, most=1)
    most_growth: float = option(0.0, least=0)


@dataclass
class Predict(Paired, Networked, Scored):
    """Segment volumes from prompts made of their labels, or read from a file.

    ``box_margin`` is in pixels, ``batch_size`` counts the slices encoded at once, ``cases`` names the only
    cases to run, ``label_layout`` is that of the volumes where it is null. ``frames``: a rule, a list of slices
    or ``file:PATH``, of which ``detections`` are chosen. ``fill``: what propagation takes slices without a prompt
    from, see `usframe.inference.fill`. ``patience`` counts slices, ``case_timeout`` seconds; 0 is without end.
    ``z_range``: [first, last] slice, ``labels``, or null for all. ``group``: the patient of a case, see
    `usframe.data.patients.read_patients`. ``postprocess``: the steps after the network, in their order.
    ``fallback``: prompts on slices without an object, see `usframe.prompting.fallback`.
    ``crop``: whether the network is shown only the ``scan`` of a reconstructed volume (`usframe.crop`).
    ``surface``: the format of the surfaces that are written beside the masks. ``mask_format``: that of the masks,
    ``auto`` is that of the volume where it can hold one. ``shard``: the part of a run
    that this one is, such as 3/16, null for all of it.
    """

    task: Literal["predict"] = option("predict")
    labels: str | None = option(None)
    cases: list[str] = option([])
    shard: str | None = option(None)
    prompts: list[Any] = option(["box+point"])
    components: Components = option("largest")
    box_margin: float = option(0.0, least=0)
    mode: Mode = option("slice")
    frames: str | list[int] = option("largest")
    detections: Detections = option(Detections)
    fallback: Fallback = option("none")
    fill: Fill = option("memory")
    drift: Drift = option(Drift)
    patience: int = option(0, least=0)
    z_range: Literal["labels"] | list[int] | None = option(None)
    postprocess: dict[str, Any] = option({}, least=0)
    multimask: Multimask = option("auto")
    crop: Crop = option("none")
    batch_size: int = option(8, least=1)
    case_timeout: float = option(0.0, least=0)
    overlays: bool = option(True)
    surface: Surface = option("none")
    mask_format: MaskFormat = option("auto")
    baselines: bool = option(True)
    group: str | None = option(None)
    metrics: Metrics = option(Metrics)
    cache: Cache = option(Cache)

    @property
    def modes(self) -> tuple[Mode, ...]:
        return (self.mode,)

    @property
    def folder(self) -> Path:
        """OUT, or that of the shard in it."""
        return super().folder / Shard.of_text(self.shard).place if self.shard else super().folder

    def settle(self, given: Mapping[str, Any]) -> list[str]:
        """Names as cases have them; one slice is a list of one; a file or a support takes the place of prompts."""
        self.cases = [normalize("NFC", name) for name in self.cases]
        if type(self.frames) is int:
            self.frames = [self.frames]
        for kind, place in ((FROM_FILE, prompt_file(self.frames)), (SUPPORT, support_folder(self.frames))):
            if place:
                self.frames, self.prompts = f"{kind}:{at_home(place)}", [kind]
                if "prompts" in given:
                    return [f"frames={self.frames} takes the place of prompts; leave -p out"]
        return []

    def strategies(self) -> list[Named]:
        """The prompt strategies by name; none where something takes their place. Raises `ValueError`."""
        return [] if self.prompts in ([FROM_FILE], [SUPPORT]) else in_list("prompt", "prompts", self.prompts)

    def labels_of_prompts(self) -> list[str]:
        """What the sets of prompts are called in folders and tables."""
        return [named.label for named in self.strategies()] or list(self.prompts)

    def fallbacks(self) -> dict[str, str]:
        """What the sets of prompts on slices without an object are called, and the set that each is made of."""
        if self.fallback == "nearest":
            return {f"fallback-{name}": name for name in self.labels_of_prompts()}
        return {"fallback": ""} if self.fallback == "center" else {}

    def steps(self) -> list[Named]:
        """The steps after the network that are switched on, in their order."""
        found = [(name, value) for name, value in self.postprocess.items() if value or isinstance(value, Mapping)]
        return [
            Named("postprocessing", name, f"postprocess.{name}", value)
            if isinstance(value, Mapping)
            else Named("postprocessing", name, f"postprocess.{name}", bare=None if value is True else value)
            for name, value in found
        ]

    def named(self) -> Iterator[Named]:
        yield from super().named()
        with suppress(ValueError):  # `problems` tells of it
            yield from self.strategies()
        yield from self.steps()
        if rule := selection_in(self.frames):
            yield Named("selection", rule[0], f"frames={self.frames}")

    def problems(self) -> list[str]:
        problems = super().problems()
        if not self.volumes:
            problems.append("volumes is required: -i VOLUMES")
        problems += spacing_problems(self.spacing) + self._frames_problems()
        problems += self.cache.problems({"out": self.out, "volumes": self.volumes, "labels": self.labels})
        if self.shard is not None:
            try:
                Shard.of_text(self.shard)
            except ValueError as error:
                problems.append(str(error))
        try:
            names = [*(named.label for named in self.strategies()), *self.fallbacks()] if self.prompts else []
        except ValueError as error:
            names = []
            problems.append(str(error))
        if not self.prompts:
            problems.append("prompts is empty; name at least one, such as -p box+point")
        for key, listed in (("prompts", names), ("cases", self.cases)):
            problems += [f"{key} names {name} twice" for name in sorted(set(listed)) if listed.count(name) > 1]
        for key, place in (("volumes", self.volumes), ("labels", self.labels)):
            if problem := inside(self.out, key, place):
                problems.append(problem)
        return problems

    def problems_with(self, plugins: Plugins) -> list[str]:
        found = [named for named in self.named() if named.kind == "prompt"]
        asked = [named.label for named in found if _needs_labels(named, plugins)]
        if self.labels or not asked:
            return []
        which = "prompts" if len(asked) == len(found) else f"{asked[0]} prompts"
        cure = "-l LABELS, or have them in a file: frames=file:FILE.csv"
        return [f"labels is required, because {which} are made from labels: {cure}"]

    def _frames_problems(self) -> list[str]:
        """What is wrong with the choice of slices, and with where the prompts come from."""
        problems = [*frames_problems(self.frames), *z_range_problems(self.z_range)]
        if prompt_file(self.frames) or support_folder(self.frames):
            drawn = {f"noise.{key}": value for key, value in vars(self.noise).items()}
            problems += [
                f"{key}={value} is for prompts made from labels, and frames={self.frames} makes none"
                for key, value in {"box_margin": self.box_margin, **drawn}.items()
                if value
            ]
        elif self.detections != Detections():
            problems.append(
                f"detections.* is for prompts of a file, frames=file:PATH, not for frames={self.frames}"
            )
        if isinstance(self.frames, list) and self.mode == "slice" and not frames_problems(self.frames):
            problems.append(f"frames={self.frames} is for mode=propagate; slice mode prompts every labelled slice")
        if self.fallback != "none" and (self.mode != "slice" or self.prompts in ([FROM_FILE], [SUPPORT])):
            problems.append(f"fallback={self.fallback} is for mode=slice, with prompts made from labels")
        if self.fill != "memory" and "propagate" not in self.modes:
            problems.append(f"fill={self.fill} is for mode=propagate")
        if self.crop != "none" and support_folder(self.frames):
            problems.append(f"crop={self.crop} is not for frames={self.frames}, which remembers whole slices")
        if self.z_range == "labels" and not self.labels:
            problems.append("z_range=labels needs labels: -l LABELS")
        return problems


def _needs_labels(named: Named, plugins: Plugins) -> bool:
    """Whether a strategy does, as one that cannot be had most likely does, too."""
    try:
        return needs_labels(plugins.prompts.get(named.name))
    except PluginError:
        return True
