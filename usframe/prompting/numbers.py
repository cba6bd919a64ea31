"""Numbers in files of prompts, or one line that says why one cannot be."""

from __future__ import annotations

import math
from typing import Any

LARGEST = 1e9  # of a number in a prompt


def number(name: str, value: Any) -> float:
    """A finite number that may be in a picture. Raises `ValueError`."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name}: {str(value)[:40]!r} is not a number") from None
    if isinstance(value, bool) or not math.isfinite(found):
        raise ValueError(f"{name}: {value!r} is not a number")
    if abs(found) > LARGEST:
        raise ValueError(f"{name}: {str(value)[:40]} lies beyond every picture")
    return found


def whole(name: str, value: Any) -> int:
    """Raises `ValueError`."""
    found = number(name, value)
    if found != int(found):
        raise ValueError(f"{name}={value} is not a whole number")
    return int(found)


def object_id(name: str, value: Any) -> int:
    """Raises `ValueError`."""
    found = whole(name, value)
    if not 1 <= found <= 255:
        raise ValueError(f"{name}={found}: object ids run from 1 to 255")
    return found


def score_in(value: Any) -> float:
    """A detector's score. Raises `ValueError`."""
    found = number("score", value)
    if not 0 <= found <= 1:
        raise ValueError(f"score={found:g} is not from 0 to 1")
    return found
