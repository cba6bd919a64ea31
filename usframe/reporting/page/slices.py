"""What the page shows of one case, slice by slice: pictures, outlines, prompts, and how far the answers agree.

Each case writes a file of its own, a script that hands over ``[HEAD, BODY]``: numbers on the first line, what is
drawn on the second.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from usframe.data.reading import Reading
from usframe.files import write_file
from usframe.intensity import Slices
from usframe.reporting.page.outlines import outline, outlines
from usframe.reporting.page.pictures import encode_slices, scale
from usframe.scoring.baselines import frames_of
from usframe.scoring.quality import expected_dice
from usframe.types import Prompt, Segmentation, Spacing

FOLDER = "report"  # of OUT
TOLERANCE = 0.75  # pixels of the largest picture that an outline may stray by
BEGIN, END = "usframe_case(\n", ");\n"

Numbers: TypeAlias = dict[str, "list[float | None]"]  # object id -> a number for every slice


@dataclass(eq=False)
class CaseSlices:
    """One case as it is gathered, answer by answer.

    ``shape``: (D, H, W). ``labels``, ``ignored`` (D, H, W) and ``known`` (D,): see `usframe.data.reading.Reading`.
    """

    case: str
    shape: tuple[int, ...]
    labels: NDArray[np.uint8] | None = None
    spacing_mm: Spacing | None = None
    ignored: NDArray[np.bool_] | None = None
    known: NDArray[np.bool_] | None = None
    head: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tolerance = TOLERANCE / scale(self.shape[1:])
        self.head = {"case": self.case, "shape": list(self.shape), "answers": {}}
        if self.spacing_mm is not None:
            self.head["pixel"] = [round(float(side), 6) for side in self.spacing_mm[:0:-1]]
        if self.known is not None:
            self.head["known"] = np.flatnonzero(self.known).tolist()
        self.body = {"answers": {}}

    @classmethod
    def of(cls, case: str, reading: Reading) -> CaseSlices:
        volume, labels = reading.volume, reading.labels
        return cls(case, volume.data.shape, labels, volume.spacing_mm, reading.ignored, reading.known)

    def add(self, prompt: str, answer: Segmentation, prompts: Sequence[Prompt]) -> None:
        """Add the answer to ``prompts`` of a strategy."""
        drawn = [one for one in prompts if not one.learned]
        prompted = {str(one): sorted(frames) for one, frames in sorted(frames_of(drawn).items())}
        told: dict[str, Any] = {"prompted": prompted}
        if self.labels is not None:
            told["dice"] = self._dice(answer.mask)
        expected = {str(one): _rounded(dice) for one, dice in expected_dice(answer).items()}
        if not any(value is not None for line in expected.values() for value in line):
            rows = zip(answer.object_ids, answer.predicted_iou, strict=True)
            expected, told["own"] = {str(one): _rounded(line) for one, line in rows}, "predicted IoU"
        if any(value is not None for line in expected.values() for value in line):
            told["expected"] = expected
        self.head["answers"][prompt] = told
        self.body["answers"][prompt] = {
            "outlines": outlines(answer.mask, self.tolerance),
            "prompts": self._prompts(drawn),
        }

    def write(self, path: Path, data: Slices | None = None) -> None:
        """Write the file; ``data``: (D, H, W) in 0-1, where there is a volume to show. Raises `WriteError`."""
        if self.labels is not None:
            self.body["reference"] = outlines(self.labels, self.tolerance)
        head, drawn = _compact(self.head), _compact(self.body)
        pictures = [] if data is None else encode_slices(data, len(drawn))
        body = f'{{"pictures":{_compact(pictures)},{drawn[1:]}'
        write_file(path, f"{BEGIN}[{head},\n{body}]{END}".replace("<", "\\u003c"))

    def _dice(self, mask: NDArray[np.uint8]) -> Numbers:
        """The Dice of every object on every slice, in its plane; None where it is undefined or unknown."""
        found: Numbers = {}
        for frame, both in enumerate(self._counts(mask)):
            answered, there, shared = both.sum(0), both.sum(1), both.diagonal()
            for one in (np.flatnonzero((answered + there)[1:]) + 1).tolist():
                values = found.setdefault(str(one), [None] * len(mask))
                if self.known is None or self.known[frame]:
                    values[frame] = round(2 * int(shared[one]) / int(answered[one] + there[one]), 3)
        return dict(sorted(found.items(), key=lambda item: int(item[0])))

    def _counts(self, mask: NDArray[np.uint8]) -> Iterator[NDArray[np.intp]]:
        """For every slice how many pixels have which label (rows) and which answer (columns)."""
        assert self.labels is not None
        for frame, (label, answer) in enumerate(zip(self.labels, mask, strict=True)):
            here = label.astype(np.intp) << 8 | answer
            if self.ignored is not None:
                here = here[~self.ignored[frame]]
            yield np.bincount(here.ravel(), minlength=1 << 16).reshape(256, 256)

    def _prompts(self, prompts: Sequence[Prompt]) -> dict[str, list[dict[str, Any]]]:
        """Slice -> what was given there; a mask that is the label itself is ``true``."""
        found: dict[str, list[dict[str, Any]]] = {}
        for one in sorted(prompts, key=lambda one: (one.frame, one.object_id)):
            told: dict[str, Any] = {"object": one.object_id}
            if one.box is not None:
                told["box"] = [round(float(side), 1) for side in one.box]
            if one.points is not None and one.point_labels is not None:
                pairs = zip(one.points, one.point_labels, strict=True)
                told["points"] = [[round(float(x), 1), round(float(y), 1), int(label)] for (x, y), label in pairs]
            if one.mask is not None:
                same = self.labels is not None and np.array_equal(self.labels[one.frame] == one.object_id, one.mask)
                told["mask"] = True if same else outline(one.mask, self.tolerance)
            found.setdefault(str(one.frame), []).append(told)
        return found


def slices_path(out: Path, case: str) -> Path:
    """``OUT/report/<case>.js``."""
    return out / FOLDER / f"{case}.js"


def read_slices(path: Path) -> str | None:
    """``[HEAD, BODY]`` as a run wrote it, JSON without a "<"; None where there is no such file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    if not (text.startswith(BEGIN) and text.endswith(END)) or "<" in text:
        return None
    return text[len(BEGIN) : -len(END)]


def head_of(text: str) -> Mapping[str, Any]:
    """The numbers of what `read_slices` answers. Raises `ValueError`."""
    told: Mapping[str, Any] = json.loads(text.partition("\n")[0][1:-1])
    return told


def _compact(part: Any) -> str:
    return json.dumps(part, separators=(",", ":"), allow_nan=False)


def _rounded(values: NDArray[Any]) -> list[float | None]:
    return [round(float(value), 3) if np.isfinite(value) else None for value in values]
