"""From labels to prompts: which slices, objects and pieces get one, and how carelessly it is drawn.

A strategy only sees the mask of one piece. Pieces, box margin and noise are dealt with here, so that the
strategies of other packages have them too.
"""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from usframe.config.limits import outside_limits
from usframe.config.schema import Components, Noise
from usframe.errors import CaseError, RequestError
from usframe.plugins.registry import blame
from usframe.prompting.shelf import Shelf
from usframe.types import Prompt, PromptStrategy

NO_NOISE = Noise()
Labels: TypeAlias = "NDArray[Any] | Mapping[int, NDArray[np.bool_]]"


def make_prompts(
    labels: Labels,
    strategy: PromptStrategy,
    *,
    components: Components = "largest",
    box_margin: float = 0.0,
    noise: Noise = NO_NOISE,
    seed: int = 0,
    frames: Mapping[int, Collection[int]] | None = None,
) -> list[Prompt]:
    """The prompts for the objects of ``labels``, by frame, then object.

    ``labels``: (D, H, W), 0 is background, or object id -> mask (D, H, W) bool, where masks may overlap.
    ``components``: of an object in several pieces (8-connected), prompt the ``largest``, each piece in a
    prompt of its own (``all``, largest first), or their union (``merged``). ``box_margin``: pixels added on
    every side of a box. ``frames``: object id -> the slices to prompt it on; None is all. Chance depends on nothing
    but ``seed``, frame, object and piece. Raises `RequestError` for options that make no sense, `CaseError` for
    a strategy that fails or answers something unusable.
    """
    depth = len(labels if isinstance(labels, np.ndarray) else next(iter(labels.values()), ()))
    _check_options(components, box_margin, noise, frames, depth)
    wanted = range(depth) if frames is None else sorted({frame for chosen in frames.values() for frame in chosen})
    prompts, shelf = [], Shelf()
    for frame in wanted:
        for object_id, mask in _objects_on(labels, frame):
            if frames is not None and frame not in frames.get(object_id, ()):
                continue
            for number, piece in enumerate(_pieces(mask, components)):
                chance = np.random.SeedSequence([seed, frame, object_id, number])
                strategy_rng, noise_rng = map(np.random.default_rng, chance.spawn(2))
                prompt = _ask(strategy, piece, frame, object_id, strategy_rng)
                if prompt is not None:
                    drawn = _disturb(_widen(prompt, box_margin, piece.shape), piece, noise, noise_rng)
                    prompts.append(shelf.keep(drawn))
    return prompts


def case_seed(seed: int, case: str) -> int:
    """The seed of all that is drawn for a case, whatever other cases there are."""
    return zlib.crc32(os.fsencode(f"{seed}/{case}"))


def _check_options(
    components: str, box_margin: float, noise: Noise, frames: Mapping[int, Collection[int]] | None, depth: int
) -> None:
    known = get_args(Components)
    if components not in known:
        raise RequestError(f"components={components} is not known; use one of {', '.join(known)}")
    if not 0 <= box_margin < math.inf:
        raise RequestError(f"box_margin={box_margin} is not a number of pixels; use 0 or more")
    if problems := outside_limits(noise):
        raise RequestError(*(f"noise.{problem}" for problem in problems))
    if outside := [frame for chosen in (frames or {}).values() for frame in chosen if not 0 <= frame < depth]:
        raise RequestError(f"frame {outside[0]} cannot be prompted: the volume has the frames 0 to {depth - 1}")


def _objects_on(labels: Labels, frame: int) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """(object id, mask (H, W)) of what one slice shows, by ascending id."""
    if not isinstance(labels, np.ndarray):
        yield from ((object_id, labels[object_id][frame]) for object_id in sorted(labels))
        return
    plane = labels[frame]
    yield from ((object_id, plane == object_id) for object_id in map(int, np.unique(plane[plane != 0])))


def _pieces(mask: NDArray[np.bool_], components: Components) -> Iterator[NDArray[np.bool_]]:
    """The masks (H, W) of what is to be prompted of an object on one slice; none where it is not there."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return
    if components == "merged":
        yield mask
        return
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    for place, part in _by_size(mask[window]):
        piece = np.zeros(mask.shape, bool)
        piece[window][place] = part
        yield piece
        if components == "largest":
            return


def _by_size(mask: NDArray[np.bool_]) -> Iterator[tuple[Any, NDArray[np.bool_]]]:
    """(place, mask there) of the 8-connected pieces, largest first; of equal ones the upper, the left."""
    count, marks, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    for mark in sorted(range(1, count), key=lambda n: (-stats[n][4], stats[n][1], stats[n][0])):
        left, top, width, height, _ = stats[mark]
        place = np.s_[top : top + height, left : left + width]
        yield place, marks[place] == mark


def _ask(
    strategy: PromptStrategy, piece: NDArray[np.bool_], frame: int, object_id: int, rng: np.random.Generator
) -> Prompt | None:
    """The strategy's answer in arrays of the agreed types, or `CaseError` in one line."""
    who = f"prompt strategy {_name_of(strategy)}"
    where = f"frame {frame}, object {object_id}"
    try:
        prompt = strategy(piece.copy(), frame=frame, object_id=object_id, rng=rng)
    except Exception as error:
        raise CaseError(f"{who} failed on {where}: {blame(error)}") from error
    if prompt is None:
        return None
    if not isinstance(prompt, Prompt):
        raise CaseError(f"{who} returned a {type(prompt).__name__} for {where}; it must be a Prompt or None")
    if (prompt.frame, prompt.object_id) != (frame, object_id):
        raise CaseError(f"{who} answered frame {prompt.frame}, object {prompt.object_id} when asked for {where}")
    try:
        return checked(prompt, piece.shape)
    except (ValueError, TypeError) as error:
        raise CaseError(f"{who} made an unusable prompt for {where}: {error}") from error


def _name_of(strategy: PromptStrategy) -> str:
    plain = strategy.func if isinstance(strategy, partial) else strategy
    return str(getattr(plain, "__name__", type(plain).__name__))


def checked(prompt: Prompt, shape: tuple[int, ...]) -> Prompt:
    """The same prompt in arrays of the agreed types; `ValueError` where it does not fit a slice (H, W)."""
    return Prompt(
        prompt.frame,
        prompt.object_id,
        points=None if prompt.points is None else _points(prompt.points, shape),
        point_labels=None if prompt.point_labels is None else _point_labels(prompt),
        box=None if prompt.box is None else _box(prompt.box, shape),
        mask=None if prompt.mask is None else _mask(prompt.mask, shape),
    )


def _points(points: Any, shape: tuple[int, ...]) -> NDArray[np.float32]:
    points = np.asarray(points, np.float32)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise ValueError(f"points must have shape (N, 2), not {points.shape}")
    if not _within(points, shape):
        raise ValueError(f"points {points.tolist()} lie outside the slice of {shape[1]} x {shape[0]} pixels")
    return points


def _point_labels(prompt: Prompt) -> NDArray[np.int64]:
    labels = np.asarray(prompt.point_labels)
    if labels.shape != (len(np.asarray(prompt.points)),) or not np.isin(labels, (0, 1)).all():
        raise ValueError(f"point_labels must be a 0 or 1 for every point, not {labels.tolist()}")
    return labels.astype(np.int64)


def _box(box: Any, shape: tuple[int, ...]) -> NDArray[np.float32]:
    box = np.asarray(box, np.float32)
    if box.shape != (4,):
        raise ValueError(f"box must have shape (4,), not {box.shape}")
    if not _within(box.reshape(2, 2), shape) or (box[:2] > box[2:]).any():
        raise ValueError(f"box {box.tolist()} is no xyxy box within {shape[1]} x {shape[0]} pixels")
    return box


def _mask(mask: Any, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    mask = np.asarray(mask)
    if mask.shape != shape or mask.dtype != bool:
        raise ValueError(f"mask must be bool of shape {shape}, not {mask.dtype} of shape {mask.shape}")
    if not mask.any():
        raise ValueError("mask is empty; return None where there is nothing to prompt")
    return mask


def _within(xy: NDArray[np.float32], shape: tuple[int, ...]) -> bool:
    height, width = shape
    return bool(np.isfinite(xy).all() and (xy >= 0).all() and (xy <= (width - 1, height - 1)).all())


def _widen(prompt: Prompt, margin: float, shape: tuple[int, ...]) -> Prompt:
    if prompt.box is None or margin == 0:
        return prompt
    return replace(prompt, box=_clip(prompt.box + margin * np.array([-1, -1, 1, 1]), shape))


def _clip(box: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float32]:
    height, width = shape
    return np.clip(box, 0, [width - 1, height - 1] * 2).astype(np.float32)


def _disturb(prompt: Prompt, piece: NDArray[np.bool_], noise: Noise, rng: np.random.Generator) -> Prompt:
    box, points, mask = prompt.box, prompt.points, prompt.mask
    if box is not None and noise.box:
        box = _jitter(box, noise.box, piece.shape, rng)
    if points is not None and prompt.point_labels is not None and noise.point:
        points = points.copy()
        inside = np.argwhere(piece)[:, ::-1]
        moved = (rng.random(len(points)) < noise.point) & (prompt.point_labels == 1)
        points[moved] = inside[rng.integers(len(inside), size=moved.sum())]
    if mask is not None and noise.mask:
        mask = _grow(mask, int(rng.integers(-noise.mask, noise.mask, endpoint=True)))
    return replace(prompt, box=box, points=points, mask=mask)


def _jitter(
    box: NDArray[np.float32], share: float, shape: tuple[int, ...], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Move the four edges; where two of them cross, a box of one pixel is left between them."""
    sides = box[2:] - box[:2] + 1
    moved = box + rng.uniform(-share, share, 4) * np.tile(sides, 2)
    crossed = np.tile(moved[:2] > moved[2:], 2)
    middle = np.tile((moved[:2] + moved[2:]) / 2, 2)
    return _clip(np.where(crossed, middle, moved), shape)


def _grow(mask: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Dilate by ``radius`` pixels or, below 0, erode by as much of it as leaves something of the mask."""
    change = cv2.dilate if radius > 0 else cv2.erode
    for size in range(abs(radius), 0, -1):
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * size + 1, 2 * size + 1))
        changed = change(mask.astype(np.uint8), kernel) > 0
        if changed.any():
            return changed
    return mask
