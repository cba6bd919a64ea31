"""What a label value means is decided once for all files of a run."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from usframe.config.schema import Predict
from usframe.data.cases import find_cases
from usframe.data.meaning import Meaning
from usframe.data.reading import read_case, read_labels
from usframe.plugins.load import load_plugins
from usframe.types import Volume

PLUGINS = load_plugins()
VOLUME = Volume(np.zeros((1, 6, 8), np.uint8))


def picture(path: Path, *values: int) -> Path:
    """A picture with one row of each value."""
    path.parent.mkdir(exist_ok=True)
    grey = np.zeros((6, 8), np.uint8)
    for row, value in enumerate(values):
        grey[row] = value
    if values == (255,) * len(values):
        grey[:] = 255
    cv2.imwrite(str(path), grey)
    return path


def objects(path: Path, meaning: Meaning | None = None, role: str = "labels") -> list[int]:
    read = read_labels(path, VOLUME, role=role, meaning=meaning, plugins=PLUGINS)
    return [int(value) for value in np.unique(read.data) if value]


def run_of(*paths: Path, masks: tuple[Path, ...] = ()) -> Meaning:
    return Meaning(paths, masks, plugins=PLUGINS)


def test_255_is_255_where_another_file_of_the_run_has_other_values(tmp_path):
    white, grey = picture(tmp_path / "a.png", 0, 255), picture(tmp_path / "b.png", 0, 128, 255)
    meaning = run_of(white, grey)
    assert objects(white, meaning) == [255]
    assert objects(grey, meaning) == [128, 255]


def test_0_and_255_are_0_and_1_where_all_files_of_the_run_hold_nothing_else(tmp_path):
    mixed, full, empty = (
        picture(tmp_path / "a.png", 0, 255),
        picture(tmp_path / "b.png", 255),
        picture(tmp_path / "c.png", 0),
    )
    meaning = run_of(mixed, full, empty)
    assert [objects(path, meaning) for path in (mixed, full, empty)] == [[1], [1], []]
    assert any("0 and 255" in note for note in read_labels(full, VOLUME, meaning=meaning, plugins=PLUGINS).notes)


def test_a_file_that_stands_alone_decides_for_itself(tmp_path):
    assert objects(picture(tmp_path / "a.png", 0, 255)) == [1]
    assert objects(picture(tmp_path / "b.png", 0, 1, 255)) == [1, 255]


def test_a_file_that_cannot_be_read_decides_nothing(tmp_path):
    white, broken = picture(tmp_path / "a.png", 0, 255), tmp_path / "b.png"
    broken.write_bytes(b"nothing")
    assert objects(white, run_of(white, broken)) == [1]


def test_masks_and_labels_speak_of_the_same_objects(tmp_path):
    one, white = picture(tmp_path / "one.png", 0, 1), picture(tmp_path / "white.png", 0, 255)
    grey = picture(tmp_path / "grey.png", 0, 128, 255)
    assert objects(white, run_of(one, masks=(white,)), "mask") == [1]
    assert objects(white, run_of(grey, masks=(white,)), "mask") == [255]
    assert objects(white, run_of(white, masks=(grey,))) == [255]


def test_nothing_is_looked_at_where_no_file_raises_the_question(tmp_path):
    one = picture(tmp_path / "one.png", 0, 1, 2)
    meaning = run_of(one, tmp_path / "gone.png")
    assert objects(one, meaning) == [1, 2]
    assert meaning._seen == {}


def test_the_cases_of_a_request_share_one_meaning(tmp_path):
    for name, values in (("a", (0, 255)), ("b", (0, 128, 255))):
        picture(tmp_path / "v" / f"{name}.png", 0, 10, 20)
        picture(tmp_path / "l" / f"{name}.png", *values)
    settings = Predict(volumes=str(tmp_path / "v"), labels=str(tmp_path / "l"))
    cases = find_cases(settings, settings.labels, PLUGINS)
    found = [np.unique(read_case(case, settings, PLUGINS).labels).tolist() for case in cases]
    assert found == [[0, 255], [0, 128, 255]]


def segmentation(path: Path, **names: int) -> Path:
    """Segments of one row each, in the order given: name=value."""
    labels = np.zeros((3, 6, 8), np.uint8)
    for row, name in enumerate(sorted(names)):
        labels[:, row] = names[name]
    image = sitk.GetImageFromArray(labels)
    for number, (name, value) in enumerate(names.items()):
        for key, text in (("ID", f"Segment_{number}"), ("Name", name), ("LabelValue", str(value)), ("Layer", "0")):
            image.SetMetaData(f"Segment{number}_{key}", text)
    sitk.WriteImage(image, str(path))
    return path


def test_segments_are_matched_by_name_where_their_values_differ(tmp_path):
    first = segmentation(tmp_path / "a.seg.nrrd", nerve=1, artery=2)
    other = segmentation(tmp_path / "b.seg.nrrd", artery=1, nerve=2)
    more = segmentation(tmp_path / "c.seg.nrrd", artery=1, vein=2)
    meaning = run_of(first, other, more)
    volume = Volume(np.zeros((3, 6, 8), np.uint8))
    read = [read_labels(path, volume, meaning=meaning, plugins=PLUGINS) for path in (first, other, more)]
    np.testing.assert_array_equal(read[0].data, read[1].data)
    assert [one.names for one in read] == [
        {1: "nerve", 2: "artery"},
        {1: "nerve", 2: "artery"},
        {2: "artery", 3: "vein"},
    ]
    assert (read[2].data[0, :2, 0] == (2, 3)).all()
    assert read[0].notes == ()
    assert read[1].notes == ("objects were matched by name, as in the first file: nerve is 1, artery is 2",)


def test_a_name_never_takes_the_value_of_a_segment_without_one(tmp_path):
    first = segmentation(tmp_path / "a.seg.nrrd", nerve=1)
    other = segmentation(tmp_path / "b.seg.nrrd", artery=1)
    image = sitk.ReadImage(str(other))
    image[:, 3:, :] = 2
    for key, text in (("ID", "Segment_9"), ("LabelValue", "2"), ("Layer", "0")):
        image.SetMetaData(f"Segment1_{key}", text)
    sitk.WriteImage(image, str(other))
    read = read_labels(other, Volume(np.zeros((3, 6, 8), np.uint8)), meaning=run_of(first, other), plugins=PLUGINS)
    assert read.names == {3: "artery"}
    assert [int(read.data[0, row, 0]) for row in (0, 5)] == [3, 2]


def test_segments_that_share_a_name_keep_their_values(tmp_path):
    path = segmentation(tmp_path / "a.seg.nrrd", nerve=3)
    image = sitk.ReadImage(str(path))
    for key, text in (("ID", "Segment_9"), ("Name", "nerve"), ("LabelValue", "4"), ("Layer", "0")):
        image.SetMetaData(f"Segment1_{key}", text)
    sitk.WriteImage(image, str(path))
    volume = Volume(np.zeros((3, 6, 8), np.uint8))
    read = read_labels(path, volume, meaning=run_of(path), plugins=PLUGINS)
    assert set(np.unique(read.data)) == {0, 3}


@pytest.mark.parametrize("role", ["labels", "mask"])
def test_an_empty_file_is_said_to_be_empty_in_its_own_role(tmp_path, role):
    read = read_labels(picture(tmp_path / "a.png", 0), VOLUME, role=role, plugins=PLUGINS)
    assert read.notes[0].startswith("the mask holds no object" if role == "mask" else "the labels hold no object")
