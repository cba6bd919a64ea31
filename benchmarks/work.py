"""What a volume costs by its slices and objects: seconds, and the most memory beyond the volume and its mask.

    python benchmarks/work.py [quick] [BACKBONE]

Random weights, a box per object: on every slice in slice mode, on the middle one in propagation. Prints the table,
draws it as docs/cost.png (with ``quick``, a small one, as cost.png of the working folder), and ends with the memory
of 600 slices against that of 60 (`benchmarks/memory.py`). On a CPU each is a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from memory import MB, peak_memory
from memory import main as long_and_short
from speed import draw, load, recording, settle

import usframe
from usframe import Volume

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
PICTURE = Path(__file__).parents[1] / "docs/cost.png"
MODES = ("slice", "propagate")


class Cost(NamedTuple):
    """``memory`` in MB: on a GPU the most that was allocated there, else of the process without the volume."""

    slices: int
    objects: int
    mode: str
    seconds: float
    memory: float


def main(*words: str) -> None:
    quick = "quick" in words
    name = next((word for word in words if word != "quick"), "demo")
    costs: list[Cost] = []
    for line in table(name, quick, costs):
        print(line, flush=True)
    picture(costs, name, Path("cost.png") if quick else PICTURE)
    long_and_short(name, *(("6", "60") if quick else ("60", "600")))


def table(name: str, quick: bool, costs: list[Cost]) -> Iterator[str]:
    """The lines of the table; what they say is added to ``costs``."""
    yield "\n| slices | objects | slice by slice, s | ms per slice | MB | propagation, s | ms per slice | MB |"
    yield "|---|---|---|---|---|---|---|---|"
    backbone = load(name, "bf16", DEVICE) if DEVICE == "cuda" else None
    for depth in (8, 16) if quick else (32, 128, 512):
        for objects in (1, 2) if quick else (1, 2, 4, 8):
            row = [cost_of(name, depth, objects, mode, backbone) for mode in MODES]
            cells = [f"{one.seconds:.2f} | {1000 * one.seconds / depth:.0f} | {one.memory:.0f}" for one in row]
            costs += row
            yield f"| {depth} | {objects} | {' | '.join(cells)} |"


def cost_of(name: str, depth: int, objects: int, mode: str, backbone: Any = None) -> Cost:
    """With the ``backbone`` that is there, or in a new process."""
    if backbone is not None:
        return Cost(depth, objects, mode, *measured(backbone, depth, objects, mode))
    words = [sys.executable, __file__, "--one", name, str(depth), str(objects), mode]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    seconds, memory = map(float, done.stdout.split()[-2:])
    return Cost(depth, objects, mode, seconds, memory)


def measured(backbone: Any, depth: int, objects: int, mode: Any) -> tuple[float, float]:
    """Seconds and MB, after a short volume that is not measured."""
    side = backbone.image_size
    usframe.segment(Volume(recording(2, side)), [draw("box", 0, 1, side)], backbone, mode=mode)
    volume = Volume(recording(depth, side))
    prompts = [
        replace(draw("box", frame % 40, one % 3 + 1, side), frame=frame, object_id=one + 1)
        for frame in (range(depth) if mode == "slice" else [depth // 2])
        for one in range(objects)
    ]
    if DEVICE == "cuda":
        torch.cuda.reset_peak_memory_stats()
    settle()
    started = time.perf_counter()
    answer = usframe.segment(volume, prompts, backbone, mode=mode)
    settle()
    seconds = time.perf_counter() - started
    if DEVICE == "cuda":
        return seconds, torch.cuda.max_memory_allocated() / MB
    return seconds, (peak_memory() - volume.data.nbytes - answer.mask.nbytes) / MB


def picture(costs: list[Cost], name: str, path: Path) -> None:
    """Seconds and memory over slices, a line for each number of objects and each mode."""
    import matplotlib.pyplot as plt

    from usframe.reporting.style import CURVES

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for axes, field, label in ((left, "seconds", "seconds"), (right, "memory", "MB beyond the volume")):
        for colour, objects in zip(CURVES, sorted({one.objects for one in costs}), strict=False):
            for mode, line in zip(MODES, ("-", "--"), strict=True):
                chosen = [one for one in costs if (one.objects, one.mode) == (objects, mode)]
                x, y = ([getattr(one, key) for one in chosen] for key in ("slices", field))
                axes.plot(x, y, line, marker="o", markersize=3, color=colour, label=f"{objects}, {mode}")
        axes.set(xlabel="slices", ylabel=label, xlim=(0, None), ylim=(0, None))
        axes.spines[["top", "right"]].set_visible(False)
    right.legend(
        title=f"objects, mode ({name})", fontsize=7, title_fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5)
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(*measured(load(sys.argv[2], "fp32"), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]))
    else:
        main(*sys.argv[1:])
