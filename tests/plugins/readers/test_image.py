"""Pictures are one slice, the pages of a .tif are several; labels must be grey and lossless."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from usframe_plugins.readers.image import ImageReader

from usframe import ReadError, Volume, WriteError
from usframe.data.volumes import PlainGrid

READER = ImageReader()
GREY = np.random.default_rng(0).integers(0, 255, (6, 7)).astype(np.uint8)
PAGES = np.random.default_rng(1).integers(0, 255, (4, 6, 7)).astype(np.uint8)
ONTO = Volume(GREY[None])


def save(path: Path, picture: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), picture)
    return path


def save_pages(path: Path, pages: list[np.ndarray]) -> Path:
    assert cv2.imwritemulti(str(path), pages)
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff", ".PNG"])
def test_a_picture_is_one_slice_and_a_mask_comes_back_the_same(tmp_path, suffix):
    path = save(tmp_path / f"case{suffix}", GREY)
    volume = READER.read(path)
    np.testing.assert_array_equal(volume.data, GREY[None])
    assert volume.spacing_mm is None
    assert volume.notes == ()
    assert READER.shape(path) == (1, 6, 7)
    READER.write(tmp_path / f"mask{suffix}", volume.data, volume.grid)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / f"mask{suffix}"), cv2.IMREAD_UNCHANGED), GREY)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_a_tif_of_deep_values_keeps_them(tmp_path, dtype):
    deep = GREY.astype(dtype) * 3
    np.testing.assert_array_equal(READER.read(save(tmp_path / "case.tif", deep)).data, deep[None])


@pytest.mark.parametrize("layout", ["auto", "dhw", "hwd", "whd", "dwh", "hdw", "wdh"])
def test_the_pages_of_a_tif_are_slices(tmp_path, layout):
    path = save_pages(tmp_path / "case.tif", list(PAGES))
    volume = READER.read(path, layout=layout)
    named = "dhw" if layout == "auto" else layout
    np.testing.assert_array_equal(volume.data, PAGES.transpose([named.index(axis) for axis in "dhw"]))
    assert READER.shape(path, layout=layout) == volume.data.shape
    READER.write(tmp_path / "mask.tif", volume.data, volume.grid)
    found, pages = cv2.imreadmulti(str(tmp_path / "mask.tif"), flags=cv2.IMREAD_UNCHANGED)
    assert found
    np.testing.assert_array_equal(pages, PAGES)


def test_a_jpeg_is_read_but_no_mask_is_written_as_one(tmp_path):
    smooth = cv2.GaussianBlur(GREY, (5, 5), 0)
    volume = READER.read(save(tmp_path / "case.jpg", smooth))
    assert volume.data.shape == (1, 6, 7)
    with pytest.raises(WriteError, match=r"as \.png"):
        READER.write(tmp_path / "mask.jpg", volume.data, volume.grid)
    with pytest.raises(ReadError, match="JPEG changes label values"):
        READER.read(tmp_path / "case.jpg", onto=ONTO)


def test_equal_channels_are_grey_and_different_ones_are_converted_with_a_note(tmp_path):
    same = save(tmp_path / "same.png", np.repeat(GREY[..., None], 3, axis=2))
    assert READER.read(same).notes == ()
    np.testing.assert_array_equal(READER.read(same).data, GREY[None])
    np.testing.assert_array_equal(READER.read(same, onto=ONTO).data, GREY[None])
    opaque = save(tmp_path / "alpha.png", np.dstack([GREY, GREY, GREY, np.full_like(GREY, 255)]))
    np.testing.assert_array_equal(READER.read(opaque).data, GREY[None])

    colour = save(tmp_path / "colour.png", np.dstack([GREY, GREY // 2, GREY]))
    volume = READER.read(colour)
    assert volume.data.shape == (1, 6, 7)
    assert volume.notes == ("colour was converted to grey",)
    with pytest.raises(ReadError, match="labels in colour"):
        READER.read(colour, onto=ONTO)


def test_several_slices_do_not_fit_in_a_png(tmp_path):
    with pytest.raises(WriteError, match=r"write them as \.tif"):
        READER.write(tmp_path / "mask.png", PAGES, PlainGrid(None))
    READER.write(tmp_path / "mask.tif", PAGES, PlainGrid(None))
    np.testing.assert_array_equal(READER.read(tmp_path / "mask.tif").data, PAGES)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_bytes(b"not a picture" * 99), "not a readable picture"),
        (lambda path: save_pages(path, [GREY, GREY[:4]]), "differ in size"),
    ],
)
def test_what_is_no_picture_is_refused_in_one_line(tmp_path, make, message):
    path = tmp_path / "case.tif"
    make(path)
    with pytest.raises(ReadError, match=message) as error:
        READER.read(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_an_imagej_stack_with_one_directory_for_all_slices_is_refused(tmp_path):
    description = b"ImageJ=1.53t\nimages=4\nslices=4\n\x00"
    tags = [(256, 7), (257, 6), (258, 8), (262, 1), (270, 0), (273, 0), (277, 1), (278, 6), (279, 42)]
    start = 8 + 2 + 12 * len(tags) + 4
    entries = b""
    for tag, value in tags:
        kind, count = (2, len(description)) if tag == 270 else (4, 1)
        value = {270: start, 273: start + len(description)}.get(tag, value)
        entries += struct.pack("<HHII", tag, kind, count, value)
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    path = tmp_path / "case.tif"
    path.write_bytes(b"II*\x00" + struct.pack("<I", 8) + directory + description + PAGES.tobytes())
    with pytest.raises(ReadError, match="an ImageJ stack of 4 slices"):
        READER.read(path)


@pytest.mark.parametrize("part", [0.1, 0.6, 0.98])
def test_a_truncated_file_is_refused_even_if_some_of_its_pages_are_whole(tmp_path, part):
    for path in (save(tmp_path / "case.png", GREY), save_pages(tmp_path / "case.tif", list(PAGES))):
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
        with pytest.raises(ReadError, match=str(path)):
            READER.read(path)
