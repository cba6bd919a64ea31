"""How many kills end, once the same command has gone on, in the bytes of a run that nothing interrupted.

    python tests/faults/kills.py FOLDER run|finetune COUNT [PROCESSES]

FOLDER is new. Kills are spread over all calls that rename or remove a file of the run; of several processes each
one kills itself there.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))

from conftest import DataSet, write_case  # noqa: E402

QUICK = (
    *("train.steps=2", "train.batch_size=2", "train.validate_every=1", "train.validation_slices=2"),
    *("train.tracker=none", "train.parameters=decoder"),
)
LAUNCHER = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node")
MORE = {"run": ("-p", "box", "-p", "point"), "finetune": QUICK}
SAME = {"run": ("masks/*/*", "overlays/*/*", "*.csv", "summary.json"), "finetune": ("*.pt", "gains.csv")}


def command(task: str, data: DataSet) -> list[str]:
    """The words of a run or a fine-tuning after `usframe`."""
    words = data.request(*MORE[task])
    return words if task == "run" else [words[0], "finetune", *words[1:]]


def kill(
    task: str, data: DataSet, number: int, match: str = "", processes: int = 1
) -> subprocess.CompletedProcess[str]:
    """A run that dies at call ``number`` of those that hold ``match``, anywhere in OUT where that is empty."""
    words = [str(TESTS / "faults/killed.py"), str(number), match or str(data.out), *command(task, data)]
    launcher = [*LAUNCHER, str(processes)] if processes > 1 else []
    return subprocess.run(
        [sys.executable, *launcher, *words],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )


def outcome(task: str, out: Path) -> dict[str, bytes]:
    """What must be the same to the byte."""
    found = [path for part in SAME[task] for path in out.glob(part)]
    return {str(path.relative_to(out)): path.read_bytes() if path.is_file() else b"folder" for path in found}


def is_whole(path: Path) -> bool:
    """Whether a file that has its name can be read to its end."""
    content = path.read_bytes() if path.is_file() else b"\n"
    if path.suffix != ".gz":
        return path.suffix not in (".csv", ".json") or content.endswith(b"\n")
    try:
        return bool(gzip.decompress(content))
    except (OSError, EOFError):
        return False


def main(folder: Path, task: str, count: int, processes: int = 1) -> None:
    whole = DataSet(folder / "volumes", folder / "labels", folder / "whole")
    for number, depth in enumerate((5, 4, 6)):
        write_case(whole, f"case_{number}", depth, seed=number)
    done = kill(task, whole, 10**9, processes=processes)
    calls = max(int(line.split()[-1]) for line in done.stdout.splitlines() if line.startswith("calls "))
    wanted = outcome(task, whole.out)
    identical = 0
    for n in range(count):
        number = 1 + n * calls // count
        data = whole._replace(out=folder / "killed")
        killed = kill(task, data, number, processes=processes)
        half = [path for part in SAME[task] for path in data.out.glob(part) if not is_whole(path)]
        again = kill(task, data, 10**9, processes=processes)
        died = killed.returncode == (-9 if processes == 1 else 1)
        same = died and not half and again.returncode == 0 and outcome(task, data.out) == wanted
        identical += same
        if not same:
            told = again.stderr[-400:]
            print(f"call {number}: {killed.returncode} {half} {again.returncode} {told}", flush=True)
        shutil.rmtree(data.out)
    print(f"{task}: {identical} of {count} kills ({calls} calls) ended in identical bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:]))
