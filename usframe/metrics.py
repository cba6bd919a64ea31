"""How well a segmentation agrees with its reference: one row per case, prompt, object and set of slices.

A score of nothing against nothing is undefined: None here, an empty field in CSV, null in JSON, never 0 or 1.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from usframe.errors import RequestError
from usframe.files import write_csv
from usframe.types import Segmentation

Row: TypeAlias = dict[str, Any]

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
)
SCORES = ("dice", "iou", "hd95_mm", "assd_mm", "nsd", "predicted_iou")
SLICES = ("all", "prompted", "unprompted")
MACRO = "macro"


def score_case(
    case: str,
    prompt: str,
    mode: str,
    reference: NDArray[np.integer[Any]],
    segmentation: Segmentation,
    spacing_mm: Sequence[float] | None,
    prompted: Mapping[int, AbstractSet[int]],
) -> list[Row]:
    """Rows with `COLUMNS` for every object of the reference or the answer, three per object (`SLICES`).

    ``reference``: (D, H, W), 0 is background. ``spacing_mm``: (3,) along D, H, W; None leaves millilitres
    undefined. ``prompted``: object id -> the frames on which it was prompted. Dice and IoU are taken over all
    voxels of the set of slices at once; where just one of the two is empty they are 0.
    """
    mask = segmentation.mask
    if reference.shape != mask.shape:
        raise ValueError(f"reference {reference.shape} and segmentation {mask.shape} differ in shape")
    voxel_ml = None if spacing_mm is None else float(np.prod(spacing_mm)) / 1000
    found = {*np.unique(reference).tolist(), *np.unique(mask).tolist(), *segmentation.object_ids} - {0}
    rows = []
    for object_id in sorted(found):
        is_reference, is_mask = reference == object_id, mask == object_id
        wanted, given, both = (part.sum((1, 2)) for part in (is_reference, is_mask, is_reference & is_mask))
        on_prompt = np.isin(np.arange(len(mask)), list(prompted.get(object_id, ())))
        for slices, chosen in zip(SLICES, (np.full(len(mask), True), on_prompt, ~on_prompt), strict=True):
            n_wanted, n_given, n_both = (int(count[chosen].sum()) for count in (wanted, given, both))
            ml = voxel_ml if slices == "all" else None
            rows.append(
                {
                    **dict.fromkeys(COLUMNS),
                    "case": case,
                    "prompt": prompt,
                    "mode": mode,
                    "object": object_id,
                    "slices": slices,
                    "n_slices": int(chosen.sum()),
                    "dice": _ratio(2 * n_both, n_wanted + n_given),
                    "iou": _ratio(n_both, n_wanted + n_given - n_both),
                    "volume_ml": None if ml is None else n_given * ml,
                    "reference_volume_ml": None if ml is None else n_wanted * ml,
                    "predicted_iou": _predicted_iou(segmentation, object_id, chosen),
                }
            )
    return rows


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _predicted_iou(segmentation: Segmentation, object_id: int, chosen: NDArray[np.bool_]) -> float | None:
    if object_id not in segmentation.object_ids:
        return None
    values = segmentation.predicted_iou[segmentation.object_ids.index(object_id)][chosen]
    predicted = values[np.isfinite(values)]
    return float(predicted.mean()) if len(predicted) else None


def write_metrics(path: Path, rows: Iterable[Row]) -> None:
    """Write metrics.csv: `COLUMNS`, one line per row, an empty field for what is undefined. Raises `WriteError`."""
    write_csv(path, COLUMNS, rows)


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
    if name in ("case", "prompt", "mode", "slices"):
        return field
    if name in ("object", "n_slices"):
        return int(field)
    return float(field) if field else None


def summarise(rows: Sequence[Row], *, seed: int = 0, resamples: int = 2000) -> dict[str, Any]:
    """``{prompt: {object: {slices: {score: statistics}}}}`` over cases, ready for JSON.

    Objects are ids as text, and "macro": the mean over the objects of each case that have a defined score.
    Statistics: mean, sd (of a sample), median, ci95 (percentile bootstrap of the mean over cases), n cases
    and n_undefined. What is undefined, such as the sd and ci95 of one case, is None.
    """
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in [*sorted(rows, key=lambda row: row["object"]), *_macro(rows)]:
        groups.setdefault((row["prompt"], str(row["object"]), row["slices"]), []).append(row)
    summary: dict[str, Any] = {prompt: {} for prompt in dict.fromkeys(row["prompt"] for row in rows)}
    for (prompt, name, slices), members in groups.items():
        summary[prompt].setdefault(name, {})[slices] = {
            score: _statistics([row[score] for row in members], seed, resamples) for score in SCORES
        }
    return summary


def _macro(rows: Iterable[Row]) -> list[Row]:
    """One row per case, prompt and set of slices: the mean over its objects."""
    cases: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        cases.setdefault((row["case"], row["prompt"], row["slices"]), []).append(row)
    return [
        {"prompt": prompt, "object": MACRO, "slices": slices}
        | {score: _mean([row[score] for row in objects]) for score in SCORES}
        for (_, prompt, slices), objects in cases.items()
    ]


def _mean(values: Iterable[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined) if defined else None


def _statistics(values: Sequence[float | None], seed: int, resamples: int) -> dict[str, Any]:
    defined = np.array([value for value in values if value is not None])
    n = len(defined)
    sd = ci95 = None
    if n > 1:
        sd = float(defined.std(ddof=1))
        means = np.random.default_rng(seed).choice(defined, (resamples, n)).mean(axis=1)
        ci95 = [float(bound) for bound in np.percentile(means, (2.5, 97.5))]
    return {
        "mean": float(defined.mean()) if n else None,
        "sd": sd,
        "median": float(np.median(defined)) if n else None,
        "ci95": ci95,
        "n": n,
        "n_undefined": len(values) - n,
    }


def table(summary: Mapping[str, Any]) -> str:
    """A summary as plain text: mean Dice ± sd, a line per prompt and a column per object."""
    objects = {name for by_object in summary.values() for name in by_object}
    names = [*sorted(objects - {MACRO}, key=int), MACRO]
    lines = [["prompt", *(name if name == MACRO else f"object {name}" for name in names), "n"]]
    for prompt, by_object in summary.items():
        cells = [by_object[name]["all"]["dice"] if name in by_object else None for name in names]
        lines.append([prompt, *map(_cell, cells), str(cells[-1]["n"] if cells[-1] else 0)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    heading = "Dice over all slices, mean ± sd of n cases"
    return "\n".join(
        [heading] + ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines]
    )


def _cell(statistics: Mapping[str, Any] | None) -> str:
    if statistics is None or statistics["mean"] is None:
        return "-"
    spread = "" if statistics["sd"] is None else f" ± {statistics['sd']:.3f}"
    return f"{statistics['mean']:.3f}{spread}"
