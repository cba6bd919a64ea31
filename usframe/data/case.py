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


@dataclass(frozen=True, eq=False)
class PromptRow:
    """A prompt as a file states it; ``where``: file and line; ``mask``: a label file; the rest as in `Prompt`."""

    where: str
    frame: int
    object_id: int
    points: NDArray[np.float32] | None = None
    point_labels: NDArray[np.int64] | None = None
    box: NDArray[np.float32] | None = None
    mask: Path | None = None


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
