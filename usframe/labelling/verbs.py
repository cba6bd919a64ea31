"""What a page asks of a session, as JSON: each verb with the fields that it takes, checked before it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from usframe.annotation.session import Session
from usframe.errors import RequestError
from usframe.plain import fits

LONGEST, WIDEST, LONGEST_NAME = 20_000, 400, 80  # points of a line, pixels of a brush, letters of a name


class Nothing(TypedDict):
    """No field."""


class Slice(TypedDict):
    """A slice from 0."""

    frame: int


class Click(Slice):
    """A point, x and y in pixels."""

    x: float
    y: float
    inside: bool


class Number(Slice):
    """A point of a slice by its number from 0."""

    number: int


class Box(Slice):
    """x0, y0, x1, y1."""

    box: list[float]


class Line(Slice):
    """Points [x, y]."""

    path: list[list[float]]
    inside: bool


class Stroke(Line):
    """A line of a brush, ``width`` in pixels."""

    width: int


class Chosen(TypedDict):
    """An object by its id."""

    id: int


class Named(Chosen):
    """And what it is called."""

    name: str


class Accepted(TypedDict):
    """Whether the case is done."""

    accepted: bool


@dataclass(frozen=True)
class Verb:
    """``takes``: the fields of its JSON; ``do``: what is done with them."""

    takes: type
    do: Callable[[Session, Any], object]


def _box(session: Session, asked: Box) -> None:
    if len(asked["box"]) != 4:
        raise RequestError(f"box has {len(asked['box'])} numbers, not x0, y0, x1, y1")
    session.box(asked["frame"], np.round(asked["box"]).tolist())


def _path(session: Session, asked: Line) -> NDArray[np.float32]:
    """(N, 2) xy. Raises `RequestError` for a line of another form, or beyond the slice."""
    path, (height, width) = asked["path"], session.shape
    if not 0 < len(path) <= LONGEST or any(len(point) != 2 for point in path):
        raise RequestError(f"path must be 1 to {LONGEST} points [x, y]")
    points = np.array(path, np.float64)
    if (points < 0).any() or (points > (width - 1, height - 1)).any():
        raise RequestError(f"path leaves the slice of {width} x {height} pixels")
    return points.astype(np.float32)


def _brush(session: Session, asked: Stroke) -> None:
    if not 1 <= asked["width"] <= WIDEST:
        raise RequestError(f"width={asked['width']} is not possible; a brush has 1 to {WIDEST} pixels")
    session.brush(asked["frame"], _path(session, asked), asked["width"], inside=asked["inside"])


def _name(session: Session, asked: Named) -> None:
    if len(asked["name"]) > LONGEST_NAME or not asked["name"].isprintable():
        raise RequestError(f"a name has up to {LONGEST_NAME} letters, in one line")
    session.set_object(asked["id"], asked["name"])


VERBS: Mapping[str, Verb] = {
    "point": Verb(Click, lambda s, a: s.point(a["frame"], (a["x"], a["y"]), inside=a["inside"])),
    "remove_point": Verb(Number, lambda s, a: s.remove_point(a["frame"], a["number"])),
    "box": Verb(Box, _box),
    "scribble": Verb(Line, lambda s, a: s.scribble(a["frame"], _path(s, a), inside=a["inside"])),
    "lasso": Verb(Line, lambda s, a: s.lasso(a["frame"], _path(s, a), inside=a["inside"])),
    "brush": Verb(Stroke, _brush),
    "clear": Verb(Slice, lambda s, a: s.clear(a["frame"])),
    "object": Verb(Chosen, lambda s, a: s.set_object(a["id"])),
    "name": Verb(Named, _name),
    "remove_object": Verb(Nothing, lambda s, a: s.remove_object()),
    "lock": Verb(Nothing, lambda s, a: s.lock()),
    "unlock": Verb(Nothing, lambda s, a: s.unlock()),
    "undo": Verb(Nothing, lambda s, a: s.undo()),
    "redo": Verb(Nothing, lambda s, a: s.redo()),
    "accept": Verb(Accepted, lambda s, a: s.accept(a["accepted"])),
}


def do(session: Session, name: str, asked: object) -> None:
    """Do a verb. Raises `RequestError` for what is no verb, or not what it takes; the session is unchanged then."""
    if name not in VERBS:
        raise RequestError(f"{name} is no verb; known: {', '.join(VERBS)}, propagate, save")
    verb = VERBS[name]
    if not fits(asked, verb.takes):
        raise RequestError(
            f"{name} takes {', '.join(verb.takes.__annotations__) or 'nothing'} as JSON, and no more"
        )
    verb.do(session, asked)
