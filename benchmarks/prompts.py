"""What each prompt costs and what it brings: time per slice, peak memory and Dice, as a table for docs/prompts.md.

    python benchmarks/prompts.py [BACKBONE] [WEIGHTS] [ROUNDS]

One process per prompt and mode, on simulated volumes with one prompt per object and slice, or, propagated, on the
largest slice of each object. Time is the median of ROUNDS, without loading: processor time of one thread, which a
busy machine does not change much, or on a GPU that of the clock. Memory is the peak of the process, or of the GPU.
WEIGHTS: pretrained (the default), random, which takes as long and has no Dice, or a file.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from statistics import mean, median

PROMPTS = ("point", "box", "box+point", "mask", "mask+point")
MODES = ("slice", "propagate")
SCENES = ("heart", "vessel", "nerve")
SHAPE = (16, 192, 224)
MB = 2**20


def main(backbone: str = "demo", weights: str = "pretrained", rounds: str = "3") -> None:
    print("| prompt | slice: ms per slice | memory, MB | Dice | propagated: ms per slice | memory, MB | Dice |")
    print("|---|---|---|---|---|---|---|")
    for prompt in PROMPTS:
        cells = [f"`{prompt}`"]
        for mode in MODES:
            words = [sys.executable, __file__, "--one", backbone, weights, rounds, prompt, mode]
            done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
            spent, memory, dice = map(float, done.stdout.split())
            cells += [f"{spent:.0f}", f"{memory:.0f}", "-" if weights == "random" else f"{dice:.3f}"]
        print(f"| {' | '.join(cells)} |", flush=True)


def measure(backbone: str, weights: str, rounds: int, name: str, mode: str) -> tuple[float, float, float]:
    """(ms per slice, peak memory in MB, mean Dice of objects and volumes)."""
    import torch

    import usframe
    from usframe.prompting import make_prompts
    from usframe.prompting.frames import choose_frames

    torch.set_num_threads(1)
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    network = usframe.load_backbone(backbone, checkpoint=None if weights == "pretrained" else weights)
    strategy = usframe.load_plugins().prompts.get(name)
    spent, scores = [], []
    for seed, scene in enumerate(SCENES):
        scan = usframe.simulate(seed=seed, shape=SHAPE, scene=scene)
        chosen = choose_frames(scan.labels, "largest") if mode == "propagate" else None
        prompts = make_prompts(scan.labels, strategy, frames=chosen)
        volume = usframe.Volume(scan.image, spacing_mm=None)
        for _ in range(rounds + 1):  # the first is to warm up
            begun = clock()
            answer = usframe.segment(volume, prompts, network, mode=mode)
            spent.append((clock() - begun) / len(scan.labels))
        del spent[-rounds - 1]
        scores += dice_of(answer.mask, scan.labels, chosen)
    return 1000 * median(spent), peak_memory(), mean(scores)


def dice_of(answer, labels, chosen: Mapping[int, list[int]] | None) -> list[float]:
    """The Dice of each object, over its slices without a prompt where slices were ``chosen``."""
    import numpy as np

    found = []
    for one in map(int, np.unique(labels[labels > 0])):
        kept = np.setdiff1d(np.arange(len(labels)), chosen[one] if chosen else [])
        mine, theirs = answer[kept] == one, labels[kept] == one
        found.append(2 * (mine & theirs).sum() / max(1, mine.sum() + theirs.sum()))
    return found


def peak_memory() -> float:
    import resource

    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        name, weights, rounds, prompt, mode = sys.argv[2:]
        print(*measure(name, weights, int(rounds), prompt, mode))
    else:
        main(*sys.argv[1:])
