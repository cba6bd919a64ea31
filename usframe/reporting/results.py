"""What the cases of a run leave behind: their results, counted, and those that failed."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, TypedDict

from usframe.errors import shown
from usframe.files import write_file
from usframe.plain import of_fields, read_json
from usframe.reporting.quality import Piece
from usframe.reporting.text import counted
from usframe.scoring.measures import MeasureRow
from usframe.scoring.metrics import Row
from usframe.scoring.quality import QualityRow
from usframe.scoring.rows import Scores

INTERRUPTED = "interrupted"  # the stage of a case that Ctrl-C left undone
GIVEN = "given"  # the mode of masks that were there already
ORACLE, NO_NETWORK = "oracle", "no network"  # what is said beside a prompt
FAILURE_COLUMNS = ("case", "stage", "error")
NUMBER = re.compile(r"\d[\d.e+-]*")


class Failure(TypedDict):
    """A row of failures.csv."""

    case: str
    stage: str
    error: str


class KeptCount(TypedDict, total=False):
    """``kept``: of the encoded slices, those whose embedding was on disk."""

    kept: int


class SliceCounts(KeptCount):
    """``total`` slices, those ``encoded`` by a network and those ``without_object`` (None without labels)."""

    total: int
    encoded: int
    without_object: int | None


class Idle(TypedDict, total=False):
    """``idle_share``: of the time in the network's lane, what it waited for files, scores and pictures."""

    idle_share: float


class Totals(Idle):
    """What run.json says about all cases together. ``seconds_per_stage``: summed over processes."""

    slices: SliceCounts
    seconds_per_stage: dict[str, float]
    notes: list[str]


WITH_NETWORK = "segment"  # the stage in the lane of the network, see `usframe.session.lanes`


@dataclass
class CaseResult:
    """What one case leaves behind besides its masks; plain data, gathered from all processes.

    ``rows``: the scores of sets of slices; ``slice_rows``: those of single slices, where these are scored;
    ``quality``: what the network itself says about each slice; ``measures``: of answers and labels.
    ``fingerprint``: the row of fingerprint.csv, where a data set is described. ``notes``: what was assumed, one
    sentence each. ``seconds``: stage (``read``, ``prompt``, ``segment``, ``postprocess``, ``write``, ``score``,
    ``overlay``, and ``wait``, that of the network for the case) -> wall time. ``slices``: counts of ``total``,
    ``encoded`` and, with labels, ``without_object``.
    ``stage``: the last that was begun, the one that failed where there is an ``error``.
    """

    case: str
    rows: list[Row] = field(default_factory=list)
    slice_rows: list[Row] = field(default_factory=list)
    quality: list[QualityRow] = field(default_factory=list)
    measures: list[MeasureRow] = field(default_factory=list)
    fingerprint: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    slices: dict[str, int] = field(default_factory=dict)
    stage: str = ""
    error: str = ""

    @property
    def seconds_in_line(self) -> float:
        """What the case kept others from the network, waiting for it with them."""
        return sum(self.seconds.get(stage, 0.0) for stage in ("wait", WITH_NETWORK))

    def add(self, scores: Scores) -> None:
        """Take in the scores of an answer."""
        self.rows += scores.rows
        self.slice_rows += scores.slice_rows

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time of a block to its ``stage``."""
        self.stage = stage
        started = time.perf_counter()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - started


@dataclass(frozen=True)
class Kept:
    """A result with what it was made from and the files it came with (their place in OUT -> SHA-256)."""

    result: CaseResult
    inputs: dict[str, Any]
    outputs: dict[str, str]


class KeptAs(TypedDict):
    """How `Kept` is written. ``inputs``: see `usframe.data.cache.describe_inputs`."""

    result: dict[str, Any]
    inputs: dict[str, Any]
    outputs: dict[str, str]


@dataclass(frozen=True)
class Records:
    """A file per case in ``folder``, on disk as soon as the case has ended: of these the tables are made."""

    folder: Path

    def keep(self, kept: Kept) -> None:
        """Raises `WriteError`."""
        Piece(kept.result.quality, kept.result.measures).write(self.piece(kept.result.case))
        result = replace(kept.result, quality=[], measures=[])
        content = json.dumps(asdict(replace(kept, result=result)), default=lambda number: number.item())
        write_file(self._path(kept.result.case), content)

    def read(self, case: str) -> Kept | None:
        """What was kept of a case but its `Piece`, None where there is nothing that can be read."""
        try:
            content: Mapping[str, Any] = read_json(self._path(case), KeptAs)
            result = content["result"]
            known = of_fields(result, CaseResult) and result["case"] == case
            return Kept(CaseResult(**result), content["inputs"], content["outputs"]) if known else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def forget(self, case: str) -> None:
        self._path(case).unlink(missing_ok=True)
        self.piece(case).unlink(missing_ok=True)

    def files(self, case: str) -> tuple[Path, Path]:
        """Where all of a case is kept."""
        return self._path(case), self.piece(case)

    def piece(self, case: str) -> Path:
        """Where the `Piece` of a case is kept."""
        return self.folder / "slices" / self._path(case).name

    def _path(self, case: str) -> Path:
        """Of a long name only the hash, since names have their limits."""
        name = case.encode(errors="surrogateescape")
        return self.folder / (f"{case}.json" if len(name) < 200 else f"{sha256(name).hexdigest()}.json")


def list_failures(results: Sequence[CaseResult]) -> list[Failure]:
    """The rows of failures.csv."""
    return [
        {"case": result.case, "stage": result.stage, "error": result.error} for result in results if result.error
    ]


def print_failures(results: Sequence[CaseResult]) -> None:
    """One line on standard error for every case that failed, and one for those that Ctrl-C left undone."""
    for result in results:
        if result.error and result.stage != INTERRUPTED:
            print(shown(f"Error: case {result.case} ({result.stage}): {result.error}"), file=sys.stderr)
    if undone := [result.case for result in results if result.stage == INTERRUPTED]:
        print(f"Error: interrupted, {counted(len(undone), 'case')} not done (see failures.csv)", file=sys.stderr)


def count_totals(results: Sequence[CaseResult], *, labelled: bool, notes: Sequence[str] = ()) -> Totals:
    """Slices and seconds of all cases together, and what is to be known about them, ``notes`` first."""
    stages: dict[str, float] = {}
    for result in results:
        for stage, spent in result.seconds.items():
            stages[stage] = round(stages.get(stage, 0.0) + spent, 4)

    def total(kind: str) -> int:
        return sum(result.slices.get(kind, 0) for result in results)

    slices: SliceCounts = {
        "total": total("total"),
        "encoded": total("encoded"),
        "without_object": total("without_object") if labelled else None,
    }
    if any("kept" in result.slices for result in results):
        slices["kept"] = total("kept")
    totals: Totals = {"slices": slices, "seconds_per_stage": stages, "notes": [*notes, *_merge_notes(results)]}
    if used := stages.get(WITH_NETWORK, 0.0):
        totals["idle_share"] = round(stages.get("wait", 0.0) / (stages.get("wait", 0.0) + used), 4)
    return totals


def _merge_notes(results: Sequence[CaseResult]) -> list[str]:
    """Every note once, with the number of cases it holds for; those that differ in numbers only are one."""
    found: dict[str, tuple[str, list[str]]] = {}
    for result in results:
        for note in dict.fromkeys(result.notes):
            found.setdefault(NUMBER.sub("#", note), (note, []))[1].append(result.case)
    return [f"{note} ({counted(len(cases), 'case')}, first {cases[0]})" for note, cases in found.values()]
