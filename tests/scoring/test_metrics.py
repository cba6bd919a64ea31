"""Scores worked out by hand, what is undefined, and the files they are written to."""

import csv

import numpy as np
import pytest

from usframe.config.schema import Metrics
from usframe.plugins import load_plugins
from usframe.scoring.metrics import METRICS, Row, RowKey, Scoring, score_case, score_slices
from usframe.scoring.table import write_metrics, write_slice_metrics
from usframe.types import Segmentation

PLUGINS = load_plugins()


def segmentation(mask, object_ids=(1,), predicted_iou=None):
    mask = np.asarray(mask, np.uint8)
    if predicted_iou is None:
        predicted_iou = np.full((len(object_ids), len(mask)), np.nan)
    return Segmentation(mask, tuple(object_ids), np.asarray(predicted_iou, np.float32))


KEY = RowKey("case1", "patient1", "slice", "box")


def score(reference, answer, *, spacing=None, prompted=None, oracle=None, settings=None, scorer=score_case, **how):
    reference = np.asarray(reference, np.uint8)
    sets = {"prompted": prompted or {}, "oracle": oracle or {}, **how}
    return scorer(KEY, reference, answer, spacing, Scoring.of(settings or Metrics(), PLUGINS), **sets)


def by_slices(rows, object_id=1):
    """Set of slices -> row and its scores in one."""
    return {row["slices"]: row | row["scores"] for row in rows if row["object"] == object_id}


# Two slices of four pixels: 3 of the reference, 4 predicted, 2 shared, all of them on the first slice.
REFERENCE = [[[1, 1, 0, 0]], [[0, 0, 0, 1]]]
ANSWER = [[[1, 1, 1, 0]], [[1, 0, 0, 0]]]


def test_dice_and_iou_are_taken_over_all_voxels_of_the_slices():
    rows = by_slices(score(REFERENCE, segmentation(ANSWER), prompted={1: {0}}))
    assert rows["all"]["dice"] == pytest.approx(2 * 2 / (3 + 4))
    assert rows["all"]["iou"] == pytest.approx(2 / 5)
    assert rows["prompted"]["dice"] == pytest.approx(4 / 5)
    assert rows["prompted"]["iou"] == pytest.approx(2 / 3)
    assert rows["unprompted"]["dice"] == 0
    assert {name: rows[name]["n_slices"] for name in rows} == {"all": 2, "prompted": 1, "unprompted": 1}


def test_every_row_says_what_it_is_about():
    for found in score(REFERENCE, segmentation(ANSWER)):
        assert set(found) == set(Row.__annotations__) - {"frame"}
        assert tuple(found["scores"]) == (*METRICS, "predicted_iou")
        assert (found["case"], found["prompt"], found["mode"], found["draw"]) == ("case1", "box", "slice", 0)


def test_nothing_against_nothing_is_undefined():
    empty = by_slices(score(np.zeros((2, 3, 3)), segmentation(np.zeros((2, 3, 3))), prompted={1: {0}}))
    assert [empty[name]["dice"] for name in empty] == [None, None, None]
    assert [empty[name]["iou"] for name in empty] == [None, None, None]


@pytest.mark.parametrize(("wanted", "given"), [(1, 0), (0, 1)])
def test_nothing_against_something_is_zero(wanted, given):
    rows = by_slices(score(np.full((1, 2, 2), wanted), segmentation(np.full((1, 2, 2), given))))
    assert rows["all"]["dice"] == 0
    assert rows["all"]["iou"] == 0


def test_objects_that_only_one_of_the_two_has_get_rows_too():
    rows = score([[[1, 0, 2]]], segmentation([[[1, 3, 0]]], object_ids=(1, 3)))
    assert {found["object"]: found["scores"]["dice"] for found in rows if found["slices"] == "all"} == {
        1: 1,
        2: 0,
        3: 0,
    }


def test_objects_are_prompted_on_slices_of_their_own():
    labels = [[[1, 2]], [[1, 2]]]
    rows = score(labels, segmentation([[[1, 2]], [[0, 2]]], object_ids=(1, 2)), prompted={1: {0}, 2: {0, 1}})
    assert by_slices(rows, 1)["unprompted"]["dice"] == 0
    assert by_slices(rows, 2)["unprompted"]["n_slices"] == 0
    assert by_slices(rows, 2)["unprompted"]["dice"] is None


def test_distances_are_in_millimetres_or_else_in_pixels():
    reference, answer = np.zeros((1, 8, 12), np.uint8), np.zeros((1, 8, 12), np.uint8)
    reference[0, 2:6, 2:6] = answer[0, 2:6, 5:9] = 1
    in_mm = by_slices(score(reference, segmentation(answer), spacing=(9, 1, 0.5)))["all"]
    in_px = by_slices(score(reference, segmentation(answer)))["all"]
    assert (in_mm["hd95_mm"], in_mm["unit"]) == (1.5, "mm")
    assert (in_px["hd95_mm"], in_px["unit"]) == (3.0, "px")


def test_the_tolerance_of_the_surface_dice_can_be_set_per_object():
    reference, answer = np.zeros((1, 8, 12), np.uint8), np.zeros((1, 8, 12), np.uint8)
    reference[0, 2:6, 2:6] = answer[0, 2:6, 5:9] = 1
    reference[0, 7, 2:6] = answer[0, 7, 5:9] = 2
    settings = Metrics(tolerance_mm=3.0, tolerances_mm={"2": 0.5})
    rows = score(reference, segmentation(answer, (1, 2)), spacing=(1, 1, 1), settings=settings)
    assert by_slices(rows, 1)["all"]["nsd"] == 1
    assert by_slices(rows, 2)["all"]["nsd"] == pytest.approx(2 / 8)


def test_where_one_of_the_two_is_empty_distances_are_undefined_and_the_surface_dice_is_zero():
    here, nowhere = np.ones((2, 3, 3), np.uint8), np.zeros((2, 3, 3), np.uint8)
    for reference, answer in ((here, nowhere), (nowhere, here)):
        found = by_slices(score(reference, segmentation(answer)))["all"]
        assert (found["hd95_mm"], found["assd_mm"], found["nsd"]) == (None, None, 0)
    nothing = by_slices(score(nowhere, segmentation(nowhere)))["all"]
    assert (nothing["hd95_mm"], nothing["assd_mm"], nothing["nsd"]) == (None, None, None)


def test_a_row_is_an_oracle_where_a_slice_of_it_was_prompted_with_its_label():
    rows = score(REFERENCE, segmentation(ANSWER), prompted={1: {0}}, oracle={1: {0}})
    assert {name: found["oracle"] for name, found in by_slices(rows).items()} == {
        "all": True,
        "prompted": True,
        "unprompted": False,
    }


def test_single_slices_are_scored_in_their_plane():
    rows = score(
        REFERENCE, segmentation(ANSWER), spacing=(1, 1, 1), prompted={1: {0}}, oracle={1: {0}}, scorer=score_slices
    )
    assert [(r["frame"], r["slices"]) for r in rows] == [(0, "prompted"), (1, "unprompted")]
    assert [r["oracle"] for r in rows] == [True, False]
    assert [r["scores"]["dice"] for r in rows] == [pytest.approx(4 / 5), 0]
    assert [r["scores"]["hd95_mm"] for r in rows] == [pytest.approx(0.9), 3.0]


def moved(*columns):
    """A clip of 4 x 4 squares on frames of 12 x 16, each at a column; None where the frame has none."""
    clip = np.zeros((len(columns), 12, 16), np.uint8)
    for frame, column in zip(clip, columns, strict=True):
        if column is not None:
            frame[4:8, column : column + 4] = 1
    return clip


def test_a_clip_is_measured_on_each_frame_and_its_distances_are_the_means_over_frames():
    """3 and 1 pixels of 0.5 mm off; in 3D the other frame's contour, 0.1 mm ahead, would be the nearest."""
    reference, answer = moved(2, 5), segmentation(moved(5, 6))
    found = by_slices(score(reference, answer, spacing=(0.1, 1, 0.5), per_frame=True))["all"]
    assert found["measured"] == "2D per frame"
    assert found["hd95_mm"] == pytest.approx((1.5 + 0.5) / 2)
    assert found["assd_mm"] == pytest.approx((18 / 12 * 0.5 + 6 / 12 * 0.5) / 2)
    assert found["nsd"] == 1  # 1.5 mm is within the tolerance of 2 mm
    assert found["undefined_frames"] == 0
    in_space = by_slices(score(reference, answer, spacing=(0.1, 1, 0.5)))["all"]
    assert (in_space["measured"], in_space["undefined_frames"]) == ("3D", None)
    assert in_space["assd_mm"] < found["assd_mm"]
    assert in_space["dice"] == found["dice"]


def test_a_frame_that_only_one_of_the_two_shows_has_no_distance_is_counted_and_is_outside_for_the_surface_dice():
    reference, answer = moved(2, 2, None, None), segmentation(moved(5, None, 2, None))
    rows = by_slices(score(reference, answer, spacing=(1, 1, 1), per_frame=True, prompted={1: {1}}))
    assert rows["all"]["hd95_mm"] == 3
    assert rows["all"]["nsd"] == pytest.approx((8 / 12 + 0 + 0) / 3)
    assert [rows[name]["undefined_frames"] for name in ("all", "prompted", "unprompted")] == [2, 1, 1]
    assert (rows["prompted"]["hd95_mm"], rows["prompted"]["nsd"]) == (None, 0)


def test_a_copied_label_has_no_distance_from_itself_on_its_own_slices():
    reference = moved(2, 5, 9)
    answer = segmentation(np.repeat(reference[1:2], 3, axis=0))
    for per_frame in (True, False):
        rows = by_slices(score(reference, answer, spacing=(1, 1, 1), prompted={1: {1}}, per_frame=per_frame))
        own, others = rows["prompted"], rows["unprompted"]
        assert [own[name] for name in METRICS] == [1, 1, 0, 0, 1]
        assert (own["measured"], others["measured"]) == ("2D per frame", "2D per frame")
        assert others["hd95_mm"] == pytest.approx((3 + 4) / 2)


def test_the_parts_of_the_slices_are_the_means_of_the_rows_of_single_slices():
    rng = np.random.default_rng(0)
    reference, answer = rng.random((2, 7, 9, 9)) < 0.3
    given = {"spacing": (2, 0.5, 0.7), "prompted": {1: {0, 3, 4}}}
    single = score(reference, segmentation(answer), **given, scorer=score_slices)
    rows = by_slices(score(reference, segmentation(answer), **given, per_frame=True))
    for part, frames in (("all", range(7)), ("prompted", (0, 3, 4)), ("unprompted", (1, 2, 5, 6))):
        for name in ("hd95_mm", "assd_mm", "nsd"):
            assert rows[part][name] == pytest.approx(np.mean([single[n]["scores"][name] for n in frames]))


def test_a_metric_that_takes_no_surfaces_gets_the_whole_set_of_slices():
    shapes = []

    def depth(reference, mask, *, spacing_mm):
        shapes.append((reference.shape, spacing_mm))
        return float(len(mask))

    scoring = Scoring({"depth": depth}, Metrics())
    rows = score_case(
        *(KEY, moved(2, 5), segmentation(moved(5, 6)), (3, 1, 1), scoring),
        **{"prompted": {1: {0}}, "oracle": {}, "per_frame": True},
    )
    assert [row["scores"]["depth"] for row in rows] == [2, 1, 1]
    assert shapes[0] == ((2, 12, 16), (3, 1, 1))


def test_a_row_says_whether_its_object_had_a_prompt():
    labels = segmentation([[[1, 2]]], object_ids=(1, 2))
    assert {row["object"]: row["asked"] for row in score([[[1, 2]]], labels, asked={2})} == {1: False, 2: True}
    assert all(row["asked"] for row in score([[[1, 2]]], labels))


def test_volumes_are_in_millilitres_and_only_of_all_slices():
    rows = by_slices(score(REFERENCE, segmentation(ANSWER), voxel_ml=0.1, prompted={1: {0}}))
    assert rows["all"]["volume_ml"] == pytest.approx(4 * 0.1)
    assert rows["all"]["reference_volume_ml"] == pytest.approx(3 * 0.1)
    assert rows["prompted"]["volume_ml"] is None


def test_what_has_no_volume_per_voxel_has_no_millilitres_and_a_clip_never_has():
    for how in ({}, {"voxel_ml": 0.1, "per_frame": True}):
        rows = by_slices(score(REFERENCE, segmentation(ANSWER), **how))
        assert rows["all"]["volume_ml"] is None
        assert rows["all"]["reference_volume_ml"] is None


def test_predicted_iou_is_the_mean_over_slices_with_a_prediction():
    answer = segmentation(np.ones((3, 2, 2)), predicted_iou=[[0.9, np.nan, 0.5]])
    rows = by_slices(score(np.ones((3, 2, 2)), answer, prompted={1: {0, 1}}))
    assert rows["all"]["predicted_iou"] == pytest.approx(0.7)
    assert rows["prompted"]["predicted_iou"] == pytest.approx(0.9)
    assert rows["unprompted"]["predicted_iou"] == pytest.approx(0.5)


def test_metrics_csv_leaves_undefined_scores_empty(tmp_path):
    rows = score(REFERENCE, segmentation(ANSWER), spacing=(1, 0.3, 0.3), prompted={1: {0, 1}})
    write_metrics(tmp_path / "metrics.csv", rows)
    lines = list(csv.reader((tmp_path / "metrics.csv").read_text(encoding="utf-8").splitlines()))
    assert ",".join(lines[0]) == (
        "case,prompt,mode,object,slices,n_slices,dice,iou,hd95_mm,assd_mm,nsd,"
        "volume_ml,reference_volume_ml,predicted_iou,unit,oracle,group,asked,measured,undefined_frames,name"
    )
    nothing = ["case1", "box", "slice", "1", "unprompted", "0", *[""] * 8, "mm", "false", "patient1"]
    assert lines[3] == [*nothing, "true", "2D per frame", "0", ""]
    assert lines[1][-3:] == ["3D", "", ""]


def test_a_draw_of_noised_prompts_has_its_number_in_the_files(tmp_path):
    rows = [row | {"draw": 2} for row in score(REFERENCE, segmentation(ANSWER), scorer=score_slices)]
    write_slice_metrics(tmp_path / "slices.csv", rows)
    with (tmp_path / "slices.csv").open(newline="") as file:
        assert [(row["prompt"], row["frame"]) for row in csv.DictReader(file)] == [
            ("box (noised 2)", "0"),
            ("box (noised 2)", "1"),
        ]
