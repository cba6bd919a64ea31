"""Whether propagation through a long volume needs more memory than through a short one, beyond the volume itself.

    python benchmarks/memory.py [BACKBONE] [SHORT] [LONG] [SIDE]

Random weights, three objects that are prompted on different slices, one process per length. Prints for each the
peak memory, what the volume takes of it (its own array, the grey values in 0-1 and the mask) and the rest, and the
ratio of the rests; on a GPU also the peak there.
"""

from __future__ import annotations

import subprocess
import sys

MB = 2**20


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
    import resource

    import numpy as np
    import torch

    import usframe

    backbone = usframe.load_backbone(name, checkpoint="random")
    data = np.random.default_rng(0).integers(0, 255, (slices, side, side), np.uint8)
    box = np.array([side / 4, side / 4, side / 2, side / 2], np.float32)
    prompts = [usframe.Prompt(slices * part // 4, part, box=box + 10 * part) for part in (1, 2, 3)]
    answer = usframe.segment(usframe.Volume(data), prompts, backbone, mode="propagate")
    unit = MB if sys.platform == "darwin" else 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    volume = data.nbytes + 4 * data.size + answer.mask.nbytes
    device = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    return peak / MB, volume / MB, device / MB


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(*measure(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
    else:
        main(*sys.argv[1:])
