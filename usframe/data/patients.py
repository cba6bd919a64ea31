"""Which cases are of one patient: they are not independent, and must not be on both sides of a split."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import regex  # type: ignore[import-untyped] # as re, with a time limit

from usframe.data.case import Case
from usframe.errors import RequestError
from usframe.plain import read_text
from usframe.plugins.registry import nearest

COLUMNS = ("case", "group")
OTHER_TABLE = regex.compile(r"[\w .~/\\-]+\.(tsv|txt|json|ods|xlsx?)", regex.IGNORECASE)
SECONDS = 10.0  # for the patients of all cases; some expressions would take longer than anybody lives


def read_patients(rule: str | None, cases: Sequence[str]) -> dict[str, str]:
    """Case name -> patient, in the order of ``cases``; without a rule every case is a patient of its own.

    ``rule``: a regular expression whose first group (or whole match, without one) is the patient, searched in the
    case name, or a CSV file with the columns ``case`` and ``group``. Raises `RequestError` for a case without one,
    and for an expression that takes longer than `SECONDS`.
    """
    if rule is None:
        return {case: case for case in cases}
    if rule.lower().endswith(".csv"):
        return _from_table(Path(rule), cases)
    if OTHER_TABLE.fullmatch(rule):
        raise RequestError(f"group={rule} is no .csv; write the columns case and group into a file that is")
    try:
        pattern = regex.compile(rule)
    except (regex.error, RecursionError, MemoryError, OverflowError) as error:
        raise RequestError(f"group={rule} is no regular expression ({error}), and no CSV file") from error
    until = time.monotonic() + SECONDS
    patients: dict[str, str] = {}
    for case in cases:
        try:
            match = pattern.search(case, timeout=max(until - time.monotonic(), 0.001))
        except TimeoutError as error:
            raise RequestError(f"group={rule} takes too long on the case name {case}; write it simpler") from error
        patients[case] = (match and match[1 if pattern.groups else 0]) or ""
    if missing := [case for case, patient in patients.items() if not patient]:
        raise RequestError(f"group={rule} finds no patient in the case name {missing[0]}{_and_more(missing)}")
    return patients


def with_patients(cases: Sequence[Case], rule: str | None) -> list[Case]:
    """The cases with their patients as ``group``; `read_patients` has the rule and what it raises."""
    patients = read_patients(rule, [case.name for case in cases])
    return [replace(case, group=patients[case.name]) for case in cases]


def note_single_slices(slices: Iterable[int], rule: str | None) -> list[str]:
    """A note on cases of one slice that nobody grouped, as frames of a clip in files of their own would be.

    ``slices``: how many each case has. ``rule``: of `read_patients`.
    """
    single = sum(count == 1 for count in slices)
    if rule is not None or single < 2:
        return []
    return [
        f"{single} cases are single slices, and each counts as a patient of its own: if some are frames of one "
        "clip, or of one patient, name the patient with group=, or stack the frames into one file"
    ]


def _from_table(path: Path, cases: Sequence[str]) -> dict[str, str]:
    if path.exists() and not path.is_file():
        raise RequestError(f"group={path} cannot be read: it is no file")
    try:
        reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
        if not set(COLUMNS) <= set(reader.fieldnames or ()):
            raise RequestError(f"{path}: has no columns case and group in its first line")
        patients: dict[str, str] = {}
        for row in reader:
            if patients.setdefault(row["case"], row["group"]) != row["group"]:
                raise RequestError(
                    f"{path}: case {row['case']} is in two groups, {patients[row['case']]} and {row['group']}"
                )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        cause = error.strerror if isinstance(error, OSError) else error
        raise RequestError(f"group={path} cannot be read: {cause}") from error
    if missing := [case for case in cases if not patients.get(case)]:
        hint = nearest(missing[0], list(patients))
        raise RequestError(f"{path}: no group for case {missing[0]}{hint}{_and_more(missing)}")
    return {case: patients[case] for case in cases}


def _and_more(cases: Sequence[str]) -> str:
    return f" (and {len(cases) - 1} more)" if len(cases) > 1 else ""
