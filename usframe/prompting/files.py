"""Prompts that come from elsewhere: a table of boxes, points and label files, made by a detector, a click tool, ...

One row is one prompt. ``case``, ``frame`` (slice, from 0) and ``object`` (1 to 255) say what it points out, and
``box`` (x0 y0 x1 y1, or these four columns), ``points`` (x y label; x y label; ...) and ``mask`` (a label file) say
how, in pixels of the slice. ``score`` is how sure a detector was. What detectors write themselves is read in
`usframe.prompting.detections`.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from usframe.data.alignment import align
from usframe.data.case import PromptRow
from usframe.data.reading import read_volume
from usframe.errors import CaseError, RequestError, UsframeError
from usframe.plain import read_json, read_text
from usframe.plugins.load import Plugins
from usframe.prompting.answers import checked
from usframe.prompting.detections import box_on, slice_of
from usframe.prompting.numbers import number, object_id, score_in, whole
from usframe.types import Prompt, Volume

EDGES = ("x0", "y0", "x1", "y1")
NEEDED = ("case", "frame", "object")
COLUMNS = (*NEEDED, "box", *EDGES, "points", "mask", "score")
SHOWN = 20


def read_prompt_file(path: Path, *, allow_outside: bool = False) -> dict[str, list[PromptRow]]:
    """Case -> its rows of a .csv with a header line, or of a .json that is a list of rows.

    Label files are found beside ``path`` or below, with ``allow_outside`` anywhere. Raises `RequestError` with
    every bad row, or where nothing can be read.
    """
    found: dict[str, list[PromptRow]] = {}
    problems = []
    try:
        for where, cells in _rows(path):
            try:
                found.setdefault(_case(cells), []).append(
                    _row(where, cells, path.parent, allow_outside=allow_outside)
                )
            except ValueError as error:
                problems.append(f"{where}: {error}")
    except (OSError, UnicodeDecodeError, csv.Error, RecursionError) as error:
        cause = error.strerror if isinstance(error, OSError) else error
        raise RequestError(f"frames=file:{path} cannot be read: {cause or error}") from error
    if len(problems) > SHOWN:
        problems[SHOWN:] = [f"{path}: {len(problems) - SHOWN} more rows like these"]
    if problems:
        raise RequestError(*problems)
    return found


def place_prompts(
    rows: Sequence[PromptRow],
    volume: Volume,
    extents: Mapping[int, tuple[int, int]],
    *,
    plugins: Plugins,
    layout: str = "auto",
    geometry: str = "refuse",
    allow_outside: bool = False,
) -> list[Prompt]:
    """The prompts of ``rows`` on ``volume``; the other arguments are those of the label files.

    ``extents``: object id -> first and last slice it may be on. Raises `CaseError` with everything that does not
    fit.
    """
    prompts, problems = [], []
    labels: dict[Path, NDArray[Any]] = {}
    for row in rows:
        try:
            mask, shape = None, volume.data.shape
            frame = slice_of(row, shape[0], volume.frames)
            _check_frame(frame, row.object_id, shape[0], extents)
            if row.mask is not None:
                if row.mask not in labels:
                    read = read_volume(
                        row.mask,
                        layout=layout,
                        onto=volume,
                        role="mask",
                        allow_outside=allow_outside,
                        plugins=plugins,
                    )
                    same = read.data.shape == volume.data.shape
                    labels[row.mask] = align(row.mask, read, volume, geometry)[0] if same else read.data
                mask = _mask(labels[row.mask], row, frame, shape)
            box = row.box if row.detected is None else box_on(row.detected, shape[1:])
            prompt = Prompt(frame, row.object_id, row.points, row.point_labels, box, mask, score=row.score)
            prompts.append(checked(prompt, shape[1:]))
        except (ValueError, UsframeError) as error:
            problems.append(f"{row.where}: {error}")
    if problems:
        raise CaseError("; ".join(problems))
    return prompts


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(file and line, cells that are not empty) of every row. Raises `RequestError` for another kind of file."""
    if path.suffix == ".json":
        try:
            rows = read_json(path)
        except json.JSONDecodeError as error:
            raise RequestError(f"{path}:{error.lineno}: {error.msg}") from error
        except UnicodeDecodeError:
            raise
        except ValueError as error:
            raise RequestError(f"{path}: is no JSON that can be read ({error})") from error
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise RequestError(f"{path}: must be a list of rows such as {{case: a, frame: 3, object: 1, ...}}")
        names = list(chain(*rows))
        numbered: Iterator[tuple[str, dict[str, Any]]] = ((f" row {n}", row) for n, row in enumerate(rows, 1))
    else:
        reader = csv.DictReader(io.StringIO(read_text(path), newline=""), restkey="", restval="")
        names = list(reader.fieldnames or ())
        numbered = ((str(reader.line_num), row) for row in reader)
    if unknown := [name for name in dict.fromkeys(names) if name not in COLUMNS]:
        listed = ", ".join(map(repr, unknown))
        raise RequestError(f"{path}: unknown column {listed}; known: {', '.join(COLUMNS)}")
    if path.suffix == ".csv" and (missing := [name for name in NEEDED if name not in names]):
        raise RequestError(f"{path}: its first line names no column {', '.join(missing)}")
    for at, row in numbered:
        yield f"{path}:{at}", {name: cell for name, cell in row.items() if cell not in ("", None)}


def _case(cells: Mapping[str, Any]) -> str:
    if "" in cells:
        raise ValueError("has more cells than there are columns; cells with commas need quotes")
    if missing := [name for name in NEEDED if name not in cells]:
        raise ValueError(f"names no {', '.join(missing)}")
    return normalize("NFC", str(cells["case"]))


def _row(where: str, cells: Mapping[str, Any], folder: Path, *, allow_outside: bool) -> PromptRow:
    frame, one = whole("frame", cells["frame"]), object_id("object", cells["object"])
    if frame < 0:
        raise ValueError(f"frame={frame}: slices are counted from 0")
    box, mask = _box(cells), None
    points, point_labels = _points(cells["points"]) if "points" in cells else (None, None)
    if "mask" in cells:
        mask = folder / str(cells["mask"])
        if not mask.is_file():
            raise ValueError(f"mask={mask}: there is no such file")
        if not allow_outside and not mask.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"mask={mask} lies outside the folder of the prompts; allow_outside=true reads it")
    if box is None and mask is None and (point_labels is None or not point_labels.any()):
        raise ValueError("has neither a box nor a mask nor a point with label 1; fill it in or take it out")
    score = score_in(cells["score"]) if "score" in cells else None
    return PromptRow(where, frame, one, points, point_labels, box, mask, score)


def _box(cells: Mapping[str, Any]) -> NDArray[np.float32] | None:
    edges = [name for name in EDGES if name in cells]
    if "box" in cells and edges:
        raise ValueError("has a box and its edges too; give one of them")
    if "box" in cells:
        numbers = _numbers("box", _items(cells["box"]))
    elif edges:
        numbers = _numbers("box", [cells[name] for name in edges])
    else:
        return None
    if len(numbers) != 4:
        raise ValueError(f"box has {len(numbers)} numbers, not x0, y0, x1, y1")
    if numbers[0] > numbers[2] or numbers[1] > numbers[3]:
        raise ValueError(f"box={numbers} ends before it begins; it is x0, y0, x1, y1")
    if max(numbers) <= 1 and any(number != int(number) for number in numbers):
        told = " ".join(f"{number:g}" for number in numbers)
        raise ValueError(f"box {told} looks normalised; usframe takes pixels, multiply by the width and height")
    return np.array(numbers, np.float32)


def _points(cell: Any) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """xy (N, 2) and labels (N,); a point without a label lies inside."""
    listed = cell if isinstance(cell, list) else [part for part in str(cell).split(";") if part.strip()]
    points = [_numbers("points", _items(point)) for point in listed]
    if not points or any(len(point) not in (2, 3) or point[2:] not in ([], [0], [1]) for point in points):
        raise ValueError(f"points={cell} are not x y label; x y label; ... with label 1 (inside) or 0 (outside)")
    labels = [point[2] if len(point) == 3 else 1 for point in points]
    return np.array([point[:2] for point in points], np.float32), np.array(labels, np.int64)


def _items(cell: Any) -> list[Any]:
    return cell if isinstance(cell, list) else re.split(r"[\s,;]+", str(cell).strip())


def _numbers(name: str, items: Sequence[Any]) -> list[float]:
    return [number(name, item) for item in items]


def _check_frame(frame: int, object_id: int, depth: int, extents: Mapping[int, tuple[int, int]]) -> None:
    if frame >= depth:
        raise ValueError(f"frame={frame}, but the last slice of the volume is {depth - 1}")
    first, last = extents.get(object_id, (0, depth - 1))
    if not first <= frame <= last:
        raise ValueError(f"frame={frame} lies outside z_range, which is {first} to {last} for the object")


def _mask(labels: NDArray[Any], row: PromptRow, frame: int, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The pixels of the object on its slice; a file of nothing but 0 and 1 (or 255) holds the object, whichever."""
    if labels.shape not in (shape, (1, *shape[1:])):
        raise ValueError(f"{row.mask} has the shape (D, H, W) = {labels.shape}, the volume {shape}")
    values = np.unique(labels[labels != 0])
    plane = labels[frame if labels.shape == shape else 0]
    mask: NDArray[np.bool_] = plane != 0 if values.tolist() in ([1], [255]) else plane == row.object_id
    if not mask.any():
        raise ValueError(f"{row.mask} shows nothing of object {row.object_id} on slice {frame}")
    return mask
