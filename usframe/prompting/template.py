"""A table of prompts to fill in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from usframe.data.cases import pair_cases
from usframe.data.volumes import read_shape
from usframe.errors import RequestError
from usframe.files import write_csv
from usframe.plugins import Plugins
from usframe.prompting.files import NEEDED

COLUMNS = (*NEEDED, "box", "points")


def write_template(path: Path, volumes: Path, objects: Sequence[int], plugins: Plugins) -> int:
    """Write a row for every case in ``volumes`` and object, on the middle slice, without a prompt; how many cases.

    Raises `RequestError` where ``path`` is there already or no .csv, `PairingError` where there is no volume,
    `ReadError` for a volume that cannot be read.
    """
    if path.suffix != ".csv":
        raise RequestError(f"{path} is no .csv; take a name such as prompts.csv")
    if path.exists():
        raise RequestError(f"{path} is there already; choose another -o")
    if wrong := [one for one in objects if not 1 <= one <= 255]:
        raise RequestError(f"objects={wrong[0]}: object ids run from 1 to 255")
    cases = pair_cases(volumes, None, readers=plugins.readers)
    middle = {case.name: read_shape(case.volume, plugins=plugins)[0] // 2 for case in cases}
    rows = [{"case": case, "frame": at, "object": one} for case, at in middle.items() for one in objects]
    write_csv(path, COLUMNS, rows)
    return len(cases)
