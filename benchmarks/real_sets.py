"""Score a backbone on sets of real recordings, beside two answers that need no network.

    python benchmarks/real_sets.py DATA OUT [KEY=VALUE]...

DATA holds one folder per set, each with volumes/ and labels/. Every set is run by `usframe run all_prompts` into
OUT/<set>; the KEY=VALUE pairs go to it as they are (``backbone=demo checkpoint=mine.pt``). Prints a table of
mean Dice over cases, per object of every set, and the macro mean over those objects. The two answers are the box
prompt filled, and the ellipse inscribed in it; like the network, they see the largest piece of an object and are
scored against all of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from usframe import Prompt, Segmentation
from usframe.cases import pair_cases, read_labels, read_volume
from usframe.metrics import score_case, summarise
from usframe.plugins import Plugins, load_plugins
from usframe.prompting import make_prompts


def ellipse(prompt: Prompt, shape: tuple[int, int]) -> np.ndarray:
    """The ellipse inscribed in the box, (H, W) bool."""
    left, top, right, bottom = prompt.box
    y, x = np.mgrid[: shape[0], : shape[1]]
    across = (x - (left + right) / 2) / ((right - left + 1) / 2)
    down = (y - (top + bottom) / 2) / ((bottom - top + 1) / 2)
    return across**2 + down**2 <= 1


def filled(prompt: Prompt, shape: tuple[int, int]) -> np.ndarray:
    """All pixels of the box, (H, W) bool."""
    left, top, right, bottom = prompt.box
    y, x = np.mgrid[: shape[0], : shape[1]]
    return (x >= left) & (x <= right) & (y >= top) & (y <= bottom)


ANSWERS = {"filled box": filled, "inscribed ellipse": ellipse}


def without_network(folder: Path, plugins: Plugins) -> dict:
    """The summary of `ANSWERS` over a set, every object drawn by itself."""
    rows = []
    for case in pair_cases(folder / "volumes", folder / "labels", readers=plugins.readers):
        volume = read_volume(case.volume, plugins=plugins)
        labels = read_labels(case, volume, plugins=plugins).data
        prompts = make_prompts(labels, plugins.prompts.get("box"))
        for name, draw in ANSWERS.items():
            for object_id in sorted({prompt.object_id for prompt in prompts}):
                mine = [prompt for prompt in prompts if prompt.object_id == object_id]
                mask = np.zeros(labels.shape, np.uint8)
                for prompt in mine:
                    mask[prompt.frame][draw(prompt, labels.shape[1:])] = object_id
                answer = Segmentation(mask, (object_id,), np.full((1, len(mask)), np.nan, np.float32))
                truth = np.where(labels == object_id, labels, 0)
                prompted = {object_id: {prompt.frame for prompt in mine}}
                rows += score_case(case.name, name, "slice", truth, answer, volume.spacing_mm, prompted)
    return summarise(rows, resamples=1)


def main(data: Path, out: Path, *overrides: str) -> None:
    plugins, sets = load_plugins(), sorted(path.name for path in data.iterdir() if (path / "volumes").is_dir())
    scores: dict[str, dict[str, float]] = {}
    for name in sets:
        where = [f"volumes={data / name / 'volumes'}", f"labels={data / name / 'labels'}", f"out={out / name}"]
        command = [sys.executable, "-m", "usframe", "run", "all_prompts", *where, "overlays=false", *overrides]
        subprocess.run([*command, "--quiet"], check=True)
        summary = json.loads((out / name / "summary.json").read_text(encoding="utf-8"))["scores"]
        for prompt, objects in {**summary, **without_network(data / name, plugins)}.items():
            for object_id, slices in objects.items():
                if object_id != "macro":
                    scores.setdefault(prompt, {})[f"{name} {object_id}"] = slices["all"]["dice"]["mean"]
    columns = list(next(iter(scores.values())))
    print("| prompt |", " | ".join([*columns, "macro"]), "|")
    print("|---" * (len(columns) + 2) + "|")
    for prompt, row in scores.items():
        values = [row[column] for column in columns]
        print(f"| {prompt} |", " | ".join(f"{value:.3f}" for value in [*values, float(np.mean(values))]), "|")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
