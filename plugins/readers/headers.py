"""What the headers of NRRD and MetaImage say that SimpleITK does not pass on: units, unknown spacing, data files.

The fields are those of the NRRD format definition (teem.sourceforge.net/nrrd/format.html) and of MetaIO.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from usframe import ReadError

from .header_lines import is_series, meta_fields, nrrd_fields

MOST_BYTES = 1 << 20  # of a header
MOST_AXES = 10
UNITS = {
    **dict.fromkeys(("", "mm", "millimeter", "millimeters", "millimetre", "millimetres"), 1.0),
    **dict.fromkeys(("cm", "centimeter", "centimeters", "centimetre", "centimetres"), 10.0),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), 1000.0),
    **dict.fromkeys(("um", "\u00b5m", "\u03bcm", "micron", "microns", "micrometer", "micrometers"), 1e-3),
    **dict.fromkeys(("micrometre", "micrometres"), 1e-3),
    **dict.fromkeys(("nm", "nanometer", "nanometers", "nanometre", "nanometres"), 1e-6),
}
NRRD_BYTES = {
    **dict.fromkeys(("signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t"), 1),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), 2),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), 2),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t"), 4),
    **dict.fromkeys(("longlong", "long long", "long long int", "signed long long", "int64", "int64_t"), 8),
    **dict.fromkeys(("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"), 8),
    **{"float": 4, "double": 8},
}
META_BYTES = {"CHAR": 1, "SHORT": 2, "INT": 4, "LONG": 4, "LONG_LONG": 8, "FLOAT": 4, "DOUBLE": 8}
META_LENGTHS = {  # field -> power of the number of axes
    **dict.fromkeys(("ElementSpacing", "ElementSize", "Offset", "Position", "Origin", "CenterOfRotation"), 1),
    **dict.fromkeys(("TransformMatrix", "Rotation", "Orientation"), 2),
}
ENCODINGS = {"gz": "gzip", "bz2": "bzip2", "txt": "ascii", "text": "ascii"}


@dataclass(frozen=True)
class Header:
    """``unit``: mm in one unit of length, None where it is none that is known.

    ``spaced``: whether the spacing of each stored axis is given; ``kinds``: of these axes, where they have any.
    ``needed``: bytes of the voxels, 0 where that cannot be told. ``encoding``: raw, gzip, bzip2, or a word for what
    is not checked. ``data``: the files with the voxels, which begin at ``start`` where it is the header's own.
    """

    unit: float | None
    spaced: tuple[bool, ...]
    kinds: tuple[str, ...]
    needed: int
    encoding: str
    data: tuple[Path, ...]
    start: int = 0


def read_header(path: Path) -> Header | None:
    """What ``path`` says, None for a file of another format. Raises `ReadError` for fields that make no sense."""
    with path.open("rb") as file:
        raw = file.read(MOST_BYTES)
    try:
        if raw[:4] == b"NRRD":
            return _nrrd(path, raw)
        return _meta(path, raw) if path.suffix.lower() in (".mha", ".mhd") else None
    except (ValueError, KeyError, IndexError) as error:
        cause = f"no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())[:200]
        raise ReadError(
            f"{path}: cannot be decoded, damaged or not of this format (its header: {cause})"
        ) from error


def _nrrd(path: Path, raw: bytes) -> Header:
    fields, listed, end = nrrd_fields(raw)
    sizes = _sizes(fields["sizes"], fields["dimension"])
    encoding = fields.get("encoding", "raw").lower()
    named = fields.get("data file")
    start = end if end and named is None else 0
    attached = (path,) if named is None else ()
    skipped = {fields.get(key, "0") for key in ("line skip", "byte skip")} != {"0"}
    each = NRRD_BYTES[fields["type"].lower()]
    return Header(
        _unit(_quoted(fields.get("space units") or fields.get("units", ""))),
        _nrrd_spaced(fields, len(sizes)),
        tuple(fields.get("kinds", "").lower().split()),
        math.prod(sizes) * each,
        "skipped" if skipped else ENCODINGS.get(encoding, encoding),
        attached or _named(path, named or "", listed),
        start,
    )


def _nrrd_spaced(fields: Mapping[str, str], axes: int) -> tuple[bool, ...]:
    if directions := re.findall(r"none|\([^()]{0,200}\)", fields.get("space directions", "").lower()):
        given = [part != "none" and "nan" not in part for part in directions]
    else:
        given = [math.isfinite(float(part)) for part in fields.get("spacings", "").split()]
    return tuple(given) if len(given) == axes else (False,) * axes


def _meta(path: Path, raw: bytes) -> Header:
    fields, listed, start = meta_fields(raw)
    sizes = _sizes(fields["DimSize"], fields["NDims"])
    for key, lengths in META_LENGTHS.items():
        if key in fields and len([float(number) for number in fields[key].split()]) != len(sizes) ** lengths:
            raise ValueError(f"{key} has another length than NDims says")
    named = fields["ElementDataFile"]
    local = named.upper() == "LOCAL"
    each = META_BYTES[re.sub("^MET_U?", "", fields["ElementType"])]
    spacing = fields.get("ElementSpacing") or fields.get("ElementSize") or ""
    encoding = "gzip" if _true(fields.get("CompressedData")) else "raw"
    if fields.get("HeaderSize", "0") != "0":
        encoding = "skipped"
    return Header(
        _unit([fields.get("DistanceUnits", "")]),
        (len(spacing.split()) == len(sizes),) * len(sizes),
        (),
        math.prod(sizes) * each * int(fields.get("ElementNumberOfChannels", 1)),
        encoding if _true(fields.get("BinaryData", "True")) else "ascii",
        (path,) if local else _named(path, named, listed),
        start if local else 0,
    )


def _sizes(text: str, axes: str) -> list[int]:
    """The lengths of all axes, as many as there are said to be: a library may write beyond its memory otherwise."""
    sizes = [int(size) for size in text.split()]
    if len(sizes) != int(axes) or not 1 <= len(sizes) <= MOST_AXES or min(sizes) < 1:
        raise ValueError(f"{axes} axes of the lengths {text}")
    return sizes


def _true(text: str | None) -> bool:
    return (text or "").lower() in ("true", "1", "t")


def _named(path: Path, named: str, listed: Sequence[str]) -> tuple[Path, ...]:
    """The data files of a detached header: one, a numbered series, or a list."""
    if named.startswith("LIST"):
        return tuple(path.parent / line for line in listed if line)
    words = named.split()
    if named == "-" or (words and "%" in named and "%" not in words[0]):
        raise ValueError(f"{named[:40]!r} is no file")
    if is_series(words[0] if words else ""):
        if len(words) not in (3, 4) or not all(re.fullmatch(r"-?\d{1,9}", word) for word in words[1:]):
            raise ValueError(f"{named[:40]!r} is no series of files")
        first, last, step = (int(word) for word in [*words[1:], "1"][:3])
        numbers = range(first, last + (1 if step > 0 else -1), step or 1)
        return tuple(path.parent / (words[0] % number) for number in numbers[:10000])
    return (path.parent / named,)


def _quoted(text: str) -> list[str]:
    return re.findall(r'"([^"]*)"', text) or text.split()


def _unit(names: Sequence[str]) -> float | None:
    """Millimetres in one unit: 1 where none is named, None for several different ones and for others."""
    sizes = {UNITS.get(name.strip().lower()) for name in names if name.strip() not in ("", "???")} or {1.0}
    return sizes.pop() if len(sizes) == 1 else None
