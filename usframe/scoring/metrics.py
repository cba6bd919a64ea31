"""How well a segmentation agrees with its reference: one row per case, prompt, object and set of slices.

A score of nothing against nothing is undefined: None here, an empty field in CSV, null in JSON, never 0 or 1.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from usframe.config.schema import Metrics
from usframe.errors import RequestError
from usframe.files import write_csv
from usframe.scoring.surface import measure_surfaces
from usframe.types import Segmentation

Row: TypeAlias = dict[str, Any]
Frames: TypeAlias = Mapping[int, AbstractSet[int]]

COLUMNS = (
    "case",
    "prompt",
    "mode",
    "object",
    "slices",
    "n_slices",
    "dice",
    "iou",
    "hd95_mm",
    "assd_mm",
    "nsd",
    "volume_ml",
    "reference_volume_ml",
    "predicted_iou",
    "unit",
    "oracle",
    "group",
)
SLICE_COLUMNS = (*COLUMNS[:4], "frame", *COLUMNS[4:])
TEXT = ("case", "prompt", "mode", "slices", "unit", "group")
SCORES = ("dice", "iou", "hd95_mm", "assd_mm", "nsd", "predicted_iou")
SLICES = ("all", "prompted", "unprompted")
PIXELS = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class About:
    """What the rows of one answer share. ``group``: the patient, whose cases are not independent of each other."""

    case: str
    prompt: str
    mode: str
    group: str


def score_case(
    about: About,
    reference: NDArray[np.integer[Any]],
    segmentation: Segmentation,
    spacing_mm: Sequence[float] | None,
    settings: Metrics,
    *,
    prompted: Frames,
    oracle: Frames,
) -> list[Row]:
    """Rows with `COLUMNS` for every object of the reference or the answer, three per object (`SLICES`).

    ``reference``: (D, H, W), 0 is background. ``spacing_mm``: (3,) along D, H, W; None gives distances in pixels
    and no millilitres. ``prompted``: object id -> the frames on which it was prompted; ``oracle``: those of them
    where the prompt held the object's own label mask.

    All scores are taken over the voxels of the set of slices at once. Dice, IoU and NSD are 0 where just one of
    reference and answer is empty there. Distances are those of the whole volume's surfaces, see `usframe.scoring.surface`:
    of a set of slices, from the surface on them to the nearest surface on any slice.
    """
    mask = segmentation.mask
    if reference.shape != mask.shape:
        raise ValueError(f"reference {reference.shape} and segmentation {mask.shape} differ in shape")
    rows = []
    for object_id in _objects(reference, segmentation):
        on_prompt = np.isin(np.arange(len(mask)), list(prompted.get(object_id, ())))
        on_label = np.isin(np.arange(len(mask)), list(oracle.get(object_id, ())))
        sets = dict(zip(SLICES, (np.full(len(mask), True), on_prompt, ~on_prompt), strict=True))
        scores = _score_object(object_id, reference, segmentation, spacing_mm, settings, sets)
        for slices, chosen in sets.items():
            marks = {"oracle": bool((on_label & chosen).any()), "group": about.group}
            rows.append(_row(about, object_id, slices) | scores[slices] | marks)
    return rows


def score_slices(
    about: About,
    reference: NDArray[np.integer[Any]],
    segmentation: Segmentation,
    spacing_mm: Sequence[float] | None,
    settings: Metrics,
    *,
    prompted: Frames,
    oracle: Frames,
) -> list[Row]:
    """Rows with `SLICE_COLUMNS` for every object and slice where the reference or the answer has it, scored in 2D.

    Arguments as in `score_case`; ``slices`` is ``prompted`` or ``unprompted``.
    """
    rows = []
    for object_id in _objects(reference, segmentation):
        shown = ((reference == object_id) | (segmentation.mask == object_id)).any((1, 2))
        for frame in np.flatnonzero(shown).tolist():
            here = slice(frame, frame + 1)
            one = Segmentation(
                segmentation.mask[here], segmentation.object_ids, segmentation.predicted_iou[:, here]
            )
            slices = "prompted" if frame in prompted.get(object_id, ()) else "unprompted"
            scores = _score_object(
                object_id, reference[here], one, spacing_mm, settings, {slices: np.array([True])}
            )
            marks = {"oracle": frame in oracle.get(object_id, ()), "group": about.group, "frame": frame}
            rows.append(_row(about, object_id, slices) | scores[slices] | marks)
    return rows


def _objects(reference: NDArray[np.integer[Any]], segmentation: Segmentation) -> list[int]:
    found = {*np.unique(reference).tolist(), *np.unique(segmentation.mask).tolist(), *segmentation.object_ids}
    return sorted(found - {0})


def _row(about: About, object_id: int, slices: str) -> Row:
    known = {"case": about.case, "prompt": about.prompt, "mode": about.mode, "object": object_id}
    return {**dict.fromkeys(COLUMNS), **known, "slices": slices}


def _score_object(
    object_id: int,
    reference: NDArray[np.integer[Any]],
    segmentation: Segmentation,
    spacing_mm: Sequence[float] | None,
    settings: Metrics,
    sets: Mapping[str, NDArray[np.bool_]],
) -> dict[str, Row]:
    """The scores of an object on each set of slices (D,), by its name."""
    is_reference, is_mask = reference == object_id, segmentation.mask == object_id
    wanted, given, both = (part.sum((1, 2)) for part in (is_reference, is_mask, is_reference & is_mask))
    surfaces = measure_surfaces(is_mask, is_reference, spacing_mm or PIXELS)
    tolerance = settings.tolerances_mm.get(str(object_id), settings.tolerance_mm)
    voxel_ml = None if spacing_mm is None else float(np.prod(spacing_mm)) / 1000
    scores = {}
    for slices, chosen in sets.items():
        n_wanted, n_given, n_both = (int(count[chosen].sum()) for count in (wanted, given, both))
        found, ml = surfaces.on(chosen), voxel_ml if slices == "all" else None
        scores[slices] = {
            "n_slices": int(chosen.sum()),
            "dice": _ratio(2 * n_both, n_wanted + n_given),
            "iou": _ratio(n_both, n_wanted + n_given - n_both),
            "hd95_mm": found.hd95(),
            "assd_mm": found.assd(),
            "nsd": found.nsd(tolerance),
            "volume_ml": None if ml is None else n_given * ml,
            "reference_volume_ml": None if ml is None else n_wanted * ml,
            "predicted_iou": _predicted_iou(segmentation, object_id, chosen),
            "unit": "px" if spacing_mm is None else "mm",
        }
    return scores


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _predicted_iou(segmentation: Segmentation, object_id: int, chosen: NDArray[np.bool_]) -> float | None:
    if object_id not in segmentation.object_ids:
        return None
    values = segmentation.predicted_iou[segmentation.object_ids.index(object_id)][chosen]
    predicted = values[np.isfinite(values)]
    return float(predicted.mean()) if len(predicted) else None


def write_metrics(path: Path, rows: Iterable[Row], columns: Sequence[str] = COLUMNS) -> None:
    """Write metrics.csv, one line per row, an empty field for what is undefined. Raises `WriteError`."""
    write_csv(path, columns, ({**row, "oracle": str(row["oracle"]).lower()} for row in rows))


def read_metrics(path: Path) -> list[Row]:
    """The rows of a metrics.csv as `score_case` made them. Raises `RequestError` for any other file."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise ValueError(f"its columns are not {','.join(COLUMNS)}")
            return [{name: _parse(name, field) for name, field in row.items()} for row in reader]
    except (OSError, ValueError, TypeError) as error:
        cause = error.strerror if isinstance(error, OSError) else error
        raise RequestError(f"{path} cannot be read as the metrics of a run: {cause}") from error


def _parse(name: str, field: str) -> Any:
    if name in TEXT:
        return field
    if name == "oracle":
        return field == "true"
    if name in ("object", "n_slices"):
        return int(field)
    return float(field) if field else None
