"""What a data set is like, as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from usframe.data.fingerprint import OBJECT
from usframe.reporting.text import columns

STATISTICS = ("min", "median", "max", "n")


def fingerprint_table(summary: Mapping[str, Mapping[str, Any]]) -> str:
    """The answer of `usframe.data.fingerprint.summarise_fingerprint` as plain text, a line per quantity."""
    lines = [["over cases", *STATISTICS]]
    lines += [
        [name.replace(OBJECT, "object ").replace("_", " "), *(_short(values[key]) for key in STATISTICS)]
        for name, values in summary.items()
    ]
    return columns(lines, left={0})


def _short(value: float) -> str:
    return f"{value:.0f}" if value == round(value) or abs(value) >= 1000 else f"{value:.4g}"
