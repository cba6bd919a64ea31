"""What dies or never ends costs its case, and not the run."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import DataSet

from usframe.cli import main
from usframe.session.watch import _name, _stand_alone

# It breaks in the case of four slices.
STEP = """
import ctypes, os, signal, time
from usframe import hookimpl
@hookimpl
def usframe_register_postprocessing(register):
    def breaks(mask, *, spacing_mm):
        if len(mask) == 4:  # case_1
            BREAK
        return mask
    register("breaks", breaks)
"""


def run(data: DataSet, *more: str | Path, launcher: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    words = [*launcher, "-m", "usframe", *data.request(*map(str, more))]
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=120, check=False)


def breaking(tmp_path: Path, how: str) -> list[str | Path]:
    (tmp_path / "breaks.py").write_text(STEP.replace("BREAK", how))
    return ["-p", "box", "--plugin", tmp_path / "breaks.py", "postprocess.breaks=true"]


def failed(out: Path) -> dict[str, str]:
    with (out / "failures.csv").open() as file:
        return {row["case"]: row["error"] for row in csv.DictReader(file)}


def scored(out: Path) -> set[str]:
    with (out / "metrics.csv").open() as file:
        return {row["case"] for row in csv.DictReader(file)}


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("os._exit(0)", "exit status 0"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL: killed, as the system does when memory runs out"),
        ("ctypes.string_at(0)", "SIGSEGV: segmentation fault"),
    ],
)
def test_a_process_that_dies_costs_its_case(data: DataSet, tmp_path: Path, how: str, told: str) -> None:
    done = run(data, *breaking(tmp_path, how))
    error = f"ended its process ({told})"
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"Error: case case_1 (process): {error}"
    assert failed(data.out) == {"case_1": error}
    assert scored(data.out) == {"case_0", "case_2"}


def test_what_never_ends_is_stopped_and_more_time_may_be_given(data: DataSet, tmp_path: Path) -> None:
    slow = breaking(tmp_path, "time.sleep(8)")
    done = run(data, *slow, "case_timeout=4")
    error = "took longer than case_timeout=4 seconds, and was stopped"
    assert done.returncode == 1, done.stderr
    assert failed(data.out) == {"case_1": error}
    assert scored(data.out) == {"case_0", "case_2"}
    again = run(data, *slow, "case_timeout=0")
    assert again.returncode == 0, again.stderr
    assert failed(data.out) == {}


def test_a_limit_that_nobody_keeps_is_refused(data: DataSet) -> None:
    refused = CliRunner().invoke(main, data.request("-p", "box", "case_timeout=3"))
    assert refused.exit_code == 2
    assert refused.output == ("Error: case_timeout=3 needs the command usframe, on Linux or macOS; leave it out\n")


def test_of_several_processes_one_may_die(data: DataSet, tmp_path: Path) -> None:
    whole = data._replace(out=tmp_path / "whole")
    run(whole, "-p", "box")
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    more = breaking(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")
    done = run(data, *more, launcher=launcher)
    assert done.returncode == 1, done.stderr
    assert json.loads((data.out / "run.json").read_text())["processes"] == 2
    assert list(failed(data.out)) == ["case_1"]
    assert scored(data.out) == {"case_0", "case_2"}
    for name in ("case_0", "case_2"):
        place = f"masks/box/{name}.nii.gz"
        assert (data.out / place).read_bytes() == (whole.out / place).read_bytes()


def test_the_process_at_work_ends_with_its_watcher(data: DataSet, tmp_path: Path) -> None:
    first = subprocess.Popen(
        [sys.executable, "-m", "usframe", *map(str, data.request(*map(str, breaking(tmp_path, "time.sleep(60)"))))]
    )
    until = time.monotonic() + 60
    while not (data.out / "masks/box/case_0.nii.gz").exists() and time.monotonic() < until:
        time.sleep(0.05)
    first.kill()
    first.wait()
    until = time.monotonic() + 10
    while time.monotonic() < until:
        done = run(data, *breaking(tmp_path, "pass"), "overwrite=true")
        if done.returncode == 0:
            return
    pytest.fail(done.stderr)


def test_a_death_before_the_first_case_is_one_line(data: DataSet, tmp_path: Path) -> None:
    (tmp_path / "dies.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    done = run(data, "-p", "box", "--plugin", tmp_path / "dies.py")
    assert done.returncode == 1
    assert done.stderr == (
        "Error: the process at work ended (SIGKILL: killed, as the system does when memory runs out)"
        " outside of a case\n"
    )


def test_an_impatient_ctrl_c_costs_no_table(data: DataSet, tmp_path: Path) -> None:
    words = data.request(
        *map(str, breaking(tmp_path, "print('half-way', flush=True); [time.sleep(0.05) for _ in range(1200)]"))
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "usframe", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "half-way\n"
    until = time.monotonic() + 60
    while not (data.out / ".usframe/cases/case_0.json").exists() and time.monotonic() < until:
        time.sleep(0.05)
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.02)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert scored(data.out) == {"case_0"}
    assert set(failed(data.out)) == {"case_1", "case_2"}


def test_a_process_started_anew_stands_alone_on_its_own_gpu() -> None:
    environment = {"RANK": "3", "LOCAL_RANK": "1", "WORLD_SIZE": "4", "CUDA_VISIBLE_DEVICES": "4,6", "A": "b"}
    _stand_alone(environment)
    assert environment == {"CUDA_VISIBLE_DEVICES": "6", "A": "b"}


def test_ends_have_names() -> None:
    assert _name(-signal.SIGSEGV) == "SIGSEGV: segmentation fault"
    assert _name(3) == "exit status 3"
    assert os.name != "posix" or _name(-signal.SIGUSR1) == "SIGUSR1"
