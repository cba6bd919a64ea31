"""Arrays on their way: what the client packs is unpacked, and nothing that is damaged gets far."""

from __future__ import annotations

import struct

import blosc2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nnInteractive.inference.remote.serialization import pack_array, unpack_array

from usframe.serving.arrays import TYPES, pack, read
from usframe.serving.clients import RefusalError

PICTURE = np.random.default_rng(0).integers(0, 60, (1, 3, 20, 25)).astype(np.int16)
PACKED = pack_array(PICTURE)
SHAPE = 8 + len("int16")  # where the shape begins


def with_shape(*shape: int) -> bytes:
    return PACKED[:SHAPE] + struct.pack("<4q", *shape) + PACKED[SHAPE + 32 :]


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("codec", [blosc2.Codec.ZSTD, blosc2.Codec.LZ4])
def test_what_the_client_packs_is_unpacked(name, codec):
    array = (np.random.default_rng(1).random((2, 5, 7)) * 2).astype(name)
    got = read(pack_array(array, codec=codec)).unpack()
    assert got.dtype == array.dtype
    np.testing.assert_array_equal(got, array)


def test_the_client_unpacks_what_is_packed():
    for mask in (
        PICTURE[0].astype(np.uint8),
        np.zeros((3, 5, 7), np.uint8),
        PICTURE.astype(np.uint8)[0, :, ::2, ::3],
    ):
        np.testing.assert_array_equal(unpack_array(pack(mask)), mask)


@pytest.mark.parametrize(
    ("body", "status", "line"),
    [
        (b"", 400, "cut off"),
        (b"NNIA", 400, "cut off"),
        (b"PK\3\4" + PACKED[4:], 400, "is no array of version 1"),
        (PACKED[:4] + b"\2" + PACKED[5:], 400, "is no array of version 1"),
        (PACKED[:40], 400, "cut off"),
        (PACKED[:-1], 400, "cut off"),
        (PACKED + b"\0", 400, "does not hold an array of the shape"),
        (with_shape(1, 3, 20, 26), 400, "does not hold an array of the shape"),
        (with_shape(2**40, 2**40, 2**40, 2**40), 400, "does not hold an array of the shape"),
        (with_shape(1, 3, 20, 0), 422, "has no voxel"),
        (with_shape(1, -3, -20, 25), 422, "has no voxel"),
        (PACKED[:8] + b"objec" + PACKED[SHAPE:], 422, "of this type is not taken"),
        (PACKED[:6] + b"\5" + PACKED[7:], 422, "of 5 axes is not taken"),
        (PACKED[: SHAPE + 36 + 16] + bytes(len(PACKED) - SHAPE - 52), 400, "its chunks are damaged"),
        (pack_array(np.array([1, np.nan], np.float32)), 422, "NaN or infinite"),
        (pack_array(np.array([1, -np.inf], np.float16)), 422, "NaN or infinite"),
    ],
)
def test_what_is_no_array_is_refused_in_a_line(body, status, line):
    with pytest.raises(RefusalError, match=line) as refused:
        read(body).unpack()
    assert refused.value.status == status
    assert "\n" not in refused.value.line


@given(st.lists(st.tuples(st.integers(0, len(PACKED) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_damaged_bytes_are_refused_or_an_array(damage):
    body = bytearray(PACKED)
    for at, byte in damage:
        body[at] = byte
    try:
        packed = read(bytes(body))
        array = packed.unpack()
    except RefusalError:
        return
    assert (array.shape, array.dtype) == (packed.shape, packed.dtype)
