"""What a backbone makes of slices, its own structure of tensors: taken apart, put together, and compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

PLACES = 4  # rows and columns of places on a slice that are compared


def join(parts: Sequence[Any]) -> Any:
    """Features of several batches as those of one: tensors are put together along their first axis."""
    first = parts[0]
    import torch

    if isinstance(first, torch.Tensor):
        return torch.cat(list(parts))
    if isinstance(first, tuple):
        return tuple(join(group) for group in zip(*parts, strict=True))
    if is_dataclass(first) and not isinstance(first, type):
        return replace(first, **{f.name: join([getattr(part, f.name) for part in parts]) for f in fields(first)})
    return first


def tensors_of(features: Any) -> Iterator[torch.Tensor]:
    """The tensors that features are made of, in a fixed order."""
    import torch

    if isinstance(features, torch.Tensor):
        yield features
    elif isinstance(features, tuple):
        for part in features:
            yield from tensors_of(part)
    elif is_dataclass(features):
        for f in fields(features):
            yield from tensors_of(getattr(features, f.name))


def rebuild(like: Any, tensors: Iterator[torch.Tensor]) -> Any:
    """Features like ``like`` out of their `tensors_of`."""
    import torch

    if isinstance(like, torch.Tensor):
        return next(tensors)
    if isinstance(like, tuple):
        return tuple(rebuild(part, tensors) for part in like)
    if is_dataclass(like) and not isinstance(like, type):
        return replace(like, **{f.name: rebuild(getattr(like, f.name), tensors) for f in fields(like)})
    return like


def look_of(features: Any) -> torch.Tensor:
    """What the slices of ``features`` look like, a unit vector each: (B, C x 16).

    It is their coarsest maps (B, C, h, w), averaged over 4 x 4 places.
    """
    from torch.nn import functional as F

    maps = [tensor for tensor in tensors_of(features) if tensor.ndim == 4]
    coarsest = min(maps, key=lambda tensor: tensor.shape[-1])
    return F.normalize(F.adaptive_avg_pool2d(coarsest.float(), PLACES).flatten(1), dim=1)
