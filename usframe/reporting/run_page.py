"""The page of a run, report.html: scores, failures, notes, a picture of every case, and how it was run."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict
from urllib.parse import quote

from markupsafe import Markup

from usframe.config.schema import LEARNED, prompt_file, support_folder
from usframe.files import write_file
from usframe.reporting.measures import Measured, draw_agreement
from usframe.reporting.page.cases import Line, Seen, describe_cases, script_json
from usframe.reporting.page.script import page_script
from usframe.reporting.pages import render
from usframe.reporting.record import RunRecord
from usframe.reporting.results import GIVEN, NO_NETWORK, Failure, SliceCounts
from usframe.reporting.style import CURVES, OBJECTS
from usframe.scoring.quality import Expected
from usframe.scoring.summary import Summary, added_scores, called

SHOWN_CASES = 12


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
    lines: Sequence[Line] = (),
    done: Sequence[str] = (),
) -> None:
    """Write report.html, which refers to files beside it and to nothing else.

    ``run``: what run.json holds. ``overlays``: prompt -> PNG files below the report's folder. ``worst``: what
    `usframe.reporting.quality.draw_worst` answers. ``measured``: see `usframe.reporting.measures`. ``lines``: see
    `usframe.reporting.page.cases`; ``done``: the cases that went well. Raises `WriteError`.
    """
    seen = _see(path.parent, summary, lines, done) if done else None
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
        seen=seen,
        data=Markup(script_json(seen.data)) if seen else "",
        script=page_script() if seen else "",
        beside=seen is not None and seen.beside,
        lowest=_lowest(summary["scores"]),
        did="Segmented" if run.get("backbone") else "Scored",
        prompts=[name for name in summary["scores"] if summary["marks"].get(name) != NO_NETWORK],
    )
    write_file(path, html)


def _see(out: Path, summary: RunSummary, lines: Sequence[Line], done: Sequence[str]) -> Seen:
    objects = dict.fromkeys(str(line["object"]) for line in lines)
    return describe_cases(
        lines,
        done,
        out=out,
        objects={one: called(one, summary["names"]) for one in objects},
        marks=summary["marks"],
        mode=summary["mode"],
        unit=summary["unit"],
        colours=OBJECTS,
        curves=CURVES[:-1],
    )


def _lowest(summary: Summary) -> float:
    """Where the scale of Dice begins that has room for all means and intervals."""
    found = [
        min([scores["dice"]["mean"], *(scores["dice"]["ci95"] or [])])
        for objects in summary.values()
        for by_slices in objects.values()
        for scores in by_slices.values()
        if scores["dice"]["mean"] is not None
    ]
    return max(0.0, min(0.9, math.floor(10 * min(found, default=0.0)) / 10))
