"""A rule for patients may come with an experiment from elsewhere: it cannot keep a run from going on."""

from __future__ import annotations

import re
import time

import pytest

from usframe.data import patients
from usframe.errors import RequestError

NAMES = ["a" * 40 + "!"] * 3


@pytest.mark.parametrize("rule", ["^(a|a)*$", "^(a|aa)+$"])
def test_an_expression_that_never_ends_is_refused(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patients, "SECONDS", 0.2)
    started = time.monotonic()
    with pytest.raises(RequestError, match=re.escape(f"group={rule} takes too long on the case name aaa")):
        patients.read_patients(rule, NAMES)
    assert time.monotonic() - started < 10


def test_nested_repeats_are_no_trouble() -> None:
    with pytest.raises(RequestError, match="finds no patient"):
        patients.read_patients("^(a+)+$", NAMES)
