"""How many faults of machine, plugins and people cost only what they must, and are gone on from to the same bytes.

    python tests/faults/run_faults.py FOLDER [WORD...]

FOLDER is new. A fault is wanted to end with its status and without a traceback, to leave the other cases with
their masks and the tables that name the lost ones, and to be forgotten once the same command has been run again.
"""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FAULTS = Path(__file__).parent
sys.path[:0] = [str(FAULTS.parent), str(FAULTS)]

from conftest import DataSet, write_case  # noqa: E402
from fault_list import FAULTS_IN_RUNS, Fault  # noqa: E402
from kills import outcome  # noqa: E402

LIMIT = 240  # seconds that no command may exceed
PLUGIN = """
import ctypes, os, resource, shutil, signal, sys, time
from pathlib import Path
import numpy as np
from usframe import hookimpl
FAULT = os.environ.get("FAULT", "")
PLACE = Path(__file__).parent
def limit(kind, most):
    resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))
def here():
    print("here", flush=True)
    for _ in range(4000):  # a signal just before one long sleep would wait for its end
        time.sleep(0.05)
def at(case, place):
    global FAULT
    if FAULT.startswith(f"{case} {place}: "):
        code, FAULT = FAULT.partition(": ")[2], ""
        exec(compile(code, "fault", "exec"), globals())  # text would end by SIGINT
slices = []
def faulty(mask, *, spacing_mm):
    slices.append(len(mask))
    at(slices[-1], "step")
    return mask
def watched(reference, answer, *, spacing_mm):
    at(slices[-1], "score")
    return 0.0
@hookimpl
def usframe_register_postprocessing(register):
    register("faulty", faulty)
@hookimpl
def usframe_register_metrics(register):
    register("watched", watched)
"""


@dataclass(frozen=True)
class Ended:
    """What a command left: its status and its two streams."""

    status: int
    out: str
    errors: str


def command(data: DataSet, fault: Fault, code: str) -> Ended:
    """The command of a fault; ``code``: what happens in the process at work. Signals are sent once it says so."""
    words = [*fault.launcher, "-m", "usframe", *data.request(*fault.words)]
    plugin = data.out.parent / "faulty.py"
    process = subprocess.Popen(
        [sys.executable, *words, "--plugin", str(plugin), "postprocess.faulty=true"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "FAULT": code},
    )
    assert process.stdout
    try:
        if code and fault.send:
            process.stdout.readline()
            for one in fault.send:
                process.send_signal(one)
        out, errors = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        return Ended(0, "", f"hung for {LIMIT} seconds")
    return Ended(process.returncode, out, errors)


def lost_in(out: Path) -> set[str] | None:
    """The cases of failures.csv; None without it."""
    try:
        with (out / "failures.csv").open() as file:
            return {row["case"] for row in csv.DictReader(file)}
    except OSError:
        return None


def judge(data: DataSet, fault: Fault, whole: dict[str, bytes]) -> str:
    """What is not as wanted; nothing where all is."""
    first = command(data, fault, fault.code)
    if first.status != fault.status or ("Traceback" in first.errors and not fault.launcher):
        return f"status {first.status}, {first.errors[-600:]}"
    if fault.says not in first.errors:
        return f"does not say {fault.says!r}: {first.errors[-300:]}"
    if not fault.removes_out:
        if fault.tables and lost_in(data.out) != set(fault.lost):
            return f"lost {lost_in(data.out)}: {first.errors[-300:]}"
        for path in data.out.glob("masks/*/*.nii.gz"):
            if path.read_bytes() != whole[str(path.relative_to(data.out))]:
                return f"{path.name} differs"
    fault.mend(data)
    again = command(data, fault, "")
    if again.status or "Traceback" in again.errors:
        return f"again: status {again.status}, {again.errors[-400:]}"
    now = outcome("run", data.out)
    if now != whole:
        return f"again: other bytes in {[name for name in {**now, **whole} if now.get(name) != whole.get(name)]}"
    return ""


def main(folder: Path, only: list[str]) -> int:
    data = DataSet(folder / "volumes", folder / "labels", folder / "out")
    chosen = [fault for fault in FAULTS_IN_RUNS if not only or any(word in fault.name for word in only)]
    wholes: dict[tuple[str, ...], dict[str, bytes]] = {}
    as_wanted = 0
    for fault in chosen:
        for number, depth in enumerate((5, 4, 6)):
            write_case(data, f"case_{number}", depth, seed=number)
        (folder / "faulty.py").write_text(PLUGIN)
        if fault.words not in wholes:
            command(data, Fault("", words=fault.words), "")
            wholes[fault.words] = outcome("run", data.out)
            shutil.rmtree(data.out)
        problem = judge(data, fault, wholes[fault.words])
        as_wanted += not problem
        print(f"{'as wanted' if not problem else 'NOT'}  {fault.name}  {problem}", flush=True)
        shutil.rmtree(folder)
        folder.mkdir()
    print(f"faults: {as_wanted} of {len(chosen)} as wanted")
    return int(as_wanted < len(chosen))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    raise SystemExit(main(Path(sys.argv[1]), sys.argv[2:]))
