"""What a request says beside its array, checked: flags, coordinates, intervals."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from usframe.serving.clients import RefusalError

Fields = Mapping[str, Any]


def parsed(text: bytes | str) -> dict[str, Any]:
    """A JSON object. Raises `RefusalError` for anything else."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RefusalError(400, "the request is no JSON") from error
    if not isinstance(fields, dict):
        raise RefusalError(400, f"the request must be a JSON object such as {{}}, not a {type(fields).__name__}")
    return fields


def flag(fields: Fields, name: str, default: bool | None = None) -> bool:
    """True or false; ``default`` where it is not said."""
    value = fields.get(name, default)
    if not isinstance(value, bool):
        raise RefusalError(422, f"{name} must be true or false")
    return value


def numbers(fields: Fields, name: str, count: int) -> list[float]:
    """A list of ``count`` finite numbers."""
    return _numbers(fields.get(name), name, count)


def intervals(fields: Fields, name: str) -> list[tuple[float, float]]:
    """Where something begins and ends on each of three axes, the end excluded."""
    value = fields.get(name)
    if not isinstance(value, list) or len(value) != 3:
        raise RefusalError(422, f"{name} must be a list of three [begin, end], one per axis")
    pairs = [_numbers(pair, f"each part of {name}", 2) for pair in value]
    if any(begin >= end for begin, end in pairs):
        raise RefusalError(422, f"each part of {name} must end after it begins")
    return [(begin, end) for begin, end in pairs]


def _numbers(value: Any, name: str, count: int) -> list[float]:
    if not isinstance(value, list) or len(value) != count or not all(map(_is_number, value)):
        raise RefusalError(422, f"{name} must be a list of {count} finite numbers")
    return [float(number) for number in value]


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 2**31 and math.isfinite(value)
