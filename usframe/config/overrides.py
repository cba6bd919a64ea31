"""``KEY=VALUE`` in Hydra's grammar: reading it, and writing it so that any text survives."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

# An item of a list, or all of a value, in quotes or not.
_ITEM = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|(?:[^,\[\]'"\\]|\\.)+""")


def parse_overrides(overrides: Sequence[str], *, numbers: bool = True) -> tuple[dict[str, Any], list[str]]:
    """Key -> value, the last one where a key is given twice; and one line about each that cannot be read.

    Without ``numbers`` they stay the text they are written as: ``2024_05_01`` and ``1e3``.
    """
    parser = OverridesParser.create()
    given: dict[str, Any] = {}
    problems = []
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals:
            problems.append(f"{text!r} is no option; options are written KEY=VALUE")
            continue
        try:
            text_or_number = value if numbers else numbers_as_text(value)
            parsed = parser.parse_override(f"value={text_or_number}")
        except HydraException as error:
            items = value[1:-1].split(",") if value[:1] + value[-1:] == "[]" else value
            problems.append(f'{text}: {first_line(error)}; a text goes in quotes: "{override(key, items)}"')
            continue
        if parsed.is_sweep_override():
            problems.append(f"{text}: one value at a time; a list is written {key}=[{value}], and -m runs each")
        else:
            given[key] = parsed.value()
    return given, problems


def numbers_as_text(value: str) -> str:
    """A value, or every item of it, in quotes where it would be a number."""
    return _ITEM.sub(_number_as_text, value)


def _number_as_text(item: re.Match[str]) -> str:
    try:
        float(item[0])
    except ValueError:
        return item[0]
    return _quoted(item[0].strip())


def override(key: str, value: str | Sequence[str] | Mapping[str, str]) -> str:
    """``KEY=VALUE`` that is read back as exactly this text, list of texts, or texts by name."""
    if isinstance(value, str):
        return f"{key}={_quoted(value)}"
    if isinstance(value, Mapping):
        return f"{key}={written(value)}"
    return f"{key}=[{','.join(map(_quoted, value))}]"


def written(value: Any) -> str:
    """Any value of a request, as it is written after ``KEY=``: text, numbers, lists and mappings of them."""
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{key}:{written(item)}' for key, item in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(written, value))}]"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return str(value) if isinstance(value, int | float) else _quoted(str(value))


def escaped(value: Any) -> Any:
    """The value with all its texts such that OmegaConf does not read ``${`` as a reference."""
    if isinstance(value, dict):
        return {key: escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [escaped(item) for item in value]
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", value) if isinstance(value, str) else value


def first_line(error: BaseException) -> str:
    """The message of an exception without its details; where it is empty, that of its cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines and error.__cause__:
        return first_line(error.__cause__)
    return lines[0] if lines else type(error).__name__


def _quoted(text: str) -> str:
    return QuotedString(escaped(text), Quote.single).with_quotes()
