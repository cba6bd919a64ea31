"""A case: one volume on disk with what belongs to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from usframe.data.meaning import Meaning


@dataclass(frozen=True)
class Detected:
    """A box as detectors state it: its left, top, right and bottom edges, from the corner of the picture.

    ``size``: (width, height) of the picture in the unit of the edges: (1, 1) where they are shares of it, None
    where they are pixels and nothing says of how many.
    """

    edges: tuple[float, float, float, float]
    size: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class PromptRow:
    """A prompt as a file states it; ``where``: file and line; ``mask``: a label file; the rest as in `Prompt`.

    ``pictures``: what the slice may be called where each is a file of its own; ``frame`` is None where nothing else
    says which slice is meant. ``detected``: the box of a detector, instead of ``box``.
    """

    where: str
    frame: int | None
    object_id: int
    points: NDArray[np.float32] | None = None
    point_labels: NDArray[np.int64] | None = None
    box: NDArray[np.float32] | None = None
    mask: Path | None = None
    score: float | None = None
    pictures: tuple[str, ...] = ()
    detected: Detected | None = None


@dataclass(frozen=True)
class Case:
    """One volume on disk, with its labels where there are any.

    ``group``: its patient, "" where each is one. ``meaning``: of the label values of its run.
    """

    name: str
    volume: Path
    labels: Path | None = None
    suffix: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    prompts: Sequence[PromptRow] = ()
    group: str = ""
    meaning: Meaning | None = field(default=None, compare=False, repr=False)

    @property
    def files(self) -> dict[str, Path | None]:
        """What it is made from, by role."""
        return {"volume": self.volume, "labels": self.labels}

    @property
    def size(self) -> int:
        """The bytes of the file of its volume, or of all files of the folder; 0 where that cannot be told."""
        files = self.volume.rglob("*") if self.volume.is_dir() else [self.volume]
        try:
            return sum(file.stat().st_size for file in files if file.is_file())
        except OSError:
            return 0
