"""What detectors write, COCO's JSON and YOLO's text files, as prompts."""

import csv
import json

import cv2
import nibabel as nib
import numpy as np
import pytest
from conftest import usframe_

from usframe import CaseError, RequestError, Volume
from usframe.config.schema import Detections
from usframe.plugins.load import load_plugins
from usframe.prompting.detections import choose, read_detections
from usframe.prompting.files import place_prompts

PLUGINS = load_plugins()
VOLUME = Volume(np.zeros((6, 40, 60), np.uint8))
CLIP = Volume(np.zeros((3, 40, 60), np.uint8), frames=("0010", "0020", "0030"))
CASES = ("heart_000", "clip")


def place(rows, volume=VOLUME):
    return place_prompts(rows, volume, {}, plugins=PLUGINS)


@pytest.fixture
def yolo(tmp_path):
    """Write files, by name, and read their folder."""

    def written(files, known=CASES, first_slice=0):
        for name, text in files.items():
            path = tmp_path / "boxes" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return read_detections(tmp_path / "boxes", known, first_slice)

    return written


@pytest.fixture
def coco(tmp_path):
    def written(content, known=CASES):
        path = tmp_path / "boxes.json"
        path.write_text(json.dumps(content))
        return read_detections(path, known)

    return written


def annotated(bbox, image, **more):
    """A file of COCO with one box."""
    boxes = [{"id": 1, "image_id": 7, "category_id": 2, "bbox": bbox, **more}]
    return {"images": [{"id": 7, **image}], "annotations": boxes, "categories": [{"id": 2, "name": "lumen"}]}


def test_both_formats_mean_the_same_pixels(yolo, coco):
    """Columns 6 to 17 and rows 10 to 29."""
    [one] = place(yolo({"heart_000_0003.txt": "1 0.2 0.5 0.2 0.5 0.75\n"})["heart_000"])
    [other] = place(coco(annotated([6, 10, 12, 20], {"file_name": "heart_000_0003.png"}, score=0.75))["heart_000"])
    for prompt in (one, other):
        assert (prompt.frame, prompt.object_id, prompt.score) == (3, 2, 0.75)
        assert prompt.box.tolist() == pytest.approx([6, 10, 17, 29])


def test_a_box_of_the_whole_picture_is_the_whole_slice(yolo, coco):
    [one] = place(yolo({"heart_000_0.txt": "0 0.5 0.5 1 1"})["heart_000"])
    [other] = place(
        coco([{"case": "heart_000", "slice": 0, "category_id": 1, "bbox": [-0.4, 0, 60.9, 40]}])["heart_000"]
    )
    assert one.box.tolist() == other.box.tolist() == [0, 0, 59, 39]


@pytest.mark.parametrize(
    ("name", "case", "frame"),
    [
        ("heart_000_0004.txt", "heart_000", 4),
        ("heart_000-4.txt", "heart_000", 4),
        ("heart_000/0004.txt", "heart_000", 4),
        ("heart_000/frame_0004.txt", "heart_000", 4),
    ],
)
def test_the_name_of_a_picture_tells_case_and_slice(yolo, name, case, frame):
    rows = yolo({name: "0 0.5 0.5 0.1 0.1", "classes.txt": "lumen\n"})
    assert [prompt.frame for prompt in place(rows[case])] == [frame]


@pytest.mark.parametrize("name", ["clip/0020.txt", "clip_0020.txt"])
def test_a_slice_that_is_a_picture_has_its_name_and_not_its_number(yolo, name):
    [prompt] = place(yolo({name: "0 0.5 0.5 0.1 0.1"})["clip"], CLIP)
    assert prompt.frame == 1


def test_where_there_is_one_case_the_slice_is_enough(yolo):
    rows = yolo({"5.txt": "0 0.5 0.5 0.1 0.1"}, known=["heart_000"])
    assert [prompt.frame for prompt in place(rows["heart_000"])] == [5]
    with pytest.raises(RequestError, match=r"other/1\.txt names no case"):
        yolo({"other/1.txt": "0 0.5 0.5 0.1 0.1"}, known=["heart_000"])


def test_a_single_picture_is_its_only_slice(yolo):
    rows = yolo({"heart_000.txt": "0 0.5 0.5 0.1 0.1"})["heart_000"]
    assert place(rows, Volume(np.zeros((1, 40, 60), np.uint8)))[0].frame == 0
    with pytest.raises(CaseError, match="nothing says which of the 6 slices it is about"):
        place(rows)


def test_numbers_may_begin_at_one(yolo):
    rows = yolo({"heart_000_1.txt": "0 0.5 0.5 0.1 0.1"}, first_slice=1)
    assert place(rows["heart_000"])[0].frame == 0
    rows = yolo({"heart_000_0.txt": "0 0.5 0.5 0.1 0.1"}, first_slice=1)
    with pytest.raises(CaseError, match=r"its number is below detections\.first_slice"):
        place(rows["heart_000"])


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("0 12 0.5 0.1 0.1", "x_center=12, but YOLO's numbers are shares from 0 to 1"),
        ("0 0.5 0.5 0.1 -0.1", "height=-0.1, but YOLO's numbers are shares from 0 to 1"),
        ("0 0.5 0.5 0.1", "has 4 numbers, not class x_center y_center width height and maybe confidence"),
        ("0.5 0.5 0.5 0.1 0.1", "class + 1=1.5 is not a whole number"),
        ("255 0.5 0.5 0.1 0.1", "class + 1=256: object ids run from 1 to 255"),
        ("0 0.5 0.5 0.1 0.1 87", "score=87 is not from 0 to 1"),
        ("a 0.5 0.5 0.1 0.1", "class: 'a' is not a number"),
    ],
)
def test_a_bad_line_of_yolo_is_named(yolo, line, problem):
    with pytest.raises(RequestError) as caught:
        yolo({"heart_000_0001.txt": f"0 0.5 0.5 0.1 0.1\n{line}\n"})
    [told] = caught.value.problems
    assert "heart_000_0001.txt:2: " in told
    assert problem in told


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (annotated([1, 2, 3], {"file_name": "heart_000_0001.png"}), "is not [left, top, width, height]"),
        (annotated([1, 2, 3, 0], {"file_name": "heart_000_0001.png"}), "has no size; it is [left, top, width"),
        (annotated([1, 2, 3, 4], {"file_name": "lung_000_0001.png"}), "lung_000_0001.png names no case"),
        (annotated([1, 2, 3, 4], {}), "it names no case; call the picture heart_000_0012, or say case and slice"),
        (annotated([1, 2, 3, 4], {}, image_id=8), "image_id=8 is none of the images"),
        (annotated([1, 2, 3, 4], {"case": "clip", "slice": 0.5}), "slice=0.5 is not a whole number"),
        (
            annotated([1, 2, 3, 4], {"case": "clip", "slice": 1}, category_id=0),
            "category_id=0: object ids run from",
        ),
        ([{"image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}], "it names no case"),
    ],
)
def test_a_bad_box_of_coco_is_named(coco, content, problem):
    with pytest.raises(RequestError) as caught:
        coco(content)
    [told] = caught.value.problems
    assert "boxes.json: box 1: " in told
    assert problem in told


def test_boxes_that_look_normalised_are_asked_about(coco):
    with pytest.raises(
        RequestError, match="they look normalised; COCO's are left, top, width and height in pixels"
    ):
        coco(annotated([0.1, 0.2, 0.3, 0.4], {"file_name": "heart_000_0001.png"}))


@pytest.mark.parametrize(
    ("image", "bbox", "problem"),
    [
        ({"width": 640, "height": 640}, [1, 2, 3, 4], "its picture has 640 x 640 pixels, the slice 60 x 40"),
        ({}, [50, 2, 20, 4], "the box from 50 2 70 6 reaches beyond the slice of 60 x 40 pixels"),
        ({"slice": 6}, [1, 2, 3, 4], "frame=6, but the last slice of the volume is 5"),
    ],
)
def test_a_box_of_another_picture_fails_its_case(coco, image, bbox, problem):
    rows = coco(annotated(bbox, {"file_name": "heart_000_0001.png", **image}))
    with pytest.raises(CaseError, match=problem):
        place(rows["heart_000"])


def test_a_picture_that_the_case_does_not_have_is_named(yolo):
    with pytest.raises(CaseError, match="the case has no picture 0015; its first is 0010"):
        place(yolo({"clip/0015.txt": "0 0.5 0.5 0.1 0.1"})["clip"], CLIP)


def test_other_files_are_none_of_a_detector(coco, tmp_path):
    assert coco([{"case": "clip", "frame": 0, "object": 1, "box": [1, 2, 3, 4]}]) is None
    assert read_detections(tmp_path / "gone.json", CASES) is None
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match=r"holds no \.txt of YOLO"):
        read_detections(tmp_path / "empty", CASES)


def test_of_several_boxes_the_surest_is_taken_unless_all_are_asked_for(yolo):
    lines = ["0 0.5 0.5 0.1 0.1 0.4", "0 0.3 0.5 0.1 0.1 0.9", "1 0.3 0.5 0.1 0.1 0.2", "0 0.6 0.5 0.1 0.1"]
    rows = yolo({"heart_000_0001.txt": "\n".join(lines)})["heart_000"]
    kept, notes = choose(rows, Detections())
    assert [row.score for row in kept] == [0.9, 0.2, None]
    assert notes[0].startswith("1 of 4 boxes were left out for one of a higher score on the same slice")
    assert choose(rows, Detections(several="all")) == (rows, [])
    kept, notes = choose(rows, Detections(least_score=0.3, several="all"))
    assert [row.score for row in kept] == [0.4, 0.9, None]
    assert notes == ["1 of 4 boxes have a score below detections.least_score and were left out"]


# whole runs


def run(data, *more):
    asked = data.request("overlays=false", *more)
    return usframe_(*[word for n, word in enumerate(asked) if "-l" not in (word, asked[n - 1])])


def scores(data):
    with (data.out / "quality.csv").open(newline="") as file:
        return {(row["case"], row["frame"]): row["prompt_score"] for row in csv.DictReader(file)}


def test_a_run_from_a_detector_keeps_its_scores(data):
    boxes = data.out.parent / "boxes"
    boxes.mkdir()
    (boxes / "case_0_0002.txt").write_text("0 0.3 0.3 0.2 0.3 0.8\n0 0.6 0.6 0.2 0.3 0.5\n")
    (boxes / "case_2_0003.txt").write_text("0 0.3 0.3 0.2 0.3 0.25\n")
    done = run(data, f"frames=file:{boxes}")
    assert done.exit_code == 0, done.output
    assert "1 of 2 boxes were left out for one of a higher score on the same slice" in done.output
    assert scores(data) == {("case_0", "2"): "0.8", ("case_2", "3"): "0.25"}
    again = run(data, f"frames=file:{boxes}", "detections.least_score=0.3", "overwrite=true")
    assert again.exit_code == 0, again.output
    assert scores(data) == {("case_0", "2"): "0.8"}


def test_a_folder_of_pictures_is_prompted_by_their_names(data, tmp_path):
    for number in (5, 7, 9):
        (tmp_path / "v" / "clip").mkdir(parents=True, exist_ok=True)
        picture = np.random.default_rng(number).integers(0, 255, (40, 60)).astype(np.uint8)
        assert cv2.imwrite(str(tmp_path / "v" / "clip" / f"us_{number}.png"), picture)
    (tmp_path / "boxes").mkdir()
    (tmp_path / "boxes" / "us_7.txt").write_text("0 0.3 0.3 0.2 0.3 0.8\n")
    done = run(data._replace(volumes=tmp_path / "v"), f"frames=file:{tmp_path / 'boxes'}")
    assert done.exit_code == 0, done.output
    assert scores(data) == {("clip", "1"): "0.8"}


def test_what_is_for_a_file_is_refused_without_one(data):
    done = usframe_(*data.request("detections.least_score=0.5"))
    assert done.exit_code == 2
    assert "detections.* is for prompts of a file, frames=file:PATH, not for frames=largest" in done.output


def test_a_table_to_fill_in_is_read_once_it_is_filled_in(data, tmp_path):
    table = tmp_path / "mine.csv"
    done = usframe_("prompts", "-i", data.volumes, "-o", table, "--object", "1", "--object", "2")
    assert done.exit_code == 0, done.output
    lines = table.read_text().splitlines()
    assert lines[:3] == ["case,frame,object,box,points", "case_0,2,1,,", "case_0,2,2,,"]
    assert len(lines) == 7
    empty = run(data, f"frames=file:{table}")
    assert (
        "mine.csv:2: has neither a box nor a mask nor a point with label 1; fill it in or take it out"
        in empty.output
    )
    table.write_text("\n".join([lines[0], *(line[:-1] + "4 8 20 24," for line in lines[1:])]))
    done = run(data, f"frames=file:{table}")
    assert done.exit_code == 0, done.output
    mask = nib.load(data.out / "masks" / "file" / "case_0.nii.gz")
    assert np.asanyarray(mask.dataobj)[..., 2].any()
    assert usframe_("prompts", "-i", data.volumes, "-o", table).output.endswith(
        "is there already; choose another -o\n"
    )
