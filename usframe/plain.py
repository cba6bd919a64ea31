"""Text and JSON from files that anybody may have written: of bounded size, and of the type that is wanted."""

from __future__ import annotations

import errno
import json
import math
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, TypeAlias, Union, get_args, get_origin, get_type_hints, is_typeddict

LARGEST = 1 << 26  # bytes
Test: TypeAlias = Callable[[Any], bool]


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
    return _test_of(kind)(value)


def of_fields(value: Mapping[str, Any], schema: type) -> bool:
    """Whether every key is one of a typed dict or dataclass, and its value of that type."""
    tests = _tests_of(schema)
    return value.keys() <= tests.keys() and all(tests[key](item) for key, item in value.items())


@cache
def _test_of(kind: Any) -> Test:
    """What tells whether JSON is of a type."""
    if kind is Any:
        return lambda value: True
    if get_origin(kind) in (Union, UnionType):
        tests = [_test_of(part) for part in get_args(kind)]
        return lambda value: any(test(value) for test in tests)
    if get_origin(kind) is list:
        test = _test_of(get_args(kind)[0])
        return lambda value: isinstance(value, list) and all(map(test, value))
    if get_origin(kind) in (dict, Mapping):
        test = _test_of(get_args(kind)[1])
        return lambda value: isinstance(value, dict) and all(map(test, value.values()))
    if is_typeddict(kind):
        needed = kind.__required_keys__
        return lambda value: isinstance(value, dict) and needed <= value.keys() and of_fields(value, kind)
    if kind is float:
        return lambda value: type(value) in (int, float) and math.isfinite(value)
    return lambda value: type(value) is kind


@cache
def _tests_of(schema: type) -> dict[str, Test]:
    return {name: _test_of(kind) for name, kind in get_type_hints(schema).items()}
