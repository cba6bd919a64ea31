"""NRRD, MetaImage and Analyze pairs."""

from __future__ import annotations

import bz2
import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import Place, Recipe, cut, damaged, flipped, pair, replaced, save, swapped, voxels

NRRD, NHDR, MHA, MHD, HDR = ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr"
SHORT = "shorter than its header says"
LONG = "longer than its header says"
STREAM = "compressed voxels are damaged"
DECODED = "cannot be decoded"
OUTSIDE = "outside its folder"


def nrrd(*changes: tuple[bytes, bytes]) -> Callable[[Place], Any]:
    """A raw .nrrd with other words in its header."""
    return reworded(NRRD, *changes)


def reworded(suffix: str, *changes: tuple[bytes, bytes]) -> Callable[[Place], Any]:
    def how(content: bytes) -> bytes:
        for change in changes:
            content = swapped(*change)(content)
        return content

    return damaged(suffix, how)


def detached(named: str, *, beside: bytes | None = None) -> Callable[[Place], Any]:
    """An .nrrd that names its data; ``beside``: the content of a file of that name."""

    def make(place: Place) -> None:
        path = pair(place, NRRD)
        header, _, data = path.read_bytes().partition(b"\n\n")
        path.write_bytes(header + f"\ndata file: {named}\n\n".encode())
        if beside is not None:
            (path.parent / named).write_bytes(beside or data)

    return make


def elsewhere(place: Place, suffix: str, field: str, target: str) -> None:
    """A header whose data, all of them, lie at ``target``, seen from its folder."""
    path = pair(place, suffix)
    raw = voxels().tobytes()
    (path.parent / target).write_bytes(raw)
    if suffix == NRRD:
        header = path.read_bytes().partition(b"\n\n")[0]
        path.write_bytes(header + f"\n{field}: {target}\n\n".encode())
    else:
        path.with_suffix(".raw").unlink()
        path.write_bytes(path.read_bytes().replace(f"{place.case}.raw".encode(), target.encode()))


def without(suffix: str) -> Callable[[Place], Any]:
    """A header whose data file is gone."""
    return lambda place: pair(place, MHD if suffix == ".raw" else HDR).with_suffix(suffix).unlink()


def pipe_beside(place: Place) -> None:
    path = pair(place, MHD).with_suffix(".raw")
    path.unlink()
    os.mkfifo(path)


def encoded(name: bytes, content: Callable[[bytes], bytes]) -> Callable[[Place], Any]:
    """An .nrrd of another encoding."""

    def how(whole: bytes) -> bytes:
        header, _, data = whole.partition(b"\n\n")
        return swapped(b"encoding: raw", b"encoding: " + name)(header) + b"\n\n" + content(data)

    return damaged(NRRD, how)


def linked_beside(place: Place) -> None:
    path = pair(place, HDR).with_suffix(".img")
    target = place.volumes.parent / f"{place.case}.raw"
    target.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(target)


def two_values(place: Place) -> None:
    import SimpleITK as sitk  # noqa: N813

    pair(place, MHA)
    grey = sitk.GetImageFromArray(voxels())
    sitk.WriteImage(sitk.Compose(grey, grey), str(place.volume(MHA)))


COLOUR = voxels()[..., None].repeat(3, -1)
SPACING = b"0.40000000000000002 0.40000000000000002 1.5"
SIZES = b"sizes: 48 36 4"
DIMS = b"DimSize = 48 36 4"
RECIPES = [
    Recipe("nrrd_empty", replaced(NRRD, b""), "empty"),
    Recipe("nrrd_magic", nrrd((b"NRRD", b"NRRX")), DECODED),
    Recipe("nrrd_version", nrrd((b"NRRD000", b"NRRD999")), DECODED),
    Recipe("nrrd_no_sizes", nrrd((SIZES + b"\n", b"")), DECODED),
    Recipe("nrrd_sizes_words", nrrd((SIZES, b"sizes: a b c")), DECODED),
    Recipe("nrrd_sizes_two", nrrd((SIZES, b"sizes: 48 36")), DECODED),
    Recipe("nrrd_sizes_zero", nrrd((SIZES, b"sizes: 48 36 0")), f"{DECODED}|no voxels"),
    Recipe("nrrd_sizes_negative", nrrd((SIZES, b"sizes: 48 -36 4")), DECODED),
    Recipe("nrrd_sizes_larger", nrrd((SIZES, b"sizes: 48 36 5")), SHORT),
    Recipe("nrrd_sizes_smaller", nrrd((SIZES, b"sizes: 24 36 4")), LONG),
    Recipe("nrrd_sizes_huge", nrrd((SIZES, b"sizes: 99999 99999 99999")), SHORT),
    Recipe("nrrd_type", nrrd((b"type: unsigned char", b"type: quaternion")), DECODED),
    Recipe("nrrd_type_block", nrrd((b"type: unsigned char", b"type: block\nblocksize: 4")), DECODED),
    Recipe("nrrd_encoding", nrrd((b"encoding: raw", b"encoding: lzma")), DECODED),
    Recipe("nrrd_hex_of_words", encoded(b"hex", lambda data: b"no hexadecimal digits"), DECODED),
    Recipe("nrrd_text_short", encoded(b"ascii", lambda data: b"1 2 3 4"), f"{DECODED}|{SHORT}"),
    Recipe("nrrd_bzip_cut", encoded(b"bzip2", lambda data: bz2.compress(data)[:-40]), STREAM),
    Recipe("nrrd_gzip_short", encoded(b"gzip", lambda data: gzip.compress(data[:-9])), SHORT),
    Recipe("nrrd_gzip_long", encoded(b"gzip", lambda data: gzip.compress(data * 2)), LONG),
    Recipe("nrrd_gzip_words", encoded(b"gzip", lambda data: b"no stream" * 99), STREAM),
    Recipe("nrrd_half", damaged(NRRD, cut(0.5)), SHORT),
    Recipe("nrrd_header_only", damaged(NRRD, lambda content: content.partition(b"\n\n")[0]), f"{SHORT}|{DECODED}"),
    Recipe("nrrd_stream_half", damaged(NRRD, cut(0.6), compressed=True), STREAM),
    Recipe("nrrd_stream_checksum", damaged(NRRD, flipped(-6), compressed=True), STREAM),
    Recipe("nrrd_skips_all", nrrd((b"encoding: raw", b"byte skip: 9999999\nencoding: raw")), f"{DECODED}|{SHORT}"),
    Recipe("nrrd_skips_lines", nrrd((b"encoding: raw", b"line skip: 9999\nencoding: raw")), f"{DECODED}|{SHORT}"),
    Recipe("nrrd_colour", lambda place: save(pair(place, NRRD), COLOUR), "values per voxel|several volumes"),
    Recipe(
        "nrrd_directions_flat",
        nrrd((b"(0.40000000000000002,0,0)", b"(0,0.40000000000000002,0)")),
        "direction|right angles|affine",
    ),
    Recipe("nrrd_data_missing", detached("nowhere.raw"), "missing"),
    Recipe("nrrd_data_short", detached("short.raw", beside=b"few"), SHORT),
    Recipe("nrrd_data_system", detached("/etc/passwd"), OUTSIDE),
    Recipe("nrrd_data_above", lambda place: elsewhere(place, NRRD, "data file", "../above.raw"), OUTSIDE),
    Recipe("nrrd_data_list", detached("LIST\none.raw\ntwo.raw"), "missing"),
    Recipe("nrrd_data_device", detached("/dev/zero"), OUTSIDE),
    Recipe("nrrd_data_itself", detached("."), "no file|missing"),
    Recipe("nhdr_data_missing", lambda place: pair(place, NHDR).with_suffix(".raw").unlink(), "missing"),
    Recipe("nhdr_data_half", damaged(NHDR, cut(0.6), compressed=True, beside=".raw.gz"), STREAM),
    Recipe("mha_empty", replaced(MHA, b""), "empty"),
    Recipe("mha_noise", replaced(MHA, bytes(range(256)) * 20), DECODED),
    Recipe("mha_no_sizes", reworded(MHA, (DIMS + b"\n", b"")), DECODED),
    Recipe("mha_sizes_two", reworded(MHA, (DIMS, b"DimSize = 48 36")), DECODED),
    Recipe("mha_sizes_larger", reworded(MHA, (DIMS, b"DimSize = 48 36 5")), SHORT),
    Recipe("mha_sizes_smaller", reworded(MHA, (DIMS, b"DimSize = 24 36 4")), LONG),
    Recipe("mha_sizes_negative", reworded(MHA, (DIMS, b"DimSize = 48 -36 4")), DECODED),
    Recipe("mha_axes", reworded(MHA, (b"NDims = 3", b"NDims = 99")), DECODED),
    Recipe("mha_type", reworded(MHA, (b"MET_UCHAR", b"MET_STRING")), DECODED),
    Recipe("mha_two_values", two_values, "2 values per voxel"),
    Recipe("mha_half", damaged(MHA, cut(0.5)), SHORT),
    Recipe("mha_stream_half", damaged(MHA, cut(0.6), compressed=True), STREAM),
    Recipe("mha_stream_bit", damaged(MHA, flipped(-900), compressed=True), STREAM),
    Recipe("mha_directions_flat", reworded(MHA, (b"1 0 0 0 1 0 0 0 1", b"1 0 0 1 0 0 0 0 1")), "irection|affine"),
    Recipe("mha_spacing_nan", reworded(MHA, (SPACING, b"nan nan nan")), "voxel size|pacing"),
    Recipe("mha_spacing_negative", reworded(MHA, (SPACING, b"-0.4 0.4 1.5")), "voxel size|pacing"),
    Recipe("mha_spacing_words", reworded(MHA, (SPACING, b"a b c")), "voxel size|pacing"),
    Recipe("mhd_data_missing", without(".raw"), "missing"),
    Recipe("mhd_data_short", damaged(MHD, cut(0.7), beside=".raw"), SHORT),
    Recipe("mhd_data_long", damaged(MHD, lambda content: content * 2, beside=".raw"), LONG),
    Recipe("mhd_data_above", lambda place: elsewhere(place, MHD, "", "../above_mhd.raw"), OUTSIDE),
    Recipe("mhd_data_system", lambda place: _named(place, "/etc/passwd"), OUTSIDE),
    Recipe("mhd_data_series", lambda place: _named(place, "slice%02d.raw 1 4 1"), "missing"),
    Recipe("mhd_data_pipe", pipe_beside, "no file"),
    Recipe(
        "mhd_header_lies", reworded(MHD, (b"ElementType", b"HeaderSize = 99999\nElementType")), f"{DECODED}|{SHORT}"
    ),
    Recipe("hdr_no_img", without(".img"), "missing"),
    Recipe("hdr_empty", replaced(HDR, b""), "empty"),
    Recipe("hdr_cut", damaged(HDR, cut(0.5)), DECODED),
    Recipe("hdr_img_empty", damaged(HDR, cut(0), beside=".img"), SHORT),
    Recipe("hdr_img_short", damaged(HDR, cut(0.7), beside=".img"), SHORT),
    Recipe("hdr_img_long", damaged(HDR, lambda content: content * 2, beside=".img"), LONG),
    Recipe("hdr_img_link", linked_beside, OUTSIDE),
    Recipe("hdr_words", replaced(HDR, b"no header at all" * 30), DECODED),
]


def _named(place: Place, named: str) -> None:
    path = pair(place, MHD)
    raw = Path(path).with_suffix(".raw")
    path.write_bytes(swapped(raw.name.encode(), named.encode())(path.read_bytes()))
    raw.unlink()
