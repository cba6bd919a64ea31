"""Whose recording a case is, from its name or from a table."""

import re

import pytest

from usframe.data.patients import read_patients
from usframe.errors import RequestError

CASES = ["seq01_run2", "seq01_run5", "seq02_run1"]


def test_without_a_rule_every_case_is_a_patient():
    assert read_patients(None, CASES) == {case: case for case in CASES}


@pytest.mark.parametrize("rule", [r"(seq\d+)_run", r"^seq\d+"])
def test_a_regular_expression_finds_the_patient_in_the_name(rule):
    assert read_patients(rule, CASES) == dict(zip(CASES, ["seq01", "seq01", "seq02"], strict=True))


def test_a_table_says_who_is_who(tmp_path):
    path = tmp_path / "patients.csv"
    path.write_text("group,case,age\nA,seq01_run2,61\nA,seq01_run5,61\nB,seq02_run1,40\nC,elsewhere,1\n")
    assert list(read_patients(str(path), CASES).values()) == ["A", "A", "B"]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (r"(seq01)", "finds no patient in the case name seq02_run1"),
        (r"(x)?seq", "finds no patient in the case name seq01_run2 (and 2 more)"),
        ("(seq", "is no regular expression"),
        (
            "participants.tsv",
            "group=participants.tsv is no .csv; write the columns case and group into a file that is",
        ),
        ("data set/Who.XLSX", "group=data set/Who.XLSX is no .csv"),
        ("missing.csv", "group=missing.csv cannot be read: No such file"),
    ],
)
def test_a_case_without_a_patient_is_refused(rule, message):
    with pytest.raises(RequestError, match=re.escape(message)):
        read_patients(rule, CASES)


def test_a_table_that_does_not_fit_is_refused(tmp_path):
    path = tmp_path / "patients.csv"
    path.write_text("case,patient\n")
    with pytest.raises(RequestError, match="has no columns case and group"):
        read_patients(str(path), CASES)
    path.write_text("case,group\nseq01_run2,A\nseq1_run5,A\nseq02_run1,B\n")
    with pytest.raises(RequestError, match=r"no group for case seq01_run5"):
        read_patients(str(path), CASES)
