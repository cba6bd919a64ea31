"""Paths in a request: where ``~/`` leads, and which of them must not lie in each other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

DATA = ("volumes", "labels", "masks", "splits")


def at_home(place: str) -> str:
    """A path that begins with ``~/`` in full, where no shell has done so; a folder called ~ is ``./~/``."""
    return str(Path(place).expanduser()) if place.startswith("~/") else place


def inside(out: str | Path | None, key: str, place: str | None) -> str:
    """One line where ``out`` lies in the ``place`` that ``key`` names; else ""."""
    if out and place and Path(out).resolve().is_relative_to(Path(place).resolve()):
        return f"out={out} lies inside {key}={place}; choose another -o"
    return ""


def entangled(out: Path, places: Mapping[str, str | None]) -> str:
    """One line for the first of ``places`` (key -> path) that lies in ``out`` or has ``out`` in it; else ""."""
    whole = out.resolve()
    for key, place in places.items():
        found = Path(place).resolve() if place else None
        if problem := inside(out, key, place):
            return problem
        if found and found.is_relative_to(whole):
            return f"{key}={place} lies inside out={out}, where results are replaced; choose another -o"
    return ""
