"""Lines about cases as they end, for logs: where standard error is no terminal, no bar shows how far a run is."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from usframe.data.case import Case
from usframe.errors import escape
from usframe.reporting.results import CaseResult
from usframe.reporting.text import counted, lasting
from usframe.session import Output
from usframe.session.loop import is_wanted

EVERY = 10.0  # seconds between two lines, at least


class Told:
    """Tells of ``cases`` that end, in the first of ``processes``; the time left goes by the size of their files."""

    def __init__(self, cases: Sequence[Case], output: Output, *, first: bool, processes: int) -> None:
        self.silent = not is_wanted(output, first) or sys.stderr.isatty()
        self.processes, self.ended, self.done = processes, 0, 0
        self.sizes = {} if self.silent else {case.name: max(case.size, 1) for case in cases}
        self.began = self.last = time.monotonic()

    def tell(self, result: CaseResult) -> None:
        """A line about a case, unless the last one was a moment ago."""
        if self.silent:
            return
        self.ended += 1
        self.done += self.sizes.get(result.case, 0)
        now = time.monotonic()
        if now - self.last < EVERY:
            return
        self.last = now
        print(escape(f"{result.case}: {self._outcome(result)}; {self._left(now)}"), file=sys.stderr, flush=True)

    def _outcome(self, result: CaseResult) -> str:
        if result.error:
            return f"failed ({result.stage})"
        return f"{counted(result.slices.get('total', 0), 'slice')} in {lasting(result.seconds_in_line)}"

    def _left(self, now: float) -> str:
        """How many are done, and about how long the others take, if all processes are as fast as this one."""
        here = " here" if self.processes > 1 else ""
        told = f"{self.ended} of {counted(len(self.sizes), 'case')}{here}"
        total = sum(self.sizes.values()) / self.processes
        left = (now - self.began) * (total / self.done - 1) if self.done else 0.0
        return f"{told}, about {lasting(left) if left >= 60 else f'{left:.0f} s'} left" if left > 0 else told
