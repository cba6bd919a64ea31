"""The pictures of a folder are the slices of one case, in the order of their numbers."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from usframe_plugins.readers.image import ImageReader

from usframe import ReadError, Volume, read_volume

READER = ImageReader()
CLIP = np.random.default_rng(0).integers(0, 255, (12, 6, 7)).astype(np.uint8)


def save(folder: Path, pictures: np.ndarray, name: str = "{}.png", start: int = 1) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures, start):
        assert cv2.imwrite(str(folder / name.format(number)), picture)
    return folder


def refused(folder: Path, **kwargs: object) -> str:
    with pytest.raises(ReadError) as error:
        READER.read(folder, **kwargs)
    assert str(error.value).startswith(str(folder))
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", ["{}.png", "{:04}.tif", "patient2_frame{}.bmp", "{}_left.PNG"])
def test_numbers_count_as_numbers(tmp_path, name):
    volume = read_volume(save(tmp_path / "case", CLIP, name))
    np.testing.assert_array_equal(volume.data, CLIP)
    first, last = name.format(1), name.format(12)
    assert volume.notes == (f"12 pictures of a folder were read as the slices of one case ({first} to {last})",)
    assert volume.spacing_mm is None
    assert READER.shape(tmp_path / "case") == (12, 6, 7)
    assert READER.files(tmp_path / "case")[1].name == name.format(2)


def test_a_mask_is_written_as_the_pages_of_a_tif(tmp_path):
    volume = READER.read(save(tmp_path / "case", CLIP))
    READER.write(tmp_path / "mask.tif", volume.data, volume.grid)
    np.testing.assert_array_equal(READER.read(tmp_path / "mask.tif").data, CLIP)


def test_the_axes_can_be_named(tmp_path):
    folder = save(tmp_path / "case", CLIP)
    np.testing.assert_array_equal(READER.read(folder, layout="whd").data, CLIP.transpose(2, 1, 0))
    assert READER.shape(folder, layout="whd") == (7, 6, 12)


def test_deep_pictures_stay_so_and_colour_is_one_note(tmp_path):
    deep = CLIP.astype(np.uint16) * 200
    np.testing.assert_array_equal(READER.read(save(tmp_path / "deep", deep)).data, deep)
    colour = np.stack([CLIP, CLIP // 2, CLIP], axis=-1)
    assert READER.read(save(tmp_path / "colour", colour)).notes[1:] == ("colour was converted to grey",)
    assert "labels in colour" in refused(tmp_path / "colour", onto=Volume(CLIP))


def test_what_is_no_picture_is_left_alone(tmp_path):
    folder = save(tmp_path / "case", CLIP)
    (folder / "about.txt").write_text("nothing")
    (folder / ".hidden.png").write_bytes(b"nothing")
    np.testing.assert_array_equal(read_volume(folder).data, CLIP)


def test_a_missing_number_is_a_note(tmp_path):
    (save(tmp_path / "case", CLIP) / "5.png").unlink()
    assert READER.read(tmp_path / "case").notes[1:] == (
        "the numbers of the pictures go on unevenly, as after 4.png: is one missing?",
    )
    (tmp_path / "case" / "last.png").write_bytes((tmp_path / "case" / "12.png").read_bytes())
    assert "not all numbered" in READER.read(tmp_path / "case").notes[1]


def test_pictures_that_do_not_fit_together_are_refused(tmp_path):
    save(tmp_path / "size", CLIP)
    save(tmp_path / "size", CLIP[:1, :4], start=13)
    assert "13.png has 7 x 4 pixels of uint8 and 1.png 7 x 6 pixels of uint8" in refused(tmp_path / "size")
    save(tmp_path / "depth", CLIP)
    save(tmp_path / "depth", CLIP[:1].astype(np.uint16), start=13)
    assert "13.png has 7 x 6 pixels of uint16" in refused(tmp_path / "depth")
    save(tmp_path / "twice", CLIP)
    save(tmp_path / "twice", CLIP[:2], "{}.bmp")
    assert "holds 1.bmp and 1.png" in refused(tmp_path / "twice")
    (tmp_path / "nothing").mkdir()
    assert "without pictures" in refused(tmp_path / "nothing")


def test_a_damaged_picture_and_one_of_several_pages_are_named(tmp_path):
    folder = save(tmp_path / "case", CLIP)
    cut = (folder / "7.png").read_bytes()[:60]
    (folder / "7.png").write_bytes(cut)
    assert refused(folder).startswith(f"{folder / '7.png'}: ")
    (folder / "7.png").unlink()
    cv2.imwritemulti(str(folder / "7.tif"), list(CLIP[:2]))
    assert "has 2 pages" in refused(folder)


def test_a_folder_of_several_formats_is_refused(tmp_path):
    np.save(save(tmp_path / "case", CLIP) / "a.npy", CLIP)
    with pytest.raises(ReadError, match=r"holds files of one format, not \.npy, \.png"):
        read_volume(tmp_path / "case")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReadError, match="a folder without a file that can be read"):
        read_volume(tmp_path / "empty")


def test_a_link_out_of_the_folder_is_followed_only_where_allowed(tmp_path):
    folder = save(tmp_path / "data" / "case", CLIP)
    (folder / "3.png").unlink()
    (folder / "3.png").symlink_to(save(tmp_path / "elsewhere", CLIP) / "3.png")
    with pytest.raises(ReadError, match="allow_outside=true"):
        read_volume(folder)
    np.testing.assert_array_equal(read_volume(folder, allow_outside=True).data, CLIP)
