"""Cases in three lanes: one is read and prompted while the network has another and a third is scored and drawn.

Each lane is a thread that has one case at a time, all in the same order. The network's is the main one, where
Ctrl-C arrives. It waits where reading takes longer than the network does, and where no more cases may be in hand.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from queue import Queue, SimpleQueue
from typing import Any, Protocol, TypeAlias

from tqdm import tqdm

from usframe.data.case import Case
from usframe.errors import escape
from usframe.reporting.results import INTERRUPTED, CaseResult
from usframe.session import Output, watch
from usframe.session.loop import Keep, Progress, attempt, interruptible, is_shown

Steps: TypeAlias = Callable[[Case, CaseResult, Progress], Iterator[None]]
IN_HAND = 3  # cases at a time
GRACE = 5.0  # seconds that a case which the network is through with has after Ctrl-C


class Turns(Protocol):
    """Who does which case, where several processes share them."""

    def reserve(self, case: Case) -> bool:
        """Whether this process is to read a case ahead; no other does so then."""

    def take(self, case: Case) -> bool:
        """Whether this process is to do a case, which no other has begun, and none will."""


@dataclass
class Job:
    """A case on its way: its result so far, and the steps that are left."""

    case: Case
    result: CaseResult
    steps: Iterator[None]
    taken: bool = False

    def step(self) -> None:
        with watch.line.at_work(self.case.name):
            attempt(self.result, partial(next, self.steps, None))


def run_lanes(
    steps: Steps,
    cases: Sequence[Case],
    turns: Turns,
    keep: Keep,
    output: Output,
    *,
    main: bool = True,
    in_hand: int = IN_HAND,
) -> list[CaseResult]:
    """The result of ``steps`` on every case that is this process's, filled in by them.

    ``steps``: a generator that pauses twice, when its case has been read and when the network is through with it;
    what it raises becomes part of the result. ``keep`` is given each result as its case ends. ``main``: whether
    this process may show its progress. ``in_hand``: cases that are begun and have not ended; of 1, nothing
    overlaps. Ctrl-C, SIGTERM and SIGHUP end it: the cases not done are failures then, with the stage `INTERRUPTED`.
    """
    hidden = not is_shown(output, main)
    with _own_stderr(), tqdm(total=len(cases), unit="case", disable=hidden) as bar, interruptible():
        lanes = Lanes(steps, cases, turns, keep, bar, threading.Semaphore(in_hand))
        try:
            lanes.run()
        except KeyboardInterrupt:
            lanes.stop()
            ended = {result.case for result in lanes.results}
            left = [case.name for case in cases if case.name not in ended]
            lanes.results += [CaseResult(name, stage=INTERRUPTED, error="not done") for name in left]
    return lanes.results


@dataclass(eq=False)
class Lanes:
    """The lanes of `run_lanes`, and what lies between them, None behind the last case.

    ``room``: for more cases in hand.
    """

    steps: Steps
    cases: Sequence[Case]
    turns: Turns
    keep: Keep
    bar: tqdm[Any]
    room: threading.Semaphore
    results: list[CaseResult] = field(default_factory=list)
    read: Queue[Job | None] = field(default_factory=Queue)
    through: SimpleQueue[Job | None] = field(default_factory=SimpleQueue)
    reading: threading.Lock = field(default_factory=threading.Lock)
    keeping: threading.Lock = field(default_factory=threading.Lock)
    stopped: bool = False
    error: BaseException | None = None
    finisher: threading.Thread | None = None
    slices: tqdm[Any] | None = None

    def run(self) -> None:
        """Take every case through the network, in this thread. Raises what ``turns`` and ``keep`` raise."""
        reader, self.finisher = self._thread(self._read_all), self._thread(self._finish_all)
        since = time.perf_counter()
        while (job := self.read.get()) and self.error is None:
            if job.taken or self.turns.take(job.case):
                watch.line.say(taken=job.case.name)
                job.result.seconds["wait"] = time.perf_counter() - since
                self._segment(job)
                self.through.put(job)
                since = time.perf_counter()
            else:  # another process was free for it
                watch.line.say(dropped=job.case.name)
                self.room.release()
            self.read.task_done()
        self.through.put(None)
        if self.error is None:
            reader.join()
            self.finisher.join()
        self._end_reading()
        if self.error is not None:
            raise self.error

    def stop(self) -> None:
        """End what can be ended soon, and let the rest come to nothing."""
        watch.line.say(stopped=True)
        self._end_reading()
        self.through.put(None)
        until = time.monotonic() + GRACE
        if self.finisher:
            self.finisher.join(GRACE)
        if self.reading.acquire(timeout=max(0.0, until - time.monotonic())):
            self.reading.release()
        with self.keeping:
            self.error = self.error or KeyboardInterrupt()

    def _end_reading(self) -> None:
        self.stopped = True
        self.room.release()

    def _segment(self, job: Job) -> None:
        desc, hidden = escape(job.case.name), self.bar.disable
        with tqdm(desc=desc, unit="slice", leave=False, disable=hidden) as self.slices:
            job.step()

    def _read_all(self) -> None:
        """Read the cases that no other process has reserved, then, while there is nothing else, those it has."""
        reserved = [case for case in self.cases if not self._read(case, self.turns.reserve)]
        for case in reserved:
            if self.stopped:
                return
            self.read.join()
            self._read(case, self.turns.take, taken=True)
        self.read.put(None)

    def _read(self, case: Case, mine: Callable[[Case], bool], *, taken: bool = False) -> bool:
        """Read a case when there is room for it, if it is ``mine`` then; whether it was."""
        self.room.acquire()
        with self.reading:
            if self.stopped or not mine(case):
                self.room.release()
                return False
            result = CaseResult(case.name)
            job = Job(case, result, self.steps(case, result, self._count), taken)
            job.step()
            self.read.put(job)
            return True

    def _count(self, slices: int) -> None:
        if self.slices is not None:
            self.slices.update(slices)

    def _finish_all(self) -> None:
        while job := self.through.get():
            job.step()
            with self.keeping:
                if self.error is not None:
                    return
                self.keep(job.result)
                watch.line.say(ended=job.case.name)
                self.results.append(job.result)
            self.bar.update()
            self.room.release()

    def _thread(self, work: Callable[[], None]) -> threading.Thread:
        """A thread that does not hold up the end of the process; what it raises, `run` does."""

        def guarded() -> None:
            try:
                work()
            except BaseException as error:
                self.error = error
                self.read.put(None)

        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        return thread


@contextmanager
def _own_stderr() -> Iterator[None]:
    """What Python prints has a handle of its own in here, so that who listens to a library's does not hear it."""
    before = sys.stderr
    try:
        shared = before.fileno() == 2
    except (AttributeError, OSError, ValueError):
        shared = False
    if not shared:
        yield
        return
    with os.fdopen(os.dup(2), "w", 1, before.encoding, before.errors) as sys.stderr:
        try:
            yield
        finally:
            sys.stderr = before
