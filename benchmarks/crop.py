"""What `crop=scan` is worth where a reconstructed volume's scan fills a tenth of its slices.

    python benchmarks/crop.py [CASES] [SLICES]

Simulated volumes and the demo network: Dice of the volume as it is, of the same in black slices of ten times its
area, and of those with `crop=scan`; both modes, each prompt from the labels. One seed per case, 0 on.
"""

from __future__ import annotations

import sys
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

import usframe
from usframe.config.schema import Mode
from usframe.prompting.frames import choose_frames, find_extents
from usframe.prompting.strategies import make_prompts

AREA = 10
PROMPTS = ("box", "point")


def main(cases: str = "4", slices: str = "16") -> None:
    backbone = usframe.load_backbone("demo", device="cpu")
    print("| mode | prompt | as it is | a tenth of the slice | crop=scan |\n| --- | --- | --- | --- | --- |")
    for mode in get_args(Mode):
        for prompt in PROMPTS:
            rows = np.array([compare(seed, int(slices), mode, prompt, backbone) for seed in range(int(cases))])
            print(f"| {mode} | {prompt} | " + " | ".join(f"{one:.3f}" for one in rows.mean(0)) + " |", flush=True)


def compare(seed: int, slices: int, mode: Mode, prompt: str, backbone: usframe.Backbone) -> list[float]:
    """Macro Dice of one volume, of the same in larger slices, and of these cropped."""
    clip = usframe.simulate(seed, shape=(slices, 192, 192))
    image, labels = (clip.image * 255).astype(np.uint8), clip.labels
    large, marked = padded(image), padded(labels)
    return [
        dice(image, labels, mode, prompt, backbone, "none"),
        dice(large, marked, mode, prompt, backbone, "none"),
        dice(large, marked, mode, prompt, backbone, "scan"),
    ]


def padded(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    _, height, width = array.shape
    more = [round(side * (AREA**0.5 - 1) / 2) for side in (height, width)]
    return np.pad(array, ((0, 0), (more[0], more[0]), (more[1], more[1])))


def dice(
    image: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    mode: Mode,
    prompt: str,
    backbone: usframe.Backbone,
    crop: Any,
) -> float:
    rule = "largest" if mode == "propagate" else "every:1"
    frames = choose_frames(labels, rule, find_extents(None, len(labels), labels))
    strategy = usframe.load_plugins().prompts.get(prompt)
    prompts = make_prompts(labels, strategy, frames=frames)
    mask = usframe.segment(usframe.Volume(image), prompts, backbone, mode=mode, crop=crop).mask
    found = [
        2 * ((mask == one) & (labels == one)).sum() / ((mask == one).sum() + (labels == one).sum())
        for one in frames
    ]
    return float(np.mean(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
