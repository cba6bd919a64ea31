"""The page of a prepared data set: a picture of every case, what it is like, and the part it is in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from usframe.data.fingerprint import OBJECT, SIZES, SPACINGS
from usframe.data.splits import PARTS, Split
from usframe.files import write_file
from usframe.intensity import Slices
from usframe.reporting.page.pictures import most_labelled, thumbnail_size, webp
from usframe.reporting.pages import render
from usframe.reporting.record import RunRecord
from usframe.reporting.results import Failure
from usframe.reporting.style import OBJECTS, colour_of, draw_contour, grey_picture
from usframe.reporting.text import counted, fingerprint_lines, short
from usframe.types import Spacing

MOST = 500  # cases with a picture


class Entry(NamedTuple):
    """What the page says of a case. ``objects``: the colour of each, what it is called and how large it is."""

    case: str
    patient: str
    part: str
    picture: str | None
    size: str
    objects: list[tuple[str, str]]


def draw_case(data: Slices, labels: NDArray[np.uint8], spacing_mm: Spacing | None) -> str:
    """The slice of ``data`` (D, H, W) in 0-1 of which most is labelled, with outlines, as WebP in base 64."""
    frame = most_labelled(labels)
    picture = grey_picture(data[frame], thumbnail_size(labels.shape[1:], spacing_mm))
    for one in np.unique(labels[frame][labels[frame] > 0]):
        draw_contour(picture, labels[frame] == one, colour_of(one))
    return webp(picture[..., ::-1])


def write_data_set(
    path: Path,
    run: RunRecord,
    splits: Sequence[Split],
    patients: Mapping[str, str],
    rows: Sequence[Mapping[str, Any]],
    ranges: Mapping[str, Mapping[str, Any]],
    pictures: Mapping[str, str],
    failures: Sequence[Failure],
) -> None:
    """Write the page. ``rows``, ``ranges``: see `usframe.data.fingerprint`; ``patients``, ``pictures``: by case.

    Raises `WriteError`.
    """
    parts = _parts(splits)
    entries = [
        Entry(case, patients[case], parts.get(case, ""), pictures.get(case), _size(row), _objects(row))
        for case, row in sorted((row["case"], row) for row in rows)
    ]
    head, *lines = fingerprint_lines(ranges)
    html = render(
        "data_set.html",
        title="Data set",
        run=run,
        did="Prepared",
        prompts=(),
        failures=failures,
        parts=PARTS,
        folds=[[_count(cases, patients) for cases in asdict(split).values()] for split in splits],
        head=head,
        ranges=lines,
        entries=entries,
        about=f"{counted(len(patients), 'case')} of {counted(len({*patients.values()}), 'patient')}",
        left_out=max(0, len(entries) - MOST),
    )
    write_file(path, html)


def _parts(splits: Sequence[Split]) -> dict[str, str]:
    """Case -> the part it is in or, of several folds, the one that validates it."""
    found: dict[str, str] = {}
    for number, split in enumerate(splits):
        for part, cases in asdict(split).items():
            if len(splits) == 1 or part != "train":
                name = f"val of fold {number}" if len(splits) > 1 and part == "val" else part
                found |= dict.fromkeys(cases, name)
    return found


def _count(cases: Sequence[str], patients: Mapping[str, str]) -> str:
    of = len({patients[case] for case in cases})
    return f"{counted(len(cases), 'case')} of {counted(of, 'patient')}" if cases else ""


def _size(row: Mapping[str, Any]) -> str:
    size = " x ".join(str(row[name]) for name in SIZES)
    known = row[SPACINGS[0]] is not None
    spacing = " x ".join(short(row[name]) for name in SPACINGS) + " mm" if known else "voxel size unknown"
    return f"{size}, {spacing}"


def _objects(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    names = dict(name.split(" ", 1) for name in row["names"].split("; ") if name)
    found = []
    for one in row["labels"].split():
        called = f"{one} {names.get(one, '')}".rstrip()
        found.append(
            (OBJECTS[(int(one) - 1) % len(OBJECTS)], f"{called}: {short(row[OBJECT + one])} {row['unit']}")
        )
    return found
