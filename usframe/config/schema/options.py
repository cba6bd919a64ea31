"""What a key is, and the keys that tasks share."""

# ruff: noqa: RUF009 - option() is dataclasses.field()

import math
from collections.abc import Callable, Sequence
from dataclasses import Field, dataclass, field, fields, is_dataclass
from itertools import permutations
from typing import Any

LAYOUTS = ("auto", *map("".join, permutations("dhw")))


def option(default: Any, *, choices: Sequence[str] = (), least: float = -math.inf, most: float = math.inf) -> Any:
    """A dataclass field whose value (or every item of it) is one of ``choices`` or within limits."""
    limits = {"choices": choices, "least": least, "most": most}
    if isinstance(default, (type, list, dict)):
        factory: Callable[[], Any] = default if isinstance(default, type) else default.copy
        return field(default_factory=factory, metadata=limits)
    return field(default=default, metadata=limits)


def leaves(schema: Any, prefix: str = "") -> dict[str, "Field[Any]"]:
    """Dotted key -> field of everything in a schema that holds a value."""
    found: dict[str, Field[Any]] = {}
    for part in fields(schema):
        key = prefix + part.name
        found |= leaves(part.type, f"{key}.") if is_dataclass(part.type) else {key: part}
    return found


@dataclass
class Noise:
    """How carelessly prompts are drawn, see `usframe.prompting.strategies.Noise`."""

    box: float = option(0.0, least=0)
    point: float = option(0.0, least=0, most=1)
    mask: int = option(0, least=0, most=50)


@dataclass
class Common:
    """Keys of every task. Paths are relative to the current folder."""

    out: str | None = option(None)
    seed: int = option(0, least=0)
    overwrite: bool = option(False)
    plugins: list[str] = option([])


@dataclass
class Networked(Common):
    """Keys of every task with a network."""

    backbone: str = option("medsam2")
    checkpoint: str | None = option(None)
    device: str = option("auto")
    precision: str = option("auto", choices=("auto", "fp32", "bf16", "fp16"))
    noise: Noise = option(Noise)


@dataclass
class Paired:
    """Keys of every task that reads volumes and their labels."""

    volumes: str = option("")
    label_suffix: str = option("")
    layout: str = option("auto", choices=LAYOUTS)
    label_layout: str | None = option(None, choices=LAYOUTS)
    intensity: str = option("auto", choices=("auto", "none", "minmax", "percentile"))
