"""Values that are none of their choices, or beyond their limits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import reduce
from typing import Any

from usframe.config.named import number_of
from usframe.config.schema import leaves
from usframe.config.schema.options import choices_of


def outside_limits(config: Any) -> list[str]:
    """One line per value of a schema that is none of its choices or beyond its limits."""
    problems = []
    for key, leaf in leaves(config).items():
        value = reduce(getattr, key.split("."), config)
        choices, least, most = choices_of(leaf.type), leaf.metadata["least"], leaf.metadata["most"]
        for name, item in _items(key, value, leaf.metadata["number"]):
            if choices and item is not None and item not in choices:
                problems.append(f"{name}={item} is not possible; choose one of {', '.join(choices)}")
            elif isinstance(item, int | float) and not (abs(item) < math.inf and least <= item <= most):
                words = (
                    f"at least {least:.15g}" if least > -math.inf else "",
                    f"at most {most:.15g}" if most < math.inf else "",
                )
                limits = " and ".join(filter(None, words))
                problems.append(f"{name}={item} is not possible; it must be {limits or 'a finite number'}")
    return problems


def _items(key: str, value: Any, number: str) -> Iterator[tuple[str, Any]]:
    """(name, value) of all that a key holds: the items of a list, the numbers of a mapping."""
    if isinstance(value, list):
        yield from ((key, item) for item in value)
    elif isinstance(value, dict):
        yield from ((f"{key}.{name}", number_of(item, number)) for name, item in value.items())
    else:
        yield key, value
