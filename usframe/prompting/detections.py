"""Boxes that a detector found: which of them prompt, and on which slice of which case."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from usframe.config.schema import Detections
from usframe.data.case import Detected, PromptRow
from usframe.errors import RequestError
from usframe.prompting.formats import coco_boxes, yolo_boxes
from usframe.prompting.numbers import whole

SUFFIX = re.compile(r"\.(nii\.gz|seg\.nrrd|[A-Za-z][A-Za-z0-9]{1,5})$")
NUMBERED = re.compile(r"(.*?)[_-]?(\d{1,9})")
ANY_CASE = ("images", "labels")  # folders that are called after no case
SHOWN = 20
OVERHANG = 1  # pixels by which detectors reach beyond a picture


def read_detections(
    path: Path, known: Sequence[str], first_slice: int = 0, *, allow_outside: bool = False
) -> dict[str, list[PromptRow]] | None:
    """Case -> its boxes in a folder of YOLO's .txt or in COCO's .json; None for every other file.

    ``known``: the names of all cases. A picture is called ``CASE_0012``, lies in a folder ``CASE``, or is all of
    its case; its number is that of the slice, of which the first is ``first_slice``. Raises `RequestError` with
    every box that cannot be used, or whose case nothing tells.
    """
    found: dict[str, list[PromptRow]] = {}
    problems = []
    boxes = yolo_boxes(path, allow_outside=allow_outside) if path.is_dir() else coco_boxes(path)
    if boxes is None:
        return None
    for where, make in boxes:
        try:
            box = make()
            case, frame, pictures = _place(box.name, box.said, known, first_slice)
            row = PromptRow(where, frame, box.object_id, score=box.score, pictures=pictures, detected=box.detected)
            found.setdefault(case, []).append(row)
        except ValueError as error:
            problems.append(f"{where}: {error}")
    if problems:
        more = [f"{path}: {len(problems) - SHOWN} more boxes like these"] * (len(problems) > SHOWN)
        raise RequestError(*problems[:SHOWN], *more)
    if path.is_file() and _normalised([row.detected for rows in found.values() for row in rows if row.detected]):
        raise RequestError(
            f"{path}: no box reaches beyond 1, so they look normalised; COCO's are left, top, width and height in "
            "pixels: multiply by the width and height of the slices"
        )
    return found


def choose(rows: Sequence[PromptRow], settings: Detections) -> tuple[list[PromptRow], list[str]]:
    """The rows that prompt, and what is to be noted about the others.

    Rows without a score always do.
    """
    sure = [row for row in rows if row.score is None or row.score >= settings.least_score]
    notes = []
    if weak := len(rows) - len(sure):
        notes.append(f"{weak} of {len(rows)} boxes have a score below detections.least_score and were left out")
    if settings.several == "all":
        return sure, notes
    best: dict[Any, PromptRow] = {}
    for row in sure:
        other = best.setdefault(_object_of(row), row)
        if (row.score or 0) > (other.score or 0):
            best[_object_of(row)] = row
    kept = [row for row in sure if row.score is None or best[_object_of(row)] is row]
    if beaten := len(sure) - len(kept):
        notes.append(
            f"{beaten} of {len(rows)} boxes were left out for one of a higher score on the same slice; "
            "detections.several=all takes them as pieces of the object"
        )
    return kept, notes


def slice_of(row: PromptRow, depth: int, pictures: Sequence[str]) -> int:
    """The slice that a row is about, of a volume of ``depth`` slices; ``pictures``: what these are called.

    Raises `ValueError`.
    """
    if row.pictures and pictures:
        for name in row.pictures:
            if name in pictures:
                return pictures.index(name)
        raise ValueError(f"the case has no picture {row.pictures[0]}; its first is {pictures[0]}")
    if row.frame is None and (row.pictures or depth > 1):
        raise ValueError(f"nothing says which of the {depth} slices it is about; call it CASE_0012, or say slice")
    if row.frame is not None and row.frame < 0:
        raise ValueError("its number is below detections.first_slice, the number of the first slice")
    return row.frame or 0


def box_on(detected: Detected, shape: Sequence[int]) -> NDArray[np.float32]:
    """The box xyxy of a `Prompt` on a slice (H, W). Raises `ValueError` where it belongs to another picture."""
    height, width = shape
    edges = np.array(detected.edges)
    if detected.size == (1, 1):
        edges *= (width, height, width, height)
    elif detected.size not in (None, (width, height)):
        w, h = detected.size or (0, 0)
        raise ValueError(f"its picture has {w:g} x {h:g} pixels, the slice {width} x {height}")
    if edges.min() < -OVERHANG or edges[2] > width + OVERHANG or edges[3] > height + OVERHANG:
        told = " ".join(f"{edge:g}" for edge in edges)
        raise ValueError(f"the box from {told} reaches beyond the slice of {width} x {height} pixels")
    last = np.array([width - 1, height - 1])
    start = np.clip(edges[:2], 0, last)
    return np.concatenate([start, np.clip(edges[2:] - 1, start, last)]).astype(np.float32)


def _object_of(row: PromptRow) -> tuple[Any, ...]:
    return row.frame, row.pictures, row.object_id, row.score is None


def _normalised(boxes: Sequence[Detected]) -> bool:
    edges = [edge for box in boxes for edge in box.edges]
    return bool(edges) and max(edges) <= 1 and any(edge != int(edge) for edge in edges)


def _place(
    name: str, said: Mapping[str, Any], known: Sequence[str], first_slice: int
) -> tuple[str, int | None, tuple[str, ...]]:
    """The case of a picture, its slice, and what the picture may be called, as far as its ``name`` tells."""
    *folders, file = normalize("NFC", name).replace("\\", "/").split("/")
    stem = SUFFIX.sub("", file)
    numbered = NUMBERED.fullmatch(stem)
    before, digits = (numbered[1], numbered[2]) if numbered else ("", "")
    own = {stem} & {*known}
    if "case" in said:
        case = normalize("NFC", str(said["case"]))
    elif folders and folders[-1] in known:
        case = folders[-1]
    elif own or before in known:
        case = stem if own else before
    elif len(known) == 1 and (not folders or folders[-1] in ANY_CASE):
        case, digits = known[0], "" if before else digits
    else:
        raise ValueError(f"{name or 'it'} names no case; call the picture {known[0]}_0012, or say case and slice")
    for key in ("slice", "frame"):
        if key in said:
            return case, whole(key, said[key]) - first_slice, ()
    if stem in ("", case):
        return case, None, ()
    return case, int(digits) - first_slice if digits else None, (stem, digits) if before == case else (stem,)
