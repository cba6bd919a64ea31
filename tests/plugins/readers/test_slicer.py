"""3D Slicer's .seg.nrrd: segments in layers, cropped to what is segmented, put back on the volume."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from usframe_plugins.readers.itk import SimpleITKReader
from usframe_plugins.readers.nifti import NiftiReader

from usframe import ReadError, Volume, write_mask

READER = SimpleITKReader()
SPACING, ORIGIN = (0.3, 0.4, 0.9), (10.0, -20.0, 30.0)
TURN = Rotation.from_euler("xyz", [0.3, -0.2, 0.5]).as_matrix().ravel().tolist()


def recording(array: np.ndarray, direction: list[float] = TURN) -> sitk.Image:
    image = sitk.GetImageFromArray(array, isVector=array.ndim == 4)
    image.SetSpacing(SPACING)
    image.SetOrigin(ORIGIN)
    image.SetDirection(direction)
    return image


def save(path: Path, image: sitk.Image, segments: list[dict[str, int]]) -> Path:
    """Write segments as Slicer does, each with an ID, and with the keys given for it."""
    for number, keys in enumerate(segments):
        image.SetMetaData(f"Segment{number}_ID", f"Segment_{number + 1}")
        for key, value in keys.items():
            image.SetMetaData(f"Segment{number}_{key}", str(value))
    sitk.WriteImage(image, str(path), True)
    return path


@pytest.fixture
def volume(tmp_path) -> Volume:
    sitk.WriteImage(recording(np.zeros((6, 8, 10), np.uint8)), str(tmp_path / "volume.nrrd"))
    return READER.read(tmp_path / "volume.nrrd")


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    low=st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(0, 8)),
    length=st.integers(1, 4),
    turned=st.booleans(),
    nifti=st.booleans(),
    layout=st.sampled_from(["auto", "hwd", "dhw", "wdh"]),
)
def test_a_cropped_segmentation_lands_where_it_was_drawn(tmp_path_factory, low, length, turned, nifti, layout):
    folder = tmp_path_factory.mktemp("slicer")
    labels = np.zeros((6, 8, 10), np.uint8)
    box = tuple(slice(start, start + length) for start in low)
    labels[box] = np.random.default_rng(0).integers(0, 3, labels[box].shape)
    labels[low] = 1
    whole = recording(labels, TURN if turned else np.eye(3).ravel().tolist())
    corner = [int(start) for start in low[::-1]]
    size = [int(n) for n in labels[box].shape[::-1]]
    keys = [{"LabelValue": 1, "Layer": 0}, {"LabelValue": 2, "Layer": 0}]
    path = save(folder / "case.seg.nrrd", sitk.RegionOfInterest(whole, size, corner), keys)

    source = folder / ("case.nii.gz" if nifti else "case.nrrd")
    sitk.WriteImage(whole, str(source))
    onto = (NiftiReader() if nifti else READER).read(source, layout=layout)
    read = READER.read(path, layout=layout, onto=onto)
    np.testing.assert_array_equal(read.data, onto.data)
    assert read.data.dtype == np.uint8
    assert read.notes == ()


def layers(*planes: np.ndarray) -> np.ndarray:
    return np.stack(planes, axis=-1).astype(np.uint8)


def block(*where: tuple[slice, int]) -> np.ndarray:
    plane = np.zeros((6, 8, 10), np.uint8)
    for rows, value in where:
        plane[:, rows] = value
    return plane


TOP, MIDDLE, BOTTOM = slice(0, 3), slice(2, 5), slice(5, 8)


@pytest.mark.parametrize(
    ("stored", "segments", "expected", "note"),
    [
        pytest.param(
            block((TOP, 5), (BOTTOM, 9)),
            [{"LabelValue": 5, "Layer": 0}, {"LabelValue": 9, "Layer": 0}],
            block((TOP, 5), (BOTTOM, 9)),
            None,
            id="different label values are kept",
        ),
        pytest.param(
            layers(block((TOP, 1)), block((BOTTOM, 1))),
            [{"LabelValue": 1, "Layer": 1}, {"LabelValue": 1, "Layer": 0}],
            block((BOTTOM, 1), (TOP, 2)),
            "numbered 1 to 2",
            id="shared label values are numbered in segment order",
        ),
        pytest.param(
            layers(block((TOP, 1)), block((MIDDLE, 2))),
            [{"LabelValue": 1, "Layer": 0}, {"LabelValue": 2, "Layer": 1}],
            block((TOP, 1), (MIDDLE, 2)),
            "overlap in 60 voxels",
            id="the later of two overlapping segments wins",
        ),
        pytest.param(
            layers(block((TOP, 1)), block((BOTTOM, 1))),
            [{}, {}],
            block((TOP, 1), (BOTTOM, 2)),
            "numbered 1 to 2",
            id="files without LabelValue and Layer have one layer per segment",
        ),
        pytest.param(
            block((TOP, 1), (BOTTOM, 2)),
            [{"LabelValue": 2, "Layer": 0}],
            block((BOTTOM, 2)),
            None,
            id="voxels of no segment are background",
        ),
        pytest.param(block((TOP, 3)), [], block((TOP, 3)), None, id="without segments it is a label map"),
    ],
)
def test_segments_become_one_label_map(tmp_path, volume, stored, segments, expected, note):
    read = READER.read(save(tmp_path / "case.seg.nrrd", recording(stored), segments), onto=volume)
    np.testing.assert_array_equal(read.data, expected)
    assert len(read.notes) == (note is not None)
    assert all(note in text for text in read.notes)


def test_a_coarser_segmentation_is_resampled_by_nearest_neighbour(tmp_path, volume):
    coarse = sitk.GetImageFromArray(np.arange(3 * 8 * 10, dtype=np.uint8).reshape(3, 8, 10) % 3)
    coarse.SetSpacing((SPACING[0], SPACING[1], 2 * SPACING[2]))
    turn = np.reshape(TURN, (3, 3))
    coarse.SetOrigin((np.array(ORIGIN) + turn[:, 2] * SPACING[2] / 2).tolist())
    coarse.SetDirection(TURN)
    segments = [{"LabelValue": 1, "Layer": 0}, {"LabelValue": 2, "Layer": 0}]
    read = READER.read(save(tmp_path / "case.seg.nrrd", coarse, segments), onto=volume)
    np.testing.assert_array_equal(read.data, np.repeat(sitk.GetArrayFromImage(coarse), 2, axis=0))


def test_voxels_that_lie_outside_the_volume_are_counted(tmp_path, volume):
    image = recording(block((TOP, 1)))
    turn = np.reshape(TURN, (3, 3))
    image.SetOrigin((np.array(ORIGIN) - turn[:, 1] * 2 * SPACING[1]).tolist())
    read = READER.read(save(tmp_path / "case.seg.nrrd", image, [{"LabelValue": 1, "Layer": 0}]), onto=volume)
    assert read.data.sum() == 60
    assert read.notes == ("120 voxels of the segments lie outside the volume and were left out",)


def test_a_segmentation_of_another_recording_is_refused(tmp_path, volume):
    elsewhere = recording(block((TOP, 1)))
    elsewhere.SetOrigin((500, 500, 500))
    path = save(tmp_path / "case.seg.nrrd", elsewhere, [{"LabelValue": 1, "Layer": 0}])
    with pytest.raises(ReadError, match="lies inside its volume"):
        READER.read(path, onto=volume)


def test_a_volume_without_a_place_needs_a_segmentation_of_its_own_shape(tmp_path):
    array = Volume(np.zeros((6, 8, 10), np.uint8))
    segments = [{"LabelValue": 1, "Layer": 0}]
    whole = save(tmp_path / "whole.seg.nrrd", recording(block((TOP, 1))), segments)
    np.testing.assert_array_equal(READER.read(whole, onto=array).data, block((TOP, 1)))
    cropped = save(tmp_path / "cropped.seg.nrrd", recording(block((TOP, 1))[:, :4]), segments)
    with pytest.raises(ReadError, match="no position in space"):
        READER.read(cropped, onto=array)


@pytest.mark.parametrize(
    ("stored", "segments", "message"),
    [
        (block((TOP, 1)), [{"LabelValue": 1, "Layer": 3}], "more layers than it holds"),
        (block((TOP, 1)), [{"LabelValue": "one"}], "Segment0_LabelValue is 'one'"),
        (layers(block(), block()), [], "not a 3D Slicer segmentation"),
        (block((TOP, 1)), [{"LabelValue": 1}] * 256, "256 segments"),
    ],
)
def test_damaged_keys_are_refused_in_one_line(tmp_path, volume, stored, segments, message):
    path = save(tmp_path / "case.seg.nrrd", recording(stored), segments)
    with pytest.raises(ReadError, match=message):
        READER.read(path, onto=volume)


def test_nibabel_agrees_where_the_segmentation_lies(tmp_path):
    whole = recording(block((MIDDLE, 1)))
    sitk.WriteImage(whole, str(tmp_path / "case.nii.gz"))
    crop = sitk.RegionOfInterest(whole, [10, 3, 6], [0, 2, 0])
    path = save(tmp_path / "case.seg.nrrd", crop, [{"LabelValue": 1, "Layer": 0}])
    reader = NiftiReader()
    volume = reader.read(tmp_path / "case.nii.gz")
    reader.write(tmp_path / "labels.nii.gz", READER.read(path, onto=volume).data, volume.grid)
    np.testing.assert_array_equal(
        nib.load(tmp_path / "labels.nii.gz").dataobj, nib.load(tmp_path / "case.nii.gz").dataobj
    )


# masks with names


MASK = np.zeros((6, 8, 10), np.uint8)
MASK[2:4, 3:5, 2:7] = 1
MASK[2:4, 5:7, 2:7] = 7
NAMES = {1: "lumen", 3: "Wand, \u00e4u\u00dfere"}  # 3 is not in the mask, 7 has no name


def keys_of(path: Path) -> dict[str, str]:
    image = sitk.ReadImage(str(path))
    return {key: image.GetMetaData(key) for key in image.GetMetaDataKeys() if key.startswith("Segment")}


def test_a_mask_tells_slicer_what_its_objects_are_called(tmp_path, volume):
    write_mask(tmp_path / "mask.nrrd", MASK, volume, names=NAMES)
    keys = keys_of(tmp_path / "mask.nrrd")
    told = [[keys[f"Segment{n}_{key}"] for key in ("Name", "LabelValue", "Layer")] for n in range(3)]
    assert told == [["lumen", "1", "0"], ["Wand, \u00e4u\u00dfere", "3", "0"], ["object 7", "7", "0"]]
    assert len({keys[f"Segment{n}_ID"] for n in range(3)}) == 3
    assert {keys[f"Segment{n}_Extent"] for n in range(3)} == {"0 9 0 7 0 5"}
    assert keys["Segmentation_SourceRepresentation"] == "Binary labelmap"


def test_as_a_segmentation_such_a_mask_is_read_with_its_names(tmp_path, volume):
    write_mask(tmp_path / "mask.nrrd", MASK, volume, names=NAMES)
    (tmp_path / "mask.nrrd").rename(tmp_path / "mask.seg.nrrd")
    read = READER.read(tmp_path / "mask.seg.nrrd", onto=volume)
    np.testing.assert_array_equal(read.data, MASK)
    assert read.names == {**NAMES, 7: "object 7"}


@pytest.mark.parametrize(("name", "names"), [("mask.nrrd", {}), ("mask.mha", NAMES)])
def test_without_names_and_in_other_formats_there_are_no_segments(tmp_path, volume, name, names):
    write_mask(tmp_path / name, MASK, volume, names=names)
    assert keys_of(tmp_path / name) == {}
    np.testing.assert_array_equal(READER.read(tmp_path / name).data, MASK)


def test_a_name_of_several_lines_is_one_line(tmp_path, volume):
    write_mask(tmp_path / "mask.nrrd", MASK, volume, names={1: "left\nSegment9_Name:=right"})
    assert keys_of(tmp_path / "mask.nrrd")["Segment0_Name"] == "left Segment9_Name:=right"
    np.testing.assert_array_equal(READER.read(tmp_path / "mask.nrrd").data, MASK)
