"""The page's own script, put together from the files in this folder, as they are."""

from __future__ import annotations

from functools import cache
from pathlib import Path

PARTS = ("data", "draw", "plots", "table", "viewer", "main")


@cache
def page_script() -> str:
    """Its text: no part of it may end the element that it stands in."""
    folder = Path(__file__).parent
    return "\n".join((folder / f"{part}.js").read_text(encoding="utf-8") for part in PARTS)
