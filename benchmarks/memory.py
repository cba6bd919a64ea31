"""Whether propagation through a long volume needs more memory than through a short one, beyond the volume itself.

    python benchmarks/memory.py [BACKBONE] [SHORT] [LONG] [SIDE]

    python benchmarks/memory.py table [SLICES] [SIDE] [FORMAT ...]

The first: random weights, three objects that are prompted on different slices, one process per length. Prints for
each the peak memory, what the volume takes of it (its own array and the mask) and the rest,
and the ratio of the rests; on a GPU also the peak there.

The second: what `usframe run` needs for one case of SLICES x SIDE x SIDE with scores, pictures and masks written,
beyond what it needs for a tiny one, and that as a multiple of the array as stored. "own" are pages that only memory
can hold (RssAnon), "with files" are all resident pages (VmRSS), also those of mapped files, which the system takes
away when it needs them; both of all processes of the run, looked at every 20 ms. Linux only.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

MB = 2**20
FORMATS = ("uint8.npy", "uint8.nii.gz", "int16.nii", "float32.nii.gz")


def main(name: str = "demo", short: str = "60", long: str = "600", side: str = "256") -> None:
    rests = []
    for slices in (short, long):
        done = subprocess.run(
            [sys.executable, __file__, "--one", name, slices, side], capture_output=True, text=True, check=True
        )
        peak, volume, device = map(float, done.stdout.split())
        rests.append((peak - volume, device))
        gpu = f", GPU {device:.0f} MB" if device else ""
        print(f"{slices} slices: peak {peak:.0f} MB, volume {volume:.0f} MB, rest {peak - volume:.0f} MB{gpu}")
    (first, first_gpu), (last, last_gpu) = rests
    print(f"rest of {long} slices / rest of {short} slices: {last / first:.2f}")
    if first_gpu:
        print(f"GPU, {long} slices / {short} slices: {last_gpu / first_gpu:.2f}")


def measure(name: str, slices: int, side: int) -> tuple[float, float, float]:
    """(peak of this process, the volume's share of it, peak on the GPU) in MB."""
    import numpy as np
    import torch

    import usframe

    backbone = usframe.load_backbone(name, checkpoint="random")
    data = np.random.default_rng(0).integers(0, 255, (slices, side, side), np.uint8)
    box = np.array([side / 4, side / 4, side / 2, side / 2], np.float32)
    prompts = [usframe.Prompt(slices * part // 4, part, box=box + 10 * part) for part in (1, 2, 3)]
    answer = usframe.segment(usframe.Volume(data), prompts, backbone, mode="propagate")
    peak = peak_memory()
    volume = data.nbytes + answer.mask.nbytes
    device = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    return peak / MB, volume / MB, device / MB


def peak_memory() -> int:
    """The most memory that this process has had, bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 2**10)


def table(slices: str = "600", side: str = "512", *formats: str) -> None:
    print("| format | mode | objects | stored | own | x stored | with files | x stored | seconds |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for form in formats or FORMATS:
            for objects in (1, 4):
                small, large = Path(folder, "small"), Path(folder, "large")
                write_case(small, (6, 48, 48), form, objects)
                stored = write_case(large, (int(slices), int(side), int(side)), form, objects) / MB
                for mode in ("slice", "propagate"):
                    least, most = run_case(small, mode), run_case(large, mode)
                    own, files = most[0] - least[0], most[1] - least[1]
                    print(
                        f"| {form} | {mode} | {objects} | {stored:.0f} MB | {own:.0f} MB | {own / stored:.2f} "
                        f"| {files:.0f} MB | {files / stored:.2f} | {most[2]:.0f} |",
                        flush=True,
                    )


def write_case(folder: Path, shape: tuple[int, int, int], form: str, objects: int, case: str = "case") -> int:
    """A volume of noise with discs and their labels in ``folder``; the bytes of the volume as an array."""
    import nibabel as nib
    import numpy as np

    kind, _, suffix = form.partition(".")
    depth, height, width = shape
    rng, (y, x) = np.random.default_rng(0), np.ogrid[:height, :width]
    volume, labels = np.empty(shape, kind), np.zeros(shape, np.uint8)
    for n in range(1, depth - 1):
        for one in range(objects):
            away = np.hypot(y - height * (1 + 2 * (one // 2)) / 4, x - width * (1 + 2 * (one % 2)) / 4)
            labels[n][away < height / 8] = one + 1
        grey = np.clip(0.3 + 0.3 * (labels[n] > 0) + 0.1 * rng.standard_normal((height, width)), 0, 1)
        volume[n] = grey if kind == "float32" else grey * (255 if kind == "uint8" else 3000)
    for name, array in (("volumes", volume), ("labels", labels)):
        path = folder / name / f"{case}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if suffix == "npy":
            np.save(path, array)
        else:
            nib.save(nib.Nifti1Image(array.T, np.diag([0.3, 0.3, 0.5, 1])), path)
    return volume.nbytes


def run_case(folder: Path, mode: str) -> tuple[float, float, float]:
    """(own memory at its peak in MB, that with pages of files, seconds) of `usframe run` on ``folder``."""
    done = subprocess.run(
        [sys.executable, __file__, "--run", str(folder), mode], capture_output=True, text=True, check=True
    )
    own, files, seconds = map(float, done.stdout.split()[-3:])
    return own, files, seconds


def watched_run(folder: Path, mode: str) -> None:
    """Run in this process and those that it starts, and print what `run_case` reads."""
    from usframe.cli import main as usframe

    own, files, started, done = 0, 0, time.perf_counter(), threading.Event()

    def watch() -> None:
        nonlocal own, files
        while not done.wait(0.02):
            pages = [pages_of(process) for process in family(os.getpid())]
            own, files = max(own, sum(one for one, _ in pages)), max(files, sum(both for _, both in pages))

    threading.Thread(target=watch, daemon=True).start()
    where = ["-i", str(folder / "volumes"), "-l", str(folder / "labels"), "-o", str(folder / mode)]
    more = ["--backbone", "demo", "--device", "cpu", "--quiet", "--mode", mode, "overlays=true", "overwrite=true"]
    sys.argv = ["usframe", "run", *where, *more]
    try:
        usframe()
    except SystemExit as end:
        if end.code:
            raise
    done.set()
    print(own / 2**10, files / 2**10, time.perf_counter() - started)


def family(process: int) -> list[int]:
    """A process, its children and theirs, those of at least a second: a younger one may still share its parent's
    memory, and count it twice.
    """
    found = [process]
    for one in found:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            with suppress(OSError):
                found += [child for child in map(int, children.read_text().split()) if age_of(child) >= 1]
    return found


def age_of(process: int) -> float:
    """In seconds."""
    started = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK")


def pages_of(process: int) -> tuple[int, int]:
    """(RssAnon, VmRSS) in kB, 0 for a process that is gone."""
    kept = dict.fromkeys(("RssAnon", "VmRSS"), 0)
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in kept:
                kept[name] = int(value.split()[0])
    return kept["RssAnon"], kept["VmRSS"]


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if sys.argv[1:2] == ["table"]:
        table(*sys.argv[2:])
    elif sys.argv[1:2] == ["--run"]:
        watched_run(Path(sys.argv[2]), sys.argv[3])
    elif sys.argv[1:2] == ["--one"]:
        print(*measure(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
    else:
        main(*sys.argv[1:])
