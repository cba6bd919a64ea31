"""What a box or one labelled slice is worth without a network."""

import csv
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from usframe.cli import main
from usframe.prompting.strategies import make_prompts
from usframe.scoring.baselines import copy_label, fill_boxes, frames_of, interpolate_label, make_baselines
from usframe.types import Prompt


def box(object_id: int, *corners: float, frame: int = 0) -> Prompt:
    return Prompt(frame, object_id, box=np.array(corners, np.float32))


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def run(*words: str) -> None:
    done = CliRunner().invoke(main, list(words))
    assert done.exit_code == 0, done.output


def test_a_filled_box_holds_its_edges_and_nothing_else():
    mask = fill_boxes([box(3, 2, 1, 4, 5, frame=1)], (2, 8, 8)).mask
    assert not mask[0].any()
    assert (mask[1, 1:6, 2:5] == 3).all()
    assert (mask > 0).sum() == 15


def test_an_ellipse_touches_the_four_edges_and_misses_the_corners():
    mask = fill_boxes([box(1, 0, 0, 20, 10)], (1, 11, 21), ellipse=True).mask[0]
    assert mask[5].all()
    assert mask[:, 10].all()
    assert not mask[[0, 0, -1, -1], [0, -1, 0, -1]].any()
    assert mask.sum() == pytest.approx(np.pi / 4 * 21 * 11, rel=0.03)


def test_of_two_boxes_the_smaller_one_is_seen():
    mask = fill_boxes([box(2, 3, 3, 4, 4), box(1, 0, 0, 7, 7)], (1, 8, 8)).mask[0]
    assert (mask == 2).sum() == 4
    assert (mask == 1).sum() == 60


def test_a_box_between_two_pixels_fills_none():
    assert not fill_boxes([box(1, 2.2, 2.2, 2.8, 2.8)], (1, 8, 8)).mask.any()


def test_the_nearest_label_is_copied_and_of_two_the_earlier():
    labels = np.zeros((7, 4, 4), np.uint8)
    labels[1, 0], labels[5, 3] = 1, 1
    mask = copy_label(labels, {1: {1, 5}}).mask
    assert mask[:4, 0].all()
    assert mask[4:, 3].all()
    assert mask.sum() == 7 * 4


def test_each_object_is_copied_from_its_own_slice_and_the_nearer_one_wins():
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[0, :2], labels[3, 1:3] = 1, 2
    mask = copy_label(labels, {1: {0}, 2: {3}}).mask
    assert mask[1, :, 0].tolist() == [1, 1, 2, 0]
    assert mask[2, :, 0].tolist() == [1, 2, 2, 0]


def test_a_copy_stays_within_the_extent_of_its_object():
    labels = np.ones((5, 2, 2), np.uint8)
    assert copy_label(labels, {1: {2}}, {1: (1, 3)}).mask.any((1, 2)).tolist() == [False, True, True, True, False]


def test_between_two_labels_the_outline_moves_evenly_and_beyond_them_it_is_copied():
    labels = np.zeros((8, 30, 30), np.uint8)
    labels[1, 5:9, 5:25] = labels[5, 5:17, 5:25] = 1  # 4 rows, and 12
    rows = interpolate_label(labels, {1: {1, 5}}).mask.any(2).sum(1)
    assert rows.tolist() == [4, 4, 6, 8, 10, 12, 12, 12]


def test_where_shapes_of_objects_overlap_the_deeper_one_wins_then_the_smaller_id():
    labels = np.zeros((3, 20, 20), np.uint8)
    labels[0, 2:18, 2:10], labels[2, 2:18, 6:14] = 2, 2
    labels[0, 2:18, 10:18] = 1
    mask = interpolate_label(labels, {1: {0}, 2: {0, 2}}).mask
    np.testing.assert_array_equal(mask[0], labels[0])
    assert np.flatnonzero(mask[1, 10] == 2).tolist() == [
        4,
        5,
        6,
        7,
        8,
        9,
        10,
    ]  # up to 11 it is both, there 0.5 deep
    alone = interpolate_label(labels, {1: {0}, 2: {0, 2}}, {1: (0, 0)}).mask
    assert np.flatnonzero(alone[1, 10]).tolist() == [4, 5, 6, 7, 8, 9, 10, 11]


def test_boxes_of_a_prompt_file_are_used_and_drawn_from_labels_where_it_has_none():
    labels = np.zeros((2, 8, 8), np.uint8)
    labels[:, 2:4, 2:4] = 1
    click = Prompt(1, 1, points=np.array([[2, 2]], np.float32), point_labels=np.array([1]))
    given, draw = [box(1, 0, 0, 7, 7)], partial(make_prompts, labels)
    frames = frames_of([*given, click])
    mask = make_baselines(labels, frames, {}, "slice", given, draw)["filled box"].mask
    assert mask[0].all()
    assert mask[1].tolist() == labels[1].tolist()


def test_the_tables_of_a_run_hold_them(data):
    run(*data.request("-p", "box", "noise=mild"))
    table = rows_of(data.out / "metrics.csv")
    assert {row["prompt"] for row in table} == {"box", "filled box", "ellipse"}
    assert {row["predicted_iou"] for row in table if row["prompt"] == "ellipse"} == {""}
    discs = [float(r["dice"]) for r in table if (r["prompt"], r["slices"]) == ("ellipse", "all")]
    boxes = [float(r["dice"]) for r in table if (r["prompt"], r["slices"]) == ("filled box", "all")]
    assert np.mean(discs) > np.mean(boxes) > 0.6
    assert set(json.loads((data.out / "summary.json").read_text())["scores"]) == {"box", "filled box", "ellipse"}
    assert not (data.out / "masks" / "ellipse").exists()


def test_propagation_has_the_copied_label_which_is_right_on_its_own_slice(data):
    run(*data.request("-p", "box", "--mode", "propagate"))
    table = [row for row in rows_of(data.out / "metrics.csv") if row["prompt"] == "copied label"]
    assert {row["mode"] for row in table} == {"propagate"}
    assert {float(row["dice"]) for row in table if row["slices"] == "prompted"} == {1.0}
    assert all(float(row["dice"]) < 1 for row in table if row["slices"] == "unprompted")
    own = [row for row in table if row["slices"] == "prompted"]
    assert {(row["hd95_mm"], row["assd_mm"], row["nsd"]) for row in own} == {("0.0", "0.0", "1.0")}
    assert {row["measured"] for row in own} == {"2D per frame"}


def test_propagation_from_several_slices_has_the_shape_between_them_too(data):
    run(*data.request("-p", "box", "--mode", "propagate", "frames=[1,3]"))
    table = rows_of(data.out / "metrics.csv")
    assert {row["prompt"] for row in table} == {"box", "copied label", "interpolated label"}
    own = [row for row in table if (row["prompt"], row["slices"]) == ("interpolated label", "prompted")]
    assert {(row["dice"], row["nsd"], row["oracle"]) for row in own} == {("1.0", "1.0", "true")}
    assert "interpolated label" in (data.out / "report.html").read_text(encoding="utf-8")


def test_an_object_that_a_prompt_file_never_names_is_in_no_mean_of_objects(data, tmp_path):
    """Two objects in all three cases; the file asks for the first of them in two."""
    clicks = tmp_path / "clicks.csv"
    clicks.write_text("case,frame,object,box\n" + "".join(f"case_{n},1,1,4 7 20 23\n" for n in (0, 1)))
    done = CliRunner().invoke(main, data.request(f"frames=file:{clicks}"))
    assert done.exit_code == 0, done.output
    assert "note: no case has a prompt for object 2: scored, but left out of the mean of objects" in done.output
    table = [row for row in rows_of(data.out / "metrics.csv") if row["slices"] == "all"]
    assert {row["object"] for row in table if row["asked"] == "true"} == {"1"}
    scores = json.loads((data.out / "summary.json").read_text())["scores"]["filled box"]
    assert scores["2"]["all"]["dice"]["mean"] == 0
    assert scores["macro"]["all"]["dice"] == scores["1"]["all"]["dice"]
    missed = next(
        row for row in table if (row["case"], row["prompt"], row["object"]) == ("case_2", "filled box", "1")
    )
    assert (missed["asked"], missed["dice"]) == ("false", "0.0")
    assert scores["macro"]["all"]["dice"]["n"] == 3


def test_they_can_be_left_out(data):
    run(*data.request("-p", "box", "baselines=false"))
    assert {row["prompt"] for row in rows_of(data.out / "metrics.csv")} == {"box"}
