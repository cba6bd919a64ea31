"""NumPy arrays."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

from . import Place, Recipe, cut, damaged, flipped, labels, pair, replaced, swapped, voxels

NPY, NPZ = ".npy", ".npz"
UNREADABLE = "not a readable NumPy file"
GREY = voxels()


class Marked:
    """An object that would leave a mark if it was unpickled."""

    def __reduce__(self) -> Any:
        return (print, ("code of a file ran",))


def npy(array: Any) -> Callable[[Place], Any]:
    def make(place: Place) -> None:
        pair(place, NPY)
        np.save(place.volume(NPY), array, allow_pickle=True)

    return make


def npz(**arrays: Any) -> Callable[[Place], Any]:
    def make(place: Place) -> None:
        pair(place, NPY)
        place.volume(NPY).unlink()
        np.savez_compressed(place.volume(NPZ), **arrays)

    return make


def promising(shape: str, descr: str = "|u1") -> bytes:
    """The header of an array, and 64 bytes."""
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(64)


def zipped(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def raw_npz(content: bytes) -> Callable[[Place], Any]:
    def make(place: Place) -> None:
        npz(imgs=GREY)(place)
        place.volume(NPZ).write_bytes(content)

    return make


def changed_npz(how: Callable[[bytes], bytes]) -> Callable[[Place], Any]:
    def make(place: Place) -> None:
        npz(imgs=GREY)(place)
        place.volume(NPZ).write_bytes(how(place.volume(NPZ).read_bytes()))

    return make


OBJECTS = np.array([Marked()] * 8, object).reshape(2, 2, 2)
RECIPES = [
    Recipe("npy_empty", replaced(NPY, b""), "empty"),
    Recipe("npy_magic", damaged(NPY, flipped(1)), UNREADABLE),
    Recipe("npy_header_cut", damaged(NPY, lambda content: content[:40]), UNREADABLE),
    Recipe("npy_half", damaged(NPY, cut(0.5)), SHORT := "shorter than its header says|not a readable NumPy file"),
    Recipe("npy_too_long", damaged(NPY, lambda content: content * 2), "longer than its header says"),
    Recipe("npy_smaller", damaged(NPY, swapped(b"(4, 36, 48)", b"(4, 36, 24)")), "longer than its header says"),
    Recipe("npy_pickle", replaced(NPY, pickle.dumps(Marked())), UNREADABLE),
    Recipe("npy_objects", npy(OBJECTS), "object|not a readable"),
    Recipe("npy_strings", npy(GREY.astype(str)), "<U"),
    Recipe("npy_complex", npy(GREY.astype(complex)), "complex128"),
    Recipe("npy_dates", npy(GREY.astype("datetime64[s]")), "datetime64"),
    Recipe("npy_records", npy(np.zeros((4, 36, 48), [("a", "f4"), ("b", "i2")])), "colour|values"),
    Recipe("npy_number", npy(np.float32(3)), "shape"),
    Recipe("npy_row", npy(np.arange(99)), "shape"),
    Recipe("npy_several", npy(np.stack([GREY, GREY])), "shape"),
    Recipe("npy_five_axes", npy(GREY[None, None]), "shape"),
    Recipe("npy_no_slices", npy(GREY[:0]), "no voxels"),
    Recipe("npy_all_nan", npy(np.full(GREY.shape, np.nan)), "no finite value"),
    Recipe("npy_huge", replaced(NPY, promising("(99999, 99999, 99999)")), f"{UNREADABLE}|shorter"),
    Recipe("npy_negative", replaced(NPY, promising("(4, -36, 48)")), UNREADABLE),
    Recipe("npy_header_code", replaced(NPY, promising("__import__('os').getpid()")), UNREADABLE),
    Recipe("npy_header_deep", replaced(NPY, promising("(" * 9000 + ")" * 9000)), UNREADABLE),
    Recipe("npz_empty", raw_npz(b""), "empty"),
    Recipe("npz_words", raw_npz(b"PK no archive"), UNREADABLE),
    Recipe("npz_half", changed_npz(cut(0.5)), UNREADABLE),
    Recipe("npz_bit", changed_npz(flipped(900)), UNREADABLE),
    Recipe("npz_of_nothing", raw_npz(zipped("readme.txt", b"words")), UNREADABLE + "|holds the arrays|no array"),
    Recipe("npz_huge", raw_npz(zipped("imgs.npy", promising("(99999, 99999, 99999)"))), f"{UNREADABLE}|shorter"),
    Recipe("npz_strings", npz(imgs=GREY.astype(str)), "<U"),
    Recipe("npz_objects", npz(imgs=OBJECTS), UNREADABLE),
    Recipe("npz_two_arrays", npz(one=GREY, two=GREY), "holds the arrays one, two"),
    Recipe("npz_only_labels", npz(gts=labels()), "expected 'imgs'"),
    Recipe("npz_spacing_words", npz(imgs=GREY, spacing=["a", "b", "c"]), UNREADABLE + "|spacing"),
    Recipe("npz_spacing_nan", npz(imgs=GREY, spacing=[np.nan] * 3), "no usable voxel size", 0),
    Recipe("npz_spacing_two", npz(imgs=GREY, spacing=[1.0, 2.0]), "no usable voxel size", 0),
    Recipe("npz_spacing_negative", npz(imgs=GREY, spacing=[-1.0, 1.0, 1.0]), "no usable voxel size", 0),
]
