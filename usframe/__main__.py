"""``python -m usframe`` is `usframe`."""

import sys
from pathlib import Path

# Python puts the working folder in front: what lies in it must not stand for the packages that are installed.
if Path(sys.path[0] or ".").resolve() not in Path(__file__).resolve().parents:
    del sys.path[0]

from usframe.cli import main

main(prog_name="usframe")
