"""NIfTI files, plain and compressed."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from typing import Any

import nibabel as nib
import numpy as np

from . import AFFINE, SHAPE, Place, Recipe, cut, damaged, flipped, pair, replaced, voxels

NII, GZ = ".nii", ".nii.gz"
SHORT = "shorter than its header says"
STREAM = "compressed voxels are damaged"
UNREADABLE = "not a readable NIfTI file"


def field(at: int, form: str, *values: float, suffix: str = NII) -> Callable[[Place], Any]:
    """A header that says ``values`` from byte ``at`` on."""

    def how(content: bytes) -> bytes:
        part = struct.pack(f"<{form}", *values)
        return content[:at] + part + content[at + len(part) :]

    return damaged(suffix, how)


def array(stored: np.ndarray, **more: Any) -> Callable[[Place], Any]:
    """A volume of ``stored`` (W, H, D)."""

    def make(place: Place) -> None:
        pair(place, NII)
        nib.Nifti1Image(stored, AFFINE, **more).to_filename(place.volume(NII))

    return make


def colour(names: str) -> np.ndarray:
    return np.zeros(SHAPE[::-1], [(name, "u1") for name in names])


GREY = voxels().transpose(2, 1, 0)
WHOLE = gzip.compress(b"anything but a header" * 40)
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"

RECIPES = [
    Recipe("nii_empty", replaced(NII, b""), "empty"),
    Recipe("gz_empty", replaced(GZ, b""), "empty"),
    Recipe("nii_header_cut", damaged(NII, lambda content: content[:200]), UNREADABLE),
    Recipe("nii_header_only", damaged(NII, lambda content: content[:352]), SHORT),
    Recipe("nii_half", damaged(NII, cut(0.5)), SHORT),
    Recipe("nii_one_byte_short", damaged(NII, lambda content: content[:-1]), SHORT),
    Recipe("nii_too_long", damaged(NII, lambda content: content + content), "longer than its header says"),
    Recipe("gz_half", damaged(GZ, cut(0.5)), STREAM),
    Recipe("gz_no_trailer", damaged(GZ, lambda content: content[:-8]), STREAM),
    Recipe("gz_checksum", damaged(GZ, flipped(-6)), "CRC"),
    Recipe("gz_length", damaged(GZ, flipped(-3)), STREAM),
    Recipe("gz_bit", damaged(GZ, flipped(1200)), STREAM),
    Recipe("gz_is_plain", damaged(GZ, gzip.decompress), UNREADABLE),
    Recipe("nii_is_gz", damaged(NII, gzip.compress), UNREADABLE),
    Recipe("gz_of_nothing", replaced(GZ, gzip.compress(b"")), UNREADABLE),
    Recipe("gz_of_words", replaced(GZ, WHOLE), UNREADABLE),
    Recipe("gz_twice", damaged(GZ, lambda content: content + content), "longer than its header says"),
    Recipe("gz_web_page", replaced(GZ, b"<!DOCTYPE html><html><body>404</body></html>"), UNREADABLE),
    Recipe("gz_lfs_pointer", replaced(GZ, LFS), UNREADABLE),
    Recipe("nii_magic", field(344, "4s", b"abcd"), UNREADABLE),
    Recipe("nii_magic_of_pair", field(344, "4s", b"ni1\0"), UNREADABLE),
    Recipe("nii_header_size", field(0, "i", 7), UNREADABLE),
    Recipe("nii_type_unknown", field(70, "h", 9999), "9999"),
    Recipe("nii_bits_per_voxel", field(72, "h", 32), "bitpix"),
    Recipe("nii_slope_nan", field(112, "f", float("nan")), "slope", 0),
    Recipe("nii_slope_inf", field(112, "f", float("inf")), "slope", 0),
    Recipe("nii_slope_tiny", field(112, "f", 1e-40), "below 10%", 0),
    Recipe("nii_intercept_nan", field(112, "ff", 2, float("nan")), "intercept"),
    Recipe("nii_slope_overflow", field(112, "ff", 3e38, 3e38), "finite"),
    Recipe("nii_no_axes", field(40, "h", 0), "dim|shape"),
    Recipe("nii_nine_axes", field(40, "h", 9), "dim|NIfTI"),
    Recipe("nii_one_axis", field(40, "h", 1), "a volume three"),
    Recipe("nii_zero_slices", field(40, "4h", 3, 48, 36, 0), "no voxels|longer than"),
    Recipe("nii_negative_size", field(40, "4h", 3, 48, -36, 4), "48 -36 4"),
    Recipe("nii_huge", field(40, "4h", 3, 32767, 32767, 32767), SHORT),
    Recipe("nii_wider", field(40, "4h", 3, 49, 36, 4), SHORT),
    Recipe("nii_narrower", field(40, "4h", 3, 24, 36, 4), "longer than its header says"),
    Recipe("gz_narrower", lambda place: _regz(place, 40, "4h", 3, 24, 36, 4), "longer than its header says"),
    Recipe("gz_bomb", lambda place: _regz(place, 40, "4h", 3, 32767, 32767, 32767), SHORT),
    Recipe("nii_offset_beyond", field(108, "f", 1e6), SHORT),
    Recipe("nii_offset_negative", field(108, "f", -400), "offset"),
    Recipe("nii_offset_nan", field(108, "f", float("nan")), "offset|NaN"),
    Recipe("nii_offset_inf", field(108, "f", float("inf")), "offset|infinity"),
    Recipe("nii_offset_in_header", field(108, "f", 100), "offset"),
    Recipe("nii_spacing_nan", field(80, "3f", *[float("nan")] * 3), "pixdim", 0),
    Recipe("nii_spacing_absurd", lambda place: _spaced(place, 1e30), "no usable voxel size", 0),
    Recipe("nii_affine_nan", field(280, "4f", *[float("nan")] * 4), "no usable voxel size", 0),
    Recipe("nii_affine_flat", field(280, "12f", *[0.4, 0, 0, 1] * 3), "no usable voxel size", 0),
    Recipe("nii_complex", array(GREY.astype(np.complex64)), "complex64"),
    Recipe("nii_colour", array(colour("RGB")), "colour"),
    Recipe("nii_colour_and_alpha", array(colour("RGBA")), "colour"),
    Recipe("nii_all_nan", array(np.full(SHAPE[::-1], np.nan, np.float32)), "no finite value"),
    Recipe("nii_all_infinite", array(np.full(SHAPE[::-1], np.inf, np.float32)), "no finite value"),
    Recipe("nii_several_volumes", array(np.stack([GREY, GREY], 3)), "several volumes"),
    Recipe("nii_vectors", array(np.stack([GREY] * 3, -1)[:, :, :, None]), "several volumes"),
]


def _regz(place: Place, at: int, form: str, *values: float) -> None:
    """As `field`, inside a stream that is whole."""
    path = pair(place, GZ)
    content = bytearray(gzip.decompress(path.read_bytes()))
    struct.pack_into(f"<{form}", content, at, *values)
    path.write_bytes(gzip.compress(bytes(content)))


def _spaced(place: Place, size: float) -> None:
    pair(place, NII)
    for path in (place.volume(NII), place.label(NII)):
        image = nib.load(path)
        nib.Nifti1Image(np.array(image.dataobj), np.diag([size, size, size, 1])).to_filename(path)
