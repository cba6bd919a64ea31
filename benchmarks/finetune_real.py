"""Fine-tune a backbone on part of two sets of real recordings, and score it on the rest before and after.

    python benchmarks/finetune_real.py DATA OUT [KEY=VALUE]...

DATA holds carotid/ and camus/, each with volumes/ and labels/. Recordings seq01 to seq04 of carotid and the
patients of camus up to 50 are trained on, seq06 and those up to 60 choose the best step, and seq07 to seq09 and
the later patients are scored. The KEY=VALUE pairs go to `usframe run finetune`. Prints mean Dice over the
scored cases per object.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SETS = {"carotid": ("seq05", "seq07", r"^(seq\d+)"), "camus": ("patient0051", "patient0061", r"^(patient\d+)")}
PROMPTS = ("box", "point")


def usframe(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "usframe", "run", *map(str, words)], check=True)


def main(data: Path, out: Path, *overrides: str) -> None:
    print("| set | object | prompt | before | after | gain | inscribed ellipse |\n|---|---|---|---|---|---|---|")
    for name, (validated, scored, group) in SETS.items():
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        files = ["-i", data / name / "volumes", "-l", data / name / "labels"]
        cases = sorted(path.name.removesuffix(".nii.gz") for path in (data / name / "volumes").iterdir())
        split = {
            "train": [case for case in cases if case < validated],
            "val": [case for case in cases if validated <= case < scored],
        }
        (folder / "splits.json").write_text(json.dumps([split]), encoding="utf-8")
        trained = folder / "trained"
        splits = [f"splits={folder / 'splits.json'}", f"group='{group}'"]
        usframe("finetune", *files, *splits, "-o", trained, "--quiet", *overrides)
        backbone = json.loads((trained / "run.json").read_text(encoding="utf-8"))["backbone"]
        rest = f"cases=[{','.join(case for case in cases if case >= scored)}]"
        scores = {}
        for when, checkpoint in (("before", []), ("after", ["--checkpoint", trained / "checkpoint_best.pt"])):
            prompts = [word for prompt in PROMPTS for word in ("-p", prompt)]
            run = [*files, rest, *prompts, f"backbone={backbone}", "overlays=false", *checkpoint]
            usframe(*run, "-o", folder / when, "--quiet", "device=cpu")
            scores[when] = json.loads((folder / when / "summary.json").read_text(encoding="utf-8"))["scores"]
        print_rows(name, scores["before"], scores["after"])


def print_rows(name: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    for object_id in (one for one in before["box"] if one != "macro"):
        ellipse = mean(before["ellipse"], object_id)
        for prompt in PROMPTS:
            old, new = mean(before[prompt], object_id), mean(after[prompt], object_id)
            row = (f"{value:.3f}" for value in (old, new, new - old, ellipse))
            print(f"| {name} | {object_id} | {prompt} |", " | ".join(row), "|", flush=True)


def mean(objects: dict[str, Any], object_id: str) -> float:
    return float(objects[object_id]["all"]["dice"]["mean"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
