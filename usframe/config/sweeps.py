"""Keys with several values, as Hydra's multirun writes them (``KEY=A,B``, ``choice()``, ``range()``), and what each
combination of them is called.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString
from hydra.errors import HydraException

from usframe.config.overrides import numbers_as_text, written
from usframe.config.schema import Common, leaves
from usframe.config.structured import plain_type
from usframe.config.values import is_text

WHOLE = ("out", "shard", "overwrite", "plugins")  # keys of a request as a whole
LONGEST = 200  # bytes of a folder's name
NO_NAME = re.compile(r"[^\w.+,:=@%\[\]{}-]")


@dataclass(frozen=True)
class Combination:
    """One value of every key that has several. ``values``: key -> as it is shown; ``overrides``: as it is typed."""

    values: Mapping[str, str]
    overrides: Sequence[str]

    @property
    def name(self) -> str:
        """``KEY=VALUE,...`` in alphabetical order, as Hydra names folders; what no folder is called becomes _."""
        return NO_NAME.sub("_", ",".join(sorted(f"{key}={value}" for key, value in self.values.items())))


def combine(overrides: Sequence[str], schema: type[Common]) -> tuple[list[str], list[Combination], list[str]]:
    """The overrides that have one value, every combination of the others, and a line about each that cannot be.

    The last key varies first, as in Hydra. Without a key of several values there is no combination.
    """
    alone: dict[str, str] = {}
    several: dict[str, list[Any]] = {}
    problems = []
    for text in overrides:
        key, _, value = text.partition("=")
        several.pop(key, None)
        alone[key] = text
        try:
            values = _values(numbers_as_text(value) if is_text(schema, key) else value)
        except ValueError as error:
            problems.append(f"{text}: {error}")
            continue
        if values is None:
            continue
        del alone[key]
        several[key] = values
        if key in WHOLE:
            problems.append(f"{text}: -m cannot vary {key}, which is that of the whole request")
        elif len({*map(shown, values)}) < len(values):
            problems.append(f"{text}: the same value is there twice")
    found = [_combination(dict(zip(several, chosen, strict=True)), schema) for chosen in product(*several.values())]
    found = found if several else []
    names = [one.name for one in found]
    problems += [
        f"{name}: two combinations would have the folder of this name; run one of them by itself"
        for name in dict.fromkeys(names)
        if names.count(name) > 1 and not problems
    ]
    if long := next((name for name in names if len(name.encode()) > LONGEST), ""):
        problems.append(f"{long[:40]}...: is too long for the name of a folder; vary fewer keys, or shorter values")
    return list(alone.values()), found, problems


def _combination(chosen: Mapping[str, Any], schema: type[Common]) -> Combination:
    """A value alone, of a key that holds a list, is a list of one."""
    known = leaves(schema)
    listed = {key for key in chosen if key in known and plain_type(known[key].type) in (list[str], list[Any])}
    whole = {
        key: [value] if key in listed and not isinstance(value, list) else value for key, value in chosen.items()
    }
    return Combination(
        {key: shown(value) for key, value in chosen.items()},
        [f"{key}={written(value)}" for key, value in whole.items()],
    )


def _values(text: str) -> list[Any] | None:
    """The values that a text stands for, None where it is one, or none that can be read.

    Raises `ValueError` for values without end, and for ``glob()``, which asks Hydra for files of its own.
    """
    try:
        parsed: Override = OverridesParser.create().parse_override(f"value={text}")
    except HydraException:
        return None
    if not parsed.is_sweep_override():
        return None
    if not parsed.is_discrete_sweep():
        raise ValueError("an interval has no end of values; write them, or range(FIRST,END,STEP)")
    try:
        return [_plain(value) for value in parsed.sweep_iterator()]
    except HydraException as error:
        raise ValueError("glob() is not possible here; write the values") from error


def _plain(value: Any) -> Any:
    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    return value


def shown(value: Any) -> str:
    """A value in words: a text without quotes, all else as it is typed."""
    if isinstance(value, list):
        return f"[{','.join(map(shown, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}:{shown(item)}' for key, item in value.items())}}}"
    return value if isinstance(value, str) else written(value)
