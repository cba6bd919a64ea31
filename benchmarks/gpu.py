"""The tables of `benchmarks/speed.py` on a GPU, and what its parts and larger work take there; 20 minutes at most.

    python benchmarks/gpu.py [quick] [speed] [parts] [work] [BACKBONE]

Prints Markdown, and keeps it with the machine's name in ``gpu-MACHINE.md`` of the working folder. Without a GPU the
same runs on the processor, to try the script: name a small backbone, such as demo-128, and ``quick``.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from memory import MB, peak_memory
from memory import main as long_and_short
from speed import AGREE, cases, describe, draw, load, measure_peak, recording, row, settle

import usframe
from usframe import Memory, Volume
from usframe.inference.decoding import best_candidates

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
PICTURE = Path(__file__).parents[1] / "docs/cost.png"
MODES = ("slice", "propagate")
TABLES = ("speed", "parts", "work")


def main(*words: str) -> None:
    quick = "quick" in words
    name = next((word for word in words if word not in {"quick", *TABLES}), "medsam2")
    machine = torch.cuda.get_device_name() if DEVICE == "cuda" else "processor"
    kept = Path(f"gpu-{re.sub(r'[^A-Za-z0-9]+', '-', machine)}.md")
    with kept.open("w", encoding="utf-8") as file:
        for line in lines(name, machine, quick, [word for word in words if word in TABLES] or list(TABLES)):
            print(line, flush=True)
            print(line, file=file, flush=True)


def lines(name: str, machine: str, quick: bool, tables: list[str]) -> Iterator[str]:
    yield f"{machine}; {describe(name)}"
    if "parts" in tables:
        yield from parts(name, quick)
    if "speed" in tables:
        for precision in AGREE:
            peak = measure_peak(precision, time.perf_counter, DEVICE)
            yield f"\n{precision} against fp32; one large matrix product: {peak / 1e12:.1f} TFLOP/s\n"
            yield "| case | plain loop, s per slice | usframe | times as fast | of the limit | Dice |"
            yield "|---|---|---|---|---|---|"
            for case in cases(name, precision, quick, ["slices", "propagation", "objects"], DEVICE):
                yield row(case, peak, AGREE[precision], 3 if quick else 5, time.perf_counter)
    if "work" in tables:
        yield from table(name, quick, [])


def parts(name: str, quick: bool) -> Iterator[str]:
    """What one call of each verb takes: medians, after two that are not timed."""
    yield "\n| verb | ms in fp32 | ms in bf16 |\n|---|---|---|"
    columns = [dict(verbs(name, precision, quick)) for precision in AGREE]
    for what in columns[0]:
        yield f"| {what} | {' | '.join(f'{median(column[what]):.2f}' for column in columns)} |"


def verbs(name: str, precision: str, quick: bool) -> Iterator[tuple[str, Callable[[], Any]]]:
    backbone = load(name, precision, DEVICE)
    side = backbone.image_size
    for batch in (1, 4) if quick else (1, 4, 8, 16, 32, 64):
        images = torch.randn(batch, 3, side, side, device=DEVICE)
        yield f"encode {batch}", lambda images=images: backbone.encode(images)
    with torch.inference_mode():
        features = backbone.encode(torch.randn(1, 3, side, side, device=DEVICE))
    for count in (1, 8):
        asked = [draw("box", 0, 1 + n % 3, side) for n in range(count)]
        yield f"decode {count}", lambda asked=asked: backbone.decode(features, asked, [0] * len(asked))
        with torch.inference_mode():
            best = best_candidates(backbone.decode(features, asked, [0] * count))
            known = [Memory(frame, frame == 0, backbone.memorize(features, best)) for frame in range(16)]
        yield f"memorize {count}", lambda best=best: backbone.memorize(features, best)
        yield (
            f"condition {count}",
            lambda known=known: backbone.condition(features, known, frame=16, length=40),
        )


def median(run: Callable[[], Any], runs: int = 9) -> float:
    """Milliseconds."""
    times = []
    with torch.inference_mode():
        for _ in range(runs + 2):
            settle()
            started = time.perf_counter()
            run()
            settle()
            times.append(time.perf_counter() - started)
    return 1000 * float(np.median(times[2:]))


class Cost(NamedTuple):
    """``memory`` in MB: on a GPU the most that was allocated there, else of the process without the volume."""

    slices: int
    objects: int
    mode: str
    seconds: float
    memory: float


def cost(*words: str) -> None:
    """What a volume costs by its slices and objects, and the memory of 600 slices against that of 60.

    The table is drawn as docs/cost.png; with ``quick`` it is small, and drawn as cost.png in the working folder.
    """
    quick = "quick" in words
    name = next((word for word in words if word != "quick"), "demo")
    costs: list[Cost] = []
    for line in table(name, quick, costs):
        print(line, flush=True)
    picture(costs, name, Path("cost.png") if quick else PICTURE)
    long_and_short(name, *(("6", "60") if quick else ("60", "600")))


def table(name: str, quick: bool, costs: list[Cost]) -> Iterator[str]:
    """The lines of the table; what they say is added to ``costs``.

    A box per object: on every slice in slice mode, on the middle one in propagation. On a CPU each volume is
    segmented in a process of its own.
    """
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
