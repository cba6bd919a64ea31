"""DICOM segmentations as highdicom writes them: every voxel where it was drawn, named as its segment is."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pytest
from conftest import usframe_
from dicom_files import save, save_series
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes
from usframe_plugins.readers.dicom.reader import DicomReader

from usframe import ReadError, Volume, read_volume, write_mask
from usframe.data.volumes import PlacedGrid

CLIP = np.random.default_rng(0).integers(0, 255, (5, 8, 10)).astype(np.uint8)
NAMED = {
    **{"FrameOfReferenceUID": "1.2.3", "SliceThickness": 0.8, "PatientBirthDate": "", "PatientSex": ""},
    **{"AccessionNumber": "", "StudyID": "", "StudyDate": "", "StudyTime": ""},
}
MASK = np.zeros((5, 8, 10), np.uint8)
MASK[1:3, 2:5, 3:7] = 1
MASK[2:4, 5:8, 7:] = 2


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """The files of a volume, whose names are in another order than their places."""
    save_series(tmp_path / "case", CLIP, [3, 1, 2, 5, 4], **NAMED)
    return tmp_path / "case"


def slices_in(folder: Path) -> list[Dataset]:
    found = [dcmread(file) for file in folder.iterdir()]
    return sorted(found, key=lambda one: float(one.ImagePositionPatient[2]))


def segmented(
    sources: list[Dataset], pixels: NDArray[Any], kind: str = "BINARY", names: tuple[str, ...] = ("lumen", "wall")
) -> Dataset:
    """``pixels``: (D, H, W) segment numbers, or (D, H, W, segments) of masks or fractions."""
    organ, manual = codes.SCT.Organ, highdicom.seg.SegmentAlgorithmTypeValues.MANUAL
    segments = [
        highdicom.seg.SegmentDescription(number, name, organ, organ, manual) for number, name in enumerate(names, 1)
    ]
    about = (highdicom.UID(), 1, highdicom.UID(), 1, "maker", "model", "1", "2")
    made: Dataset = highdicom.seg.Segmentation(sources, pixels, kind, segments, *about)
    return made


def saved(header: Dataset, path: Path) -> Path:
    header.save_as(path)
    return path


def without_sources(header: Dataset) -> Dataset:
    """The frames tell only where they lie."""
    for frame in header.PerFrameFunctionalGroupsSequence:
        del frame.DerivationImageSequence
    return header


def without_places(header: Dataset) -> Dataset:
    """The frames tell only what they were drawn on."""
    header.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence = []
    for frame in header.PerFrameFunctionalGroupsSequence:
        del frame.PlanePositionSequence
    return header


def as_they_are(header: Dataset) -> Dataset:
    return header


@pytest.mark.parametrize("change", [as_they_are, without_sources, without_places])
@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_segments_lie_where_they_were_drawn_and_have_their_names(
    series: Path, tmp_path: Path, kind: str, change: Callable[[Dataset], Dataset]
) -> None:
    fractions = np.stack([MASK == 1, MASK == 2], -1).astype(np.float32) * 0.8
    header = segmented(slices_in(series), fractions if kind == "FRACTIONAL" else MASK, kind)
    path = saved(change(header), tmp_path / "labels.dcm")
    volume = read_volume(series)
    labels = read_volume(path, onto=volume, role="labels")
    np.testing.assert_array_equal(labels.data, MASK)
    assert labels.names == {1: "lumen", 2: "wall"}
    assert labels.spacing_mm == volume.spacing_mm
    half = ("the segmentation is fractional: voxels of at least 128 of 255 were taken",)
    assert labels.notes == (half if kind == "FRACTIONAL" else ())


def test_a_fraction_below_half_is_outside(series: Path, tmp_path: Path) -> None:
    fractions = np.zeros((5, 8, 10, 1), np.float32)
    fractions[2, 1], fractions[2, 2] = 0.4, 0.6
    path = saved(segmented(slices_in(series), fractions, "FRACTIONAL", ("one",)), tmp_path / "a.dcm")
    labels = read_volume(path, onto=read_volume(series), role="labels")
    assert np.unique(np.nonzero(labels.data)[1]).tolist() == [2]


def test_where_segments_overlap_the_later_one_is_there_with_a_note(series: Path, tmp_path: Path) -> None:
    both = np.stack([MASK > 0, MASK == 2], -1).astype(np.uint8)
    path = saved(segmented(slices_in(series), both), tmp_path / "a.dcm")
    labels = read_volume(path, onto=read_volume(series), role="labels")
    np.testing.assert_array_equal(labels.data, MASK)
    assert labels.notes == ("segments overlap in 18 voxels, which went to the later segment",)


def test_frames_that_were_left_out_are_empty_slices_of_the_file_alone(series: Path, tmp_path: Path) -> None:
    path = saved(segmented(slices_in(series), MASK), tmp_path / "a.dcm")
    alone = read_volume(path, role="labels")
    assert alone.cropped
    assert alone.spacing_mm == pytest.approx((0.8, 0.4, 0.3))
    np.testing.assert_array_equal(alone.data, MASK[1:4])
    assert DicomReader().shape(path) == (3, 8, 10)


SPARSE = np.zeros((5, 7, 9), np.uint8)
SPARSE[1, 2:5, 3:7], SPARSE[3, 4:6, :2] = 1, 2


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """Slices of 63 pixels, whose bits fill no whole bytes."""
    save_series(tmp_path / "odd", CLIP[:, :7, :9], [3, 1, 2, 5, 4], **NAMED)
    return tmp_path / "odd"


@pytest.mark.parametrize("change", [as_they_are, without_sources])
@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_slices_between_frames_stay_empty_and_frames_may_begin_inside_a_byte(
    odd: Path, tmp_path: Path, kind: str, change: Callable[[Dataset], Dataset]
) -> None:
    path = saved(change(segmented(slices_in(odd), SPARSE, kind)), tmp_path / "a.dcm")
    volume = read_volume(odd)
    np.testing.assert_array_equal(read_volume(path, onto=volume, role="labels").data, SPARSE)
    np.testing.assert_array_equal(read_volume(path, role="labels").data, SPARSE[1:4])
    write_mask(tmp_path / "volume.nii.gz", CLIP[:, :7, :9], volume)
    elsewhere = read_volume(tmp_path / "volume.nii.gz")
    np.testing.assert_array_equal(read_volume(path, onto=elsewhere, role="labels").data, SPARSE)


def test_segments_on_other_voxels_go_to_the_nearest_and_slices_between_stay_empty(
    odd: Path, tmp_path: Path
) -> None:
    path = saved(segmented(slices_in(odd), SPARSE), tmp_path / "a.dcm")
    volume = read_volume(odd)
    assert volume.grid is not None
    affine = np.array(volume.grid.affine)
    affine[:3, 3] += affine[:3, 1]  # begins a row later
    part = Volume(volume.data[:, 1:], volume.spacing_mm, PlacedGrid(affine, volume.spacing_mm))
    np.testing.assert_array_equal(read_volume(path, onto=part, role="labels").data, SPARSE[:, 1:])


def test_a_frame_that_names_several_slices_lies_where_its_plane_is(odd: Path, tmp_path: Path) -> None:
    header = segmented(slices_in(odd), SPARSE)
    groups = [frame.DerivationImageSequence[0] for frame in header.PerFrameFunctionalGroupsSequence]
    named = [item for group in groups for item in group.SourceImageSequence]
    for group in groups:
        group.SourceImageSequence = named
    path = saved(header, tmp_path / "a.dcm")
    np.testing.assert_array_equal(read_volume(path, onto=read_volume(odd), role="labels").data, SPARSE)


def test_frames_that_say_nothing_are_taken_in_their_order_where_a_clip_has_one_for_each_frame(
    odd: Path, tmp_path: Path
) -> None:
    clip = read_volume(save(tmp_path / "clip.dcm", CLIP[:, :7, :9]))
    whole = (SPARSE == 1).astype(np.uint8)
    whole[:, 0, 0] = 1
    header = without_places(without_sources(segmented(slices_in(odd), whole, names=("one",))))
    header.PixelData = np.packbits(whole.ravel(), bitorder="little").tobytes()
    path = saved(header, tmp_path / "a.dcm")
    labels = read_volume(path, onto=clip, role="labels")
    np.testing.assert_array_equal(labels.data, whole)
    assert any("taken in their order" in note for note in labels.notes)
    assert "nothing says on which slices its frames of 9 x 7 pixels belong" in refused(path, read_volume(odd))
    saved(without_places(without_sources(segmented(slices_in(odd), SPARSE))), path)
    assert "nothing says on which slices its frames of 9 x 7 pixels belong" in refused(path, clip)


def test_a_clip_without_places_is_segmented_frame_by_frame(tmp_path: Path) -> None:
    clip = save(tmp_path / "clip.dcm", CLIP, **NAMED)
    save_series(tmp_path / "made", CLIP, [1, 2, 3, 4, 5], **NAMED)
    sources = slices_in(tmp_path / "made")
    frames = {one.SOPInstanceUID: number for number, one in enumerate(sources, 1)}
    header = without_places(segmented(sources, MASK))
    uid = dcmread(clip).SOPInstanceUID
    for frame in header.PerFrameFunctionalGroupsSequence:
        (source,) = frame.DerivationImageSequence[0].SourceImageSequence
        if source.ReferencedSOPInstanceUID != uid:  # frames of one plane share what they name
            source.ReferencedFrameNumber = frames[source.ReferencedSOPInstanceUID]
            source.ReferencedSOPInstanceUID = uid
    path = saved(header, tmp_path / "a.dcm")
    np.testing.assert_array_equal(read_volume(path, onto=read_volume(clip), role="labels").data, MASK)


def refused(path: Path, onto: Volume | None = None, role: Any = "labels") -> str:
    with pytest.raises(ReadError) as error:
        read_volume(path, onto=onto, role=role)
    line = str(error.value)
    assert line.startswith(f"{path}: ")
    assert not [word for word in ("Doe", "4711", "\n") if word in line]
    return line


def test_a_segmentation_of_another_recording_is_refused(series: Path, tmp_path: Path) -> None:
    header = segmented(slices_in(series), MASK)
    path = saved(header, tmp_path / "a.dcm")
    save_series(tmp_path / "other", CLIP, [1, 2, 3, 4, 5], **NAMED | {"FrameOfReferenceUID": "1.2.4"})
    assert "in another frame of reference than its volume" in refused(path, read_volume(tmp_path / "other"))
    away = {"ImagePositionPatient": [500, 500, 500]}
    save_series(tmp_path / "away", CLIP[:1], [1], **NAMED | away)
    assert "no segment lies inside its volume" in refused(path, read_volume(tmp_path / "away"))
    saved(without_places(header), path)
    assert "its source images are not those of the volume" in refused(path, read_volume(tmp_path / "other"))


def test_a_segmentation_is_no_picture_and_no_slice(series: Path, tmp_path: Path) -> None:
    path = saved(segmented(slices_in(series), MASK), tmp_path / "a.dcm")
    assert "is a DICOM segmentation, which has no picture; give it with -l" in refused(path, role="volume")
    (series / "IM9.dcm").write_bytes(path.read_bytes())
    assert "IM9.dcm is a segmentation and no slice" in refused(series, role="volume")
    (tmp_path / "two").mkdir()
    for name in ("a.dcm", "b.dcm"):
        (tmp_path / "two" / name).write_bytes(path.read_bytes())
    assert "holds 2 segmentations; keep the one" in refused(tmp_path / "two")


def test_what_identifies_an_examination_is_not_shown(series: Path, tmp_path: Path) -> None:
    path = saved(segmented(slices_in(series), MASK), tmp_path / "a.dcm")
    volume = read_volume(series)
    uids = {str(one.SOPInstanceUID) for one in slices_in(series)} | {"1.2.3"}
    for shown in (repr(volume), repr(read_volume(path, onto=volume, role="labels"))):
        assert not [word for word in (*uids, "Doe", "4711") if word in shown]


def test_a_run_takes_them_as_labels_and_scores_by_their_names(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    volume = (40 + 60 * MASK.repeat(5, 1).repeat(4, 2) + rng.integers(0, 20, (5, 40, 40))).astype(np.uint8)
    mask = MASK.repeat(5, 1).repeat(4, 2)
    for number in range(2):
        folder = tmp_path / "volumes" / f"case_{number}"
        save_series(folder, volume, [1, 2, 3, 4, 5], **NAMED)
        (tmp_path / "labels").mkdir(exist_ok=True)
        saved(segmented(slices_in(folder), mask), tmp_path / "labels" / f"case_{number}.dcm")
    words = ["-i", tmp_path / "volumes", "-l", tmp_path / "labels", "-o", tmp_path / "out", "-p", "mask"]
    done = usframe_("run", *words, "--backbone", "demo", "--device", "cpu")
    assert done.exit_code == 0, done.output
    with (tmp_path / "out/metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["prompt"] == "mask" and row["slices"] == "all"]
    assert {(row["object"], row["name"]) for row in rows} == {("1", "lumen"), ("2", "wall")}
    assert all(float(row["dice"]) > 0.8 for row in rows)
    told = b"".join(file.read_bytes() for file in (tmp_path / "out").rglob("*") if file.is_file())
    assert b"4711" not in told
    assert b"Doe^Jane" not in told
    report = usframe_(
        "report", "--masks", tmp_path / "out/masks/mask", "-l", tmp_path / "labels", "-o", tmp_path / "r"
    )
    assert report.exit_code == 0, report.output
