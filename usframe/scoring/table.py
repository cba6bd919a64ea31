"""Rows of scores as the CSV files of a run have them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from usframe.files import write_csv
from usframe.scoring.metrics import COLUMNS, SLICE_COLUMNS, Row


def score_names(rows: Iterable[Row]) -> list[str]:
    """The scores that any of the rows has, in the order of columns."""
    return list(dict.fromkeys(name for row in rows for name in row["scores"]))


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
        yield line | row["scores"] | {"prompt": drawn_name(row), "oracle": str(row["oracle"]).lower()}
