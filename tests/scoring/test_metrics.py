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


def score(reference, answer, *, spacing=None, prompted=None, oracle=None, settings=None, scorer=score_case):
    reference = np.asarray(reference, np.uint8)
    sets = {"prompted": prompted or {}, "oracle": oracle or {}}
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


def test_volumes_are_in_millilitres_and_only_of_all_slices():
    rows = by_slices(score(REFERENCE, segmentation(ANSWER), spacing=(10, 5, 2), prompted={1: {0}}))
    assert rows["all"]["volume_ml"] == pytest.approx(4 * 0.1)
    assert rows["all"]["reference_volume_ml"] == pytest.approx(3 * 0.1)
    assert rows["prompted"]["volume_ml"] is None


def test_volumes_are_undefined_without_spacing():
    rows = by_slices(score(REFERENCE, segmentation(ANSWER)))
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
        "volume_ml,reference_volume_ml,predicted_iou,unit,oracle,group"
    )
    assert lines[3] == ["case1", "box", "slice", "1", "unprompted", "0", *[""] * 8, "mm", "false", "patient1"]


def test_a_draw_of_noised_prompts_has_its_number_in_the_files(tmp_path):
    rows = [row | {"draw": 2} for row in score(REFERENCE, segmentation(ANSWER), scorer=score_slices)]
    write_slice_metrics(tmp_path / "slices.csv", rows)
    with (tmp_path / "slices.csv").open(newline="") as file:
        assert [(row["prompt"], row["frame"]) for row in csv.DictReader(file)] == [
            ("box (noised 2)", "0"),
            ("box (noised 2)", "1"),
        ]
