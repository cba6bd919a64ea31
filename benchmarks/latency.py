"""How long a person waits for the mask under a click, beside one decode of the network.

    python benchmarks/latency.py [BACKBONE]...

Random weights, a simulated volume of 256 x 256 pixels. The first click on a slice waits for its encoding, later
ones do not; kept: with all that is known about the case on disk, as the page and the server do before they answer.
Medians over slices on this device, with the range, in milliseconds.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from usframe import load_backbone, simulate
from usframe.annotation import desk
from usframe.annotation.session import Session
from usframe.geometry import to_model
from usframe.inference.slices import decode_best
from usframe.types import Prompt, Volume

SLICES, CLICKS = 8, 5


def main(*backbones: str) -> None:
    print("| backbone | first click | later clicks | kept | one decode | later click to decode |")
    print("|---" * 6 + "|")
    for name in backbones or ("demo", "medsam2"):
        first, later, kept, decode = measure(name)
        ratio = statistics.median(later) / statistics.median(decode)
        print(f"| {name} |", " | ".join(map(told, (first, later, kept, decode))), f"| {ratio:.2f} |", flush=True)


def measure(name: str) -> tuple[list[float], ...]:
    """Milliseconds of first clicks, of later ones, of these with what is kept on disk, and of decoding alone."""
    scan = simulate(0, shape=(SLICES + 1, 256, 256), scene="mass")
    session = Session(Volume(scan.image), load_backbone(name, checkpoint="random"))
    first, later, kept, decode = ([] for _ in range(4))
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        for frame in range(SLICES + 1):
            points = rng.uniform(60, 200, (CLICKS, 2)).astype(np.float32)
            first.append(clock(lambda frame=frame, xy=points[0]: session.point(frame, xy)))
            for xy in points[1:]:
                later.append(clock(lambda frame=frame, xy=xy: session.point(frame, xy)))
                prompt = session.item.prompts[frame]
                decode.append(clock(lambda prompt=prompt: answer(session, prompt)))
                kept.append(later[-1] + clock(lambda: desk.keep(session, Path(folder), "case")))
    return first[1:], later[CLICKS - 1 :], kept[CLICKS - 1 :], decode[CLICKS - 1 :]  # without the first slice


@torch.inference_mode()
def answer(session: Session, prompt: Prompt) -> None:
    size = session.backbone.image_size
    decode_best(session.backbone, session.encoded(prompt.frame), [to_model(prompt, session.shape, size)], [0])


def clock(what: Callable[[], object]) -> float:
    started = time.perf_counter()
    what()
    return 1000 * (time.perf_counter() - started)


def told(times: list[float]) -> str:
    return f"{statistics.median(times):.0f} ({min(times):.0f} to {max(times):.0f})"


if __name__ == "__main__":
    main(*sys.argv[1:])
