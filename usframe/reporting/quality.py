"""quality.csv and next.csv, put together from what every case left, and what of them is shown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeAlias, get_type_hints

from usframe.errors import escape
from usframe.files import write_csv, write_file
from usframe.plain import read_text
from usframe.scoring.measures import MeasureRow
from usframe.scoring.quality import Expected, NextRow, QualityRow, expect, suggest
from usframe.scoring.summary import called

COLUMNS, MEASURES = tuple(get_type_hints(QualityRow)), tuple(get_type_hints(MeasureRow))
NEXT_COLUMNS = tuple(get_type_hints(NextRow))
OBJECT = itemgetter("mode", "prompt", "object")  # of a case
WORST, DRAWN = 5, 12  # of the objects that are listed on the terminal, and drawn on the page

Told: TypeAlias = dict[str, Any]  # of an object of a case: its case, mode, prompt, object and name, and `Expected`


@dataclass(frozen=True)
class Piece:
    """What one case leaves for the tables of single slices."""

    quality: list[QualityRow]
    measures: list[MeasureRow]

    def write(self, path: Path) -> None:
        """Raises `WriteError`."""
        tables = (self.quality, self.measures)
        write_file(path, json.dumps([[list(row.values()) for row in rows] for rows in tables]))

    @classmethod
    def read(cls, path: Path) -> Piece:
        """Nothing where there is no such file. Raises `ValueError` and `TypeError` for one that is none of ours."""
        tables: Any = json.loads(read_text(path)) if path.exists() else [[], []]
        rows = [
            [dict(zip(columns, line, strict=True)) for line in lines]
            for columns, lines in zip((COLUMNS, MEASURES), tables, strict=True)
        ]
        return cls(*rows)  # type: ignore[arg-type]


def write_quality(out: Path, pieces: Sequence[Path]) -> list[Told]:
    """Write both tables of the cases that have ``pieces``; what is expected of their objects, the worst first.

    Nothing is written where no case tells anything. Raises `WriteError`.
    """
    told: list[Told] = []
    following: list[NextRow] = []

    def rows() -> Iterator[QualityRow]:
        for path in pieces:
            every = sorted(Piece.read(path).quality, key=OBJECT)
            for (mode, prompt, one), group in groupby(every, OBJECT):
                mine = list(group)
                about = {"case": mine[0]["case"], "mode": mode, "prompt": prompt, "object": one}
                if expected := expect(mine):
                    told.append({**about, "name": mine[0]["name"], **expected})
                following.extend(suggest(mine))
            yield from every

    if not any(Piece.read(path).quality for path in pieces):
        return []
    write_csv(out / "quality.csv", COLUMNS, rows())
    if following:
        write_csv(out / "next.csv", NEXT_COLUMNS, following)
    return sorted(told, key=lambda one: (one["dice"], one["case"]))


def draw_worst(told: Sequence[Told], pieces: Mapping[str, Path]) -> list[Told]:
    """Of the worst objects what is expected of each slice, to be drawn: ``curves``, a list of points for every
    stretch of slices that follow each other, and ``prompted``, points; x and y run from 0 to 1.

    ``pieces``: by case.
    """
    drawn = []
    for one in told[:DRAWN]:
        rows = [row for row in Piece.read(pieces[one["case"]]).quality if OBJECT(row) == OBJECT(one)]
        last = max(max(row["frame"] for row in rows), 1)
        known = [row for row in rows if row["expected_dice"] is not None]
        curves: list[list[tuple[float, float]]] = []
        for number, row in enumerate(known):
            if not number or row["frame"] != known[number - 1]["frame"] + 1:
                curves.append([])
            curves[-1].append((row["frame"] / last, row["expected_dice"] or 0.0))
        prompted = [row["frame"] / last for row in known if row["distance"] == 0]
        drawn.append({**one, "curves": curves, "prompted": prompted, "slices": last})
    return drawn


def nested(told: Iterable[Told]) -> dict[str, dict[str, dict[str, Expected]]]:
    """Prompt -> case -> object id -> what is expected of it, as summary.json has it."""
    found: dict[str, dict[str, dict[str, Expected]]] = {}
    for one in told:
        by_object = found.setdefault(one["prompt"], {}).setdefault(one["case"], {})
        by_object[str(one["object"])] = {"dice": one["dice"], "low": one["low"], "high": one["high"]}
    return found


def describe_worst(told: Sequence[Told], names: Mapping[str, str]) -> list[str]:
    """A line for the terminal about each of the objects that are expected to be worst."""
    return [
        escape(
            f"{one['case']}, object {called(str(one['object']), names)}, {one['prompt']}: "
            f"expected Dice {one['dice']:.2f} ({one['low']:.2f} to {one['high']:.2f})"
        )
        for one in told[:WORST]
    ]
