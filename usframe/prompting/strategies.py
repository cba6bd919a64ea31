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
from typing import Any, TypeAlias, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from usframe.arrays import values_of
from usframe.config.limits import outside_limits
from usframe.config.schema import Components, Noise
from usframe.errors import RequestError
from usframe.plugins.arguments import needs_labels
from usframe.prompting.answers import ask, ask_everywhere
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
    ``components``: of an object in several pieces (8-connected), prompt the ``largest``, each piece in a prompt of
    its own (``all``, largest first), or their union (``merged``). ``box_margin``: pixels added on every side of a
    box. ``frames``: object id -> the slices to prompt it on; None is all. Chance depends on nothing but ``seed``,
    frame, object and piece. A strategy that needs no labels is asked for every object of ``labels`` on all of these
    slices, and nothing is drawn. Raises `RequestError` for options that make no sense, `CaseError` for a strategy
    that fails or answers something unusable.
    """
    depth = len(labels if isinstance(labels, np.ndarray) else next(iter(labels.values()), ()))
    _check_options(components, box_margin, noise, frames, depth)
    if not needs_labels(strategy):
        everywhere = dict.fromkeys(_objects_of(labels), range(depth)) if frames is None else frames
        return list(ask_everywhere(strategy, everywhere, _shape_of(labels), seed))
    wanted = range(depth) if frames is None else sorted({frame for chosen in frames.values() for frame in chosen})
    prompts, shelf = [], Shelf()
    for frame in wanted:
        for object_id, mask in _objects_on(labels, frame):
            if frames is not None and frame not in frames.get(object_id, ()):
                continue
            for number, piece in enumerate(_pieces(mask, components)):
                chance = np.random.SeedSequence([seed, frame, object_id, number])
                strategy_rng, noise_rng = map(np.random.default_rng, chance.spawn(2))
                prompt = ask(strategy, piece, frame, object_id, strategy_rng, piece.shape)
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


def _objects_of(labels: Labels) -> list[int]:
    return [one for one in values_of(labels) if one] if isinstance(labels, np.ndarray) else sorted(labels)


def _shape_of(labels: Labels) -> tuple[int, ...]:
    """(H, W) of a slice."""
    return (labels if isinstance(labels, np.ndarray) else next(iter(labels.values()))).shape[1:]


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
