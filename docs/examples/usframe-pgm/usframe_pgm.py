"""Clips as .pgm: grey pictures one after the other, as ffmpeg writes them (-f image2pipe -c:v pgm)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from usframe import ReadError, RequestError, Volume, hookimpl
from usframe.hookspecs import Register
from usframe.types import Grid, Spacing

BLANK = rb"(?:\s|#[^\n]*\n)+"  # a comment goes to the end of its line
HEADER = re.compile(rb"P5" + BLANK + rb"(\d{1,6})" + BLANK + rb"(\d{1,6})" + BLANK + rb"(\d{1,5})\s")


@dataclass(frozen=True, eq=False)
class FileGrid:
    """The order of a file's axes, which a mask of it is written back in; the format has no spacing."""

    layout: str
    affine: NDArray[np.float64] | None = None
    spacing_mm: Spacing | None = None


class Pgm:
    """Clips as .pgm: grey pictures one after the other, as ffmpeg writes them (-f image2pipe -c:v pgm).

    The format: https://netpbm.sourceforge.net/doc/pgm.html, binary (P5), 8 or 16 bits.
    """

    def read(self, path: Path, *, layout: str = "auto", onto: Volume | None = None) -> Volume:
        pictures = list(_pictures(path))
        if len({picture.shape for picture in pictures}) > 1:
            raise ReadError(f"{path}: its {len(pictures)} pictures differ in size")
        return Volume(np.stack(pictures).transpose(_axes(layout)), None, FileGrid(layout))

    def shape(self, path: Path, *, layout: str = "auto") -> tuple[int, int, int]:
        pictures = list(_pictures(path))
        stored = (len(pictures), *pictures[0].shape)
        depth, height, width = (stored[axis] for axis in _axes(layout))
        return depth, height, width

    def write(self, path: Path, mask: NDArray[np.uint8], grid: Grid) -> None:
        own = grid.layout if isinstance(grid, FileGrid) else "auto"
        with path.open("wb") as file:
            for picture in mask.transpose(np.argsort(_axes(own))):
                file.write(b"P5 %d %d 255\n" % picture.shape[::-1] + picture.tobytes())


def _axes(layout: str) -> list[int]:
    """Which of the stored axes are D, H and W."""
    if layout == "auto":
        return [0, 1, 2]
    if sorted(layout) != ["d", "h", "w"]:
        raise RequestError(f"layout={layout}: must be auto or an order of the letters d, h and w, such as hwd")
    return [layout.index(axis) for axis in "dhw"]


def _pictures(path: Path) -> Iterator[NDArray[np.integer]]:
    """The pictures (H, W) of a file, one at least. Raises `ReadError` in one line."""
    try:
        stored = path.read_bytes()
    except OSError as error:
        raise ReadError(f"{path}: cannot be read ({error.strerror})") from error
    place = 0
    while place < len(stored) or not place:
        header = HEADER.match(stored, place)
        if not header:
            raise ReadError(f"{path}: no binary .pgm, or damaged, at byte {place}")
        width, height, brightest = map(int, header.groups())
        kind = np.dtype("u1" if brightest < 256 else ">u2")
        place = header.end() + width * height * kind.itemsize
        if place > len(stored) or not width * height:
            raise ReadError(f"{path}: its last picture is cut")
        yield np.frombuffer(stored, kind, width * height, header.end()).reshape(height, width)


@hookimpl
def usframe_register_readers(register: Register) -> None:
    register("pgm", Pgm, suffixes=(".pgm",))
