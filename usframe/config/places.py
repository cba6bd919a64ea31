"""Paths in a request: where ``~/`` leads, and what an earlier run owns of a folder."""

from __future__ import annotations

from pathlib import Path

FOLDERS = ("masks", "overlays", "state", "embeddings", "tensorboard")


def at_home(place: str) -> str:
    """A path that begins with ``~/`` in full, where no shell has done so; a folder called ~ is ``./~/``."""
    return str(Path(place).expanduser()) if place.startswith("~/") else place


def is_result(place: Path, out: Path) -> bool:
    """Whether ``place`` lies among the masks or overlays of the run in ``out``."""
    return any(place.resolve().is_relative_to((out / part).resolve()) for part in FOLDERS)
