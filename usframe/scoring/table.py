"""Rows of scores, and the CSV files of a run that have them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from usframe.files import write_csv

METRICS = ("dice", "iou", "hd95_mm", "assd_mm", "nsd")
COLUMNS = (
    *("case", "prompt", "mode", "object", "slices", "n_slices"),
    *METRICS,
    *("volume_ml", "reference_volume_ml", "predicted_iou", "unit", "oracle", "group"),
    *("asked", "measured", "undefined_frames", "name"),
)
SLICE_COLUMNS = (*COLUMNS[:4], "frame", *COLUMNS[4:])
SLICES = ("all", "prompted", "unprompted")
PER_FRAME, IN_SPACE = "2D per frame", "3D"  # how distances were measured


class _OfSlice(TypedDict, total=False):
    frame: int


class Row(_OfSlice):
    """The scores of one object on one set of slices of a case. ``draw``: 0 for clean prompts, else their number.

    ``scores``: metric -> score, and ``predicted_iou``. ``oracle``: whether the prompt held the object's own label
    on these slices. ``group``: the patient. ``frame``: the slice, where the row is about a single one. ``asked``:
    whether the object had a prompt in this case. ``measured``: `PER_FRAME` or `IN_SPACE`. ``undefined_frames``: how
    many slices have no distance, as only one of the two shows the object; None in 3D. ``name``: of the object, ""
    where the labels have none.
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
    asked: bool
    measured: str
    undefined_frames: int | None
    name: str


@dataclass(frozen=True)
class RowKey:
    """What the rows of one answer share.

    ``group``: the patient, whose cases are not independent of each other. ``names``: of objects, by id.
    """

    case: str
    group: str
    mode: str
    prompt: str
    draw: int = 0
    names: Mapping[int, str] = field(default_factory=dict)


def score_names(rows: Iterable[Row]) -> list[str]:
    """The scores that any of the rows has, in the order of columns."""
    return list(dict.fromkeys(name for row in rows for name in row["scores"]))


def object_names(rows: Iterable[Row]) -> dict[str, str]:
    """Id, as text -> name of the objects that have one."""
    return {str(row["object"]): row["name"] for row in rows if row["name"]}


def write_metrics(path: Path, rows: Sequence[Row]) -> None:
    """Write metrics.csv, one line per row, an empty field for what is undefined. Raises `WriteError`."""
    write_csv(path, _columns(COLUMNS, rows), _flat(rows))


def write_slice_metrics(path: Path, rows: Sequence[Row]) -> None:
    """Write metrics_per_slice.csv, the same for single slices. Raises `WriteError`."""
    write_csv(path, _columns(SLICE_COLUMNS, rows), _flat(rows))


def drawn_name(row: Row) -> str:
    """What a strategy is called in the files: its name, with the number of the draw where that is noised."""
    return f"{row['prompt']} (noised {row['draw']})" if row["draw"] else row["prompt"]


def _columns(known: Sequence[str], rows: Sequence[Row]) -> list[str]:
    return [*known, *(name for name in score_names(rows) if name not in known)]


def _flat(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    for row in rows:
        line: dict[str, Any] = {key: value for key, value in row.items() if key not in ("scores", "draw")}
        said = {key: str(line[key]).lower() for key in ("oracle", "asked")}
        yield line | row["scores"] | said | {"prompt": drawn_name(row)}
