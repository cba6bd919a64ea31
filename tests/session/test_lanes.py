"""Cases in three lanes: what overlaps, what does not, and what is lost of it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from usframe.data.case import Case
from usframe.errors import CaseError
from usframe.reporting.results import INTERRUPTED, CaseResult
from usframe.session import Output
from usframe.session.lanes import Steps, run_lanes
from usframe.session.loop import Progress

QUIET = Output(quiet=True)


def cases(number: int) -> list[Case]:
    return [Case(f"case_{n}", Path(f"{n}.npy")) for n in range(number)]


@dataclass
class Own:
    """Turns of a process that is alone, but for cases ``reserved`` by another and those ``done`` by it."""

    reserved: Sequence[str] = ()
    done: Sequence[str] = ()
    kept: list[CaseResult] = field(default_factory=list)

    def reserve(self, case: Case) -> bool:
        return case.name not in self.reserved

    def take(self, case: Case) -> bool:
        return case.name not in self.done


def run(steps: Steps, number: int, turns: Own, in_hand: int = 3) -> list[CaseResult]:
    return run_lanes(steps, cases(number), turns, turns.kept.append, QUIET, in_hand=in_hand)


def test_the_next_case_is_read_and_the_one_before_is_finished_while_the_network_has_one() -> None:
    """Each step waits for one of another case, so none would end if they came one after the other."""
    is_read, is_through = threading.Event(), threading.Event()
    met = []

    def steps(case: Case, result: CaseResult, progress: Progress) -> Iterator[None]:
        if case.name == "case_1":
            is_read.set()
        yield
        if case.name == "case_0":
            met.append(is_read.wait(30))
        if case.name == "case_1":
            is_through.set()
        yield
        if case.name == "case_0":
            met.append(is_through.wait(30))

    assert [one.case for one in run(steps, 3, Own())] == ["case_0", "case_1", "case_2"]
    assert met == [True, True]


def test_each_lane_has_one_case_at_a_time_in_their_order_and_the_network_has_the_main_thread() -> None:
    seen: dict[str, list[tuple[str, threading.Thread]]] = {"read": [], "network": [], "finish": []}

    def steps(case: Case, result: CaseResult, progress: Progress) -> Iterator[None]:
        for lane in seen:
            seen[lane].append((case.name, threading.current_thread()))
            if lane != "finish":
                yield

    run(steps, 5, Own())
    for lane in seen.values():
        assert [name for name, _ in lane] == [f"case_{n}" for n in range(5)]
        assert len({thread for _, thread in lane}) == 1
    assert seen["network"][0][1] is threading.main_thread()


@pytest.mark.parametrize("most", [1, 3])
def test_no_more_cases_are_in_hand_than_may_be(most: int) -> None:
    held: set[str] = set()
    largest = [0]

    def steps(case: Case, result: CaseResult, progress: Progress) -> Iterator[None]:
        held.add(case.name)
        largest[0] = max(largest[0], len(held))
        yield
        threading.Event().wait(0.002)
        yield
        threading.Event().wait(0.01)

    turns = Own()
    kept = turns.kept.append

    def keep(result: CaseResult) -> None:
        held.remove(result.case)
        kept(result)

    run_lanes(steps, cases(12), turns, keep, QUIET, in_hand=most)
    assert len(turns.kept) == 12
    assert largest == [most]


@pytest.mark.parametrize("lane", [0, 1, 2])
def test_what_fails_stays_within_its_case_in_every_lane(lane: int) -> None:
    def steps(case: Case, result: CaseResult, progress: Progress) -> Iterator[None]:
        for step in range(3):
            result.stage = f"step {step}"
            if case.name == "case_1" and step == lane:
                raise CaseError("bad luck")
            if step < 2:
                yield

    turns = Own()
    run(steps, 3, turns)
    assert [(one.case, one.stage, one.error) for one in turns.kept] == [
        ("case_0", "step 2", ""),
        ("case_1", f"step {lane}", "bad luck"),
        ("case_2", "step 2", ""),
    ]


def nothing(case: Case, result: CaseResult, progress: Progress) -> Iterator[None]:
    yield
    yield


def test_what_the_network_waited_is_told_of_every_case() -> None:
    def steps(case: Case, result: CaseResult, progress: Progress) -> Iterator[None]:
        threading.Event().wait(0.05)
        yield
        yield

    assert all(0.04 < one.seconds["wait"] < 5 for one in run(steps, 3, Own()))


def test_a_case_that_another_process_took_meanwhile_is_dropped() -> None:
    assert [one.case for one in run(nothing, 3, Own(done=["case_1"]))] == ["case_0", "case_2"]


def test_what_another_process_has_only_read_is_done_once_nothing_else_is_left() -> None:
    assert [one.case for one in run(nothing, 3, Own(reserved=["case_0"]))] == ["case_1", "case_2", "case_0"]


def test_what_keeping_a_result_raises_ends_it() -> None:
    def keep(result: CaseResult) -> None:
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        run_lanes(nothing, cases(9), Own(), keep, QUIET)


def test_ctrl_c_lets_a_case_behind_the_network_come_to_its_end() -> None:
    finishing = threading.Event()

    def steps(case: Case, result: CaseResult, progress: Progress) -> Iterator[None]:
        yield
        if case.name == "case_1":
            finishing.wait(30)
            raise KeyboardInterrupt
        yield
        finishing.set()
        threading.Event().wait(0.2)

    turns = Own()
    results = run(steps, 4, turns)
    assert [one.case for one in turns.kept] == ["case_0"]
    assert {one.case: one.stage for one in results} == {
        "case_0": "",
        **{f"case_{n}": INTERRUPTED for n in (1, 2, 3)},
    }


ERRORS = """
import sys
from pathlib import Path
from plugins.readers.streams import listening
from usframe.data.case import Case
from usframe.session import Output
from usframe.session.lanes import run_lanes

class Turns:
    reserve = take = lambda self, case: True

def steps(case, result, progress):
    with listening() as heard:
        print("a line of Python", file=sys.stderr, flush=True)
    result.notes += heard
    yield
    yield

(result,) = run_lanes(steps, [Case("a", Path("a"))], Turns(), print, Output())
assert result.notes == [], result
"""


def test_a_line_on_standard_error_is_not_taken_for_one_of_a_library_that_reads() -> None:
    done = subprocess.run([sys.executable, "-c", ERRORS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "a line of Python\n"
