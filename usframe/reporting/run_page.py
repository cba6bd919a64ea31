"""The page of a run, report.html: scores, failures, notes, a picture of every case, and how it was run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict
from urllib.parse import quote

from usframe.config.schema import LEARNED, prompt_file, support_folder
from usframe.files import write_file
from usframe.reporting.measures import Measured, draw_agreement
from usframe.reporting.pages import render
from usframe.reporting.record import RunRecord
from usframe.reporting.results import GIVEN, Failure, SliceCounts
from usframe.scoring.quality import Expected
from usframe.scoring.summary import Summary, added_scores, called

SHOWN_CASES = 12
NOT_FACTS = ("command", "notes", "slices", "oracle_prompts")


class RunSummary(TypedDict):
    """What summary.json holds. ``cases``: ``total`` and ``failed``. ``unit``: of the distances, ``measured``: how.

    ``marks``: prompt -> "oracle" or "no network". ``names``: of objects, by id.
    """

    cases: dict[str, int]
    slices: SliceCounts
    mode: str
    scores: Summary
    marks: dict[str, str]
    names: dict[str, str]
    unit: str
    measured: str
    expected: dict[str, dict[str, dict[str, Expected]]]
    agreement: dict[str, dict[str, dict[str, Any]]]


def write_report(
    path: Path,
    summary: RunSummary,
    run: RunRecord,
    *,
    title: str,
    overlays: Mapping[str, Sequence[Path]],
    failures: Sequence[Failure],
    worst: Sequence[Mapping[str, Any]] = (),
    measured: Measured | None = None,
) -> None:
    """Write report.html, which refers to the overlays beside it and to nothing else.

    ``run``: what run.json holds. ``overlays``: prompt -> PNG files below the report's folder. ``worst``: what
    `usframe.reporting.quality.draw_worst` answers. ``measured``: see `usframe.reporting.measures`. Raises
    `WriteError`.
    """
    pictures = {
        prompt: [(file.stem, quote(os.fsencode(file.relative_to(path.parent).as_posix()))) for file in files]
        for prompt, files in overlays.items()
    }
    html = render(
        "report.html",
        title=title,
        run=run,
        failures=failures,
        summary=summary["scores"],
        added=added_scores(summary["scores"]),
        marks=summary["marks"],
        objects={name: called(name, summary["names"]) for found in summary["scores"].values() for name in found},
        unit=summary["unit"],
        measured=summary["measured"],
        slices=summary["slices"],
        pictures=pictures,
        worst=[{**one, "called": called(str(one["object"]), summary["names"])} for one in worst],
        propagated=summary["mode"] == "propagate",
        agreements=[
            {**one, "called": called(one["object"], summary["names"])} for one in draw_agreement(measured or {})
        ],
        shown=SHOWN_CASES,
        prompted=summary["mode"] != GIVEN,
        prompt_file=prompt_file(run.get("frames")),
        support=support_folder(run.get("frames")),
        learned=LEARNED in summary["scores"],
        facts={name: _in_words(value) for name, value in run.items() if name not in NOT_FACTS},
    )
    write_file(path, html)


def _in_words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_in_words(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_in_words, value))
    return "none" if value is None else str(value)
