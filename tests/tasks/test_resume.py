"""The same command with the same OUT goes on, and what is in OUT stays whose it is."""

from __future__ import annotations

import csv
import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import DataSet, usframe_, write_case

from usframe.data.case import Case
from usframe.session.loop import run_case


def results(out: Path) -> dict[str, bytes]:
    """All that must not depend on an interruption, by its place in OUT."""
    left_out = ("run.json", "report.html", "experiment.yaml")
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and path.name not in left_out and ".usframe" not in str(path.relative_to(out))
    }


def times(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (out / "masks").rglob("*.gz")}


def undo(data: DataSet, case: str) -> None:
    (data.out / ".usframe/cases" / f"{case}.json").unlink()


def test_only_what_is_not_done_is_done_and_the_end_is_the_same(data: DataSet) -> None:
    usframe_(*data.request("-p", "box"))
    wanted, before = results(data.out), times(data.out)
    undo(data, "case_1")
    (data.out / "masks/box/case_2.nii.gz").unlink()
    done = usframe_(*data.request("-p", "box"))
    assert done.exit_code == 0, done.output
    assert results(data.out) == wanted
    assert {name for name, time in times(data.out).items() if before[name] != time} == {
        "case_1.nii.gz",
        "case_2.nii.gz",
    }
    slices = json.loads((data.out / "run.json").read_text())["slices"]
    assert slices == {"total": 15, "encoded": 9, "without_object": 6}


def test_a_case_whose_file_changed_is_done_again_and_a_touched_one_is_not(data: DataSet) -> None:
    usframe_(*data.request("-p", "box"))
    before = times(data.out)
    write_case(data, "case_1", 6, seed=9)
    os.utime(data.volumes / "case_2.nii.gz")
    done = usframe_(*data.request("-p", "box"))
    assert "case_1: its files have changed, so it is done again" in done.stderr
    assert {name for name, time in times(data.out).items() if before[name] != time} == {"case_1.nii.gz"}


def test_failed_cases_are_tried_again(data: DataSet) -> None:
    whole = (data.volumes / "case_1.nii.gz").read_bytes()
    (data.volumes / "case_1.nii.gz").write_bytes(b"no volume")
    assert usframe_(*data.request("-p", "box")).exit_code == 1
    (data.volumes / "case_1.nii.gz").write_bytes(whole)
    assert usframe_(*data.request("-p", "box")).exit_code == 0
    other = data._replace(out=data.out.with_name("other"))
    usframe_(*other.request("-p", "box"))
    assert results(data.out) == results(other.out)


def test_what_differs_is_named_and_a_path_may_be_spelled_otherwise(
    data: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    usframe_(*data.request("-p", "box", "noise.box=0.1"))
    refused = usframe_(*data.request("-p", "box", "noise.box=0.2", "seed=3"))
    assert refused.exit_code == 2
    told = "holds a run with other settings (seed=0, noise.box=0.1); choose another -o, or add overwrite=true"
    assert told in refused.output
    monkeypatch.chdir(data.out.parent)
    near = DataSet(Path("volumes"), Path("labels"), Path("out/"))
    again = near.request("-p", "box", "noise.box=0.1")
    again[again.index("out")] = "out/"
    assert usframe_(*again).exit_code == 0


@pytest.mark.parametrize("theirs", ["metrics.csv", "masks/mine.nii.gz", "summary.json", "overlays/me.png"])
def test_a_file_of_the_users_is_never_replaced(data: DataSet, theirs: str) -> None:
    path = data.out / theirs
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    for more in ([], ["overwrite=true"]):
        refused = usframe_(*data.request("-p", "box", *more))
        assert refused.exit_code == 2
        top = data.out / Path(theirs).parts[0]
        wanted = f"Error: {top} is not a run's and would be replaced; move it away, or choose another -o\n"
        assert refused.output == wanted
    assert [str(one.relative_to(data.out)) for one in data.out.rglob("*") if one.is_file()] == [theirs]


def test_overwrite_removes_what_the_run_wrote_and_leaves_the_rest(data: DataSet) -> None:
    usframe_(*data.request("-p", "box"))
    for place in ("notes.txt", "masks/box/mine.nii.gz"):
        (data.out / place).write_text("mine")
    assert usframe_(*data.request("-p", "point", "overwrite=true")).exit_code == 0
    assert [path.name for path in (data.out / "masks/box").iterdir()] == ["mine.nii.gz"]
    assert (data.out / "notes.txt").read_text() == "mine"


def test_a_file_that_was_changed_since_is_the_users(data: DataSet) -> None:
    usframe_(*data.request("-p", "box"))
    (data.out / "metrics.csv").write_text("with my remarks")
    refused = usframe_(*data.request("-p", "box", "overwrite=true"))
    assert refused.exit_code == 2
    assert "metrics.csv was changed since a run wrote it" in refused.output
    assert (data.out / "metrics.csv").read_text() == "with my remarks"
    assert (data.out / "masks/box/case_0.nii.gz").exists()


def test_a_folder_of_an_older_usframe_is_refused(data: DataSet) -> None:
    data.out.mkdir()
    (data.out / "experiment.yaml").write_text("task: predict\n")
    assert "is an older usframe's" in usframe_(*data.request("overwrite=true")).output


def test_the_data_may_not_lie_in_out(data: DataSet) -> None:
    inside = data._replace(out=data.out.parent)
    refused = usframe_(*inside.request("-p", "box", "overwrite=true"))
    assert refused.exit_code == 2
    assert f"volumes={data.volumes} lies inside out={inside.out}, where results are replaced" in refused.output
    assert not (inside.out / ".usframe").exists()


SLOW = """
import time
from usframe import Prompt, hookimpl
def slow(mask, *, frame, object_id, rng):
    print("half-way", flush=True)
    for _ in range(600):  # a signal just before one long sleep would wait for its end
        time.sleep(0.05)
    return Prompt(frame, object_id, mask=mask)
@hookimpl
def usframe_register_prompts(register):
    register("slow", slow)
"""


def start(data: DataSet, *more: str | Path) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "usframe", *map(str, data.request(*map(str, more)))]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_second_run_in_the_same_out_is_refused_until_the_first_is_gone(data: DataSet, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    first = start(data, "-p", "slow", "--plugin", tmp_path / "slow.py")
    assert first.stdout is not None
    assert first.stdout.readline() == "half-way\n"
    refused = usframe_(*data.request("-p", "slow", "--plugin", tmp_path / "slow.py", "overwrite=true"))
    assert refused.exit_code == 2
    assert f"{data.out} is in use by process {first.pid} on " in refused.output
    first.kill()
    first.communicate()
    assert usframe_(*data.request("-p", "box", "overwrite=true")).exit_code == 0


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_a_signal_leaves_the_tables_of_what_is_done(
    data: DataSet, tmp_path: Path, sent: signal.Signals, status: int
) -> None:
    write_case(data, "case_9", 6)
    later = "    seen.append(0)\n    if len(seen) < 25: return Prompt(frame, object_id, mask=mask)\n    print"
    (tmp_path / "slow.py").write_text("seen = []\n" + SLOW.replace("    print", later))
    run = start(data, "-p", "slow", "--plugin", tmp_path / "slow.py")
    assert run.stdout is not None
    assert run.stdout.readline() == "half-way\n"
    until = time.monotonic() + 60  # prompts are made ahead: the cases before may be with the network still
    while len([*(data.out / ".usframe/cases").glob("case_*.json")]) < 3 and time.monotonic() < until:
        time.sleep(0.02)
    run.send_signal(sent)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == status, errors
    assert "Traceback" not in errors
    with (data.out / "metrics.csv").open() as file:
        assert {row["case"] for row in csv.DictReader(file)} == {"case_0", "case_1", "case_2"}
    with (data.out / "failures.csv").open() as file:
        assert [row["case"] for row in csv.DictReader(file)] == ["case_9"]


def test_a_picture_that_cannot_be_drawn_costs_no_score(data: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("usframe.tasks.stages.write_overlay", broken)
    done = usframe_(*data.request("-p", "box"))
    assert done.exit_code == 0, done.output
    assert "the picture could not be drawn" in done.stdout
    with (data.out / "metrics.csv").open() as file:
        assert len({row["case"] for row in csv.DictReader(file)}) == 3


BREAKS = """
import os, shutil, sys
from usframe import Prompt, hookimpl
seen = []
def breaks(mask, *, frame, object_id, rng):
    seen.append(frame)
    if len(seen) == 7:
        BREAK
    return Prompt(frame, object_id, mask=mask)
@hookimpl
def usframe_register_prompts(register):
    register("breaks", breaks)
"""


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (MemoryError(), "out of memory; close other programs, or take smaller volumes"),
        (OSError(errno.ENOSPC, "No space left on device", "spool"), "spool: No space left on device"),
    ],
)
def test_a_fault_of_the_machine_is_one_line(
    fault: Exception, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(*given: object) -> None:
        raise fault

    assert run_case(work, Case("a", Path("a.nii.gz"))).error == line
    assert "Traceback" not in capsys.readouterr().err


def test_a_plugin_that_exits_costs_its_case(data: DataSet, tmp_path: Path) -> None:
    (tmp_path / "breaks.py").write_text(BREAKS.replace("BREAK", "sys.exit(0)"))
    done = usframe_(*data.request("-p", "breaks", "--plugin", tmp_path / "breaks.py"))
    assert done.exit_code == 1
    assert "case case_1 (prompt): " in done.stderr
    assert "Traceback" not in done.stderr
    with (data.out / "metrics.csv").open() as file:
        assert {row["case"] for row in csv.DictReader(file)} == {"case_0", "case_2"}


def test_an_out_that_is_removed_in_the_middle_is_one_line(data: DataSet, tmp_path: Path) -> None:
    (tmp_path / "breaks.py").write_text(BREAKS.replace("BREAK", f"shutil.rmtree({str(data.out)!r})"))
    done = usframe_(*data.request("-p", "breaks", "--plugin", tmp_path / "breaks.py"))
    assert done.exit_code == 1
    assert "Traceback" not in done.output
    assert done.stderr.splitlines()[-1] == f"Error: {data.out}: was removed while the run was writing to it"


def test_kills_at_any_moment_are_gone_on_from_to_the_same_bytes(data: DataSet, tmp_path: Path) -> None:
    whole = data._replace(out=tmp_path / "whole")
    usframe_(*whole.request("-p", "box"))
    for delay in (0.0, 0.05, 0.15, 0.3, 0.5):
        killed = start(data, "-p", "box")
        until = time.monotonic() + 60
        while not (data.out / ".usframe/begun.json").exists() and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(delay)
        killed.kill()
        killed.communicate()
    done = usframe_(*data.request("-p", "box"))
    assert done.exit_code == 0, done.output
    assert results(data.out) == results(whole.out)
