"""How much a picture unpacks to, from its header alone: PNG, JPEG, TIFF and BMP."""

from __future__ import annotations

import struct
from pathlib import Path

from usframe import ReadError

from .streams import check_promise

HARMLESS = 1 << 28  # bytes that any machine has
WIDTH, HEIGHT, BITS, SAMPLES = 256, 257, 258, 277  # tags of TIFF
KINDS = {1: "B", 3: "H", 4: "I", 16: "Q"}  # of a number in a tag
NO_SIZE = {0xC4, 0xC8, 0xCC}  # markers of JPEG among those that give the size, which do not


def check_picture(path: Path, content: bytes) -> int:
    """How many pages a TIFF names, 1 for others.

    Raises `ReadError` for a picture of another kind, for pages that are not there, and for one that unpacks to more
    than its file can hold or than this machine has memory.
    """
    try:
        if content[:8] == b"\x89PNG\r\n\x1a\n":
            width, height, bits, colour = struct.unpack_from(">IIBB", content, 16)
            pages, needed = 1, width * height * {2: 3, 4: 2, 6: 4}.get(colour, 1) * max(1, bits // 8)
        elif content[:2] == b"\xff\xd8":
            pages, needed = 1, _jpeg(content)
        elif content[:2] == b"BM":
            width, height, _, bits = struct.unpack_from("<iiHH", content, 18)
            pages, needed = 1, abs(width * height) * max(1, bits // 8)
        elif content[:2] in (b"II", b"MM"):
            pages, needed = _tiff(path, content)
        else:
            raise ReadError(f"{path}: not a readable picture (no PNG, JPEG, TIFF or BMP)")
    except struct.error as error:
        raise ReadError(f"{path}: not a readable picture (its header is cut off)") from error
    if needed > HARMLESS:
        check_promise(path, needed, len(content), gzipped=True)
    return pages


def _jpeg(content: bytes) -> int:
    at = 2
    while True:
        mark, kind, length = struct.unpack_from(">BBH", content, at)
        if mark != 0xFF or kind == 0xFF:  # a byte of padding
            at += 1
        elif 0xC0 <= kind <= 0xCF and kind not in NO_SIZE:
            height, width, parts = struct.unpack_from(">HHB", content, at + 5)
            return int(width * height * parts)
        else:
            at += 2 + length


def _tiff(path: Path, tif: bytes) -> tuple[int, int]:
    """Pages in the chain of directories, and the bytes of all."""
    order = "<" if tif[:2] == b"II" else ">"
    big = struct.unpack_from(f"{order}H", tif, 2)[0] == 43  # BigTIFF; 42 is the classic kind
    length, offset, start, entry_bytes = ("Q", "Q", 8, 20) if big else ("H", "I", 4, 12)
    seen: set[int] = set()
    needed = 0
    try:
        (at,) = struct.unpack_from(order + offset, tif, start)
        while at:
            if at in seen:
                raise ReadError(f"{path}: its pages lead back to an earlier one, the file is damaged")
            seen.add(at)
            (entries,) = struct.unpack_from(order + length, tif, at)
            first = at + struct.calcsize(length)
            tags = dict(_tag(tif, order, offset, first + n * entry_bytes) for n in range(min(entries, 4096)))
            depth = max(1, tags.get(BITS, 8) // 8) if tags.get(BITS, 8) <= 64 else 2
            needed += tags.get(WIDTH, 0) * tags.get(HEIGHT, 0) * tags.get(SAMPLES, 1) * depth
            (at,) = struct.unpack_from(order + offset, tif, first + entries * entry_bytes)
    except struct.error as error:
        raise ReadError(
            f"{path}: page {len(seen)} of the picture lies beyond the end of the file, which is damaged"
        ) from error
    return len(seen), needed


def _tag(tif: bytes, order: str, offset: str, at: int) -> tuple[int, int]:
    """A tag and its number; that of several is where they are."""
    tag, kind = struct.unpack_from(f"{order}HH", tif, at)
    place = at + 4 + struct.calcsize(offset)
    return tag, struct.unpack_from(order + KINDS.get(kind, "B"), tif, place)[0]
