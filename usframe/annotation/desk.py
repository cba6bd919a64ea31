"""A folder that keeps a session: closed, or cut off, it is taken up again just as it was.

``prompts.csv`` has the prompts as ``frames=file:PATH`` reads them, ``carried.csv`` those that were carried through
the volume, ``session.json`` the objects, and ``masks/`` what was painted or locked, named after its content.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, TypedDict, cast, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from usframe.annotation import network
from usframe.annotation.session import Session
from usframe.annotation.state import Carried, Item, State
from usframe.config.schema import Fill
from usframe.errors import RequestError
from usframe.files import write_csv, write_file, write_json
from usframe.plain import read_json
from usframe.plugins import Plugins
from usframe.prompting.files import place_prompts, read_prompt_file
from usframe.types import Prompt

PROMPTS, CARRIED, RECORD, MASKS = "prompts.csv", "carried.csv", "session.json", "masks"
COLUMNS = ("case", "frame", "object", "box", "points", "mask")


class Since(TypedDict, total=False):
    """What was done since the object was carried: slices drawn on, if only with the same prompt, and cleared."""

    redrawn: list[int]
    cleared: list[int]


class KeptObject(Since):
    """An object in session.json. ``way``: how it was carried, ``locked``: the file with its mask, None for not."""

    id: int
    name: str
    way: str | None
    absent: list[int]
    locked: str | None


class Kept(TypedDict):
    """What session.json holds. ``shape``: (D, H, W) of the volume."""

    case: str
    shape: list[int]
    active: int
    accepted: bool
    objects: list[KeptObject]


def keep(session: Session, folder: Path, case: str) -> None:
    """Write what a session knows. Raises `WriteError`; each file is whole or as it was."""
    files: dict[str, bytes] = {}
    items = session.state.items
    prompts = [prompt for item in items.values() for prompt in item.prompts.values()]
    before = [prompt for item in items.values() if item.carried for prompt in item.carried.prompts.values()]
    current, carried = ([_row(case, one, files) for one in sorted(part, key=_place)] for part in (prompts, before))
    kept: Kept = {
        "case": case,
        "shape": list(session.data.shape),
        "active": session.state.active,
        "accepted": session.state.accepted,
        "objects": [_object(one, item, len(session.data), files) for one, item in sorted(items.items())],
    }
    for name, content in files.items():
        if not (folder / name).exists():
            write_file(folder / name, content)
    write_csv(folder / CARRIED, COLUMNS, carried)
    write_json(folder / RECORD, kept)
    write_csv(folder / PROMPTS, COLUMNS, current)
    for old in (folder / MASKS).glob("*.*"):
        if f"{MASKS}/{old.name}" not in files:
            old.unlink()


def take_up(session: Session, folder: Path, case: str, plugins: Plugins) -> bool:
    """Bring a fresh session to where `keep` left one; whether there was one.

    Raises `RequestError` for files that cannot be read, or belong to another volume.
    """
    if not (folder / RECORD).exists():
        return False
    kept = _read(folder / RECORD)
    if (kept["case"], kept["shape"]) != (case, list(session.data.shape)):
        raise RequestError(
            f"{folder / RECORD} is of case {kept['case']} with the shape {kept['shape']}, not of {case} with "
            f"{list(session.data.shape)}; choose another -o"
        )
    current, carried = (_prompts(session, folder / name, plugins) for name in (PROMPTS, CARRIED))
    items = {
        one["id"]: _item(session, one, current.get(one["id"], {}), carried.get(one["id"], {}), folder)
        for one in kept["objects"]
    }
    session.begin(State(items, kept["active"], kept["accepted"]))
    return True


def _item(
    session: Session, one: KeptObject, current: Mapping[int, Prompt], before: Mapping[int, Prompt], folder: Path
) -> Item:
    item = Item(one["name"], current, absent=frozenset(one["absent"]))
    if one["way"] is None:
        planes = {at: network.answer(prompt, session.encoded) for at, prompt in current.items()}
        item = replace(item, planes=planes)
    else:
        kept = current.keys() - one.get("redrawn", [])
        unchanged = {at for at, prompt in before.items() if at in kept and _same(current[at], prompt)}
        same = {at: current[at] if at in unchanged else prompt for at, prompt in before.items()}
        item = network.carry(item, Carried(cast(Fill, one["way"]), same), session.encoded, lambda slices: None)
        cleared = one.get("cleared", before.keys() - current.keys())
        item = replace(item, planes={at: plane for at, plane in item.planes.items() if at not in cleared})
    if one["locked"] is None:
        return item
    return replace(item, locked=_unpacked(folder / one["locked"], session.shape))


def _place(prompt: Prompt) -> tuple[int, int]:
    return prompt.object_id, prompt.frame


def _row(case: str, prompt: Prompt, files: dict[str, bytes]) -> dict[str, Any]:
    row = {"case": case, "frame": prompt.frame, "object": prompt.object_id, "box": "", "points": "", "mask": ""}
    if prompt.box is not None:
        row["box"] = " ".join(_told(prompt.box))
    if prompt.points is not None and prompt.point_labels is not None:
        both = zip(prompt.points, prompt.point_labels.tolist(), strict=True)
        row["points"] = "; ".join(f"{' '.join(_told(xy))} {label}" for xy, label in both)
    if prompt.mask is not None:
        picture = cv2.imencode(".png", prompt.mask.astype(np.uint8) * 255)[1].tobytes()
        row["mask"] = _add(files, picture, ".png")
    return row


def _object(one: int, item: Item, depth: int, files: dict[str, bytes]) -> KeptObject:
    way, before = (item.carried.way, item.carried.prompts) if item.carried else (None, {})
    return {
        "id": one,
        "name": item.name,
        "way": way,
        "absent": sorted(item.absent),
        "locked": None if item.locked is None else _add(files, _packed(item.locked), ".npz"),
        "redrawn": sorted(at for at, prompt in item.prompts.items() if before.get(at, prompt) is not prompt),
        "cleared": sorted({*range(depth)} - item.planes.keys() - item.absent) if item.carried else [],
    }


def _told(numbers: Iterable[Any]) -> list[str]:
    """Float32 numbers in the shortest words that are read as the same."""
    return [str(np.float32(number)) for number in numbers]


def _add(files: dict[str, bytes], content: bytes, suffix: str) -> str:
    name = f"{MASKS}/{sha256(content).hexdigest()[:24]}{suffix}"
    files[name] = content
    return name


def _packed(locked: Mapping[int, NDArray[np.bool_]]) -> bytes:
    content = io.BytesIO()
    planes = [np.packbits(plane) for _, plane in sorted(locked.items())]
    np.savez_compressed(content, frames=np.array(sorted(locked), np.int64), planes=np.array(planes, np.uint8))
    return content.getvalue()


def _unpacked(path: Path, shape: tuple[int, int]) -> dict[int, NDArray[np.bool_]]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            frames, planes = stored["frames"].tolist(), stored["planes"]
            pixels = [np.unpackbits(plane, count=shape[0] * shape[1]) for plane in planes]
            return {at: plane.reshape(shape).astype(bool) for at, plane in zip(frames, pixels, strict=True)}
    except (OSError, ValueError, KeyError) as error:
        raise RequestError(f"{path}: cannot be read ({error}); the locked mask is lost") from error


def _prompts(session: Session, path: Path, plugins: Plugins) -> dict[int, dict[int, Prompt]]:
    """Object id -> slice -> prompt."""
    rows = [row for rows in read_prompt_file(path).values() for row in rows]
    found: dict[int, dict[int, Prompt]] = {}
    for prompt in place_prompts(rows, session.volume, {}, plugins=plugins):
        found.setdefault(prompt.object_id, {})[prompt.frame] = prompt
    return found


def _same(one: Prompt, other: Prompt) -> bool:
    parts = ("points", "point_labels", "box", "mask")
    return all(np.array_equal(getattr(one, part), getattr(other, part)) for part in parts)


def _read(path: Path) -> Kept:
    try:
        kept: Kept = read_json(path, Kept)
    except (OSError, ValueError, json.JSONDecodeError) as error:
        raise RequestError(f"{path} cannot be read ({error}); move its folder away to begin anew") from error
    if any(one["way"] not in (None, *get_args(Fill)) for one in kept["objects"]):
        raise RequestError(
            f"{path} has an object that was carried in no known way; move its folder away to begin anew"
        )
    return kept
