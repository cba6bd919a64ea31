"""`usframe report`: masks of another program, scored by the real command."""

import csv
import json

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner

from usframe.cli import main

SPACING = np.diag([0.5, 0.5, 2.0, 1.0])


def report(*words):
    return CliRunner().invoke(main, ["report", *map(str, words)])


@pytest.fixture
def folders(tmp_path):
    """Labels of three cases of two patients, and masks one column (0.5 mm) off for the first two."""
    for name in ("masks", "labels", "volumes"):
        (tmp_path / name).mkdir()
    for n, case in enumerate(("p1_a", "p1_b", "p2_a")):
        label = np.zeros((20, 24, 3), np.uint8)
        label[5:12, 6 + n : 14 + n] = 1
        nib.save(nib.Nifti1Image(label, SPACING), tmp_path / f"labels/{case}.nii.gz")
        nib.save(nib.Nifti1Image(label.astype(np.float32), SPACING), tmp_path / f"volumes/{case}.nii.gz")
        if n < 2:
            nib.save(nib.Nifti1Image(np.roll(label, 1, axis=1), SPACING), tmp_path / f"masks/{case}.nii.gz")
    return tmp_path


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_masks_get_the_tables_of_a_run(folders):
    out = folders / "out"
    done = report("--masks", folders / "masks", "-l", folders / "labels", "-o", out, "--name", "nnU-Net")
    assert done.exit_code == 0, done.output
    assert "note: 1 file of" in done.output
    assert "2 of 2 cases, 6 slices" in done.output
    scores = [row for row in rows(out / "metrics.csv") if row["slices"] == "all"]
    assert [row["case"] for row in scores] == ["p1_a", "p1_b"]
    assert {row["prompt"] for row in scores} == {"nnU-Net"}
    for row in scores:
        assert float(row["dice"]) == pytest.approx(7 / 8)
        assert float(row["hd95_mm"]) == pytest.approx(0.5)
        assert (row["mode"], row["unit"], row["oracle"]) == ("given", "mm", "false")
    assert "usframe has only scored them" in (out / "report.html").read_text()
    assert {"experiment.yaml", "summary.json", "run.json", "failures.csv"} <= {path.name for path in out.iterdir()}


def test_options_reach_patients_slices_and_pictures(folders):
    out = folders / "out"
    done = report(
        *("--masks", folders / "masks", "-l", folders / "labels", "-i", folders / "volumes", "-o", out),
        *("--json", "group='^(p.)_'", "metrics.per_slice=true"),
    )
    assert done.exit_code == 0, done.output
    dice = json.loads(done.stdout)["scores"]["masks"]["1"]["all"]["dice"]
    assert (dice["n"], dice["n_groups"], dice["ci95"]) == (2, 1, None)
    assert [row["frame"] for row in rows(out / "metrics_per_slice.csv")] == ["0", "1", "2"] * 2
    assert (out / "overlays/masks/p1_b.png").is_file()


def test_several_sets_of_masks_share_a_table_and_are_tested_on_the_cases_of_all(tmp_path):
    for n in range(8):
        label = np.zeros((20, 24, 3), np.uint8)
        label[5:12, 6 : 14 + n] = 1
        for name, shift in (("labels", 0), ("near", 1), ("far", 3)):
            (tmp_path / name).mkdir(exist_ok=True)
            nib.save(nib.Nifti1Image(np.roll(label, shift, axis=1), SPACING), tmp_path / name / f"p{n}.nii.gz")
    (tmp_path / "far/p7.nii.gz").unlink()
    sets = ("--masks", f"near={tmp_path / 'near'}", "--masks", f"far={tmp_path / 'far'}")
    done = report(*sets, "-l", tmp_path / "labels", "-i", tmp_path / "labels", "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    scores = [row for row in rows(tmp_path / "out/metrics.csv") if row["slices"] == "all"]
    assert {(row["case"], row["prompt"]) for row in scores} == {
        (f"p{n}", s) for n in range(7) for s in ("near", "far")
    }
    dice = {s: np.mean([float(row["dice"]) for row in scores if row["prompt"] == s]) for s in ("near", "far")}
    (test,) = rows(tmp_path / "out/tests.csv")
    assert (test["first"], test["second"], test["n"]) == ("near", "far", "7")
    assert float(test["difference"]) == pytest.approx(dice["near"] - dice["far"])
    assert float(test["p_holm"]) == pytest.approx(2 / 2**7)
    assert "near - far: Dice +0." in done.output
    assert "1 case only near and not every other set has, so left out" in done.output
    for name in ("near", "far"):
        assert len(list((tmp_path / "out/overlays" / name).glob("*.png"))) == 7


def test_a_mask_that_does_not_fit_is_a_failure_and_the_others_are_scored(folders):
    nib.save(nib.Nifti1Image(np.zeros((20, 25, 3), np.uint8), SPACING), folders / "masks/p1_a.nii.gz")
    done = report("--masks", folders / "masks", "-l", folders / "labels", "-o", folders / "out")
    assert done.exit_code == 1
    assert "Error: case p1_a (read)" in done.output
    assert [row["case"] for row in rows(folders / "out/failures.csv")] == ["p1_a"]
    assert {row["case"] for row in rows(folders / "out/metrics.csv")} == {"p1_b"}


def test_a_mask_on_another_grid_is_told_of_the_mask_and_not_of_the_labels(folders):
    flipped = SPACING @ np.diag([-1.0, 1, 1, 1])
    flipped[0, 3] = 19 * 0.5
    for case in ("p1_a", "p1_b"):
        data = np.asanyarray(nib.load(folders / f"masks/{case}.nii.gz").dataobj)
        nib.save(nib.Nifti1Image(data[::-1], flipped), folders / f"masks/{case}.nii.gz")
    words = ("--masks", folders / "masks", "-l", folders / "labels", "-o", folders / "out")
    refused = report(*words)
    assert refused.exit_code == 1
    assert (
        "the header places the mask on another grid than its labels: flipped along W; geometry=" in refused.output
    )
    ignored = report(*words, "geometry=ignore", "overwrite=true")
    assert "the header of the mask places it elsewhere (flipped along W); it was matched voxel" in ignored.output
    resampled = report(*words, "geometry=resample", "overwrite=true")
    assert "the mask was put on the volume's grid by nearest neighbour: flipped along W" in resampled.output
    dice = [float(row["dice"]) for row in rows(folders / "out/metrics.csv") if row["slices"] == "all"]
    assert dice == pytest.approx([7 / 8, 7 / 8])


def clip(shift: int) -> nib.Nifti1Image:
    """Two frames of 0.5 mm pixels with a square each, ``shift`` pixels to the right; 1 stands for the time."""
    data = np.zeros((24, 20, 2), np.uint8)
    for frame, first in enumerate((4, 9)):
        data[first + shift : first + shift + 6, 6:12, frame] = 1
    return nib.Nifti1Image(data, np.diag([0.5, 0.5, 1.0, 1.0]))


@pytest.mark.parametrize(("words", "hd95", "measured"), [((), 1.5, "2D per frame"), (("axis=space",), 1.5, "3D")])
def test_a_clip_is_measured_frame_by_frame_and_the_table_says_so(tmp_path, words, hd95, measured):
    for name, shift in (("labels", 0), ("masks", 3)):
        (tmp_path / name).mkdir()
        nib.save(clip(shift), tmp_path / name / "a.nii.gz")
    out = tmp_path / "out"
    done = report("--masks", tmp_path / "masks", "-l", tmp_path / "labels", "-o", out, *words)
    assert done.exit_code == 0, done.output
    assert f"HD95 mm, {measured}" in done.output
    assert json.loads((out / "summary.json").read_text())["measured"] == measured
    (row,) = [row for row in rows(out / "metrics.csv") if row["slices"] == "all"]
    assert float(row["hd95_mm"]) == pytest.approx(hd95)
    assert float(row["assd_mm"]) == pytest.approx(0.75 if measured == "2D per frame" else 11 / 24)
    assert row["measured"] == measured
    assert (row["volume_ml"] == "") == (measured == "2D per frame")
    assert f"HD95 mm, {measured}" in (out / "report.html").read_text()


def test_an_empty_mask_is_named_and_counted_in_every_score_that_it_lacks(folders):
    nib.save(nib.Nifti1Image(np.zeros((20, 24, 3), np.uint8), SPACING), folders / "masks/p1_a.nii.gz")
    out = folders / "out"
    done = report("--masks", folders / "masks", "-l", folders / "labels", "-o", out)
    assert done.exit_code == 0, done.output
    assert "the mask holds no object (1 case, first p1_a)" in done.output
    assert "the labels hold no object" not in done.output
    line = next(line for line in done.output.splitlines() if line.startswith("masks "))
    assert line.endswith("2  HD95 1")
    hd95 = json.loads((out / "summary.json").read_text())["scores"]["masks"]["macro"]["all"]["hd95_mm"]
    assert (hd95["n"], hd95["n_undefined"]) == (1, 1)
    assert "1 of 2" in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--masks", "labels", "-l", "masks"), "labels/p2_a.nii.gz: no labels for this mask"),
        (("--masks", "nowhere", "-l", "labels"), "masks=nowhere: no such file or folder"),
        (("--masks", "masks", "-l", "labels", "-i", "masks", "group=p2"), "group=p2 finds no patient"),
        (("--masks", "masks", "-l", "labels", "metrics.tolerance_mm=-1"), "must be at least 0"),
        (("--masks", "masks", "-l", "labels", "-p", "box"), "No such option"),
        (
            ("--masks", "masks", "-l", "labels", "--labels", "masks"),
            "--labels is given 2 times (labels, masks); give",
        ),
        (("-l", "labels"), "Missing option '--masks'"),
        (
            ("--masks", "masks", "--masks", "labels", "-l", "labels"),
            "--masks is given 2 times (masks, labels)",
        ),
        (("--masks", "a=masks", "--masks", "a=labels", "-l", "labels"), "name each once"),
        (("--masks", "a=masks", "--masks", "b=nowhere", "-l", "labels"), "nowhere"),
        (
            ("--masks", "a=masks", "--masks", "b=volumes/p2_a.nii.gz", "-l", "labels"),
            "no case has masks of all",
        ),
        (("--masks", "a=masks", "-l", "labels", "--name", "b"), "sets and masks or name exclude each other"),
    ],
)
def test_a_wrong_request_is_one_line_and_writes_nothing(folders, monkeypatch, words, message):
    monkeypatch.chdir(folders)
    done = report(*words, "-o", "out")
    assert done.exit_code == 2
    assert message in done.output
    assert "Traceback" not in done.output
    assert not (folders / "out").exists()
