"""Arrays as nnInteractive's clients send and take them, checked before a byte of them is unpacked.

Little-endian: ``NNIA``, then a byte each for version (1), codec, number of axes and length of the type's name; the
name; int64 per axis; uint32 number of chunks; per chunk uint64 bytes unpacked, uint64 bytes packed, a blosc2 frame.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any, Protocol

import blosc2
import numpy as np
from numpy.typing import NDArray

from usframe.serving.clients import RefusalError

MAGIC, VERSION = b"NNIA", 1
CODECS = {1: blosc2.Codec.ZSTD, 2: blosc2.Codec.LZ4}
FLOATS = ("float16", "float32", "float64")
TYPES = (*FLOATS, "bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")
PLAIN = [blosc2.Filter.NOFILTER]


class Array(Protocol):
    """An array that has not been unpacked yet."""

    @property
    def shape(self) -> tuple[int, ...]:
        """As its sender says."""

    def unpack(self) -> NDArray[Any]:
        """The array, of this shape. Raises `RefusalError` for what is damaged, or not finite."""


@dataclass(frozen=True)
class Packed:
    """An array that has not been unpacked: its type and shape, and its chunks as (bytes unpacked, frame)."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    chunks: tuple[tuple[int, memoryview], ...]

    def unpack(self) -> NDArray[Any]:
        """The array. Raises `RefusalError` for what is damaged, or not finite."""
        flat = np.zeros(math.prod(self.shape), self.dtype)
        begin, width = 0, self.dtype.itemsize
        try:
            for count, frame in self.chunks:
                end = begin + count // width
                blosc2.decompress2(frame, dst=flat[begin:end])
                begin = end
        except (RuntimeError, ValueError, TypeError) as error:
            raise RefusalError(400, "the array cannot be unpacked: its chunks are damaged") from error
        if self.dtype.name in FLOATS and not np.isfinite(flat).all():
            raise RefusalError(422, "the array has voxels that are NaN or infinite")
        return flat.reshape(self.shape)


def read(body: bytes) -> Packed:
    """What a body holds. Raises `RefusalError` for one that is no array, or whose parts disagree."""
    try:
        return _read(memoryview(body))
    except (struct.error, UnicodeDecodeError) as error:
        raise RefusalError(400, "the array is cut off") from error


def pack(array: NDArray[np.uint8]) -> bytes:
    """``array`` in one chunk."""
    name = array.dtype.name.encode("ascii")
    head = struct.pack("<4s4B", MAGIC, VERSION, 1, array.ndim, len(name)) + name
    raw = np.ascontiguousarray(array).data.cast("B")
    frame = blosc2.compress2(raw, typesize=array.itemsize, codec=CODECS[1], clevel=3, filters=PLAIN)
    return b"".join((head, struct.pack(f"<{array.ndim}qIQQ", *array.shape, 1, raw.nbytes, len(frame)), frame))


def _read(body: memoryview) -> Packed:
    magic, version, codec, axes, letters = struct.unpack_from("<4s4B", body)
    if magic != MAGIC or version != VERSION or codec not in CODECS:
        raise RefusalError(400, f"the body is no array of version {VERSION} of nnInteractive's format")
    name = bytes(body[8 : 8 + letters]).decode("ascii")
    if name not in TYPES:
        raise RefusalError(422, f"an array of this type is not taken; send one of {', '.join(TYPES)}")
    if not 1 <= axes <= 4:
        raise RefusalError(422, f"an array of {axes} axes is not taken; send one of up to 4")
    dtype, at = np.dtype(name), 8 + letters
    shape = struct.unpack_from(f"<{axes}q", body, at)
    (count,) = struct.unpack_from("<I", body, at + 8 * axes)
    if min(shape) < 1:
        raise RefusalError(422, f"an array of the shape {list(shape)} has no voxel")
    at += 8 * axes + 4
    chunks = []
    for _ in range(count):
        unpacked, packed = struct.unpack_from("<QQ", body, at)
        frame = body[at + 16 : at + 16 + packed]
        chunks.append((unpacked, frame))
        at += 16 + packed
        if len(frame) != packed:
            raise RefusalError(400, "the array is cut off")
        if unpacked == 0 or unpacked % dtype.itemsize or _sizes(frame) != (unpacked, packed):
            raise RefusalError(400, "the array cannot be unpacked: its chunks are damaged")
    if at != len(body) or sum(unpacked for unpacked, _ in chunks) != math.prod(shape) * dtype.itemsize:
        raise RefusalError(400, f"the body does not hold an array of the shape {list(shape)}")
    return Packed(dtype, shape, tuple(chunks))


def _sizes(frame: memoryview) -> tuple[int, int]:
    """Bytes of a frame unpacked and packed, as it says itself."""
    try:
        unpacked, packed, _ = blosc2.get_cbuffer_sizes(frame)
    except (RuntimeError, ValueError, TypeError) as error:
        raise RefusalError(400, "the array cannot be unpacked: its chunks are damaged") from error
    return int(unpacked), int(packed)
