"""What is kept of the cases of a run as each one ends, and found again by the one that goes on."""

from __future__ import annotations

import math
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from usframe.data.cache import describe_inputs
from usframe.data.case import Case
from usframe.errors import CaseError, RequestError, WriteError, escape
from usframe.files import CASES, HIDDEN, Manifest, write_file
from usframe.plugins import Plugins
from usframe.reporting.quality import Piece
from usframe.reporting.results import INTERRUPTED, CaseResult, Kept, Records
from usframe.session import Output, watch
from usframe.session.folder import DONE, QUEUE
from usframe.session.lanes import IN_HAND, Steps, run_lanes
from usframe.session.loop import Keep, Progress, interruptible
from usframe.session.told import Told


@dataclass
class Session:
    """What this process adds to the records in ``out``, and finds there of others and of earlier sessions."""

    out: Path
    plugins: Plugins
    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    @property
    def records(self) -> Records:
        return Records(self.out / HIDDEN / CASES)

    def line_up(self, cases: Sequence[Case]) -> None:
        """Put the cases that are not done into the queue, a file each. Raises `OSError`."""
        queue = self.out / HIDDEN / QUEUE
        shutil.rmtree(queue, ignore_errors=True)
        queue.mkdir()
        for case in cases:
            if not self.is_done(case):
                self._place(case).touch()

    def reserve(self, case: Case) -> bool:
        """Whether this process is to read a case ahead: it is in the queue, and no other does, on any machine."""
        if case.name in watch.line.before.taken:
            return self.take(case)
        try:
            self._place(case).rename(self._ahead(case))
        except FileNotFoundError:
            return False
        return True

    def take(self, case: Case) -> bool:
        """Whether this process is to do a case: no other has taken it."""
        if case.name in watch.line.before.taken:
            return not self.records.read(case.name)  # it may have ended just before its process did
        for place in (self._ahead(case), self._place(case)):
            try:
                place.unlink()
                return True
            except FileNotFoundError:
                continue
        return False

    def _place(self, case: Case) -> Path:
        record, _ = self.records.files(case.name)
        return self.out / HIDDEN / QUEUE / record.name

    def _ahead(self, case: Case) -> Path:
        return self._place(case).with_suffix(".ahead")

    def is_done(self, case: Case) -> bool:
        """Whether a case ended well before and its files and what it left are as they were; else it is new."""
        kept = self.records.read(case.name)
        try:
            if kept and not kept.result.error:
                manifest = Manifest.current
                if describe_inputs(case, self.plugins, kept.inputs) != kept.inputs:
                    print(escape(f"{case.name}: its files have changed, so it is done again"), file=sys.stderr)
                elif manifest and self._is_whole(kept, manifest):
                    self.skipped.append(case.name)
                    return True
        except OSError:
            pass  # the case itself will tell
        self.records.forget(case.name)
        return False

    def _is_whole(self, kept: Kept, manifest: Manifest) -> bool:
        """Whether all that a case left is there as it was."""
        piece = self.records.piece(kept.result.case)
        try:
            Piece.read(piece)
        except (ValueError, TypeError):  # it is not as a run left it
            return False
        return piece.exists() and all(manifest.has(*output) for output in kept.outputs.items())

    def run(
        self,
        steps: Steps,
        cases: Sequence[Case],
        output: Output,
        *,
        share: tuple[int, int] = (0, 1),
        keep: Keep | None = None,
        limit: float = 0.0,
    ) -> list[CaseResult]:
        """`run_lanes` for those of the queue; from here on another process can go on where this one dies.

        ``share``: which process this is, of how many. ``keep``: instead of `Session.keep`. ``limit``: seconds that
        a case may take, 0 is without end. Raises `RequestError` where no limit can be kept.
        """
        if limit and not watch.line.is_watched:
            raise RequestError(f"case_timeout={limit:g} needs the command usframe, on Linux or macOS; leave it out")
        before = watch.line.before
        if before.share:
            self.skipped = [case.name for case in cases if self.records.read(case.name)]
        for case in cases:
            if case.name in before.lost and not self.records.read(case.name):
                self.take(case)
                self.keep(CaseResult(case.name, stage="process", error=before.lost[case.name]))
        watch.line.say(share=share, limit=limit)
        skipped = {*self.skipped}
        left = [case for case in cases if case.name not in skipped]
        told = Told(left, output, first=share[0] == 0, processes=share[1])

        def kept(result: CaseResult) -> None:
            (keep or self.keep)(result)
            told.tell(result)

        in_hand = 1 if before.alone else IN_HAND
        results = run_lanes(self._recorded(steps), cases, self, kept, output, main=share[0] == 0, in_hand=in_hand)
        self.leave(share[0])
        return results

    def _recorded(self, steps: Steps) -> Steps:
        """``steps``, with what the case is made from and what it leaves behind."""

        def recorded(case: Case, result: CaseResult, progress: Progress) -> Iterator[None]:
            result.stage = "read"
            gone = ""
            try:
                self.inputs[case.name] = describe_inputs(case, self.plugins)
            except OSError as error:
                gone = f"{error.filename}: cannot be read ({error.strerror})"
                if not isinstance(error, FileNotFoundError) and Path(str(error.filename)) in case.files.values():
                    raise CaseError(gone) from error
            left = steps(case, result, progress)
            next(left)  # of a missing file, or one that a header names, its reader says more
            if gone:
                raise CaseError(gone)
            if case.meaning:
                self.inputs[case.name]["meaning"] = case.meaning.decided()
            yield
            next(left)
            yield
            if Manifest.current:
                self.outputs[case.name] = Manifest.current.fresh = {}
            yield from left

        return recorded

    def keep(self, result: CaseResult) -> None:
        """Put a result on disk, and keep only its outcome in memory."""
        inputs, outputs = self.inputs.pop(result.case, {}), self.outputs.pop(result.case, {})
        try:
            self.records.keep(Kept(result, inputs, outputs))
        except WriteError as error:
            result.stage, result.error = "write", result.error or str(error)
        for kept in (result.rows, result.slice_rows, result.quality, result.measures):
            kept.clear()

    def seconds_before(self, results: Sequence[CaseResult]) -> float:
        """What the cases took that were not done again."""
        skipped = {*self.skipped}
        return sum(one.seconds_in_line for one in results if one.case in skipped)

    def leave(self, rank: int) -> None:
        """Say that this process has come to its end."""
        write_file(self.out / HIDDEN / DONE / str(rank), "")

    def wait(self, processes: int, *, interrupted: bool) -> None:
        """Wait until the other processes have come to their end, however long; after Ctrl-C for 5 seconds."""
        until = time.monotonic() + 5 if interrupted else math.inf
        try:
            with interruptible(further=True):
                for place in [self.out / HIDDEN / DONE / str(rank) for rank in range(1, processes)]:
                    while not place.exists() and time.monotonic() < until:
                        time.sleep(0.1)
        except KeyboardInterrupt:
            pass  # the cases that are not done say so

    def results(self, cases: Sequence[Case], own: Sequence[CaseResult]) -> list[CaseResult]:
        """The result of every case, by name, with what this process could not keep on disk."""
        mine = {result.case: result for result in own}
        found = []
        for name in sorted(case.name for case in cases):
            kept = self.records.read(name)
            here = mine.get(name, CaseResult(name, stage=INTERRUPTED, error="not done"))
            if not kept and not here.error:
                here.stage, here.error = "write", "its record in OUT is gone; the same command does the case again"
            found.append(kept.result if kept else here)
        return found


@dataclass
class Seldom:
    """Work that is done again and again while cases end, but takes no more than a twentieth of the time."""

    least: float = 60.0  # seconds between two times
    due: float = field(init=False)

    def __post_init__(self) -> None:
        self.due = time.monotonic() + self.least

    def do(self, work: Callable[[], object]) -> None:
        """``work``, where it is due."""
        if (started := time.monotonic()) >= self.due:
            work()
            ended = time.monotonic()
            self.due = ended + max(self.least, 19 * (ended - started))
