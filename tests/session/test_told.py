"""What a log shows of a run: a line per case, how many are done, and about how long the others take."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import DataSet, usframe_, write_case

from usframe.data.case import Case
from usframe.reporting.results import CaseResult
from usframe.session import Output, told
from usframe.session.told import Told

LINE = r"case_\d: \d slices in \d+\.\d s; (\d) of (\d) cases(, about \d+ s left)?"


@pytest.fixture(autouse=True)
def _every_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told, "EVERY", 0.0)


def test_every_case_of_a_run_is_a_line_on_standard_error(data: DataSet) -> None:
    done = usframe_(*data.request("-p", "box"))
    found = [re.fullmatch(LINE, line) for line in done.stderr.splitlines()]
    assert all(found), done.stderr
    assert [(line[1], line[2], line[3] is None) for line in found if line] == [
        *(("1", "3", False), ("2", "3", False), ("3", "3", True))
    ]


def test_cases_that_are_done_are_not_counted_again(data: DataSet) -> None:
    usframe_(*data.request("-p", "box"))
    write_case(data, "case_3")
    done = usframe_(*data.request("-p", "box"))
    assert re.fullmatch(r"case_3: 5 slices in .* s; 1 of 1 case", done.stderr.splitlines()[-1])


@pytest.mark.parametrize("option", ["--quiet", "--json"])
def test_who_wants_no_lines_gets_none(data: DataSet, option: str) -> None:
    assert usframe_(*data.request("-p", "box", option)).stderr == ""


def cases(folder: Path, *sizes: int) -> list[Case]:
    for number, size in enumerate(sizes):
        np.zeros(size, np.uint8).tofile(folder / f"{number}.npy")
    return [Case(f"case_{number}", folder / f"{number}.npy") for number in range(len(sizes))]


def test_the_time_left_goes_by_the_size_of_the_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    teller = Told(cases(tmp_path, 100, 300, 600), Output(), first=True, processes=1)
    teller.began = time.monotonic() - 60
    teller.tell(CaseResult("case_0", slices={"total": 1}, seconds={"wait": 1.0, "segment": 2.0, "score": 9.0}))
    assert capsys.readouterr().err == "case_0: 1 slice in 3.0 s; 1 of 3 cases, about 9 min 0 s left\n"
    teller.tell(CaseResult("case_1", stage="read", error="it is damaged"))
    assert capsys.readouterr().err == "case_1: failed (read); 2 of 3 cases, about 1 min 30 s left\n"


def test_several_processes_share_what_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    teller = Told(cases(tmp_path, 100, 300, 600), Output(), first=True, processes=2)
    teller.began = time.monotonic() - 60
    teller.tell(CaseResult("case_0", slices={"total": 1}))
    assert "1 of 3 cases here, about 4 min 0 s left" in capsys.readouterr().err
    Told(cases(tmp_path, 1), Output(), first=False, processes=2).tell(CaseResult("case_0"))
    assert capsys.readouterr().err == ""


def test_lines_are_not_closer_than_they_may_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(told, "EVERY", 10.0)
    teller = Told(cases(tmp_path, 1, 1, 1), Output(), first=True, processes=1)
    teller.tell(CaseResult("case_0"))
    teller.last -= 11
    teller.tell(CaseResult("case_1"))
    teller.tell(CaseResult("case_2"))
    assert capsys.readouterr().err.startswith("case_1: 0 slices")
