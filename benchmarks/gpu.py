"""The tables of `benchmarks/speed.py` on a GPU, and what its parts and larger work take there; 20 minutes at most.

    python benchmarks/gpu.py [quick] [speed] [parts] [work] [BACKBONE]

Prints Markdown, and keeps it with the machine's name in ``gpu-MACHINE.md`` of the working folder. Without a GPU the
same runs on the processor, to try the script: name a small backbone, such as demo-128, and ``quick``.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from speed import AGREE, cases, describe, draw, load, measure_peak, row, settle
from work import DEVICE, table

from usframe import Memory
from usframe.inference.decoding import best_candidates

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


if __name__ == "__main__":
    main(*sys.argv[1:])
