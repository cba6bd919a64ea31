"""The one loop over cases: a failure, whosever it is, stays within its case."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias, TypeVar

from tqdm import tqdm

from usframe.errors import UsframeError
from usframe.plugins.registry import blame
from usframe.reporting.results import INTERRUPTED, CaseResult
from usframe.tasks import Output

Progress: TypeAlias = Callable[[int], object]


class NamedCase(Protocol):
    @property
    def name(self) -> str: ...


C = TypeVar("C", bound=NamedCase)
Work: TypeAlias = Callable[[C, CaseResult, Progress], None]


def run_cases(work: Work[C], cases: Sequence[C], output: Output, *, main: bool = True) -> list[CaseResult]:
    """The result of ``work`` on every case, filled in by it; what it raises becomes part of the result.

    Ctrl-C ends the loop: the cases not done are failures then, with the stage `INTERRUPTED`. ``main``: whether this
    process may show its progress.
    """
    hidden = output.quiet or output.json or not main or not sys.stderr.isatty()
    results: list[CaseResult] = []
    try:
        for case in tqdm(cases, unit="case", disable=hidden):
            with tqdm(desc=case.name, unit="slice", leave=False, disable=hidden) as bar:
                results.append(run_case(work, case, bar.update))
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
    except Exception as error:  # a bug in one case must not cost the others; its traceback is shown
        traceback.print_exc()
        result.error = blame(error)
    if result.error:
        result.rows.clear()
        result.slice_rows.clear()
    return result


def stop_if_interrupted(results: Sequence[CaseResult]) -> None:
    """Raise `KeyboardInterrupt` where Ctrl-C ended the loop, once what was done is written."""
    if any(result.stage == INTERRUPTED for result in results):
        raise KeyboardInterrupt
