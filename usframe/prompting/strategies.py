"""From labels to prompts: which slices, objects and pieces get one, and how carelessly it is drawn.

A strategy only sees the mask of one piece. Pieces, box margin and noise are dealt with here, so that the
strategies of other packages have them too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from usframe.errors import CaseError, RequestError
from usframe.plugins.registry import one_line
from usframe.types import Prompt, PromptStrategy

COMPONENTS = ("largest", "all", "merged")


@dataclass(frozen=True)
class Noise:
    """How far prompts stray from what the strategy answered; 0 is not at all.

    ``box``: every edge moves by up to this share of the box's side. ``point``: the probability that a
    positive point becomes a random pixel of its piece. ``mask``: the largest radius in pixels of erosion or
    dilation.
    Raises `RequestError` for values that make no sense.
    """

    box: float = 0.0
    point: float = 0.0
    mask: int = 0

    def __post_init__(self) -> None:
        problems = []
        if not 0 <= self.box < math.inf:
            problems.append(f"noise.box={self.box} is not a share of the box's side; use 0 or more")
        if not 0 <= self.point <= 1:
            problems.append(f"noise.point={self.point} is not a probability; use 0 to 1")
        if self.mask != int(self.mask) or self.mask < 0:
            problems.append(f"noise.mask={self.mask} is not a radius in whole pixels; use 0 or more")
        if problems:
            raise RequestError(*problems)


NO_NOISE = Noise()


def make_prompts(
    labels: NDArray[Any],
    strategy: PromptStrategy,
    *,
    components: str = "largest",
    box_margin: float = 0.0,
    noise: Noise = NO_NOISE,
    seed: int = 0,
    frames: Iterable[int] | None = None,
) -> list[Prompt]:
    """The prompts for every object of ``labels`` (D, H, W; 0 is background), by frame, then object.

    ``components``: of an object in several pieces (8-connected), prompt the ``largest``, each piece in a
    prompt of its own (``all``, largest first), or their union (``merged``). ``box_margin``: pixels added on
    every side of a box. ``frames``: the slices to prompt; None is all. Chance depends on nothing but
    ``seed``, frame, object and piece. Raises `RequestError` for options that make no sense, `CaseError` for
    a strategy that fails or answers something unusable.
    """
    if components not in COMPONENTS:
        raise RequestError(f"components={components} is not known; use one of {', '.join(COMPONENTS)}")
    if not 0 <= box_margin < math.inf:
        raise RequestError(f"box_margin={box_margin} is not a number of pixels; use 0 or more")
    wanted = range(len(labels)) if frames is None else sorted(set(frames))
    if outside := [frame for frame in wanted if not 0 <= frame < len(labels)]:
        raise RequestError(
            f"frame {outside[0]} cannot be prompted: the volume has the frames 0 to {len(labels) - 1}"
        )

    prompts = []
    for frame in wanted:
        for object_id, number, piece in _pieces(labels[frame], components):
            chance = np.random.SeedSequence([seed, frame, object_id, number])
            strategy_rng, noise_rng = map(np.random.default_rng, chance.spawn(2))
            prompt = _ask(strategy, piece, frame, object_id, strategy_rng)
            if prompt is not None:
                prompts.append(_disturb(_widen(prompt, box_margin, piece.shape), piece, noise, noise_rng))
    return prompts


def _pieces(plane: NDArray[Any], components: str) -> Iterator[tuple[int, int, NDArray[np.bool_]]]:
    """(object id, number of the piece, mask (H, W)) for what is to be prompted on one slice."""
    rows, columns = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
    if not len(rows):
        return
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    for object_id in map(int, np.unique(plane[window])):
        if object_id == 0:
            continue
        found = plane[window] == object_id
        pieces = [(np.s_[:, :], found)] if components == "merged" else _by_size(found)
        for number, (place, piece) in enumerate(pieces):
            mask = np.zeros(plane.shape, bool)
            mask[window][place] = piece
            yield object_id, number, mask
            if components == "largest":
                break


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
    who = f"prompt strategy {getattr(strategy, '__name__', type(strategy).__name__)}"
    where = f"frame {frame}, object {object_id}"
    try:
        prompt = strategy(piece.copy(), frame=frame, object_id=object_id, rng=rng)
    except Exception as error:
        raise CaseError(f"{who} failed on {where}: {one_line(error)}") from error
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
