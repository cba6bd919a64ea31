"""NIfTI keeps its meaning, and a mask comes back on exactly the grid of its volume."""

import itertools
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, ornt_transform
from scipy.spatial.transform import Rotation
from usframe_plugins.readers.nifti import NiftiReader

from usframe import ReadError, RequestError, Volume
from usframe.data.volumes import PlainGrid
from usframe.simulation import SCENES, simulate

READER = NiftiReader()
DATA = Path(__file__).parents[3] / "../shared/data"
CODES = ["".join(code) for axes in itertools.permutations(("LR", "PA", "IS")) for code in itertools.product(*axes)]
few = settings(max_examples=25, deadline=None, derandomize=True)


def save(path: Path, data: np.ndarray, affine: np.ndarray | None = None, **header: object) -> Path:
    image = nib.Nifti1Image(data, np.diag([0.3, 0.4, 0.9, 1]) if affine is None else affine)
    for key, value in header.items():
        image.header[key] = value
    image.to_filename(path)
    return path


def geometry(path: Path) -> dict[str, bytes]:
    """The header fields that say where the voxels are, as stored, in the same byte order."""
    header = nib.load(path).header.as_byteswapped("<")
    keys = "dim pixdim xyzt_units qform_code sform_code srow_x srow_y srow_z quatern_b quatern_c quatern_d"
    offsets = "qoffset_x qoffset_y qoffset_z"
    return {key: header[key].tobytes() for key in [*keys.split(), *offsets.split()]}


@st.composite
def affines(draw: st.DrawFn) -> np.ndarray:
    """Any anatomical orientation, with anisotropic spacing, and half of them rotated."""
    sizes = [draw(st.floats(0.05, 5)) for _ in range(3)]
    affine = np.diag([*sizes, 1.0])
    flip = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(draw(st.sampled_from(CODES))))
    affine = affine @ inv_ornt_aff(flip, (5, 6, 7))
    if draw(st.booleans()):
        turn = np.eye(4)
        turn[:3, :3] = Rotation.from_euler("xyz", [draw(st.floats(-1, 1)) for _ in range(3)]).as_matrix()
        affine = turn @ affine
    affine[:3, 3] += [draw(st.floats(-200, 200)) for _ in range(3)]
    return affine


@few
@given(
    affine=affines(),
    dtype=st.sampled_from(["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]),
    order=st.sampled_from("<>"),
    scale=st.sampled_from([(1, 0), (0.5, 0), (2, -3)]),
    units=st.sampled_from([("mm", 1), ("meter", 1000), ("micron", 0.001), ("unknown", 1)]),
    codes=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    version=st.sampled_from([nib.Nifti1Image, nib.Nifti2Image]),
    layout=st.sampled_from(["auto", "whd", "hwd", "dhw", "dwh", "hdw", "wdh"]),
    suffix=st.sampled_from([".nii", ".nii.gz"]),
)
def test_a_mask_comes_back_on_the_grid_it_came_from(
    tmp_path_factory, affine, dtype, order, scale, units, codes, version, layout, suffix
):
    folder = tmp_path_factory.mktemp("nifti")
    source, target = folder / f"volume{suffix}", folder / f"mask{suffix}"
    stored = np.random.default_rng(0).integers(0, 100, (5, 6, 7))
    image = version(stored.astype(dtype), affine, version.header_class(endianness=order))
    image.header.set_data_dtype(np.dtype(dtype).newbyteorder(order))
    image.set_qform(affine, codes[0], strip_shears=True)
    image.set_sform(affine, codes[1])
    image.header.set_xyzt_units(units[0], "sec")
    image.header.set_slope_inter(*scale)
    image.to_filename(source)

    volume = READER.read(source, layout=layout)
    named = "whd" if layout == "auto" else layout
    expected = nib.load(source).get_fdata().transpose([named.index(axis) for axis in "dhw"])
    np.testing.assert_array_equal(volume.data, expected)
    assert volume.data.dtype.isnative
    assert READER.shape(source, layout=layout) == volume.data.shape
    sizes = nib.affines.voxel_sizes(nib.load(source).affine) * units[1]
    np.testing.assert_allclose(volume.spacing_mm, [sizes[named.index(axis)] for axis in "dhw"], rtol=1e-5)

    mask = np.random.default_rng(1).integers(0, 4, volume.data.shape).astype(np.uint8)
    READER.write(target, mask, volume.grid)
    np.testing.assert_array_equal(READER.read(target, layout=layout).data, mask)
    written = nib.load(target)
    assert geometry(target) == geometry(source)
    assert written.affine.tobytes() == nib.load(source).affine.tobytes()
    assert written.get_data_dtype() == np.uint8
    raw = nib.openers.Opener(target).read()[: written.header.sizeof_hdr]
    stored_header = type(written.header)(raw)
    assert (float(stored_header["scl_slope"]), float(stored_header["scl_inter"])) == (1, 0)


def test_simpleitk_sees_the_written_mask_where_it_sees_the_volume(tmp_path):
    turn = Rotation.from_euler("xyz", [0.3, -0.2, 0.5]).as_matrix() @ np.diag([0.3, 0.4, 0.9])
    affine = np.block([[turn, np.array([[10], [-20], [30]])], [np.zeros((1, 3)), 1]])
    source = save(tmp_path / "volume.nii.gz", np.zeros((5, 6, 7), np.int16), affine)
    volume = READER.read(source)
    mask = np.zeros(volume.data.shape, np.uint8)
    mask[2, 3, 4] = 1
    READER.write(tmp_path / "mask.nii.gz", mask, volume.grid)
    before, after = sitk.ReadImage(str(source)), sitk.ReadImage(str(tmp_path / "mask.nii.gz"))
    for what in ("GetSize", "GetOrigin", "GetSpacing", "GetDirection"):
        assert getattr(after, what)() == getattr(before, what)()
    assert after[4, 3, 2] == 1


@pytest.mark.parametrize(
    ("stored", "read", "spacing"),
    [
        ((4, 5), (1, 5, 4), (0.9, 0.4, 0.3)),
        ((4, 5, 1), (1, 5, 4), (0.9, 0.4, 0.3)),
        ((4, 5, 6, 1), (6, 5, 4), (0.9, 0.4, 0.3)),
        ((4, 5, 1, 6), (6, 5, 4), (1, 0.4, 0.3)),
        ((4, 5, 1, 1), (1, 5, 4), (0.9, 0.4, 0.3)),
    ],
)
def test_pictures_clips_and_padded_volumes_keep_their_stored_shape(tmp_path, stored, read, spacing):
    data = np.arange(np.prod(stored), dtype=np.int16).reshape(stored)
    source = save(tmp_path / "volume.nii", data)
    volume = READER.read(source)
    assert volume.data.shape == read == READER.shape(source)
    np.testing.assert_allclose(volume.spacing_mm, spacing, rtol=1e-6)
    assert any("time" in note for note in volume.notes) == (stored == (4, 5, 1, 6))
    READER.write(tmp_path / "mask.nii", volume.data.astype(np.uint8), volume.grid)
    np.testing.assert_array_equal(nib.load(tmp_path / "mask.nii").dataobj, data.astype(np.uint8))
    assert geometry(tmp_path / "mask.nii") == geometry(source)


def test_an_array_saved_rows_first_is_read_with_layout_hwd(tmp_path):
    rows_first = np.random.default_rng(0).random((5, 6, 7)).astype(np.float32)
    path = save(tmp_path / "unet.nii.gz", rows_first, np.eye(4))
    volume = READER.read(path, layout="hwd")
    np.testing.assert_array_equal(volume.data, np.moveaxis(rows_first, 2, 0))
    assert volume.notes == ()
    [note] = READER.read(path).notes
    assert "columns, rows, slices" in note
    assert "layout=hwd" in note
    assert "layout=dhw" in note


NO_ORIENTATION = "the header gives no orientation"


def noted(path: Path, **how: object) -> bool:
    return any(note.startswith(NO_ORIENTATION) for note in READER.read(path, **how).notes)


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("order", list(itertools.permutations("whd")), ids="".join)
def test_ultrasound_without_an_orientation_is_noted_unless_it_stands_upright(tmp_path, scene, order):
    """Columns, rows, slices stand upright in a picture; every other order is told from it."""
    stored = scan(scene).transpose(["dhw".index(axis) for axis in order])
    path = save(tmp_path / "scan.nii", stored, np.eye(4))
    assert noted(path) == (order != ("w", "h", "d"))
    assert not noted(save(tmp_path / "placed.nii", stored))
    assert not noted(path, layout="".join(order))


@cache
def scan(scene: str) -> np.ndarray:
    """A simulated volume, (D, H, W)."""
    return simulate(0, scene=scene).image


@pytest.mark.parametrize("shape", [(60, 50, 6), (50, 60, 6), (6, 50, 60), (50, 50, 50)])
def test_a_picture_that_shows_no_beam_is_noted(tmp_path, shape):
    noise = np.random.default_rng(0).random(shape).astype(np.float32)
    assert noted(save(tmp_path / "noise.nii", noise, np.eye(4)))
    assert noted(save(tmp_path / "black.nii", np.zeros(shape, np.uint8), np.eye(4)))
    assert noted(save(tmp_path / "nan.nii", np.full(shape, np.nan, np.float32), np.eye(4)))


def test_labels_are_noted_unless_their_shape_is_that_of_a_volume_that_stands_upright(tmp_path):
    stored = scan("vessel").transpose(2, 1, 0)
    assert stored.shape[0] != stored.shape[1]
    volume = READER.read(save(tmp_path / "scan.nii", stored, np.eye(4)))
    labels = save(tmp_path / "labels.nii", (stored > 0.5).astype(np.uint8), np.eye(4))
    assert not noted(labels, onto=volume, role="labels")
    assert noted(labels, role="labels")
    lying = READER.read(save(tmp_path / "lying.nii", stored.transpose(1, 0, 2), np.eye(4)))
    assert noted(save(tmp_path / "lying_labels.nii", stored.transpose(1, 0, 2), np.eye(4)), onto=lying)
    side = min(stored.shape[:2])
    square = READER.read(save(tmp_path / "square.nii", stored[:side, :side], np.eye(4)))
    assert noted(save(tmp_path / "square_labels.nii", stored[:side, :side], np.eye(4)), onto=square)


@pytest.mark.skipif(not DATA.is_dir(), reason="the real recordings are not here")
@pytest.mark.parametrize("name", ["camus", "carotid"])
def test_real_recordings_are_noted_only_where_they_lie_on_their_side(tmp_path, name):
    for path in sorted((DATA / name / "volumes").iterdir())[::4]:
        stored = np.asarray(nib.load(path).dataobj)
        assert not noted(save(tmp_path / "as_it_is.nii", stored, np.eye(4)))
        for order in [*itertools.permutations(range(3))][1:]:
            assert noted(save(tmp_path / "turned.nii", stored.transpose(order), np.eye(4))), order


def test_one_slice_or_an_orientation_needs_no_note(tmp_path):
    assert READER.read(save(tmp_path / "slice.nii", np.zeros((5, 6, 1), np.uint8), np.eye(4))).notes == ()
    assert READER.read(save(tmp_path / "volume.nii", np.zeros((5, 6, 7), np.uint8))).notes == ()


def test_a_volume_made_in_memory_is_written_with_its_spacing(tmp_path):
    mask = np.random.default_rng(0).integers(0, 3, (4, 5, 6)).astype(np.uint8)
    READER.write(tmp_path / "mask.nii.gz", mask, PlainGrid((0.9, 0.4, 0.3)))
    READER.write(tmp_path / "plain.nii.gz", mask, PlainGrid(None))
    volume = READER.read(tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(volume.data, mask)
    np.testing.assert_allclose(volume.spacing_mm, (0.9, 0.4, 0.3), rtol=1e-6)
    assert READER.read(tmp_path / "plain.nii.gz").spacing_mm == (1, 1, 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_bytes(b"not an image" * 99), "not a readable NIfTI"),
        (lambda path: save(path, np.zeros((4, 5, 6, 2), np.uint8)), "several volumes"),
        (lambda path: save(path, np.zeros((4, 5, 1, 1, 3), np.uint8)), "several volumes"),
        (lambda path: save(path, np.zeros(7, np.uint8)), "two axes"),
        (lambda path: save(path, np.zeros((4, 5, 6), np.complex64)), "complex64"),
        (lambda path: save(path, np.zeros((4, 5), [("R", "u1"), ("G", "u1"), ("B", "u1")])), "colour"),
    ],
)
def test_what_is_no_volume_is_refused_in_one_line(tmp_path, make, message):
    path = tmp_path / "case.nii"
    make(path)
    with pytest.raises(ReadError, match=message) as error:
        READER.read(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("part", [0.02, 0.5, 0.95])
def test_a_truncated_file_is_refused(tmp_path, suffix, part):
    noise = np.random.default_rng(0).integers(0, 255, (20, 20, 20)).astype(np.uint8)
    path = save(tmp_path / f"case{suffix}", noise)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    with pytest.raises(ReadError, match=str(path)):
        READER.read(path)


@pytest.mark.parametrize("layout", ["xyz", "hw", "dhwt", "hhd", ""])
def test_a_layout_must_be_an_order_of_d_h_w(tmp_path, layout):
    path = save(tmp_path / "case.nii", np.zeros((4, 5, 6), np.uint8))
    with pytest.raises(RequestError, match="layout="):
        READER.read(path, layout=layout)


def test_the_grid_of_another_format_keeps_its_place(tmp_path):
    from usframe_plugins.readers.itk import SimpleITKReader

    image = sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 3, (4, 5, 6)).astype(np.uint8))
    image.SetSpacing((0.3, 0.4, 0.9))
    image.SetOrigin((1, 2, 3))
    image.SetDirection(Rotation.from_euler("z", 0.4).as_matrix().ravel().tolist())
    sitk.WriteImage(image, str(tmp_path / "volume.nrrd"))
    volume: Volume = SimpleITKReader().read(tmp_path / "volume.nrrd")
    READER.write(tmp_path / "mask.nii", volume.data, volume.grid)
    seen = sitk.ReadImage(str(tmp_path / "mask.nii"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(seen), sitk.GetArrayFromImage(image))
    for what in ("GetOrigin", "GetSpacing", "GetDirection"):
        np.testing.assert_allclose(getattr(seen, what)(), getattr(image, what)(), atol=1e-5)
