"""The lines of a NRRD or MetaImage header, where every reader of them would find the same: else there is none.

A library that reads a line otherwise than usframe could be led to a file that usframe did not look at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

LONGEST = 400  # characters before the = of a MetaImage, which MetaIO reads in pieces
SERIES = re.compile(r"[^%]*%0?\d{0,2}d[^%]*")
ALIASES = {"datafile": "data file", "lineskip": "line skip", "byteskip": "byte skip"}


def nrrd_fields(raw: bytes) -> tuple[dict[str, str], list[str], int | None]:
    """Field -> value, the files of a LIST, and where the voxels begin, None without any. Raises `ValueError`."""
    fields: dict[str, str] = {}
    listed: list[str] = []
    start = None
    for number, (line, after) in enumerate(_lines(raw)):
        if not line:
            start = after
            break
        key, colon, value = line.partition(":")
        if fields.get("data file", "").split(" ")[0] == "LIST":
            listed.append(line.strip())
        elif number and not line.startswith("#") and colon and not value.startswith("="):
            name = key.strip().lower()
            name = ALIASES.get(name, name)
            if name in fields:
                raise ValueError(f"{name} is given twice")
            fields[name] = value.strip()
    return fields, listed, start


def meta_fields(raw: bytes) -> tuple[dict[str, str], list[str], int]:
    """Field -> value to ElementDataFile, the lines after it, and where they begin. Raises `ValueError`."""
    fields: dict[str, str] = {}
    for line, after in _lines(raw):
        key, sign, value = line.partition("=")
        name = key.strip()
        if not line.strip():
            continue
        if not sign or not name or ":" in key or len(key) > LONGEST:
            raise ValueError(f"the line {line[:40]!r} is no KEY = VALUE")
        if name in fields:
            raise ValueError(f"{name} is given twice")
        fields[name] = value.strip()
        if name == "ElementDataFile":
            listed = fields[name].startswith("LIST")
            return fields, [line for line, _ in _lines(raw[after:])] if listed else [], after
    raise ValueError("no ElementDataFile")


def is_series(name: str) -> bool:
    """Whether a name is a pattern for numbers. Raises `ValueError` for one that holds anything else after a %."""
    if "%" in name and not SERIES.fullmatch(name):
        raise ValueError(f"{name[:40]!r} is no pattern of numbers")
    return "%" in name


def _lines(raw: bytes) -> Iterator[tuple[str, int]]:
    """(a line without its end, where the next one begins). Raises `ValueError` for control characters in it."""
    at = 0
    while at < len(raw):
        end = raw.find(b"\n", at)
        end = len(raw) if end < 0 else end
        line = raw[at:end].decode("utf-8", "replace").removesuffix("\r")
        if any(letter < " " and letter not in "\t\x1b" for letter in line):
            raise ValueError("control characters")
        at = end + 1
        yield line, at
