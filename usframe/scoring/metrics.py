"""How well a segmentation agrees with its reference: one row per case, prompt, object and set of slices.

The scores are those of the registered metrics. A score of nothing against nothing is undefined: None here, an empty
field in CSV, null in JSON, never 0 or 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from inspect import signature
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from usframe.arrays import values_of
from usframe.config.schema import Metrics
from usframe.errors import CaseError
from usframe.plugins import Plugins
from usframe.plugins.registry import blame
from usframe.scoring.cropped import ObjectMasks, choose_slices
from usframe.scoring.table import COLUMNS, IN_SPACE, METRICS, PER_FRAME, SLICES, Row, RowKey
from usframe.types import Metric, Segmentation, Spacing, Surfaces

__all__ = ["COLUMNS", "METRICS", "SLICES", "Row", "RowKey", "Scoring", "score_case", "score_slices"]

PromptedSlices: TypeAlias = Mapping[int, AbstractSet[int]]  # object id -> slices

PIXELS: Spacing = (1.0, 1.0, 1.0)


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
    asked: AbstractSet[int] | None = None,
    known: NDArray[np.bool_] | None = None,
    per_frame: bool = False,
    voxel_ml: float | None = None,
) -> list[Row]:
    """Rows for every object of the reference or the answer, three per object (`SLICES`).

    ``reference``: (D, H, W), 0 is background. ``spacing_mm``: (3,) along D, H, W; None gives distances in pixels.
    ``voxel_ml``: of a voxel, see `usframe.data.axis.voxel_ml`; None, and a clip, give no millilitres. ``prompted``:
    object id -> the frames on which it was prompted; ``oracle``: those of them where the prompt held the object's
    own label mask. ``asked``: the objects that had a prompt, None for all. ``known``: (D,), the slices that the
    reference tells about; None is all.

    Overlaps are taken over the voxels of the set of slices at once. Distances are those in space for all slices
    of a volume; of a clip (``per_frame``), a single slice and a part of the slices they are measured on each slice
    in its plane, and a score is the mean over the slices on which it is defined.
    """
    if reference.shape != segmentation.mask.shape:
        raise ValueError(f"reference {reference.shape} and segmentation {segmentation.mask.shape} differ in shape")
    everywhere = np.arange(len(reference))
    told = np.full(len(reference), True) if known is None else known
    rows = []
    for object_id in _objects(reference, segmentation):
        masks = _Masks(
            object_id, reference, segmentation, spacing_mm, scoring, asked, per_frame, voxel_ml, every=told.all()
        )
        on_prompt = np.isin(everywhere, list(prompted.get(object_id, ())))
        on_label = np.isin(everywhere, list(oracle.get(object_id, ())))
        sets = (told, on_prompt & told, ~on_prompt & told)
        for slices, chosen in zip(SLICES, sets, strict=True):
            rows.append(masks.row(key, slices, chosen, oracle=bool((on_label & chosen).any())))
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
    asked: AbstractSet[int] | None = None,
    known: NDArray[np.bool_] | None = None,
) -> list[Row]:
    """Rows for every object and slice where the reference or the answer has it, scored in 2D.

    Arguments as in `score_case`; ``slices`` is ``prompted`` or ``unprompted``.
    """
    rows = []
    for object_id in _objects(reference, segmentation):
        masks = _Masks(object_id, reference, segmentation, spacing_mm, scoring, asked, per_frame=True)
        for frame in np.flatnonzero(masks.shown if known is None else masks.shown & known).tolist():
            slices = "prompted" if frame in prompted.get(object_id, ()) else "unprompted"
            chosen = np.arange(len(reference)) == frame
            row = masks.row(key, slices, chosen, oracle=frame in oracle.get(object_id, ()))
            row["frame"] = frame
            rows.append(row)
    return rows


def _objects(reference: NDArray[np.integer[Any]], segmentation: Segmentation) -> list[int]:
    found = {*values_of(reference), *values_of(segmentation.mask), *segmentation.object_ids}
    return sorted(found - {0})


class _Masks:
    """One object in a reference and in an answer, and how far their surfaces are apart.

    The built-in metrics see the rows and columns that show it, those of other packages the whole slices.
    """

    def __init__(
        self,
        object_id: int,
        reference: NDArray[np.integer[Any]],
        segmentation: Segmentation,
        spacing_mm: Spacing | None,
        scoring: Scoring,
        asked: AbstractSet[int] | None,
        per_frame: bool,
        voxel_ml: float | None = None,
        *,
        every: bool | np.bool_ = True,
    ) -> None:
        self.object_id, self.segmentation, self.spacing_mm = object_id, segmentation, spacing_mm
        self.scoring, self.asked = scoring, asked is None or object_id in asked
        self.per_frame, self.voxel_ml = per_frame or len(reference) == 1, None if per_frame else voxel_ml
        self.every = every  # whether the reference tells about all slices
        others = bool({*scoring.metrics} - {*METRICS})
        self.masks = masks = ObjectMasks.of(object_id, reference, segmentation.mask, whole=others)
        self.shown, self.alone = masks.on_reference | masks.on_answer, masks.on_reference ^ masks.on_answer

    @cached_property
    def by_frame(self) -> dict[str, list[float | None]]:
        """Metric that takes surfaces -> its value on each slice in its plane, None where neither has the object."""
        names = [name for name, taken in self.scoring.taken.items() if "surfaces" in taken]
        values: dict[str, list[float | None]] = {name: [None] * len(self.shown) for name in names}
        planes = self.masks.planes(self.spacing_mm or PIXELS) if names else []
        for frame in np.flatnonzero(self.shown).tolist():
            for name in names:
                masks = self.masks.cropped if name in METRICS else self.masks.whole
                reference, answer = (mask[frame : frame + 1] for mask in masks)
                values[name][frame] = self._score(name, reference, answer, planes[frame])
        return values

    @cached_property
    def in_space(self) -> Surfaces:
        return self.masks.surfaces(self.spacing_mm or PIXELS)

    def row(self, key: RowKey, slices: str, chosen: NDArray[np.bool_], *, oracle: bool) -> Row:
        """The row of the slices that are true in ``chosen`` (D,)."""
        masks = self.masks
        reference, _ = cropped = choose_slices(masks.cropped, chosen)
        whole = cropped if masks.whole is masks.cropped else choose_slices(masks.whole, chosen)
        per_frame = self.per_frame or slices != "all" or not self.every
        scores: dict[str, float | None] = dict.fromkeys(self.scoring.metrics)
        for name in scores if chosen.any() else ():
            pair = cropped if name in METRICS else whole
            if "surfaces" not in self.scoring.taken[name]:
                scores[name] = self._score(name, *pair)
            elif per_frame:
                scores[name] = _mean([self.by_frame[name][frame] for frame in np.flatnonzero(chosen)])
            else:
                scores[name] = self._score(name, *pair, self.in_space)
        voxel_ml = self.voxel_ml if slices == "all" else None
        return {
            "case": key.case,
            "prompt": key.prompt,
            "draw": key.draw,
            "mode": key.mode,
            "object": self.object_id,
            "slices": slices,
            "n_slices": int(chosen.sum()),
            "scores": {**scores, "predicted_iou": self._predicted_iou(chosen)},
            "volume_ml": None if voxel_ml is None else np.count_nonzero(masks.cropped[1]) * voxel_ml,
            "reference_volume_ml": voxel_ml * np.count_nonzero(reference) if voxel_ml and self.every else None,
            "unit": "px" if self.spacing_mm is None else "mm",
            "oracle": oracle,
            "group": key.group,
            "asked": self.asked,
            "measured": PER_FRAME if per_frame else IN_SPACE,
            "undefined_frames": int(self.alone[chosen].sum()) if per_frame else None,
            "name": key.names.get(self.object_id, ""),
        }

    def _score(
        self,
        name: str,
        reference: NDArray[np.bool_],
        answer: NDArray[np.bool_],
        surfaces: Surfaces | None = None,
    ) -> float | None:
        offered: dict[str, Any] = {
            "spacing_mm": self.spacing_mm or PIXELS,
            "surfaces": surfaces,
            "tolerance_mm": self.scoring.tolerance_mm(self.object_id),
        }
        taken = {keyword: offered[keyword] for keyword in self.scoring.taken[name]}
        try:
            value = self.scoring.metrics[name](reference, answer, **taken)
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


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined) if defined else None
