"""Prompts that are drawn in a volume, on the slices they touch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from usframe.annotation.session import Session
from usframe.errors import RequestError

Planes: TypeAlias = "dict[int, NDArray[np.bool_]]"  # slice -> (H, W)


def point(session: Session, frame: int, xy: tuple[float, float], *, inside: bool) -> None:
    """A click; one outside on a slice without a prompt corrects the mask that was carried there."""
    corrects = 0 <= frame < len(session.data) and frame not in _prompts(session) and _seen(session, frame).any()
    if corrects and not inside:
        session.scribble(frame, np.array([xy], np.float32), inside=False)
    else:
        session.point(frame, xy, inside=inside)


def box(
    session: Session, frame: int, rows: tuple[float, float], columns: tuple[float, float], *, inside: bool
) -> None:
    """A box of half-open intervals, cut at the slice's edges; one outside takes what it holds away."""
    height, width = session.shape
    y0, y1, x0, x1 = max(rows[0], 0), min(rows[1], height), max(columns[0], 0), min(columns[1], width)
    if y1 - y0 < 1 or x1 - x0 < 1:
        raise RequestError(f"the box on slice {frame} holds no pixel")
    if inside:
        session.box(frame, (x0, y0, x1 - 1, y1 - 1))
    else:
        area = np.zeros(session.shape, bool)
        area[round(y0) : round(y1), round(x0) : round(x1)] = True
        _take_away(session, {frame: area})


def scribble(session: Session, planes: Planes, *, inside: bool) -> None:
    """The voxels that were gone over; outside, slices without the object are passed over."""
    touched = [at for at in planes if inside or at in _prompts(session) or _seen(session, at).any()]
    if not touched:
        raise RequestError("the scribble lies on slices without the object; begin with one inside")
    for frame in touched:
        session.go_over(frame, planes[frame], inside=inside)


def lasso(session: Session, planes: Planes, *, inside: bool) -> None:
    """The voxels that it holds. One that was drawn across the slices is a line on each, and so a scribble."""
    if not inside:
        _take_away(session, planes)
    elif _is_across(planes):
        scribble(session, planes, inside=True)
    else:
        for frame, area in planes.items():
            session.enclose(frame, area)


def _take_away(session: Session, planes: Planes) -> None:
    """Take pixels from the object; a slice on which nothing of it is left is one that it is not on."""
    for frame in planes:
        session.check_frame(frame)
    touched = {at: plane for at, plane in planes.items() if (_seen(session, at) & plane).any()}
    if not touched:
        raise RequestError("nothing of the object lies there")
    for frame, plane in touched.items():
        if (_seen(session, frame) & ~plane).any():
            session.enclose(frame, plane, inside=False)
            continue
        if frame in _prompts(session):
            session.clear(frame)
        session.clear(frame)


def _is_across(planes: Planes) -> bool:
    together = np.logical_or.reduce(list(planes.values()))
    return len(planes) > 1 and any(np.count_nonzero(together.any(axis)) == 1 for axis in (0, 1))


def _prompts(session: Session) -> Mapping[int, object]:
    return session.item.prompts


def _seen(session: Session, frame: int) -> NDArray[np.bool_]:
    return session.mask[frame] == session.state.active
