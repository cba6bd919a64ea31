"""Everything a plugin can add. A package names its plugin module under the entry-point group ``usframe``.

``target`` is a callable or ``"package.module:attribute"``, imported on first use. Keywords of a target beyond those
below are its arguments, given where a request names the plugin: ``augment={rotate: {p: 0.5, degrees: 30}}``.
D, T, O, H, W: slices, frames of a clip, objects, rows, columns; N: decoded prompts, M: candidate masks of each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import pluggy

PROJECT = "usframe"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

Target = Callable[..., Any] | str


class Register(Protocol):
    def __call__(self, name: str, target: Target, *, suffixes: tuple[str, ...] = ()) -> None: ...


@hookspec
def usframe_register_readers(register: Register) -> None:
    """``register(name, target, suffixes=(".nii", ".nii.gz"))``; target() -> `usframe.types.Reader`."""


@hookspec
def usframe_register_prompts(register: Register) -> None:
    """``register(name, target)``; target(mask (H, W) bool, *, frame, object_id, rng) -> Prompt or None.

    A target without ``mask`` needs no labels: it is asked for every object on every slice."""


@hookspec
def usframe_register_selections(register: Register) -> None:
    """``register(name, target)``; target(area (D,) int, count, *, rng, chosen, expected) -> slice numbers.

    Which slices of one object to prompt: up to ``count`` different ones that show it. ``area``: its pixels on each
    slice, a copy. Keywords are given where a target takes them: ``rng``, a numpy Generator; ``chosen``, the slices
    that are prompted already, none of which is answered again; ``expected`` (D,), the Dice that is expected of the
    answer to ``chosen``, NaN where unknown. A target that takes ``expected`` is asked again after every answer.
    """


@hookspec
def usframe_register_augmentations(register: Register) -> None:
    """``register(name, target)``; target(frames (T, H, W) float32 in 0-1, masks (T, O, H, W) bool, *, rng) -> the
    same two, same shapes and dtypes. Both are copies. Masks have one row per object."""


@hookspec
def usframe_register_backbones(register: Register) -> None:
    """``register(name, target)``; target(*, weights, device, precision) -> `usframe.types.Backbone`.

    ``weights``: "pretrained" (the backbone's own), "random", or the path of a checkpoint."""


@hookspec
def usframe_register_metrics(register: Register) -> None:
    """``register(name, target)``; target(reference, mask, both (D, H, W) bool, *, spacing_mm) -> float or None.

    A column of every table. ``spacing_mm``: (3,) along D, H, W, 1 where unknown. None is an undefined score. Where
    a target takes them it also gets ``surfaces`` (`usframe.types.Surfaces`) and ``tolerance_mm`` (of the object, in
    ``metrics``). Of a set of slices, ``reference`` and ``mask`` are these. A metric that takes ``surfaces`` is
    asked slice by slice (1, H, W) for clips and for a part of the slices, and its values are averaged."""


@hookspec
def usframe_register_postprocessing(register: Register) -> None:
    """``register(name, target)``; target(mask (D, H, W) uint8, 0 or the object id, *, spacing_mm) -> the same.

    ``mask`` is a copy. ``spacing_mm``: (3,) along D, H, W, or None where unknown. Named in ``postprocess``."""


@hookspec
def usframe_register_objectives(register: Register) -> None:
    """``register(name, target)``; a loss, named in ``train.losses``, or a recipe, named in ``train.recipe``.

    A loss is target(decoded, truth) of a `usframe.types.Decoded` with logits (N, M, h, w) and the truth (N, h, w)
    from 0 to 1 -> tensor (N, M), of which the best candidate is trained where the object is there, or (N,).
    A recipe is target(backbone, losses, *, encode, corrections) -> torch.nn.Module; its forward(samples) -> (terms
    summed over decoded masks, "total" among them, and the number of these masks)."""
