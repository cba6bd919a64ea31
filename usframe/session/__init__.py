"""A run in its folder: whose OUT is, one case after the other, what is kept of each, and what watches over it."""

from __future__ import annotations

from dataclasses import dataclass

RECORD = "experiment.yaml"


@dataclass(frozen=True)
class Output:
    """What a task prints: its result as text, as JSON, or nothing but errors."""

    quiet: bool = False
    json: bool = False
