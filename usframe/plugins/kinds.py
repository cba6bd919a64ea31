"""What a plugin can be: a kind is one row."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """``hook`` is where plugins of the kind are registered.

    usframe calls a target with ``positional`` arguments without a keyword and, where it takes them, with the
    keywords ``given``. All others are the target's own.
    """

    hook: str
    positional: int
    given: tuple[str, ...]


KINDS = {
    "reader": Kind("usframe_register_readers", 0, ()),
    "prompt": Kind("usframe_register_prompts", 1, ("frame", "object_id", "rng")),
    "selection": Kind("usframe_register_selections", 2, ("rng", "chosen", "expected")),
    "augmentation": Kind("usframe_register_augmentations", 2, ("rng",)),
    "backbone": Kind("usframe_register_backbones", 0, ("weights", "checkpoint", "device", "precision")),
    "metric": Kind("usframe_register_metrics", 2, ("spacing_mm", "surfaces", "tolerance_mm")),
    "postprocessing": Kind("usframe_register_postprocessing", 1, ("spacing_mm",)),
    "objective": Kind("usframe_register_objectives", 2, ("encode", "corrections")),
}
