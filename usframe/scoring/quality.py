"""What speaks for an answer without labels, slice by slice, and which slices a label would help most."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from usframe.scoring.table import RowKey
from usframe.selection import APART, least_sure
from usframe.types import Prompt, Segmentation

# The error of a case over that of its slices by pixels, with and without a second way to the masks: its median,
# and the standard deviation of its logarithm, wide enough for simulated volumes and for real carotid runs.
MEDIAN = {True: 0.86, False: 1.0}
WIDTH = {True: 0.5, False: 0.6}
NORMAL_90 = 1.645
SUGGESTED = 3  # slices of an object, at most


class QualityRow(TypedDict):
    """A row of quality.csv: an object on a slice that was answered, None where there is nothing to tell.

    ``distance``: slices to the nearest prompted one, 0 on it. ``prompt_score``: of the detector whose box prompts
    it. The rest: see `usframe.quality.Quality`.
    """

    case: str
    prompt: str
    mode: str
    object: int
    frame: int
    predicted_iou: float | None
    presence: float | None
    area_px: int
    distance: int | None
    agreement: float | None
    expected_dice: float | None
    name: str
    prompt_score: float | None


class Expected(TypedDict):
    """The Dice that is expected of an object of a case, and a 90 % interval."""

    dice: float
    low: float
    high: float


class NextRow(TypedDict):
    """A row of next.csv: ``rank`` 1 is the slice whose label would help most."""

    case: str
    prompt: str
    mode: str
    object: int
    rank: int
    frame: int
    expected_dice: float | None
    distance: int | None
    name: str


def quality_rows(
    key: RowKey,
    answer: Segmentation,
    prompted: Mapping[int, AbstractSet[int]],
    scores: Mapping[tuple[int, int], float] = MappingProxyType({}),
    *,
    expected: bool = True,
) -> list[QualityRow]:
    """The rows of every object on the slices where it was answered or is in the mask.

    ``prompted``: object id -> slices. ``scores``: (object id, slice) -> how sure a detector was there.
    ``expected``: whether there is a Dice to be expected, which there is none of where no object is.
    """
    rows: list[QualityRow] = []
    area = _areas(answer)
    for row, one in enumerate(answer.object_ids):
        frames = np.array(sorted(prompted.get(one, ())))
        for frame in np.flatnonzero(np.isfinite(answer.predicted_iou[row]) | (area[row] > 0)).tolist():
            quality = answer.quality
            told: list[float | None] = [None, None, None]
            if quality is not None:
                told = [_known(part[row, frame]) for part in (quality.presence, quality.agreement, quality.error)]
            rows.append(
                {
                    "case": key.case,
                    "prompt": key.prompt,
                    "mode": key.mode,
                    "object": one,
                    "frame": frame,
                    "predicted_iou": _known(answer.predicted_iou[row, frame]),
                    "presence": told[0],
                    "area_px": int(area[row, frame]),
                    "distance": int(np.abs(frames - frame).min()) if len(frames) else None,
                    "agreement": told[1],
                    "expected_dice": None if told[2] is None or not expected else round(1 - told[2], 4),
                    "name": key.names.get(one, ""),
                    "prompt_score": scores.get((one, frame)),
                }
            )
    return rows


def scores_of(prompts: Iterable[Prompt]) -> dict[tuple[int, int], float]:
    """(Object id, slice) -> the highest score of a detector that prompts have there."""
    scored = [(prompt.score, prompt) for prompt in prompts if prompt.score is not None]
    return {(one.object_id, one.frame): score for score, one in sorted(scored, key=lambda pair: pair[0])}


def expect(rows: Iterable[QualityRow]) -> Expected | None:
    """What is expected of one object of a case; None where nothing is known.

    Slices count by their pixels, as in the Dice of all of them together; prompted ones only where there are no
    others. The interval is that of an error whose logarithm is normal.
    """
    known = [row for row in rows if row["expected_dice"] is not None]
    free = [row for row in known if row["distance"]] or known
    if not free:
        return None
    weights = np.array([row["area_px"] for row in free], float)
    weights += not weights.any()  # of an object that is nowhere, all slices count the same
    agreed = any(row["agreement"] is not None for row in free)
    error = MEDIAN[agreed] * float(np.average([1 - (row["expected_dice"] or 0.0) for row in free], weights=weights))
    low, high = (1 - min(1.0, error * np.exp(sign * NORMAL_90 * WIDTH[agreed])) for sign in (1, -1))
    return {"dice": round(1 - error, 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def expected_dice(answer: Segmentation) -> dict[int, NDArray[np.float64]]:
    """Object id -> its expected Dice (D,), as in quality.csv; NaN where it is unknown."""
    if answer.quality is None:
        return {}
    errors = zip(answer.object_ids, answer.quality.error.astype(float), strict=True)
    return {one: np.round(1 - np.round(error, 4), 4) for one, error in errors}


def suggest(rows: Sequence[QualityRow]) -> list[NextRow]:
    """The slices of one object of a case that should be prompted next: the lowest expected Dice first.

    They lie at least `APART` slices from a prompted one, and a tenth of all slices from each other.
    """
    by_frame = {row["frame"]: row for row in rows}
    expected, distance = np.full((2, max(by_frame, default=-1) + 1), np.nan)
    for frame, row in by_frame.items():
        distance[frame] = APART if row["distance"] is None else row["distance"]
        expected[frame] = np.nan if row["expected_dice"] is None else row["expected_dice"]
    found = least_sure(expected, distance, SUGGESTED, max(APART, len(rows) // 10))
    return [
        {
            "case": row["case"],
            "prompt": row["prompt"],
            "mode": row["mode"],
            "object": row["object"],
            "rank": rank,
            "frame": row["frame"],
            "expected_dice": row["expected_dice"],
            "distance": row["distance"],
            "name": row["name"],
        }
        for rank, row in enumerate((by_frame[frame] for frame in found), 1)
    ]


def _areas(answer: Segmentation) -> NDArray[np.intp]:
    """(O, D) pixels of each object on each slice."""
    counts = np.array([np.bincount(plane.ravel(), minlength=256) for plane in answer.mask])
    return counts[:, np.array(answer.object_ids, np.intp)].T


def _known(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
