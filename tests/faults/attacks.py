"""How many attacks on the command do no harm and are told in one line.

    python tests/faults/attacks.py FOLDER [WORDS ...]

FOLDER is new. WORDS: only attacks whose names hold one of them.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
import traceback
from importlib import import_module
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parent))

from attacker import ATTACKS, Scene

KINDS = ("requests", "weights", "files", "pictures", "names", "folders")
WARM = ("predict", "compare", "finetune", "score", "prepare", "preview", "dry_run")


def main(folder: Path, *words: str) -> int:
    for name in KINDS:
        import_module(f"kinds.{name}")
    for name in WARM:
        import_module(f"usframe.tasks.{name}")
    from usframe.plugins import load_plugins

    for entry in load_plugins().readers:
        entry.load()
    chosen = {what: function for what, function in ATTACKS.items() if any(word in what for word in words or ("",))}
    held = 0
    for number, (what, function) in enumerate(chosen.items()):
        scene, started = Scene(folder / str(number)), time.monotonic()
        try:
            function(scene)
            held += 1
            shutil.rmtree(scene.folder)
        except AssertionError as error:
            where = traceback.extract_tb(error.__traceback__)[1].lineno
            print(f"NOT HELD: {what} (line {where}, {scene.folder}): {str(error).strip()[-400:]}", flush=True)
        if (seconds := time.monotonic() - started) > 10:
            print(f"slow: {what} took {seconds:.0f} s", flush=True)
    print(f"attacks: {held} of {len(chosen)} held")
    return int(held < len(chosen))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
