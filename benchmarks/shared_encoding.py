"""How much five prompt strategies gain from sharing the encoding of each slice, against five runs of one.

    python benchmarks/shared_encoding.py [BACKBONE] [SLICES]

Random weights, simulated slices, interleaved repeats on the current device; prints the ratio of the medians.
"""

from __future__ import annotations

import statistics
import sys
import time

from usframe import load_backbone, simulate
from usframe.inference.slices import segment_slices
from usframe.plugins import load_plugins
from usframe.prompting import make_prompts


def main(name: str = "demo", slices: int = 8, repeats: int = 5) -> None:
    plugins = load_plugins()
    backbone = load_backbone(name, checkpoint="random", plugins=plugins)
    scan = simulate(0, shape=(slices, 256, 256), scene="heart")
    prompts = {prompt: make_prompts(scan.labels, plugins.prompts.get(prompt)) for prompt in plugins.prompts.names()}
    together, apart = [], []
    segment_slices(scan.image, prompts, backbone)
    for _ in range(repeats):
        started = time.perf_counter()
        segment_slices(scan.image, prompts, backbone)
        together.append(time.perf_counter() - started)
        started = time.perf_counter()
        for prompt, asked in prompts.items():
            segment_slices(scan.image, {prompt: asked}, backbone)
        apart.append(time.perf_counter() - started)
    ratio = statistics.median(apart) / statistics.median(together)
    print(f"{name}, {slices} slices, {len(prompts)} strategies: a run each takes {ratio:.2f} times as long")


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
