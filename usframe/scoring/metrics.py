"""How well a segmentation agrees with its reference: one row per case, prompt, object and set of slices.

The scores are those of the registered metrics. A score of nothing against nothing is undefined: None here, an empty
field in CSV, null in JSON, never 0 or 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from inspect import signature
from typing import Any, TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray

from usframe.config.schema import Metrics
from usframe.errors import CaseError
from usframe.plugins import Plugins
from usframe.plugins.registry import blame
from usframe.scoring.surface import MeasuredSurfaces, measure_surfaces
from usframe.types import Metric, Segmentation, Spacing

PromptedSlices: TypeAlias = Mapping[int, AbstractSet[int]]  # object id -> slices

METRICS = ("dice", "iou", "hd95_mm", "assd_mm", "nsd")
COLUMNS = (
    *("case", "prompt", "mode", "object", "slices", "n_slices"),
    *METRICS,
    *("volume_ml", "reference_volume_ml", "predicted_iou", "unit", "oracle", "group"),
)
SLICE_COLUMNS = (*COLUMNS[:4], "frame", *COLUMNS[4:])
SLICES = ("all", "prompted", "unprompted")
PIXELS: Spacing = (1.0, 1.0, 1.0)


class _OfSlice(TypedDict, total=False):
    frame: int


class Row(_OfSlice):
    """The scores of one object on one set of slices of a case. ``draw``: 0 for clean prompts, else their number.

    ``scores``: metric -> score, and ``predicted_iou``. ``oracle``: whether the prompt held the object's own label
    on these slices. ``group``: the patient. ``frame``: the slice, where the row is about a single one.
    """

    case: str
    prompt: str
    draw: int
    mode: str
    object: int
    slices: str
    n_slices: int
    scores: dict[str, float | None]
    volume_ml: float | None
    reference_volume_ml: float | None
    unit: str
    oracle: bool
    group: str


@dataclass(frozen=True)
class RowKey:
    """What the rows of one answer share. ``group``: the patient, whose cases are not independent of each other."""

    case: str
    group: str
    mode: str
    prompt: str
    draw: int = 0


@dataclass(frozen=True)
class Scoring:
    """What is measured: ``metrics`` by name, in the order of columns, and the settings of a request."""

    metrics: Mapping[str, Metric]
    settings: Metrics

    @classmethod
    def of(cls, settings: Metrics, plugins: Plugins) -> Scoring:
        """All registered metrics, the built-in ones first. Raises `PluginError` where one cannot be had."""
        names = plugins.metrics.names()
        ordered = sorted(names, key=lambda name: METRICS.index(name) if name in METRICS else len(METRICS))
        return cls({name: plugins.metrics.get(name) for name in ordered}, settings)

    @cached_property
    def taken(self) -> dict[str, set[str]]:
        """Metric -> the keywords that it takes of those that are offered."""
        offered = {"spacing_mm", "surfaces", "tolerance_mm"}
        return {name: offered & {*signature(metric).parameters} for name, metric in self.metrics.items()}

    def tolerance_mm(self, object_id: int) -> float:
        return self.settings.tolerances_mm.get(str(object_id), self.settings.tolerance_mm)


def score_case(
    key: RowKey,
    reference: NDArray[np.integer[Any]],
    segmentation: Segmentation,
    spacing_mm: Spacing | None,
    scoring: Scoring,
    *,
    prompted: PromptedSlices,
    oracle: PromptedSlices,
) -> list[Row]:
    """Rows for every object of the reference or the answer, three per object (`SLICES`).

    ``reference``: (D, H, W), 0 is background. ``spacing_mm``: (3,) along D, H, W; None gives distances in pixels
    and no millilitres. ``prompted``: object id -> the frames on which it was prompted; ``oracle``: those of them
    where the prompt held the object's own label mask.

    All scores are taken over the voxels of the set of slices at once. Surfaces are those of the whole volume, see
    `usframe.scoring.surface`: of a set of slices, from the surface on them to the nearest surface on any slice.
    """
    if reference.shape != segmentation.mask.shape:
        raise ValueError(f"reference {reference.shape} and segmentation {segmentation.mask.shape} differ in shape")
    everywhere = np.arange(len(reference))
    rows = []
    for object_id in _objects(reference, segmentation):
        masks = _Masks(object_id, reference, segmentation, spacing_mm)
        on_prompt = np.isin(everywhere, list(prompted.get(object_id, ())))
        on_label = np.isin(everywhere, list(oracle.get(object_id, ())))
        sets = (np.full(len(everywhere), True), on_prompt, ~on_prompt)
        for slices, chosen in zip(SLICES, sets, strict=True):
            rows.append(masks.row(key, slices, chosen, scoring, oracle=bool((on_label & chosen).any())))
    return rows


def score_slices(
    key: RowKey,
    reference: NDArray[np.integer[Any]],
    segmentation: Segmentation,
    spacing_mm: Spacing | None,
    scoring: Scoring,
    *,
    prompted: PromptedSlices,
    oracle: PromptedSlices,
) -> list[Row]:
    """Rows for every object and slice where the reference or the answer has it, scored in 2D.

    Arguments as in `score_case`; ``slices`` is ``prompted`` or ``unprompted``.
    """
    rows = []
    for object_id in _objects(reference, segmentation):
        shown = ((reference == object_id) | (segmentation.mask == object_id)).any((1, 2))
        for frame in np.flatnonzero(shown).tolist():
            here = slice(frame, frame + 1)
            iou = segmentation.predicted_iou[:, here]
            one = Segmentation(segmentation.mask[here], segmentation.object_ids, iou)
            masks = _Masks(object_id, reference[here], one, spacing_mm)
            slices = "prompted" if frame in prompted.get(object_id, ()) else "unprompted"
            known = frame in oracle.get(object_id, ())
            row = masks.row(key, slices, np.array([True]), scoring, oracle=known)
            row["frame"] = frame
            rows.append(row)
    return rows


def _objects(reference: NDArray[np.integer[Any]], segmentation: Segmentation) -> list[int]:
    found = {*np.unique(reference).tolist(), *np.unique(segmentation.mask).tolist(), *segmentation.object_ids}
    return sorted(found - {0})


class _Masks:
    """One object in a reference and in an answer, and how far their surfaces are apart."""

    def __init__(
        self,
        object_id: int,
        reference: NDArray[np.integer[Any]],
        segmentation: Segmentation,
        spacing_mm: Spacing | None,
    ) -> None:
        self.object_id, self.segmentation, self.spacing_mm = object_id, segmentation, spacing_mm
        self.reference, self.answer = reference == object_id, segmentation.mask == object_id

    @cached_property
    def surfaces(self) -> MeasuredSurfaces:
        return measure_surfaces(self.answer, self.reference, self.spacing_mm or PIXELS)

    def row(self, key: RowKey, slices: str, chosen: NDArray[np.bool_], scoring: Scoring, *, oracle: bool) -> Row:
        """The row of the slices that are true in ``chosen`` (D,)."""
        reference, answer = (part if chosen.all() else part[chosen] for part in (self.reference, self.answer))
        scores: dict[str, float | None] = dict.fromkeys(scoring.metrics)
        if chosen.any():
            scores = {name: self._score(name, reference, answer, chosen, scoring) for name in scores}
        whole = self.spacing_mm is not None and slices == "all"
        voxel_ml = float(np.prod(self.spacing_mm or PIXELS)) / 1000
        return {
            "case": key.case,
            "prompt": key.prompt,
            "draw": key.draw,
            "mode": key.mode,
            "object": self.object_id,
            "slices": slices,
            "n_slices": int(chosen.sum()),
            "scores": {**scores, "predicted_iou": self._predicted_iou(chosen)},
            "volume_ml": np.count_nonzero(answer) * voxel_ml if whole else None,
            "reference_volume_ml": np.count_nonzero(reference) * voxel_ml if whole else None,
            "unit": "px" if self.spacing_mm is None else "mm",
            "oracle": oracle,
            "group": key.group,
        }

    def _score(
        self,
        name: str,
        reference: NDArray[np.bool_],
        answer: NDArray[np.bool_],
        chosen: NDArray[np.bool_],
        scoring: Scoring,
    ) -> float | None:
        offered: dict[str, Any] = {}
        for keyword in scoring.taken[name]:
            if keyword == "spacing_mm":
                offered[keyword] = self.spacing_mm or PIXELS
            elif keyword == "surfaces":
                offered[keyword] = self.surfaces.on(chosen)
            else:
                offered[keyword] = scoring.tolerance_mm(self.object_id)
        try:
            value = scoring.metrics[name](reference, answer, **offered)
            score = None if value is None else float(value)
        except Exception as error:
            raise CaseError(f"metric {name} failed on object {self.object_id}: {blame(error)}") from error
        if score is not None and not np.isfinite(score):
            raise CaseError(f"metric {name} returned {score} for object {self.object_id}; None is undefined")
        return score

    def _predicted_iou(self, chosen: NDArray[np.bool_]) -> float | None:
        if self.object_id not in self.segmentation.object_ids:
            return None
        row = self.segmentation.object_ids.index(self.object_id)
        values = self.segmentation.predicted_iou[row][chosen]
        predicted = values[np.isfinite(values)]
        return float(predicted.mean()) if len(predicted) else None
