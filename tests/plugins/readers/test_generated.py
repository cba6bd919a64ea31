"""Made-up files through all readers: what is valid comes back as it was stored, all else is an error in one line.

`--hypothesis-profile=soak` tries 2,000 of each.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from usframe import ReadError, read_volume
from usframe.plugins.load import load_plugins

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")  # it would be on the terminal
PLUGINS = load_plugins()
ITK = (".nrrd", ".mha", ".mhd")
NIFTI = (".nii", ".nii.gz")
PICTURES = (".png", ".bmp", ".tif")
SUFFIXES = (*NIFTI, *ITK, ".hdr", ".seg.nrrd", ".npy", ".npz", *PICTURES, ".jpg")
KINDS = {
    **dict.fromkeys(NIFTI, ("u1", "i2", "u2", "i4", "u4", "i8", "f4", "f8", ">i2", ">f4")),
    **dict.fromkeys(ITK, ("u1", "i1", "i2", "u2", "i4", "u4", "f4", "f8")),
    **dict.fromkeys((".npy", ".npz"), ("u1", "i1", "i2", "u2", "i4", "f4", "f8", ">i2", "?")),
    ".png": ("u1", "u2"),
    ".bmp": ("u1",),
    ".tif": ("u1", "u2", "f4"),
}
sizes = st.tuples(*[st.integers(1, 6)] * 3)
lengths = st.tuples(*[st.floats(0.001, 100)] * 3)


@st.composite
def volumes(draw: st.DrawFn, kinds: tuple[str, ...], shapes: st.SearchStrategy[Any] = sizes) -> NDArray[Any]:
    """An array (D, H, W) of one of the ``kinds``."""
    dtype = np.dtype(draw(st.sampled_from(kinds)))
    finite = {"allow_nan": False, "allow_infinity": False, "allow_subnormal": False} if dtype.kind == "f" else {}
    return draw(arrays.arrays(dtype, shapes, elements=arrays.from_dtype(dtype, **finite)))


def store(path: Path, voxels: NDArray[Any], spacing: tuple[float, float, float]) -> None:
    """Write (D, H, W) of a spacing along D, H, W, each format by the library that is its own."""
    suffix = "".join(path.suffixes)
    d, h, w = spacing
    if suffix in NIFTI:
        nib.save(nib.Nifti1Image(voxels.T, np.diag([w, h, d, 1]), dtype=voxels.dtype), path)
    elif suffix == ".npy":
        np.save(path, voxels)
    elif suffix == ".npz":
        np.savez(path, imgs=voxels, spacing=np.array([w, h, d]))
    elif suffix in (*PICTURES, ".jpg"):
        cv2.imwritemulti(str(path), list(voxels))
    else:
        image = sitk.GetImageFromArray(voxels)
        image.SetSpacing((w, h, d))
        sitk.WriteImage(image, str(path))


def read(path: Path, **options: Any) -> Any:
    return read_volume(path, plugins=PLUGINS, **options)


@pytest.mark.parametrize("suffix", KINDS)
@given(data=st.data())
def test_what_is_stored_is_read(suffix: str, data: st.DataObject) -> None:
    pages = st.tuples(st.just(1) if suffix in (".png", ".bmp") else st.integers(1, 6), *[st.integers(1, 6)] * 2)
    voxels = data.draw(volumes(KINDS[suffix], pages))
    spacing = data.draw(lengths)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"a{suffix}")
        store(path, voxels, spacing)
        volume = read(path)
        turned = read(path, layout="wdh") if suffix in (".npy", ".npz") else None
    np.testing.assert_array_equal(volume.data, voxels)
    assert volume.data.flags.c_contiguous
    assert volume.data.dtype.isnative
    if suffix in (".npy", *PICTURES):
        assert volume.spacing_mm is None
    else:
        assert volume.spacing_mm == pytest.approx(spacing, rel=1e-5)
    if turned:
        np.testing.assert_array_equal(turned.data, voxels.transpose(1, 2, 0))


@pytest.mark.parametrize("suffix", [*NIFTI, *ITK])
@given(
    order=st.permutations(range(3)),
    signs=st.tuples(*[st.sampled_from((-1, 1))] * 3),
    spacing=lengths,
    origin=st.tuples(*[st.floats(-500, 500)] * 3),
)
def test_where_voxels_lie_is_kept(suffix: str, order: Any, signs: Any, spacing: Any, origin: Any) -> None:
    turn = np.eye(3)[list(order)] * signs
    stored = np.eye(4)
    stored[:3, :3], stored[:3, 3] = turn * spacing[::-1], origin
    voxels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"a{suffix}")
        if suffix in NIFTI:
            nib.save(nib.Nifti1Image(voxels.T, stored), path)
        else:
            image = sitk.GetImageFromArray(voxels)
            image.SetSpacing(spacing[::-1])
            image.SetDirection((np.diag([-1, -1, 1]) @ turn).ravel())
            image.SetOrigin(np.diag([-1, -1, 1]) @ origin)
            sitk.WriteImage(image, str(path))
        volume = read(path)
    assert volume.grid is not None
    np.testing.assert_allclose(volume.grid.affine, stored[:, [2, 1, 0, 3]], rtol=1e-4, atol=1e-3)
    assert volume.spacing_mm == pytest.approx(spacing, rel=1e-4)


def whole(suffix: str) -> dict[str, bytes]:
    """The files of a small volume, by name."""
    with tempfile.TemporaryDirectory() as folder:
        voxels = np.arange(60, dtype=np.uint8).reshape(
            (1, 6, 10) if suffix in (".png", ".bmp", ".jpg") else (3, 4, 5)
        )
        store(Path(folder, f"a{suffix}"), voxels % 2 if suffix == ".seg.nrrd" else voxels, (0.5, 0.4, 0.3))
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


WHOLE = {suffix: whole(suffix) for suffix in SUFFIXES}


def refused_or_read(files: dict[str, bytes], suffix: str) -> None:
    """A volume, or one line that names the file, or the one beside it that holds the voxels."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        path = Path(folder, f"a{suffix}")
        for role in ("volume", "labels"):
            told = ""
            try:
                volume = read(path, role=role)
            except ReadError as error:
                told = str(error)
            else:
                assert volume.data.ndim == 3
                assert volume.data.size
            assert told == "" or folder in told
            assert "\n" not in told
            assert " failed: " not in told  # what a reader did not expect


@st.composite
def changes(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """A change of the bytes of a file."""
    at, length = draw(st.floats(0, 1)), draw(st.integers(0, 40))
    what = draw(st.sampled_from(("replace", "insert", "cut", "drop", "repeat", "number")))
    put = draw(st.binary(min_size=1, max_size=16))
    number = draw(
        st.one_of(st.integers(-(2**40), 2**66), st.floats(), st.sampled_from(["", "none", "(", "%d", "-"]))
    )

    def change(content: bytes) -> bytes:
        place = int(at * len(content))
        if what == "number":  # one of the numbers of a header in text
            found = list(re.finditer(rb"-?\d[\d.e+-]*", content[:600])) or [None]
            if match := found[int(at * (len(found) - 1))]:
                return content[: match.start()] + str(number).encode() + content[match.end() :]
        return {
            "insert": content[:place] + put + content[place:],
            "cut": content[:place],
            "drop": content[:place] + content[place + length :],
            "repeat": content[: place + length] + content[place:],
        }.get(what, content[:place] + put + content[place + len(put) :])

    return change


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(made=st.lists(changes(), min_size=1, max_size=4), which=st.integers(0, 9))
def test_a_changed_file_is_a_volume_or_one_line(suffix: str, made: Any, which: int) -> None:
    files = dict(WHOLE[suffix])
    name = sorted(files)[which % len(files)]
    for change in made:
        files[name] = change(files[name])
    refused_or_read(files, suffix)


NRRD_KEYS = (
    *("type", "dimension", "sizes", "encoding", "endian", "space", "space directions", "space origin"),
    *("space units", "spacings", "units", "kinds", "data file", "byte skip", "line skip", "content", "centers"),
)
META_KEYS = (
    *("ObjectType", "NDims", "DimSize", "ElementType", "ElementSpacing", "ElementSize", "BinaryData"),
    *("CompressedData", "CompressedDataSize", "HeaderSize", "TransformMatrix", "Offset", "ElementNumberOfChannels"),
    *("ElementDataFile", "BinaryDataByteOrderMSB", "DistanceUnits", "AnatomicalOrientation", "Comment"),
)
VALUES = st.one_of(
    st.sampled_from(
        ["5 4 3", "3", "2 2", "uint8", "float", "raw", "gzip", "left-posterior-superior", "LOCAL", "LIST"]
    ),
    st.sampled_from(
        ["(1,0,0) (0,1,0) (0,0,1)", "(0,0,0)", "none (1,0)", "MET_UCHAR", "True", "mm mm mm", "1 0 0 0 1"]
    ),
    st.lists(st.one_of(st.integers(-5, 70000), st.floats()), max_size=10).map(
        lambda found: " ".join(map(str, found))
    ),
    st.text(max_size=12),
)


@pytest.mark.parametrize("suffix", [".nrrd", ".seg.nrrd", ".mha", ".mhd"])
@given(data=st.data())
def test_a_header_of_any_words_is_a_volume_or_one_line(suffix: str, data: st.DataObject) -> None:
    nrrd = suffix.endswith(".nrrd")
    keys = NRRD_KEYS if nrrd else META_KEYS
    fields = dict(data.draw(st.lists(st.tuples(st.sampled_from(keys), VALUES), max_size=8)))
    usual = (
        {"type": "uint8", "dimension": "3", "sizes": "5 4 3", "encoding": "raw"}
        if nrrd
        else {"ObjectType": "Image", "NDims": "3", "DimSize": "5 4 3", "ElementType": "MET_UCHAR"}
    )
    lines = usual | fields
    if not nrrd:
        lines["ElementDataFile"] = lines.pop("ElementDataFile", "LOCAL")
    text = "\n".join(f"{key}{': ' if nrrd else ' = '}{value}" for key, value in lines.items())
    content = ("NRRD0005\n" if nrrd else "") + text + ("\n\n" if nrrd else "\n")
    refused_or_read({f"a{suffix}": content.encode("utf-8", "replace") + bytes(60)}, suffix)
