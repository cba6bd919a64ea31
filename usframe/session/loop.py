"""The one loop over cases: a failure, whosever it is, stays within its case."""

from __future__ import annotations

import errno
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Protocol, TypeAlias, TypeVar

from tqdm import tqdm

from usframe.errors import UsframeError, escape
from usframe.plugins.registry import blame
from usframe.reporting.results import INTERRUPTED, CaseResult
from usframe.session import Output, watch

Progress: TypeAlias = Callable[[int], object]


class NamedCase(Protocol):
    @property
    def name(self) -> str: ...


C = TypeVar("C", bound=NamedCase)
Work: TypeAlias = Callable[[C, CaseResult, Progress], None]
Keep: TypeAlias = Callable[[CaseResult], None]
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}
_received: list[int] = []


def run_cases(work: Work[C], cases: Sequence[C], output: Output, *, main: bool = True) -> list[CaseResult]:
    """The result of ``work`` on every case, one after the other, filled in by it.

    What it raises becomes part of the result. Ctrl-C, SIGTERM and SIGHUP end the loop: the cases not done are
    failures then, with the stage `INTERRUPTED`. ``main``: whether this process may show its progress.
    """
    hidden = not is_shown(output, main)
    results: list[CaseResult] = []
    try:
        with interruptible():
            for case in tqdm(cases, unit="case", disable=hidden):
                with tqdm(desc=escape(case.name), unit="slice", leave=False, disable=hidden) as bar:
                    results.append(run_case(work, case, bar.update))
    except KeyboardInterrupt:
        left = cases[len(results) :]
        results += [CaseResult(case.name, stage=INTERRUPTED, error="not done") for case in left]
    return results


def is_shown(output: Output, main: bool) -> bool:
    """Whether bars show progress."""
    return is_wanted(output, main) and sys.stderr.isatty()


def is_wanted(output: Output, main: bool) -> bool:
    """Whether this process may tell how far it is, in bars or in lines."""
    return main and not output.quiet and not output.json


def run_case(work: Work[C], case: C, progress: Progress = lambda slices: None) -> CaseResult:
    """``work`` on one case."""
    result = CaseResult(case.name)
    attempt(result, partial(work, case, result, progress))
    return result


def attempt(result: CaseResult, step: Callable[[], object]) -> None:
    """Do a step of a case; what it raises, whosever fault it is, becomes part of the result."""
    try:
        step()
    except UsframeError as error:
        result.error = str(error)
    except MemoryError:
        result.error = "out of memory; close other programs, or take smaller volumes"
    except SystemExit as error:
        result.error = f"code that is not usframe's ended the program: {blame(error)}"
    except Exception as error:  # a bug in one case must not cost the others; its traceback is shown
        if isinstance(error, OSError) and error.errno in FULL:
            result.error = f"{error.filename or 'a temporary file'}: {error.strerror}"
        else:
            traceback.print_exc()
            result.error = blame(error)
    if result.error:
        for kept in (result.rows, result.slice_rows, result.quality, result.measures):
            kept.clear()


@contextmanager
def interruptible(*, further: bool = False) -> Iterator[None]:
    """SIGTERM and SIGHUP are as Ctrl-C in here: what was done is still written, undisturbed by a second one.

    A second Ctrl-C does not disturb a process that is watched; another belongs to the program that called.
    ``further``: the first one may have come in an earlier block.
    """
    if not further:
        _received.clear()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught = watch.PASSED_ON if watch.line.is_watched else watch.ENDING
    before = {one: signal.getsignal(one) for one in caught}

    def interrupt(number: int, frame: object) -> None:
        _received.append(number)
        if len(_received) == 1:
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
    if _received and _received[0] != signal.SIGINT:
        raise SystemExit(128 + _received[0])
    if any(result.stage == INTERRUPTED for result in results):
        raise KeyboardInterrupt
