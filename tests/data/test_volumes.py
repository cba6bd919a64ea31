"""One file is read by the reader of its suffix, which looks at nothing outside the file's folder unasked."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from usframe import ReadError, Volume, read_volume
from usframe.config.schema import Paired
from usframe.data.case import Case
from usframe.data.reading import read_case
from usframe.plugins.entry import Entry, Origin
from usframe.plugins.load import load_plugins

PLUGINS = load_plugins()
ARRAY = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)


@pytest.fixture
def secret(tmp_path) -> Path:
    path = tmp_path / "elsewhere" / "secret.raw"
    path.parent.mkdir()
    path.write_bytes(ARRAY.tobytes())
    (tmp_path / "data").mkdir()
    return path


def nrrd(folder: Path, named: str) -> Path:
    text = "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 6 5 4\nspacings: 0.3 0.4 0.9\nencoding: raw\n"
    (folder / "a.nhdr.nrrd").write_text(f"{text}data file: {named}\n")
    return folder / "a.nhdr.nrrd"


def mhd(folder: Path, named: str) -> Path:
    text = "ObjectType = Image\nNDims = 3\nDimSize = 6 5 4\nElementSpacing = 0.3 0.4 0.9\nElementType = MET_UCHAR\n"
    (folder / "a.mhd").write_text(f"{text}ElementDataFile = {named}\n")
    return folder / "a.mhd"


@pytest.mark.parametrize("header", [nrrd, mhd])
@pytest.mark.parametrize("how", ["relative", "absolute", "through a link", "in a list"])
def test_a_header_that_names_data_outside_its_folder_is_refused_unless_allowed(tmp_path, secret, header, how):
    folder = tmp_path / "data"
    named = {"relative": "../elsewhere/secret.raw", "absolute": str(secret)}.get(how, "link.raw")
    if how == "through a link":
        (folder / "link.raw").symlink_to(secret)
    if how == "in a list":
        named = f"LIST\n{secret}"
    path = header(folder, named)
    with pytest.raises(ReadError, match="allow_outside=true") as error:
        read_volume(path, plugins=PLUGINS)
    assert str(error.value).startswith(f"{path}: its data are outside its folder")
    assert "\n" not in str(error.value)
    with pytest.raises(ReadError, match="allow_outside=true"):
        read_case(Case("a", path), Paired(), PLUGINS)
    if how != "in a list":
        allowed = read_case(Case("a", path), Paired(allow_outside=True), PLUGINS)
        np.testing.assert_array_equal(allowed.volume.data, ARRAY)


@pytest.mark.parametrize("header", [nrrd, mhd])
def test_data_beside_or_below_the_header_are_read(tmp_path, secret, header):
    for named in ("a.raw", "raw/a.raw"):
        (tmp_path / "data" / named).parent.mkdir(exist_ok=True)
        (tmp_path / "data" / named).write_bytes(ARRAY.tobytes())
        np.testing.assert_array_equal(read_volume(header(tmp_path / "data", named), plugins=PLUGINS).data, ARRAY)


def test_a_link_out_of_its_folder_is_followed_only_where_allowed(tmp_path, secret):
    np.save(secret.with_suffix(".npy"), ARRAY)
    link = tmp_path / "data" / "a.npy"
    link.symlink_to(secret.with_suffix(".npy"))
    with pytest.raises(
        ReadError, match=r"a\.npy: is a link to .*secret\.npy, outside its folder; allow_outside=true"
    ):
        read_volume(link, plugins=PLUGINS)
    np.testing.assert_array_equal(read_volume(link, allow_outside=True, plugins=PLUGINS).data, ARRAY)
    (tmp_path / "linked").symlink_to(secret.parent)
    np.testing.assert_array_equal(read_volume(tmp_path / "linked" / "secret.npy", plugins=PLUGINS).data, ARRAY)


class Earlier:
    """A reader from before roles."""

    def read(self, path: Path, *, layout: str = "auto", onto: Volume | None = None) -> Volume:
        return Volume(ARRAY if onto is None else ARRAY % 3)

    def shape(self, path: Path, *, layout: str = "auto") -> tuple[int, int, int]:
        return 4, 5, 6


def test_a_reader_that_knows_no_roles_goes_on(tmp_path):
    plugins = load_plugins()
    plugins.readers.add(Entry("earlier", Earlier, Origin("a test"), suffixes=(".odd",)))
    (tmp_path / "a.odd").touch()
    volume = read_volume(tmp_path / "a.odd", plugins=plugins)
    read = read_volume(tmp_path / "a.odd", onto=volume, role="labels", plugins=plugins)
    np.testing.assert_array_equal(read.data, ARRAY % 3)


def test_a_mask_is_the_segs_of_a_file_and_labels_its_gts(tmp_path):
    np.savez(tmp_path / "a.npz", imgs=ARRAY, gts=ARRAY % 2, segs=ARRAY % 3)
    path = tmp_path / "a.npz"
    for role, expected in (("volume", ARRAY), ("labels", ARRAY % 2), ("mask", ARRAY % 3)):
        np.testing.assert_array_equal(read_volume(path, role=role, plugins=PLUGINS).data, expected)
    np.testing.assert_array_equal(read_volume(path, onto=Volume(ARRAY), plugins=PLUGINS).data, ARRAY % 2)


def test_a_mask_or_labels_may_be_the_only_ones_of_a_file(tmp_path):
    np.savez(tmp_path / "s.npz", segs=ARRAY)
    np.savez(tmp_path / "g.npz", gts=ARRAY)
    for name in "sg":
        for role in ("labels", "mask"):
            np.testing.assert_array_equal(read_volume(tmp_path / f"{name}.npz", role=role).data, ARRAY)


def test_a_picture_of_labels_is_held_to_it_without_a_volume(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(ARRAY[0]), str(tmp_path / "a.jpg"))
    with pytest.raises(ReadError, match="JPEG changes label values"):
        read_volume(tmp_path / "a.jpg", role="mask")
