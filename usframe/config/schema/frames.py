"""What ``frames`` and ``z_range`` can be: which slices are prompted, and where objects are looked for."""

# ruff: noqa: RUF009 - option() is dataclasses.field()

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from usframe.config.schema.options import option

FRAMES = re.compile(r"(largest|middle|first)|(every|uniform):([1-9]\d*)")
RULE = re.compile(r"([A-Za-z0-9][A-Za-z0-9+._-]*):([1-9]\d*)")  # one of a plugin, and how many slices
PROMPT_FILES = (".csv", ".json")
Several = Literal["best", "all"]


@dataclass
class Detections:
    """Which prompts of a file with scores are taken.

    ``least_score``: those of a lower one are left out. ``several``: of the boxes of an object on a slice that have
    a score the ``best``, or ``all`` as its pieces. ``first_slice``: the number of the first slice, where COCO and
    YOLO name slices by numbers.
    """

    least_score: float = option(0.0, least=0, most=1)
    several: Several = option("best")
    first_slice: int = option(0, least=0)


def prompt_file(rule: Any) -> str:
    """The path in ``frames=file:PATH``; nothing for all else."""
    return rule.removeprefix("file:") if isinstance(rule, str) and rule.startswith("file:") else ""


def support_folder(rule: Any) -> str:
    """The folder in ``frames=support:DIR``; nothing for all else."""
    return rule.removeprefix("support:") if isinstance(rule, str) and rule.startswith("support:") else ""


def chooses_several(rule: str | list[int]) -> bool:
    """Whether ``frames`` may prompt an object on more than one slice."""
    if isinstance(rule, list):
        return len(rule) > 1
    name, _, number = rule.partition(":")
    return name == "every" or number not in ("", "1")


def selection_in(rule: Any) -> tuple[str, int] | None:
    """The name and number in ``frames=NAME:K``, where that is a plugin's rule and none of those that are known."""
    found = RULE.fullmatch(rule) if isinstance(rule, str) and not FRAMES.fullmatch(rule) else None
    return (found[1], int(found[2])) if found and found[1] not in ("every", "uniform", "file", "support") else None


def frames_problems(rule: Any) -> list[str]:
    """One line for ``frames`` that is neither a rule nor a list of slices nor a prompt file, else none."""
    file = prompt_file(rule)
    if file.endswith(PROMPT_FILES) or (file and Path(file).is_dir()):
        return []
    if isinstance(rule, str) and FRAMES.fullmatch(rule):
        return []
    if selection_in(rule) or support_folder(rule):
        return []
    if isinstance(rule, list) and rule and all(type(frame) is int and frame >= 0 for frame in rule):
        return []
    known = "largest, middle, first, every:N, uniform:K, RULE:K, a list such as [0, 12], support:DIR"
    known += ", file:PATH (.csv, .json or a folder of YOLO's .txt)"
    return [f"frames={rule} is not possible; choose one of {known}"]


def z_range_problems(z_range: Any) -> list[str]:
    """One line for a ``z_range`` that is neither null nor labels nor [first, last], else none."""
    if z_range in (None, "labels"):
        return []
    if isinstance(z_range, list) and len(z_range) == 2 and all(type(frame) is int for frame in z_range):
        first, last = z_range
        if 0 <= first <= last:
            return []
    return [f"z_range={z_range} is not possible; write [first, last] (slices counted from 0), labels or null"]
