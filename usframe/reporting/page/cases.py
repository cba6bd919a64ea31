"""What the page knows of all cases: a row for each object and prompt, and which slices it has inside."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any, TypeAlias
from urllib.parse import quote

from usframe.reporting.page.distance import Distances
from usframe.reporting.page.slices import head_of, read_slices, slices_path
from usframe.reporting.quality import OBJECT, Piece, Told
from usframe.reporting.results import NO_NETWORK
from usframe.scoring.summary import PREDICTED
from usframe.scoring.table import SLICES, Row, score_names

INSIDE = 45_000_000  # letters of slices that the page has inside; those of more cases are beside it
DIGITS = {"hd95_mm": 2, "assd_mm": 2, "volume_ml": 2, "reference_volume_ml": 2, "area": 1}
LABELS = {
    **{"dice": "Dice", "iou": "IoU", "hd95_mm": "HD95", "assd_mm": "ASSD", "nsd": "NSD"},
    **{"expected": "Expected Dice", PREDICTED: "Predicted IoU", "volume_ml": "Volume ml"},
    **{"reference_volume_ml": "Labels ml", "area": "Mean area"},
}
HIGH_IS_BAD = ("hd95_mm", "assd_mm")
BY_UNIT = ("hd95_mm", "assd_mm")

Line: TypeAlias = dict[str, Any]  # of the table: case, prompt, object, slices, oracle, asked and values


@dataclass(frozen=True)
class Seen:
    """What the page's script is given: ``data`` about all cases, and the slices that are ``inside``, by number of
    the case.
    """

    data: dict[str, Any]
    inside: list[tuple[int, str]]

    @property
    def beside(self) -> bool:
        """Whether the page takes more slices from files beside it."""
        return len(self.inside) < sum(bool(file) for *_, file in self.data["cases"])


def table_lines(rows: Sequence[Row], told: Sequence[Told], pieces: Mapping[str, Path]) -> list[Line]:
    """The lines of the table: those of ``rows``, or without any what the network says and volumes.

    ``told``: what is expected of objects; ``pieces``: of the cases, by name.
    """
    expected = {(one["case"], one["prompt"], one["object"]): one["dice"] for one in told}
    if not rows:
        return [line for path in pieces.values() for line in _unlabelled(Piece.read(path), expected)]
    return [
        {
            **{key: row[key] for key in ("case", "group", "prompt", "object", "slices", "oracle", "asked")},
            "values": {
                **row["scores"],
                "expected": expected.get(_key(row)) if row["slices"] == "all" else None,
                **{key: row[key] for key in ("volume_ml", "reference_volume_ml")},
            },
        }
        for row in rows
        if row["n_slices"] and row["draw"] == 0
    ]


def _key(row: Row) -> tuple[str, str, int]:
    return row["case"], row["prompt"], row["object"]


def _unlabelled(piece: Piece, expected: Mapping[tuple[str, str, int], float]) -> Iterable[Line]:
    """The lines of one case without labels."""
    volumes = {(row["prompt"], row["object"]): row["volume_ml"] for row in piece.measures if row["frame"] is None}
    areas: dict[tuple[str, int], list[float]] = {}
    for row in piece.measures:
        if row["frame"] is not None and row["area"] is not None:
            areas.setdefault((row["prompt"], row["object"]), []).append(row["area"])
    for (_, prompt, one), group in groupby(sorted(piece.quality, key=OBJECT), OBJECT):
        mine = list(group)
        own = [row["predicted_iou"] for row in mine if row["predicted_iou"] is not None]
        values = {
            "expected": expected.get((mine[0]["case"], prompt, one)),
            PREDICTED: fmean(own) if own else None,
            "volume_ml": volumes.get((prompt, one)),
            "area": None if (prompt, one) in volumes or (prompt, one) not in areas else fmean(areas[prompt, one]),
        }
        about = {"case": mine[0]["case"], "group": mine[0]["case"], "prompt": prompt, "object": one}
        yield {**about, "slices": "all", "oracle": False, "asked": True, "values": values}


def describe_cases(
    lines: Sequence[Line], done: Sequence[str], *, out: Path, objects: Mapping[str, str], **facts: Any
) -> Seen:
    """What the page shows of cases, with the slices of as many as there is room for.

    ``done``: the cases that went well. ``objects``: what they are called, by id. ``facts``: ``marks``, ``mode``,
    ``unit`` and what else is handed on. Of the worst cases the slices come first.
    """
    groups = {line["case"]: line["group"] for line in lines}
    places = {case: slices_path(out, case) for case in done}
    inside: list[tuple[int, str]] = []
    files: dict[str, str] = {}
    room, distances = INSIDE, Distances()
    for case in _worst_first(lines, done, facts["marks"]):
        text = read_slices(places[case])
        if text is None:
            continue
        distances.add(head_of(text))
        files[case] = quote(os.fsencode(places[case].relative_to(out).as_posix()))
        room -= len(text)
        if room >= 0:  # the worst ones of them
            inside.append((done.index(case), text))
    columns = [name for name in _columns(lines) if any(line["values"].get(name) is not None for line in lines)]
    prompts = list(dict.fromkeys(line["prompt"] for line in lines))
    data = {
        "cases": [[case, groups.get(case, case), files.get(case, "")] for case in done],
        "prompts": prompts,
        "objects": objects,
        "slices": [name for name in SLICES if any(line["slices"] == name for line in lines)],
        "columns": [_column(name, facts["unit"]) for name in columns],
        "rows": _packed(lines, done, prompts, columns),
        "distances": distances.curves(),
        **facts,
    }
    return Seen(data, inside)


def _packed(
    lines: Sequence[Line], done: Sequence[str], prompts: Sequence[str], columns: Sequence[str]
) -> list[list[Any]]:
    """Case, prompt, object, slices, oracle (1), not asked (2), and the values of ``columns``, line by line."""
    number = {case: n for n, case in enumerate(done)}
    return [
        [
            *(number[line["case"]], prompts.index(line["prompt"]), line["object"], SLICES.index(line["slices"])),
            int(line["oracle"]) + 2 * (not line["asked"]),
            *(_rounded(line["values"].get(name), DIGITS.get(name, 3)) for name in columns),
        ]
        for line in lines
        if line["case"] in number
    ]


def script_json(data: Mapping[str, Any]) -> str:
    """JSON that ends no script element, whatever it says."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _worst_first(lines: Sequence[Line], done: Sequence[str], marks: Mapping[str, str]) -> list[str]:
    """The cases by the lowest Dice, or what is expected of it, among their objects and a network's answers."""
    lowest: dict[str, float] = {}
    for line in lines:
        values = line["values"]
        found = next((values[key] for key in ("dice", "expected", PREDICTED) if values.get(key) is not None), None)
        if found is not None and line["slices"] == "all" and marks.get(line["prompt"]) != NO_NETWORK:
            lowest[line["case"]] = min(found, lowest.get(line["case"], found))
    return sorted(done, key=lambda case: (lowest.get(case, 2.0), case))


def _columns(lines: Sequence[Line]) -> list[str]:
    """Scores in their order, then what the network says, then volumes."""
    scores = score_names([{"scores": line["values"]} for line in lines])  # type: ignore[typeddict-item]
    last = ("expected", PREDICTED, "volume_ml", "reference_volume_ml", "area")
    return [*(name for name in scores if name not in last), *last]


def _column(name: str, unit: str) -> dict[str, Any]:
    label = f"{LABELS.get(name, name)} {unit}" if name in BY_UNIT else LABELS.get(name, name)
    return {"key": name, "label": label, "digits": DIGITS.get(name, 3), "high": name in HIGH_IS_BAD}


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(float(value), digits)
