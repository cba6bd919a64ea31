"""What a prompt strategy answers, and whether it fits what it was asked for: arrays of the agreed types."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usframe.errors import CaseError
from usframe.plugins.registry import blame
from usframe.types import Prompt, PromptStrategy


def ask_everywhere(
    strategy: Callable[..., Prompt | None], frames: Mapping[int, Collection[int]], shape: tuple[int, ...], seed: int
) -> Iterator[Prompt]:
    """The prompts of a strategy that needs no labels, by frame, then object, on slices of ``shape`` (H, W).

    ``frames``: object id -> slices. Raises `CaseError` for a strategy that fails or answers something unusable.
    """
    for frame in sorted({frame for chosen in frames.values() for frame in chosen}):
        for object_id in sorted(one for one, chosen in frames.items() if frame in chosen):
            rng = np.random.default_rng([seed, frame, object_id])
            prompt = ask(strategy, None, frame, object_id, rng, shape)
            if prompt is not None:
                yield prompt


def ask(
    strategy: Callable[..., Prompt | None],
    mask: NDArray[np.bool_] | None,
    frame: int,
    object_id: int,
    rng: np.random.Generator,
    shape: tuple[int, ...],
) -> Prompt | None:
    """The strategy's answer in arrays of the agreed types, or `CaseError` in one line.

    ``mask``: (H, W) of the object, None for a strategy that needs no labels; ``shape``: (H, W).
    """
    who = f"prompt strategy {_name_of(strategy)}"
    where = f"frame {frame}, object {object_id}"
    try:
        given = () if mask is None else (mask.copy(),)
        prompt: Any = strategy(*given, frame=frame, object_id=object_id, rng=rng)
    except Exception as error:
        raise CaseError(f"{who} failed on {where}: {blame(error)}") from error
    if prompt is None:
        return None
    if not isinstance(prompt, Prompt):
        raise CaseError(f"{who} returned a {type(prompt).__name__} for {where}; it must be a Prompt or None")
    if (prompt.frame, prompt.object_id) != (frame, object_id):
        raise CaseError(f"{who} answered frame {prompt.frame}, object {prompt.object_id} when asked for {where}")
    try:
        return checked(prompt, shape)
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
        learned=prompt.learned,
        score=prompt.score,
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
