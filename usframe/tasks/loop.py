"""The one loop over cases: a failure, whosever it is, stays within its case."""

from __future__ import annotations

import errno
import math
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar

from tqdm import tqdm

from usframe.data.cache import describe_inputs
from usframe.data.case import Case
from usframe.errors import CaseError, UsframeError, WriteError
from usframe.files import HIDDEN, Manifest, write_file
from usframe.plugins.registry import blame
from usframe.reporting.results import INTERRUPTED, CaseResult, Kept, Records
from usframe.tasks import Output
from usframe.tasks.folder import CASES, DONE

Progress: TypeAlias = Callable[[int], object]


class NamedCase(Protocol):
    @property
    def name(self) -> str: ...


C = TypeVar("C", bound=NamedCase)
Work: TypeAlias = Callable[[C, CaseResult, Progress], None]


Keep: TypeAlias = Callable[[CaseResult], None]
SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}
_received: list[int] = []


def run_cases(
    work: Work[C], cases: Sequence[C], output: Output, *, main: bool = True, keep: Keep | None = None
) -> list[CaseResult]:
    """The result of ``work`` on every case, filled in by it; what it raises becomes part of the result.

    Ctrl-C, SIGTERM and SIGHUP end the loop: the cases not done are failures then, with the stage `INTERRUPTED`.
    ``main``: whether this process may show its progress. ``keep`` is given each result as its case ends.
    """
    hidden = output.quiet or output.json or not main or not sys.stderr.isatty()
    results: list[CaseResult] = []
    _received.clear()
    try:
        with interruptible():
            for case in tqdm(cases, unit="case", disable=hidden):
                with tqdm(desc=case.name, unit="slice", leave=False, disable=hidden) as bar:
                    result = run_case(work, case, bar.update)
                if keep:
                    keep(result)
                results.append(result)
    except KeyboardInterrupt:
        left = cases[len(results) :]
        results += [CaseResult(case.name, stage=INTERRUPTED, error="not done") for case in left]
    return results


def run_case(work: Work[C], case: C, progress: Progress = lambda slices: None) -> CaseResult:
    """``work`` on one case."""
    result = CaseResult(case.name)
    try:
        work(case, result, progress)
    except UsframeError as error:
        result.error = str(error)
    except MemoryError:
        result.error = "out of memory; close other programs, or take smaller volumes"
    except (Exception, SystemExit) as error:  # a bug in one case must not cost the others; its traceback is shown
        if isinstance(error, OSError) and error.errno in FULL:
            result.error = f"{error.filename or 'a temporary file'}: {error.strerror}"
        else:
            traceback.print_exc()
            result.error = blame(error)
    if result.error:
        result.rows.clear()
        result.slice_rows.clear()
    return result


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP are as Ctrl-C in here: what was done is still written, undisturbed by a second one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.getsignal(one) for one in SIGNALS}

    def interrupt(number: int, frame: object) -> None:
        _received.append(number)
        for one in SIGNALS:
            signal.signal(one, signal.SIG_IGN)
        raise KeyboardInterrupt

    for one, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(one, interrupt)
    try:
        yield
    finally:
        if not _received:
            for one, handler in before.items():
                signal.signal(one, handler)


def stop_if_interrupted(results: Sequence[CaseResult]) -> None:
    """Raise `KeyboardInterrupt` where Ctrl-C ended the loop, once what was done is written.

    After a signal, `SystemExit` with the status that shells give it: 143 for SIGTERM, 129 for SIGHUP.
    """
    if _received:
        raise SystemExit(128 + _received[0])
    if any(result.stage == INTERRUPTED for result in results):
        raise KeyboardInterrupt


@dataclass
class Session:
    """What this process adds to the records in ``out``, and finds there of others and of earlier sessions."""

    out: Path
    inputs: dict[str, Any] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    @property
    def records(self) -> Records:
        return Records(self.out / HIDDEN / CASES)

    def is_done(self, case: Case) -> bool:
        """Whether a case ended well before and its files and what it left are as they were; else it is new."""
        kept = self.records.read(case.name)
        try:
            if kept and not kept.result.error:
                manifest = Manifest.current
                if describe_inputs(case, kept.inputs) != kept.inputs:
                    print(f"{case.name}: its files have changed, so it is done again", file=sys.stderr)
                elif manifest and all(manifest.has(*output) for output in kept.outputs.items()):
                    self.skipped.append(case.name)
                    return True
        except OSError:
            pass  # the case itself will tell
        self.records.forget(case.name)
        return False

    def work(self, work: Work[Case]) -> Work[Case]:
        """``work``, beginning with a look at what the case is made from."""

        def watched(case: Case, result: CaseResult, progress: Progress) -> None:
            result.stage = "read"
            if Manifest.current:
                Manifest.current.fresh = {}
            try:
                self.inputs[case.name] = describe_inputs(case)
            except OSError as error:
                raise CaseError(f"{error.filename}: cannot be read ({error.strerror})") from error
            work(case, result, progress)

        return watched

    def keep(self, result: CaseResult) -> None:
        """Put a result on disk, and keep only its outcome in memory."""
        outputs = Manifest.current.fresh if Manifest.current else {}
        try:
            self.records.keep(Kept(result, self.inputs.pop(result.case, {}), outputs))
        except WriteError as error:
            result.stage, result.error = "write", result.error or str(error)
        result.rows, result.slice_rows = [], []

    def leave(self, rank: int) -> None:
        """Say that this process has come to its end."""
        write_file(self.out / HIDDEN / DONE / str(rank), "\n".join(self.skipped))

    def wait(self, processes: int, *, interrupted: bool) -> None:
        """Wait until the other processes have come to their end, however long; after Ctrl-C for 5 seconds."""
        until = time.monotonic() + 5 if interrupted else math.inf
        try:
            with interruptible():
                for place in [self.out / HIDDEN / DONE / str(rank) for rank in range(1, processes)]:
                    while not place.exists() and time.monotonic() < until:
                        time.sleep(0.1)
                    if place.exists():
                        self.skipped += place.read_text(encoding="utf-8").split("\n")
        except KeyboardInterrupt:
            pass  # the cases that are not done say so

    def results(self, cases: Sequence[Case], own: Sequence[CaseResult]) -> list[CaseResult]:
        """The result of every case, by name, with what this process could not keep on disk."""
        mine = {result.case: result for result in own}
        found = []
        for name in sorted(case.name for case in cases):
            kept = self.records.read(name)
            undone = CaseResult(name, stage=INTERRUPTED, error="not done")
            found.append(kept.result if kept else mine.get(name, undone))
        return found
