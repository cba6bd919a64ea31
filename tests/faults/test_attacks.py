"""The quick ones of `attacks.py`: each does no harm and is told in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("attacks.py")
QUICK = [
    "an experiment with references that double",
    "an experiment with an environment variable in",
    "an experiment with splits without end",
    "prompts with JSON of long numbers",
    "a checkpoint with a pickle in a zip",
    "a list of names for a demo that leave it",
    "a .nrrd with data in a series of text",
    "a .mhd with a colon, then a sign",
    "a .mhd with blanks without end",
    "a .tif of 500 pages in one",
    "names with tags",
    "a manifest with a folder outside",
    "a manifest with a file behind a link",
    "OUT with a link for its lock",
    "a record of rows without columns",
]


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="attacks are run in forks")
def test_attacks_are_held(tmp_path: Path) -> None:
    words = [sys.executable, str(SCRIPT), str(tmp_path / "attacks"), *QUICK]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "attacks: " in done.stdout
