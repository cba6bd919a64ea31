"""Whether memory, open files and time per case stay as they are over many cases.

    python tests/faults/soak.py FOLDER [COUNT]

FOLDER is new. COUNT small volumes (2,000) are segmented and scored in one run; its memory is read every second.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from conftest import DataSet, write_case

ALLOWED = 0.05  # of the memory after the first fifth


def measure(process: subprocess.Popen[bytes]) -> tuple[float, int]:
    """MB that only the process at work holds, and its open files; zeros where it has ended."""
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        place = Path("/proc") / (children[0] if children else str(process.pid))
        private = next(line for line in (place / "status").read_text().splitlines() if line.startswith("RssAnon"))
        return int(private.split()[1]) / 1024, len(list((place / "fd").iterdir()))
    except (OSError, StopIteration):
        return 0.0, 0


def main(folder: Path, count: int) -> int:
    data = DataSet(folder / "volumes", folder / "labels", folder / "out")
    for number in range(count):
        write_case(data, f"case_{number:04}", 4, seed=number)
    words = data.request("-p", "box", "overlays=false", "--quiet")
    command = [sys.executable, "-m", "usframe", *words]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    seen: dict[int, tuple[float, int, float]] = {}
    started = time.monotonic()
    while process.poll() is None:
        done = len(list((data.out / ".usframe/cases").glob("*.json")))
        memory, files = measure(process)
        fifth = 5 * done // count
        if fifth and memory and fifth not in seen:
            seen[fifth] = (memory, files, time.monotonic() - started)
            print(f"{done} cases: {memory:.0f} MB, {files} open files, {seen[fifth][2]:.0f} s", flush=True)
        time.sleep(1)
    first, last = seen[1][0], seen[max(seen)][0]
    growth = last / first - 1
    print(f"soak: {count} cases, status {process.returncode}, memory {growth:+.1%} from the first fifth to the end")
    return int(process.returncode != 0 or growth > ALLOWED)


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2000))
