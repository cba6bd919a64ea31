"""Tables, counts and other lines of plain text, for the terminal."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usframe.data.fingerprint import OBJECT
from usframe.errors import escape

SHADES = " .:-=+*#%@"
STATISTICS = ("min", "median", "max", "n")


def columns(lines: Sequence[Sequence[str]], *, left: Collection[int] | None = None) -> str:
    """``lines`` of as many cells each with their columns aligned, two spaces apart, no blanks at the end.

    ``left``: the numbers of the columns that are aligned at the left, None for all; the others are at the right.
    """
    lines = [[escape(cell) for cell in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = [str.ljust if left is None or n in left else str.rjust for n in range(len(widths))]
    return "\n".join(
        "  ".join(align(cell, width) for align, cell, width in zip(aligned, line, widths, strict=True)).rstrip()
        for line in lines
    )


def counted(number: int, what: str) -> str:
    """1 case, 2 cases."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def lasting(seconds: float) -> str:
    """1.2 s, 3 min 4 s, 2 h 5 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def about(seconds: float) -> str:
    """As `lasting`, no more exact than an estimate is: about 8 s, about 12 min, about 2 h 5 min."""
    if seconds < 60:
        return f"about {max(round(seconds), 1)} s"
    return f"about {round(seconds / 60)} min" if seconds < 3570 else f"about {lasting(round(seconds / 60) * 60)}"


def picture(plane: NDArray[np.float32], width: int = 48, height: int = 20) -> list[str]:
    """A slice (H, W) of grey values from 0 to 1 in lines of letters, dark to bright, for a terminal.

    At most ``width`` letters by ``height`` lines; a letter is twice as high as wide. Contrast is stretched.
    """
    import cv2

    rows, columns = plane.shape
    scale = min(width / columns, 2 * height / rows)
    size = max(round(columns * scale), 1), max(round(rows * scale / 2), 1)
    small: Any = cv2.resize(np.ascontiguousarray(plane), size, interpolation=cv2.INTER_AREA)
    bright = np.clip(small / max(float(np.quantile(small, 0.99)), 1e-6), 0, 1)
    letters = np.array(list(SHADES))[np.rint(bright * (len(SHADES) - 1)).astype(int)]
    return ["".join(line).rstrip() for line in letters]


def written(out: Path, names: Iterable[str]) -> str:
    """The line that says which of the files and folders ``names`` are there in ``out``."""
    return f"Wrote {escape(str(out))}/: {', '.join(name for name in names if (out / name).exists())}"


def fingerprint_lines(summary: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """The answer of `usframe.data.fingerprint.summarise_fingerprint` as cells, a line per quantity."""
    lines = [["over cases", *STATISTICS]]
    lines += [
        [name.replace(OBJECT, "object ").replace("_", " "), *(short(values[key]) for key in STATISTICS)]
        for name, values in summary.items()
    ]
    return lines


def short(value: float) -> str:
    """Four digits, or all of a whole number's."""
    return f"{value:.0f}" if value == round(value) or abs(value) >= 1000 else f"{value:.4g}"
