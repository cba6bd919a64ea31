"""The faults of `run_faults.py`: what happens, when, and what it may cost."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass

from conftest import DataSet, write_case

TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
PROPAGATE = ("-p", "box", "--mode", "propagate")


def nothing(data: DataSet) -> None:
    """What needs no mending."""


def files_back(data: DataSet) -> None:
    """The data as they were."""
    for number, depth in enumerate((5, 4, 6)):
        write_case(data, f"case_{number}", depth, seed=number)


def out_back(data: DataSet) -> None:
    """What the fault put in the way in OUT is gone."""
    for place in ("masks", "overlays", "metrics.csv", "report.html"):
        if (path := data.out.parent / "aside" / place).exists():
            intruder = data.out / place
            if intruder.is_dir():
                shutil.rmtree(intruder)
            else:
                intruder.unlink(missing_ok=True)
            path.rename(intruder)


@dataclass(frozen=True)
class Fault:
    """``code``: what happens, behind ``SLICES step: `` or ``SLICES score: `` (4 slices are case_1).

    ``send``: signals to the command once the code calls ``here()``. ``lost``: the cases it costs. ``mend``: what is
    done before the command is run again.
    """

    name: str
    code: str = ""
    send: tuple[signal.Signals, ...] = ()
    lost: tuple[str, ...] = ("case_1",)
    status: int = 1
    says: str = ""
    words: tuple[str, ...] = ("-p", "box")
    launcher: tuple[str, ...] = ()
    tables: bool = True
    removes_out: bool = False
    mend: Callable[[DataSet], None] = nothing


REST = ("case_1", "case_2")
SIGNALS = [
    Fault(f"{name} {when}", f"4 {place}: here()", sent, REST, status, "interrupted, 2 cases not done")
    for name, sent, status in (
        ("Ctrl-C", (signal.SIGINT,), 130),
        ("Ctrl-C three times", (signal.SIGINT,) * 3, 130),
        ("SIGTERM", (signal.SIGTERM,), 143),
        ("SIGHUP", (signal.SIGHUP,), 129),
        ("SIGHUP and SIGTERM", (signal.SIGHUP, signal.SIGTERM), 129),
    )
    for when, place in (("in the middle of a case", "step"), ("while scoring", "score"))
]
PLUGINS = [
    Fault("a plugin calls sys.exit", "4 step: sys.exit(0)", says="ended the program: SystemExit: 0"),
    Fault("a plugin ends the process", "4 step: os._exit(0)", says="exit status 0"),
    Fault("a plugin crashes", "4 step: ctypes.string_at(0)", says="SIGSEGV"),
    Fault("a metric crashes", "4 score: ctypes.string_at(0)", says="SIGSEGV"),
    Fault("a plugin aborts", "4 step: os.abort()", says="SIGABRT"),
    Fault(
        "a plugin never ends",
        "4 step: time.sleep(200)",
        says="case_timeout=20",
        words=("-p", "box", "case_timeout=20"),
    ),
    Fault(
        "a plugin never ends, and holds Python's lock",
        "4 step: ctypes.PyDLL(None).sleep(200)",
        says="case_timeout=20",
        words=("-p", "box", "case_timeout=20"),
    ),
]
MACHINE = [
    Fault("the system kills the process", "4 step: os.kill(os.getpid(), 9)", says="memory runs out"),
    Fault("a memory limit", "4 step: limit(resource.RLIMIT_AS, 2**33); np.ones(2**32)", says="Unable to allocate"),
    Fault(
        "the disk is full to the end",
        "4 step: limit(resource.RLIMIT_FSIZE, 200)",
        lost=REST,
        tables=False,
        says="File too large",
    ),
    Fault(
        "the temporary disk is full in propagation",
        "4 step: limit(resource.RLIMIT_FSIZE, 200000)",
        lost=REST,
        words=PROPAGATE,
        says="no room for the encodings",
    ),
    Fault("no more files can be opened", "4 step: limit(resource.RLIMIT_NOFILE, 3)", tables=False, lost=REST),
]
FILES = [
    Fault("OUT is removed", "4 step: shutil.rmtree(PLACE / 'out')", removes_out=True, says="was removed"),
    Fault(
        "a volume vanishes",
        "4 step: (PLACE / 'volumes/case_2.nii.gz').unlink()",
        lost=("case_2",),
        says="case_2.nii.gz",
        mend=files_back,
    ),
    Fault(
        "labels vanish",
        "4 step: shutil.rmtree(PLACE / 'labels')",
        lost=("case_2",),
        says="case_2.nii.gz",
        mend=files_back,
    ),
    Fault(
        "a volume is cut short",
        "4 step: os.truncate(PLACE / 'volumes/case_2.nii.gz', 500)",
        lost=("case_2",),
        says="case_2.nii.gz",
        mend=files_back,
    ),
    Fault(
        "somebody puts a file where masks go",
        "4 step: (PLACE / 'aside').mkdir(); shutil.move(PLACE / 'out/masks', PLACE / 'aside/masks'); "
        "(PLACE / 'out/masks').touch()",
        lost=REST,
        says="cannot be written",
        mend=out_back,
    ),
    Fault(
        "somebody puts a folder where a table goes",
        "4 step: (PLACE / 'out/metrics.csv').mkdir()",
        lost=(),
        tables=False,
        says="metrics.csv",
        mend=lambda data: (data.out / "metrics.csv").rmdir(),
    ),
    Fault(
        "the record of a case is damaged",
        "6 step: (PLACE / 'out/.usframe/cases/case_0.json').write_text('{')",
        lost=("case_0",),
        says="its record in OUT is gone",
    ),
]
PROCESSES = [
    Fault("one of two is killed", "4 step: os.kill(os.getpid(), 9)", launcher=TWO, says="memory runs out"),
    Fault("one of two crashes while scoring", "4 score: ctypes.string_at(0)", launcher=TWO, says="SIGSEGV"),
    Fault(
        "one of two never ends",
        "4 step: time.sleep(200)",
        launcher=TWO,
        words=("-p", "box", "case_timeout=20"),
        says="case_timeout=20",
    ),
    Fault(
        "one of two is killed with its watcher",
        "4 step: os.kill(os.getppid(), 9); time.sleep(200)",
        launcher=TWO,
        tables=False,
    ),
]
FAULTS_IN_RUNS = [*SIGNALS, *PLUGINS, *MACHINE, *FILES, *PROCESSES]
