"""Text and JSON from files that anybody may have written: of bounded size, and of the type that is wanted."""

from __future__ import annotations

import errno
import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict

LARGEST = 1 << 26  # bytes


def read_text(path: Path) -> str:
    """The text (UTF-8) of a file. Raises `OSError`, also for a pipe and a huge file, and `UnicodeDecodeError`."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no file", str(path))
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise OSError(errno.EFBIG, f"it is larger than {LARGEST >> 20} MB", str(path))
    return content.decode("utf-8-sig")


def read_json(path: Path, kind: Any = Any) -> Any:
    """What a JSON file holds, which is of the type ``kind``: plain types, lists, mappings and typed dicts.

    Raises as `read_text`, and `ValueError` for a text that is no JSON, or of another type.
    """
    try:
        content = json.loads(read_text(path))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not fits(content, kind):
        raise ValueError("it does not hold what it should")
    return content


def fits(value: Any, kind: Any) -> bool:
    """Whether JSON is of a type; numbers that are finite do for float, and keys that may be missing are known."""
    if kind is Any:
        return True
    if get_origin(kind) in (Union, UnionType):
        return any(fits(value, part) for part in get_args(kind))
    if get_origin(kind) is list:
        return isinstance(value, list) and all(fits(item, get_args(kind)[0]) for item in value)
    if get_origin(kind) in (dict, Mapping):
        return isinstance(value, dict) and all(fits(item, get_args(kind)[1]) for item in value.values())
    if is_typeddict(kind):
        return isinstance(value, dict) and kind.__required_keys__ <= value.keys() and of_fields(value, kind)
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is kind


def of_fields(value: Mapping[str, Any], schema: type) -> bool:
    """Whether every key is one of a typed dict or dataclass, and its value of that type."""
    kinds = get_type_hints(schema)
    return value.keys() <= kinds.keys() and all(fits(item, kinds[key]) for key, item in value.items())
