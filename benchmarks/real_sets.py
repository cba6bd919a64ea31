"""Score a backbone on sets of real recordings, beside the answers that need no network.

    python benchmarks/real_sets.py DATA OUT [KEY=VALUE]...

DATA holds one folder per set, each with volumes/ and labels/. Every set is run by `usframe run all_prompts` into
OUT/<set>; the KEY=VALUE pairs go to it as they are (``backbone=demo checkpoint=mine.pt``). Prints a table of
mean Dice over cases, per object of every set, and the macro mean over those objects. The answers without a network
see the largest piece of an object, like the prompts, and are scored against all of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np


def main(data: Path, out: Path, *overrides: str) -> None:
    sets = sorted(path.name for path in data.iterdir() if (path / "volumes").is_dir())
    scores: dict[str, dict[str, float]] = {}
    for name in sets:
        where = [f"volumes={data / name / 'volumes'}", f"labels={data / name / 'labels'}", f"out={out / name}"]
        command = [sys.executable, "-m", "usframe", "run", "all_prompts", *where, "overlays=false", *overrides]
        subprocess.run([*command, "--quiet"], check=True)
        summary = json.loads((out / name / "summary.json").read_text(encoding="utf-8"))["scores"]
        for prompt, objects in summary.items():
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
