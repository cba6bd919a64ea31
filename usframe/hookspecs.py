"""Everything a plugin can add. A package names its plugin module under the entry-point group ``usframe``.

``target`` is a callable or ``"package.module:attribute"``, imported on first use.
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
    """``register(name, target)``; target(mask (H, W) bool, *, frame, object_id, rng) -> Prompt or None."""


@hookspec
def usframe_register_augmentations(register: Register) -> None:
    """``register(name, target)``; target(frames (T, H, W), masks (T, O, H, W), *, rng) -> the same two."""


@hookspec
def usframe_register_backbones(register: Register) -> None:
    """``register(name, target)``; target(*, checkpoint, device, precision) -> `usframe.types.Backbone`."""
