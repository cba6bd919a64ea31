"""Prompts on slices that show no object: a set of their own, which changes nothing else."""

import csv
import json

import nibabel as nib
import numpy as np
import pytest
from conftest import AFFINE, usframe_

from usframe import Prompt
from usframe.prompting.fallback import at_the_centre, empty_frames, of_the_nearest

LABELS = np.zeros((6, 21, 31), np.uint8)
LABELS[2:4, 5:9, 5:9] = 2
LABELS[3, 12:15, 5:9] = 5


def test_slices_that_nobody_has_labelled_are_not_empty():
    assert empty_frames(LABELS) == [0, 1, 4, 5]
    assert empty_frames(LABELS, np.array([0, 1, 1, 1, 1, 0], bool)) == [1, 4]


def test_the_point_is_at_the_centre_of_the_slice_within_the_extent_of_the_first_object():
    prompts = at_the_centre(LABELS, [0, 1, 4, 5], {2: (1, 4)})
    assert [(one.frame, one.object_id) for one in prompts] == [(1, 2), (4, 2)]
    assert [one.points.tolist() for one in prompts] == [[[15, 10]], [[15, 10]]]
    assert [one.object_id for one in at_the_centre(LABELS * 0, [3], {})] == [1]


def test_every_object_has_the_prompts_of_its_nearest_slice():
    box = np.array([5, 5, 8, 8], np.float32)
    prompts = [
        Prompt(2, 2, box=box),
        Prompt(2, 2, box=box + 1),
        Prompt(6, 2, box=box + 2),
        Prompt(3, 5, box=box + 3),
    ]
    found = of_the_nearest(prompts, [0, 4, 5], {5: (0, 4)})
    told = [(one.frame, one.object_id, one.box[0]) for one in found]
    assert told == [(0, 2, 5), (0, 2, 6), (0, 5, 8), (4, 2, 5), (4, 2, 6), (4, 5, 8), (5, 2, 7)]


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(("fallback", "name"), [("center", "fallback"), ("nearest", "fallback-box")])
def test_true_prompts_keep_their_answers_and_scores(data, fallback, name):
    """The first and the last slice show no object."""
    assert usframe_(*data.request("-p", "box")).exit_code == 0
    before = rows(data.out / "metrics.csv")
    mask = np.asanyarray(nib.load(data.out / "masks" / "box" / "case_0.nii.gz").dataobj)
    summary = json.loads((data.out / "summary.json").read_text())

    done = usframe_(*data.request("-p", "box", f"fallback={fallback}", "overwrite=true"))
    assert done.exit_code == 0, done.output
    assert f"note: {name}: of 2 slices without an object, prompted all the same, " in done.output
    assert rows(data.out / "metrics.csv") == before
    np.testing.assert_array_equal(nib.load(data.out / "masks" / "box" / "case_0.nii.gz").dataobj, mask)
    after = json.loads((data.out / "summary.json").read_text())
    for key in ("scores", "expected", "agreement", "marks"):
        assert after[key] == summary[key]
    asked = [row for row in rows(data.out / "quality.csv") if row["prompt"] == name]
    assert {row["frame"] for row in asked if row["case"] == "case_0"} == {"0", "4"}
    assert {row["expected_dice"] for row in asked} == {""}
    drawn = np.asanyarray(nib.load(data.out / "masks" / name / "case_0.nii.gz").dataobj)
    assert not drawn[..., 1:4].any()
    areas = sum(int(row["area_px"]) for row in asked if row["case"] == "case_0")
    assert areas == np.count_nonzero(drawn)


def test_a_case_without_any_object_is_asked_at_its_centre(data):
    nib.save(nib.Nifti1Image(np.zeros((48, 36, 5), np.uint8), AFFINE), data.labels / "case_0.nii.gz")
    done = usframe_(*data.request("-p", "box", "fallback=center", "cases=[case_0]", "overlays=false"))
    assert done.exit_code == 0, done.output
    assert "fallback: of 5 slices without an object" in done.output


def test_a_dry_run_names_the_masks(data):
    done = usframe_(*data.request("-p", "box", "fallback=center", "--dry-run"))
    assert "2 fallback -> " in done.output
    assert str(data.out / "masks" / "fallback" / "case_0.nii.gz") in done.output


@pytest.mark.parametrize("words", [("--mode", "propagate"), ("frames=support:DIR",)])
def test_it_is_for_slices_and_prompts_from_labels(data, words):
    done = usframe_(*data.request("fallback=center", *words))
    assert done.exit_code == 2
    assert "fallback=center is for mode=slice, with prompts made from labels" in done.output
