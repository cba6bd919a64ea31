"""What is kept as cases end: records, and tables made of them while the run goes on."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from conftest import DataSet, usframe_, write_case

from usframe.data.case import Case
from usframe.plugins import load_plugins
from usframe.session.records import Seldom, Session


def test_tables_are_there_while_cases_are_still_to_come(data: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Seldom, "least", 0.0)
    seen: list[dict[str, int]] = []
    real = Seldom.do

    def do(self: Seldom, work: object) -> None:
        self.due = 0.0
        real(self, work)  # type: ignore[arg-type]
        with (data.out / "failures.csv").open() as failures, (data.out / "metrics.csv").open() as metrics:
            cases = {row["case"] for row in csv.DictReader(metrics)}
            seen.append({"not done": len(list(csv.DictReader(failures))), "scored": len(cases)})

    monkeypatch.setattr(Seldom, "do", do)
    assert usframe_(*data.request("-p", "box")).exit_code == 0
    assert seen == [{"not done": 2 - n, "scored": n + 1} for n in range(3)]


def test_what_is_done_seldom_takes_a_twentieth_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, times = [0.0], []
    monkeypatch.setattr("usframe.session.records.time.monotonic", lambda: clock[0])
    seldom = Seldom(60.0)

    def work() -> None:
        times.append(clock[0])
        clock[0] += 10.0

    while clock[0] < 700:
        seldom.do(work)
        clock[0] += 1.0
    assert times == [60.0, 260.0, 460.0, 660.0]


def report(data: DataSet, masks: Path, *more: str) -> list[str | Path]:
    return ["report", "--masks", masks, "-l", data.labels, "-o", data.out, *more]


def test_a_report_goes_on_and_scores_only_what_changed(data: DataSet, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    for label in data.labels.iterdir():
        (masks / label.name).write_bytes(label.read_bytes())
    assert usframe_(*report(data, masks)).exit_code == 0
    records = data.out / ".usframe/cases"
    before = {path.name: path.stat().st_mtime_ns for path in records.glob("*.json")}
    image = nib.load(masks / "case_1.nii.gz")
    answer = np.asarray(image.dataobj).copy()
    answer[answer == 2] = 0
    nib.save(nib.Nifti1Image(answer, image.affine), masks / "case_1.nii.gz")
    done = usframe_(*report(data, masks))
    assert done.exit_code == 0, done.output
    assert "case_1: its files have changed, so it is done again" in done.stderr
    after = {path.name: path.stat().st_mtime_ns for path in records.glob("*.json")}
    assert {name for name in before if before[name] != after[name]} == {"case_1.json"}
    with (data.out / "metrics.csv").open() as file:
        dice = {(row["case"], row["object"]): float(row["dice"]) for row in csv.DictReader(file) if row["dice"]}
    assert dice["case_0", "2"] == 1.0
    assert dice["case_1", "2"] == 0.0


def test_a_new_file_that_changes_what_255_means_is_told_to_the_cases_that_are_done(data: DataSet) -> None:
    for path in data.labels.iterdir():
        image = nib.load(path)
        white = (np.asarray(image.dataobj) > 0).astype(np.uint8) * 255
        nib.save(nib.Nifti1Image(white, image.affine), path)
    late = {folder: folder / "case_2.nii.gz" for folder in (data.volumes, data.labels)}
    for folder, path in late.items():
        path.rename(data.out.parent / f"{folder.name}.nii.gz")
    usframe_(*data.request("-p", "box"))
    assert objects(data) == {"1"}
    for folder, path in late.items():
        (data.out.parent / f"{folder.name}.nii.gz").rename(path)
    image = nib.load(late[data.labels])
    grey = np.asarray(image.dataobj).copy()
    grey[:5][grey[:5] == 0] = 128
    nib.save(nib.Nifti1Image(grey, image.affine), late[data.labels])
    again = usframe_(*data.request("-p", "box"))
    assert again.exit_code == 0, again.output
    assert objects(data) == {"128", "255"}
    kept = json.loads((data.out / ".usframe/cases/case_0.json").read_text())
    assert kept["inputs"]["meaning"] == {"white": []}


def test_a_case_is_done_again_when_the_data_beside_its_header_change(data: DataSet) -> None:
    for name in ("case_0", "case_1"):
        image = sitk.ReadImage(data.volumes / f"{name}.nii.gz")
        (data.volumes / f"{name}.nii.gz").unlink()
        sitk.WriteImage(image, data.volumes / f"{name}.mhd")
    usframe_(*data.request("-p", "box"))
    (raw,) = data.volumes.glob("case_0.*raw")
    voxels = np.fromfile(raw, np.float32)
    voxels[::2] = 0.5
    voxels.tofile(raw)
    done = usframe_(*data.request("-p", "box"))
    assert done.exit_code == 0, done.output
    assert done.stderr.splitlines() == ["case_0: its files have changed, so it is done again"]


def objects(data: DataSet) -> set[str]:
    with (data.out / "metrics.csv").open() as file:
        return {row["object"] for row in csv.DictReader(file)} - {"macro"}


SLOW = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from toy_backbones import Toy
from usframe import hookimpl


class Slow(Toy):
    def encode(self, images):
        if os.environ["RANK"] == "1":
            while len([*Path({records!r}).glob("*.json")]) < 4:
                time.sleep(0.05)
        return super().encode(images)


@hookimpl
def usframe_register_backbones(register):
    register("slow", lambda *, weights, device, precision: Slow())
"""


def test_a_process_that_is_free_does_what_another_has_not_begun(data: DataSet, tmp_path: Path) -> None:
    """The second process stays on its first case until all others are done, so the first one has to do them."""
    for number in (3, 4):
        write_case(data, f"case_{number}", seed=number)
    text = SLOW.format(tests=str(Path(__file__).parents[1]), records=str(data.out / ".usframe/cases"))
    (tmp_path / "slow.py").write_text(text)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    words = data.request("-p", "box", "--backbone", "slow", "overlays=false", "baselines=false")
    command = [*launcher, "-m", "usframe", *words, "--plugin", str(tmp_path / "slow.py")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    assert json.loads((data.out / "run.json").read_text())["processes"] == 2
    with (data.out / "metrics.csv").open() as file:
        assert {row["case"] for row in csv.DictReader(file)} == {f"case_{number}" for number in range(5)}
    assert [*(data.out / ".usframe/queue").iterdir()] == []


def test_of_many_that_want_a_case_one_gets_it(data: DataSet) -> None:
    cases = [Case(f"case_{number}", Path(f"{number}.npy")) for number in range(40)]
    (data.out / ".usframe").mkdir(parents=True)
    sessions = [Session(data.out, load_plugins()) for _ in range(8)]
    sessions[0].line_up(cases)

    def work(session: Session) -> list[str]:
        return [case.name for case in cases if session.take(case)]

    with ThreadPoolExecutor(8) as pool:
        taken = [name for names in pool.map(work, sessions) for name in names]
    assert sorted(taken) == sorted(case.name for case in cases)
