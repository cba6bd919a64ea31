"""Attacks by pictures that promise or unpack to more than there is."""

from __future__ import annotations

import struct
import zlib

from kinds.files import stored


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, bits: int, colour: int, data: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _rows(row: int, rows: int) -> bytes:
    """Packed rows of zeros, and the byte before each: one block that is repeated."""
    packer, size = zlib.compressobj(1), 1 << 26
    first = packer.compress(bytes(size)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(size)) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + again * ((row + 1) * rows // size)


stored("that promises 10^9 pixels", ".png", _png(30000, 30000, 16, 6, zlib.compress(bytes(999))))
stored("that promises 10^18 pixels", ".png", _png(2**31 - 1, 2**31 - 1, 8, 0, zlib.compress(bytes(999))))
stored("that unpacks to 7 GB", ".png", lambda scene: _png(30000, 30000, 16, 6, _rows(240000, 30000)))


def _tif(count: int, width: int, height: int, data: bytes, *, loop: bool = False, far: bool = False) -> bytes:
    """Pages that all show one packed strip."""
    file = bytearray(b"II*\0" + bytes(4) + data)
    place = 4
    for _ in range(count):
        at = len(file)
        file[place : place + 4] = struct.pack("<I", at)
        tags = [
            *((256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1)),
            *((273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, len(data))),
        ]
        file += struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
        place = len(file)
        file += bytes(4)
    if loop or far:
        file[place : place + 4] = struct.pack("<I", 0xFFFFFFF0 if far else 8 + len(data))
    return bytes(file)


SHARED = zlib.compress(bytes(8000 * 8000))
stored("of 500 pages in one", ".tif", lambda scene: _tif(500, 8000, 8000, SHARED))
stored("of 100,000 pages in one", ".tif", lambda scene: _tif(100000, 500, 500, zlib.compress(bytes(250000))))
stored("that leads back to itself", ".tif", lambda scene: _tif(3, 30, 20, zlib.compress(bytes(600)), loop=True))
stored("that leads beyond its end", ".tif", lambda scene: _tif(3, 30, 20, zlib.compress(bytes(600)), far=True))
stored("that promises 10^9 pixels", ".tif", lambda scene: _tif(1, 30000, 30000, zlib.compress(bytes(600))))
stored(
    "that promises 10^9 pixels",
    ".bmp",
    b"BM"
    + struct.pack("<IHHI", 100, 0, 0, 54)
    + struct.pack("<IiiHHIIiiII", 40, 30000, 30000, 1, 24, 0, 0, 0, 0, 0, 0),
)
stored(
    "that promises 10^9 pixels",
    ".jpg",
    b"\xff\xd8\xff\xc0\x00\x11\x08"
    + struct.pack(">HH", 65500, 65500)
    + b"\x03\x01\x11\x00\x02\x11\x00\x03\x11\x00"
    + b"\xff\xda\x00\x0c\x03\x01\x00\x02\x00\x03\x00\x00\x3f\x00"
    + bytes(99)
    + b"\xff\xd9",
)
