"""Objects that their labels name are called by name in every table; masks keep their numbers."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from click.testing import CliRunner

from usframe.cli import main

CPU = ("--backbone", "demo", "--checkpoint", "random", "--device", "cpu")
NAMES = {"a": {"nerve": 1, "artery": 2}, "b": {"artery": 1, "nerve": 2}, "c": {"nerve": 4, "<b>\x1b[31mvein": 1}}


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Segmentations of 3D Slicer whose values mean another thing in each; a nerve has 24 pixels, others 8."""
    for folder in ("volumes", "labels"):
        (tmp_path / folder).mkdir()
    for case, values in NAMES.items():
        labels = np.zeros((3, 24, 32), np.uint8)
        for name, value in values.items():
            first = 4 if name == "nerve" else 16
            labels[:, first : first + (6 if name == "nerve" else 2), 8:12] = value
        image = sitk.GetImageFromArray(labels)
        image.SetSpacing((0.4, 0.4, 2.0))
        sitk.WriteImage(sitk.Cast(image * 20, sitk.sitkFloat32), str(tmp_path / f"volumes/{case}.nrrd"))
        for number, (name, value) in enumerate(values.items()):
            for key, text in (("ID", f"S{number}"), ("Name", name), ("LabelValue", str(value)), ("Layer", "0")):
                image.SetMetaData(f"Segment{number}_{key}", text)
        sitk.WriteImage(image, str(tmp_path / f"labels/{case}.seg.nrrd"))
    return tmp_path


def usframe(*words: object) -> str:
    done = CliRunner().invoke(main, [*map(str, words)])
    assert done.exit_code == 0, done.output
    return done.output


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def named(table: list[dict[str, str]]) -> set[tuple[str, str]]:
    return {(row["object"], row["name"]) for row in table}


CALLED = {("1", "nerve"), ("2", "artery"), ("3", "<b>\\x1b[31mvein")}


def test_tables_call_objects_by_their_names_and_one_name_is_one_object(folders: Path) -> None:
    out = folders / "out"
    words = ("-i", folders / "volumes", "-l", folders / "labels", "-o", out, *CPU, "-p", "box", "baselines=false")
    plan = usframe("run", *words, "--dry-run")
    assert "labels 1, 2 (1 nerve, 2 artery); 0 slices" in plan
    printed = usframe("run", *words)
    heading = next(line for line in printed.splitlines() if line.startswith("prompt"))
    assert heading.split("  ")[0] == "prompt"
    assert all(f"object {number} {name}" in heading for number, name in CALLED)
    table = rows(out / "metrics.csv")
    assert named(table) == CALLED
    nerves = {row["reference_volume_ml"] for row in table if row["name"] == "nerve" and row["slices"] == "all"}
    assert len(nerves) == 1
    assert float(nerves.pop()) == pytest.approx(3 * 6 * 4 * 0.4 * 0.4 * 2 / 1000)
    names = json.loads((out / "summary.json").read_text())["names"]
    assert names == {"1": "nerve", "2": "artery", "3": "<b>\x1b[31mvein"}
    page = (out / "report.html").read_text()
    assert "<td>1 nerve</td>" in page
    assert "<b>" not in page


def test_masks_that_are_scored_have_the_names_of_their_labels(folders: Path) -> None:
    out = folders / "out"
    shutil.copytree(folders / "labels", folders / "masks")
    printed = usframe("report", "--masks", folders / "masks", "-l", folders / "labels", "-o", out)
    assert "object 1 nerve" in printed
    assert named(rows(out / "metrics.csv")) == CALLED
    assert {row["dice"] for row in rows(out / "metrics.csv") if row["slices"] == "all"} == {"1.0"}


def test_a_comparison_names_them_too(folders: Path) -> None:
    out = folders / "out"
    where = ("-i", folders / "volumes", "-l", folders / "labels", "-o", out)
    usframe("run", "compare_prompts", *where, *CPU, "prompts=[box]", "mode=slice", "seeds=1", "cases=[a,b]")
    assert named(rows(out / "comparison.csv")) == {("1", "nerve"), ("2", "artery"), ("macro", "")}
    assert json.loads((out / "summary.json").read_text())["names"] == {"1": "nerve", "2": "artery"}


def test_objects_without_names_are_numbers(data) -> None:
    printed = usframe(*data.request("-p", "box", "--dry-run"))
    assert "labels 1, 2; 2 slices" in printed
    printed = usframe(*data.request("-p", "box"))
    assert "object 1  object 2" in printed
    assert named(rows(data.out / "metrics.csv")) == {("1", ""), ("2", "")}
    assert json.loads((data.out / "summary.json").read_text())["names"] == {}


def plain(folder: Path) -> list[str]:
    """Two cases of NIfTI-like labels without names; the words of a run on them."""
    for name in ("volumes", "labels"):
        (folder / name).mkdir()
    labels = np.zeros((3, 24, 32), np.uint8)
    labels[:, 4:10, 8:12], labels[:, 14:20, 8:12] = 1, 2
    for case in ("a", "b"):
        np.save(folder / f"volumes/{case}.npy", (labels > 0) * np.float32(0.8))
        np.save(folder / f"labels/{case}.npy", labels)
    where = ("-i", str(folder / "volumes"), "-l", str(folder / "labels"), "-o", str(folder / "out"))
    return ["run", *where, *CPU, "overlays=false"]


def names_in(out: Path) -> dict[str, str]:
    with (out / "metrics.csv").open() as file:
        return {row["object"]: row["name"] for row in csv.DictReader(file) if row["object"].isdigit()}


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("objects.json", {"1": "lumen", "2": "wall"}),
        ("labels/objects.json", {"1": "lumen", "2": "wall"}),
        ("dataset.json", {"labels": {"background": 0, "lumen": 1, "wall": 2, "ignore": 3, "both": [1, 2]}}),
        ("dataset.json", {"labels": {"0": "background", "1": "lumen", "2": "wall"}}),
    ],
)
def test_names_beside_the_labels_are_used_and_said(tmp_path: Path, file: str, content: object) -> None:
    words = plain(tmp_path)
    (tmp_path / file).write_text(json.dumps(content))
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert names_in(tmp_path / "out") == {"1": "lumen", "2": "wall"}
    assert "object 1 (lumen)" in done.output or "lumen" in done.output.splitlines()[1]
    assert f"objects are called as in {tmp_path / file}" in done.output.replace("\n", "")


def test_names_of_the_request_come_first(tmp_path: Path) -> None:
    words = plain(tmp_path)
    (tmp_path / "objects.json").write_text('{"1": "vein"}')
    done = CliRunner().invoke(main, [*words, "objects={1: lumen}"])
    assert done.exit_code == 0, done.output
    assert names_in(tmp_path / "out") == {"1": "lumen", "2": ""}


@pytest.mark.parametrize("content", ["", "[1]", '{"a": {"1": "lumen"}}', '{"1": "lumen", "2": "lumen"}'])
def test_a_file_without_names_of_values_is_passed_over(tmp_path: Path, content: str) -> None:
    words = plain(tmp_path)
    (tmp_path / "objects.json").write_text(content)
    assert CliRunner().invoke(main, words).exit_code == 0
    assert names_in(tmp_path / "out") == {"1": "", "2": ""}


@pytest.mark.parametrize("value", ["{0: lumen}", "{a: lumen}", "{300: lumen}", "{1: 2}", "{1: lumen, 2: lumen}"])
def test_names_that_are_none_are_refused(tmp_path: Path, value: str) -> None:
    done = CliRunner().invoke(main, [*plain(tmp_path), f"objects={value}"])
    assert done.exit_code == 2
    assert "objects" in done.output
    assert not (tmp_path / "out").exists()
