"""Labels whose header places them on another grid are refused with the difference named, resampled, or ignored."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from usframe.config.schema import Paired
from usframe.data.alignment import difference
from usframe.data.case import Case
from usframe.data.reading import read_case, read_labels, read_volume
from usframe.errors import CaseError, ReadError
from usframe.plugins.load import load_plugins
from usframe.types import Volume

PLUGINS = load_plugins()
SPACING = np.array([0.3, 0.4, 0.9])
GRID = np.diag([*SPACING, 1.0])
GRID[:3, 3] = (-10, -20, 5)
SHAPE = (10, 12, 8)  # columns, rows, slices as stored
LABELS = (gaussian_filter(np.random.default_rng(0).random(SHAPE), 1.5) > 0.5).astype(np.uint8)


def save(path: Path, stored: np.ndarray, affine: np.ndarray) -> Path:
    nib.save(nib.Nifti1Image(stored, affine), path)
    return path


def moved(**change: float) -> np.ndarray:
    affine = GRID.copy()
    for axis, mm in change.items():
        affine["xyz".index(axis), 3] += mm
    return affine


def flip(axis: int) -> np.ndarray:
    """The same grid with a stored axis from the other end."""
    turn = np.eye(4)
    turn[axis, axis], turn[axis, 3] = -1, SHAPE[axis] - 1
    return GRID @ turn


ELSEWHERE = [
    pytest.param(np.flip(LABELS, 0), flip(0), "flipped along W", id="flipped in x"),
    pytest.param(np.flip(LABELS, 1), flip(1), "flipped along H", id="flipped in y"),
    pytest.param(np.flip(LABELS, 2), flip(2), "flipped along D", id="flipped in z"),
    pytest.param(LABELS, moved(y=8), "shifted by 8.0 mm along H", id="shifted"),
    pytest.param(LABELS, moved(x=0.1), "shifted by 0.1 mm along W", id="shifted by a third of a pixel"),
    pytest.param(
        LABELS, GRID @ np.diag([1, 1, 1.25, 1]), "spacing 1.125 instead of 0.9 along D", id="another spacing"
    ),
    pytest.param(
        LABELS.transpose(1, 0, 2), GRID[:, [1, 0, 2, 3]], r"axes swapped \(its D, H, W are D, W, H\)", id="swapped"
    ),
    pytest.param(
        LABELS, np.diag([0.2, 0.4, 0.9, 1]), "spacing 0.2 instead of 0.3 along W, shifted by", id="several"
    ),
]


@pytest.fixture
def volume(tmp_path) -> Volume:
    return read_volume(save(tmp_path / "a.nii", np.zeros(SHAPE, np.int16), GRID), plugins=PLUGINS)


@pytest.mark.parametrize(("stored", "affine", "words"), ELSEWHERE)
def test_the_difference_is_named_and_the_case_fails(tmp_path, volume, stored, affine, words):
    path = save(tmp_path / "l.nii", stored, affine)
    with pytest.raises(ReadError, match=words) as error:
        read_labels(path, volume, plugins=PLUGINS)
    assert str(error.value).startswith(f"{path}: ")
    assert "geometry=resample" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("stored", "affine", "words"), ELSEWHERE[:3] + ELSEWHERE[6:7])
def test_resampling_puts_the_same_anatomy_back_to_the_voxel(tmp_path, volume, stored, affine, words):
    read = read_labels(save(tmp_path / "l.nii", stored, affine), volume, geometry="resample", plugins=PLUGINS)
    np.testing.assert_array_equal(read.data, LABELS.transpose(2, 1, 0))
    assert read.spacing_mm == volume.spacing_mm
    [note] = read.notes
    assert note.startswith("the labels were put on the volume's grid by nearest neighbour: ")


def test_resampling_a_shift_moves_the_labels_and_counts_what_is_lost(tmp_path, volume):
    path = save(tmp_path / "l.nii", LABELS, moved(y=3 * 0.4))
    read = read_labels(path, volume, geometry="resample", plugins=PLUGINS)
    expected = np.zeros_like(LABELS)
    expected[:, 3:] = LABELS[:, :-3]
    np.testing.assert_array_equal(read.data, expected.transpose(2, 1, 0))
    lost = int(LABELS[:, -3:].sum())
    assert f"{lost} voxels of the labels lie outside the volume and were left out" in read.notes


def test_labels_of_a_finer_grid_and_another_shape_can_be_resampled(tmp_path, volume):
    fine = np.repeat(LABELS, 2, axis=2)
    affine = GRID @ np.diag([1, 1, 0.5, 1])
    affine[2, 3] -= 0.9 / 4
    path = save(tmp_path / "l.nii", fine, affine)
    with pytest.raises(ReadError, match="geometry=resample"):
        read_labels(path, volume, plugins=PLUGINS)
    read = read_labels(path, volume, geometry="resample", plugins=PLUGINS)
    np.testing.assert_array_equal(read.data, LABELS.transpose(2, 1, 0))


def test_labels_of_another_recording_cannot_be_resampled(tmp_path, volume):
    path = save(tmp_path / "l.nii", LABELS, moved(x=500))
    with pytest.raises(ReadError, match="no label lies inside its volume"):
        read_labels(path, volume, geometry="resample", plugins=PLUGINS)


def test_ignoring_the_header_matches_voxel_by_voxel_with_a_note(tmp_path, volume):
    path = save(tmp_path / "l.nii", np.flip(LABELS, 0), flip(0))
    read = read_labels(path, volume, geometry="ignore", plugins=PLUGINS)
    np.testing.assert_array_equal(read.data, np.flip(LABELS, 0).transpose(2, 1, 0))
    assert read.notes == (
        "the header of the labels places them elsewhere (flipped along W); they were matched voxel by voxel",
    )


@pytest.mark.parametrize("affine", [GRID, GRID + 1e-6, moved(x=0.02), moved(z=0.05)])
def test_rounding_is_no_difference(tmp_path, volume, affine):
    affine = affine.copy()
    affine[3] = (0, 0, 0, 1)
    for geometry in ("refuse", "resample", "ignore"):
        read = read_labels(save(tmp_path / "l.nii", LABELS, affine), volume, geometry=geometry, plugins=PLUGINS)
        np.testing.assert_array_equal(read.data, LABELS.transpose(2, 1, 0))
        assert read.notes == ()


def test_a_header_without_a_place_is_compared_by_its_spacing_alone(tmp_path, volume):
    array = LABELS.transpose(2, 1, 0)
    np.savez(tmp_path / "same.npz", gts=array, spacing=SPACING)
    np.savez(tmp_path / "other.npz", gts=array, spacing=SPACING * 2)
    np.savez(tmp_path / "none.npz", gts=array)
    for name in ("same", "none"):
        assert read_labels(tmp_path / f"{name}.npz", volume, plugins=PLUGINS).notes == ()
    with pytest.raises(ReadError, match=r"spacing 1\.8 instead of 0\.9 along D.*geometry=ignore"):
        read_labels(tmp_path / "other.npz", volume, plugins=PLUGINS)
    unplaced = nib.Nifti1Image(LABELS, None)
    unplaced.header.set_zooms(SPACING)
    nib.save(unplaced, tmp_path / "unplaced.nii")
    assert read_labels(tmp_path / "unplaced.nii", volume, plugins=PLUGINS).notes == ()


def test_the_case_fails_unless_the_request_says_what_to_do(tmp_path):
    source = save(tmp_path / "a.nii", np.ones(SHAPE, np.uint8), GRID)
    case = Case("a", source, save(tmp_path / "l.nii", np.flip(LABELS, 0), flip(0)))
    with pytest.raises(CaseError, match="flipped along W"):
        read_case(case, Paired(), PLUGINS)
    resampled = read_case(case, Paired(geometry="resample"), PLUGINS)
    np.testing.assert_array_equal(resampled.labels, LABELS.transpose(2, 1, 0))
    assert any("flipped along W" in note for note in resampled.notes)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    order=st.permutations([0, 1, 2]),
    flips=st.tuples(*[st.booleans()] * 3),
    layout=st.sampled_from(["auto", "hwd", "dwh"]),
)
def test_the_same_anatomy_in_any_order_of_axes_resamples_to_the_same_labels(tmp_path_factory, order, flips, layout):
    folder = tmp_path_factory.mktemp("order")
    affine, stored = GRID, LABELS
    for axis, flipped in enumerate(flips):
        if flipped:
            affine, stored = affine @ (np.linalg.inv(GRID) @ flip(axis)), np.flip(stored, axis)
    path = save(folder / "l.nii", stored.transpose(order), affine[:, [*order, 3]])
    volume = read_volume(save(folder / "a.nii", LABELS, GRID), layout=layout, plugins=PLUGINS)
    read = read_labels(path, volume, layout=layout, geometry="resample", plugins=PLUGINS)
    np.testing.assert_array_equal(read.data, volume.data)
    same = list(order) == [0, 1, 2] and not any(flips)
    assert (difference(read_volume(path, layout=layout, plugins=PLUGINS), volume) == "") == same
