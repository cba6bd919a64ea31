"""The quick ones of `attacks.py`: each does no harm and is told in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("attacks.py")
QUICK = [
    "an experiment with references that double",
    "an experiment with an environment variable",
    "an experiment with splits without end",
    "prompts with JSON",
    "a checkpoint with a pickle",
    "a list of names for a demo that leave it",
    "a .nrrd with data",
    "a .mhd with",
    "a .tif",
    "a .hdr",
    "names with tags",
    "names with a formula",
    "a manifest with",
    "OUT with a link for its",
    "a record of",
    "a training with code in its optimizer",
]


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="attacks are run in forks")
def test_attacks_are_held(tmp_path: Path) -> None:
    words = [sys.executable, str(SCRIPT), str(tmp_path / "attacks"), *QUICK]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "attacks: " in done.stdout
