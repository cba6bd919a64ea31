"""What detectors write: COCO's JSON, and YOLO's text files.

COCO (cocodataset.org/#format-data) states a box as left, top, width and height in pixels, YOLO
(docs.ultralytics.com/datasets/detect) as its centre, width and height in shares of the picture. Both count from the
picture's corner, so that a box from 3 to 5 covers the pixels 3 and 4, which in a `Prompt` is from 3 to 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from usframe.data.case import Detected
from usframe.errors import RequestError
from usframe.plain import read_json, read_text
from usframe.prompting.numbers import number, object_id, score_in

YOLO = ("x_center", "y_center", "width", "height")
NO_PICTURES = ("classes.txt", "labels.txt")  # which list what is detected


class Box(NamedTuple):
    """``name``: the file of the picture. ``said``: its case and slice, as far as the detector tells them."""

    name: str
    said: Mapping[str, Any]
    object_id: int
    detected: Detected
    score: float | None


def coco_boxes(path: Path) -> Iterator[tuple[str, Callable[[], Box]]] | None:
    """(where, how to make it) of every box; None where the file is none of COCO's, or cannot be read."""
    try:
        content = read_json(path) if path.suffix == ".json" else None
    except (OSError, ValueError):
        return None
    images: Any = []
    if isinstance(content, dict) and "annotations" in content:
        images, content = content.get("images", []), content["annotations"]
    elif not isinstance(content, list) or not any(isinstance(one, dict) and "bbox" in one for one in content):
        return None
    if not all(isinstance(part, list) and all(isinstance(one, dict) for one in part) for part in (images, content)):
        raise RequestError(f"{path}: its images and annotations are no lists of objects as COCO has them")
    by_id = {str(image.get("id")): image for image in images}
    return ((f"{path}: box {n}", partial(_coco_box, one, by_id)) for n, one in enumerate(content, 1))


def _coco_box(one: Mapping[str, Any], images: Mapping[str, Mapping[str, Any]]) -> Box:
    if missing := [key for key in ("bbox", "category_id") if key not in one]:
        raise ValueError(f"names no {', '.join(missing)}")
    image_id = one.get("image_id")
    if images and str(image_id) not in images:
        raise ValueError(f"image_id={image_id} is none of the images")
    about = {**images.get(str(image_id), {}), **one}
    box = one["bbox"]
    if not isinstance(box, list) or len(box) != 4:
        raise ValueError(f"bbox={str(box)[:80]} is not [left, top, width, height]")
    left, top, width, height = (number("bbox", item) for item in box)
    if width <= 0 or height <= 0:
        raise ValueError(f"bbox={box} has no size; it is [left, top, width, height]")
    sides = [number(side, about[side]) for side in ("width", "height") if side in about]
    name = about.get("file_name", image_id if isinstance(image_id, str) else "")
    return Box(
        str(name),
        about,
        object_id("category_id", one["category_id"]),
        Detected((left, top, left + width, top + height), (sides[0], sides[1]) if len(sides) == 2 else None),
        None if one.get("score") is None else score_in(one["score"]),
    )


def yolo_boxes(folder: Path, *, allow_outside: bool) -> Iterator[tuple[str, Callable[[], Box]]]:
    """(where, how to make it) of every line. Raises `RequestError` for files that cannot be read."""
    files = [file for file in sorted(folder.rglob("*.txt")) if file.name not in NO_PICTURES]
    if not files:
        raise RequestError(f"frames=file:{folder} holds no .txt of YOLO, one for each slice")
    for file in files:
        if not allow_outside and not file.resolve().is_relative_to(folder.resolve()):
            raise RequestError(f"{file} lies outside the folder of the prompts; allow_outside=true reads it")
        try:
            lines = read_text(file).splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise RequestError(f"{file}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
        name = file.relative_to(folder).as_posix()
        told = [(n, line) for n, line in enumerate(lines, 1) if line.strip()]
        yield from ((f"{file}:{n}", partial(_yolo_box, name, line)) for n, line in told)


def _yolo_box(name: str, line: str) -> Box:
    words = line.split()
    if len(words) not in (5, 6):
        raise ValueError(f"has {len(words)} numbers, not class {' '.join(YOLO)} and maybe confidence")
    shares = [number(key, word) for key, word in zip(YOLO, words[1:5], strict=True)]
    for key, share in zip(YOLO, shares, strict=True):
        if not 0 <= share <= 1:
            raise ValueError(
                f"{key}={share:g}, but YOLO's numbers are shares from 0 to 1 of the picture's width and height; "
                "boxes in pixels go into COCO's .json or a table"
            )
    x, y, width, height = shares
    edges = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    score = score_in(words[5]) if len(words) == 6 else None
    return Box(name, {}, object_id("class + 1", number("class", words[0]) + 1), Detected(edges, (1, 1)), score)
