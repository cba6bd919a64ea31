"""The verbs of the nnInteractive protocol, version 2, done by a session.

Its arrays and coordinates are in the order of the volume, (D, H, W): slices, rows, columns. nnInteractive sees in
3D; here a prompt is drawn on the slices that it touches, and the object is then carried from them through the
volume. The answer is the part of the mask that is another than what the client has.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from usframe.annotation import strokes
from usframe.annotation.session import Session
from usframe.annotation.state import Item, State
from usframe.errors import CaseError, RequestError
from usframe.serving import drawing
from usframe.serving.arrays import Array
from usframe.serving.clients import Client, Clients, RefusalError
from usframe.serving.fields import Fields, flag, intervals, numbers
from usframe.types import Backbone, MemoryBackbone, Volume

OBJECT = 1  # the one that is drawn; a client keeps those before it itself
CAPABILITIES = {
    "supported_interactions": {"points": True, "bbox2d": True, "bbox3d": False, "scribble": True, "lasso": True},
    "channel_mapping": {"prev_seg": 0, "bbox2d": [1, 2], "lasso": [1, 2], "points": [3, 4], "scribble": [5, 6]},
    "num_interaction_channels": 7,
    "supports_initial_label": True,
    "supports_zero_shot_label_refinement": False,
    "supports_undo": True,
    "preferred_scribble_thickness": [strokes.WIDTH] * 3,
    "interaction_decay": None,
    "patch_size": None,
    "do_autozoom": False,
    "inference_session_version": "2.6.0",
    "license": "that of the checkpoint usframe serves",
}


class Answer(NamedTuple):
    """What a client is told, and the array that goes with it."""

    said: dict[str, Any]
    array: NDArray[np.uint8] | None = None


NOTHING = Answer({"ran_prediction": False, "bbox": None})


@dataclass(frozen=True)
class Desk:
    """Where a request is worked on: whose it is, with what network. ``go_on`` raises once nobody waits any more."""

    clients: Clients
    client: Client
    backbone: Backbone
    go_on: Callable[[int], object]


def set_image(desk: Desk, fields: Fields, packed: Array | None) -> Answer:
    """A volume (1, D, H, W) instead of the one before; its spacing is not needed."""
    limits = desk.clients.limits
    assert packed is not None
    if len(packed.shape) != 4 or packed.shape[0] != 1:
        raise RefusalError(422, f"the volume has the shape {list(packed.shape)}; send one channel, (1, D, H, W)")
    desk.client.session = None
    desk.clients.make_room(desk.client, math.prod(packed.shape))
    data = packed.unpack()[0]
    data = data.astype(np.uint8) if data.dtype == bool else data
    room = limits.room // limits.clients
    try:
        desk.client.session = Session(Volume(data), desk.backbone, room=room, steps=limits.steps)
    except CaseError as error:
        raise RefusalError(422, str(error)) from error
    desk.client.seen = np.zeros(data.shape, bool)
    return Answer({"original_image_shape": list(packed.shape)})


def set_target_buffer(desk: Desk, fields: Fields, packed: Array | None) -> Answer:
    """The client's own array for the mask, which is empty."""
    session = desk.client.volume()
    if fields.get("shape") != list(session.data.shape):
        raise RefusalError(422, f"the target buffer must have the shape of the volume, {list(session.data.shape)}")
    desk.client.seen = np.zeros(session.data.shape, bool)
    return Answer({"ok": True})


def set_do_autozoom(desk: Desk, fields: Fields, packed: Array | None) -> Answer:
    """Of no effect: slices are always seen whole."""
    flag(fields, "do_autozoom")
    return Answer({"ok": True})


def reset_interactions(desk: Desk, fields: Fields, packed: Array | None) -> Answer:
    """A new object, and no way back to the one before. The client empties its array itself."""
    session = desk.client.volume()
    session.begin(State())
    desk.client.seen = np.zeros(session.data.shape, bool)
    return Answer({"ok": True})


def undo(desk: Desk, fields: Fields, packed: Array | None) -> Answer:
    """Take the last interaction back."""
    return _difference(desk) if desk.client.volume().undo() else NOTHING


def predict(desk: Desk, fields: Fields, packed: Array | None) -> Answer:
    """Carry what has been drawn through the volume."""
    drawn = _has_prompts(desk.client.volume())
    return _drawn(desk, {"run_prediction": True}, lambda session: None) if drawn else NOTHING


def add_point(desk: Desk, fields: Fields, packed: Array | None) -> Answer:
    z, y, x = numbers(fields, "coordinates", 3)
    inside = flag(fields, "include_interaction")
    return _drawn(desk, fields, lambda session: drawing.point(session, round(z), (x, y), inside=inside))


def add_bbox(desk: Desk, fields: Fields, packed: Array | None) -> Answer:
    """A box on one slice; one outside takes what it holds away."""
    (z0, z1), rows, columns = intervals(fields, "bbox_coords")
    inside = flag(fields, "include_interaction")
    if round(z1) - round(z0) != 1:
        raise RefusalError(422, "a box lies on one slice of the first axis; draw it there, not in another view")
    return _drawn(desk, fields, lambda session: drawing.box(session, round(z0), rows, columns, inside=inside))


def add_scribble(desk: Desk, fields: Fields, packed: Array | None) -> Answer:
    planes, inside = _planes(desk, fields, packed), flag(fields, "include_interaction")
    return _drawn(desk, fields, lambda session: drawing.scribble(session, planes, inside=inside))


def add_lasso(desk: Desk, fields: Fields, packed: Array | None) -> Answer:
    """What it holds on each slice."""
    planes, inside = _planes(desk, fields, packed), flag(fields, "include_interaction")
    return _drawn(desk, fields, lambda session: drawing.lasso(session, planes, inside=inside))


def add_initial_seg(desk: Desk, fields: Fields, packed: Array | None) -> Answer:
    """A mask from elsewhere: a new object that is painted on each of its slices."""
    session, planes = desk.client.volume(), _planes(desk, {}, packed)
    run = flag(fields, "run_prediction", False)
    session.begin(State())
    for frame, plane in planes.items():
        session.paint(frame, plane)
    session.begin(session.state)
    desk.client.seen = session.mask == OBJECT
    return predict(desk, {}, None) if run else NOTHING


def _drawn(desk: Desk, fields: Fields, draw: Callable[[Session], object]) -> Answer:
    """Draw, and carry the object through the volume unless the client wants that later: one step to undo."""
    session, run = desk.client.volume(), flag(fields, "run_prediction", True)
    with session.together():
        draw(session)
        if run and not _has_prompts(session):
            raise RequestError("nothing of the object would be left; reset it instead")
        if run and isinstance(desk.backbone, MemoryBackbone):
            session.propagate(progress=desk.go_on)
    return _difference(desk) if run else NOTHING


def _has_prompts(session: Session) -> bool:
    return bool(session.state.items.get(OBJECT, Item()).prompts)


def _planes(desk: Desk, fields: Fields, packed: Array | None) -> drawing.Planes:
    """The slices with voxels of an array (d, h, w) that is the volume, or its box ``interaction_bbox``."""
    assert packed is not None
    shape = desk.client.volume().data.shape
    whole = [(0.0, float(size)) for size in shape]
    box = whole if fields.get("interaction_bbox") is None else intervals(fields, "interaction_bbox")
    parts = [(round(begin), round(end)) for begin, end in box]
    if any(begin < 0 or end > size for (begin, end), size in zip(parts, shape, strict=True)):
        raise RefusalError(422, f"interaction_bbox reaches beyond the volume of the shape {list(shape)}")
    if packed.shape != tuple(end - begin for begin, end in parts):
        raise RefusalError(422, f"an array of the shape {list(packed.shape)} does not fit its place, {parts}")
    drawn = packed.unpack() > 0
    if not drawn.any():
        raise RefusalError(422, "the array has no voxel above 0, so nothing is drawn")
    (first, _), *sides = parts
    planes = {}
    for at in np.flatnonzero(drawn.any((1, 2))).tolist():
        planes[first + at] = np.zeros(shape[1:], bool)
        planes[first + at][tuple(slice(*side) for side in sides)] = drawn[at]
    return planes


def _difference(desk: Desk) -> Answer:
    """What of the mask is another than what the client has: 0 or 1 in the smallest box that holds it."""
    mask = desk.client.volume().mask == OBJECT
    changed = mask ^ desk.client.seen
    desk.client.seen = mask
    places = [np.flatnonzero(changed.any(axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    if not len(places[0]):
        return Answer({"ran_prediction": True, "bbox": None})
    box = [(int(at[0]), int(at[-1]) + 1) for at in places]
    part = mask[tuple(slice(*pair) for pair in box)].astype(np.uint8)
    return Answer({"ran_prediction": True, "bbox": [list(pair) for pair in box]}, part)


class Verb(NamedTuple):
    """What a path of the protocol does. ``packed``: the body is an array, and the fields are in a header."""

    run: Callable[[Desk, Fields, Array | None], Answer]
    packed: bool = False
    answers: bool = False  # with the part of the mask that changed
    asks: bool = False  # the network


VERBS = {
    "/set_image": Verb(set_image, packed=True),
    "/set_target_buffer": Verb(set_target_buffer),
    "/set_do_autozoom": Verb(set_do_autozoom),
    "/reset_interactions": Verb(reset_interactions),
    "/undo": Verb(undo, answers=True),
    "/predict": Verb(predict, answers=True, asks=True),
    "/add_point_interaction": Verb(add_point, answers=True, asks=True),
    "/add_bbox_interaction": Verb(add_bbox, answers=True, asks=True),
    "/add_scribble_interaction": Verb(add_scribble, packed=True, answers=True, asks=True),
    "/add_lasso_interaction": Verb(add_lasso, packed=True, answers=True, asks=True),
    "/add_initial_seg_interaction": Verb(add_initial_seg, packed=True, answers=True, asks=True),
}
