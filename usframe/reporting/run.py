"""A finished run: its tables, summary, failures, run.json and report, and what the terminal says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from usframe.config.schema import Budget, Compare, Predict
from usframe.data.patients import note_single_slices
from usframe.errors import escape
from usframe.files import CASES, HIDDEN, write_csv, write_json
from usframe.reporting.measures import describe_agreement, write_measures
from usframe.reporting.page.cases import table_lines
from usframe.reporting.quality import describe_worst, draw_worst, nested, write_quality
from usframe.reporting.record import RunRecord
from usframe.reporting.results import (
    FAILURE_COLUMNS,
    NO_NETWORK,
    ORACLE,
    CaseResult,
    Failure,
    Records,
    count_totals,
    list_failures,
)
from usframe.reporting.run_page import RunSummary, write_report
from usframe.reporting.text import columns, counted, written
from usframe.scoring.baselines import BASELINES
from usframe.scoring.metrics import Row
from usframe.scoring.summary import (
    MACRO,
    ScoreStatistics,
    Statistics,
    Summary,
    added_scores,
    called,
    score_notes,
    summarise,
)
from usframe.scoring.table import object_names, write_metrics, write_slice_metrics

SETTINGS = (
    *("mode", "frames", "fill", "patience", "z_range", "layout", "intensity"),
    *("components", "box_margin", "multimask"),
)


class Answer(RunSummary):
    """What ``--json`` prints: what summary.json holds, where the files are, what failed and what was assumed."""

    out: str
    failures: list[Failure]
    notes: list[str]
    worst: list[str]


def describe_work(
    config: Predict, run: RunRecord, results: Sequence[CaseResult], notes: Sequence[str] = ()
) -> RunRecord:
    """``run`` with what was asked for, what the cases add up to, and ``notes`` about all of them."""
    rows = [row for result in results for row in result.rows]
    alone = note_single_slices((one.slices.get("total", 0) for one in results), config.group)
    about = [*notes, *alone, *score_notes(rows)]
    totals = count_totals(results, labelled=config.labels is not None, notes=about)
    encoded = totals["slices"]["encoded"]
    whole: RunRecord = {
        **run,
        "volumes": config.volumes,
        "labels": config.labels,
        "prompts": list(config.prompts),
        **{key: getattr(config, key) for key in SETTINGS},  # type: ignore[typeddict-item]
        "drift": asdict(config.drift),
        "noise": asdict(config.noise),
        "postprocess": dict(config.postprocess),
        "oracle_prompts": sorted(name for name, mark in mark_prompts(rows).items() if mark == ORACLE),
        **totals,
        "slices_per_second": round(encoded / run["seconds"], 3) if run["seconds"] else 0.0,
    }
    if isinstance(config, Compare):
        whole |= {"noised": asdict(config.noised), "seeds": config.seeds}
    if isinstance(config, Budget):
        whole |= {"budget": config.played()}
        del whole["frames"], whole["fill"]
    return whole


def title_of(config: Predict) -> str:
    """The heading of a page: which network ran on what."""
    return f"{config.backbone} on {Path(config.volumes).resolve().parent.name or config.volumes}"


def write_results(
    out: Path,
    results: Sequence[CaseResult],
    run: RunRecord,
    *,
    title: str,
    mode: str,
    overlays: Sequence[str] = (),
) -> Answer:
    """Write every table of OUT, summary.json, run.json and the report. Raises `WriteError`.

    ``run``: what run.json holds, with the totals of `count_totals`. ``overlays``: the prompts that have pictures.
    """
    rows = write_rows(out, results)
    failures = list_failures(results)
    pieces = pieces_of(out, results)
    told, measured = write_quality(out, list(pieces.values())), write_measures(out, list(pieces.values()))
    summary: RunSummary = {
        "cases": {"total": len(results), "failed": len(failures)},
        "slices": run["slices"],
        "mode": mode,
        "scores": summarise(rows, seed=run["seed"]),
        "marks": mark_prompts(rows),
        "names": object_names(rows),
        "unit": unit_of(rows),
        "measured": measured_of(rows),
        "expected": nested(told),
        "agreement": {name: describe_agreement(found) for name, found in measured.items()},
    }
    write_csv(out / "failures.csv", FAILURE_COLUMNS, failures)
    write_json(out / "summary.json", summary)
    write_json(out / "run.json", run)
    done = [result.case for result in results if not result.error]
    pictures = {
        name: [path for case in done if (path := out / "overlays" / name / f"{case}.png").exists()]
        for name in overlays
    }
    write_report(
        out / "report.html",
        summary,
        run,
        title=title,
        overlays=pictures,
        failures=failures,
        worst=draw_worst(told, pieces),
        measured=measured,
        lines=table_lines(rows, told, pieces),
        done=done,
    )
    worst = describe_worst(told, summary["names"])
    return {"out": str(out), **summary, "failures": failures, "notes": run["notes"], "worst": worst}


def pieces_of(out: Path, results: Sequence[CaseResult]) -> dict[str, Path]:
    """Where the `Piece` of each case that went well is kept."""
    records = Records(out / HIDDEN / CASES)
    return {result.case: records.piece(result.case) for result in results if not result.error}


def write_rows(out: Path, results: Sequence[CaseResult]) -> list[Row]:
    """Write metrics.csv, and metrics_per_slice.csv where slices were scored; returns the rows of the former."""
    if per_slice := [row for result in results for row in result.slice_rows]:
        write_slice_metrics(out / "metrics_per_slice.csv", per_slice)
    rows = [row for result in results for row in result.rows]
    write_metrics(out / "metrics.csv", rows)
    return rows


def mark_prompts(rows: Sequence[Row]) -> dict[str, str]:
    """Prompt -> what is to be said about its scores, for those that are not a network's answer to a question."""
    marks = {row["prompt"]: NO_NETWORK for row in rows if row["prompt"] in BASELINES}
    return {row["prompt"]: ORACLE for row in rows if row["oracle"]} | marks


def unit_of(rows: Sequence[Row]) -> str:
    """The unit of the distances: mm, px, or both where it differs between cases."""
    return " or ".join(sorted({row["unit"] for row in rows})) or "mm"


def measured_of(rows: Sequence[Row]) -> str:
    """How distances over all slices were measured: 3D, 2D per frame, or both where it differs between cases."""
    return " or ".join(sorted({row["measured"] for row in rows if row["slices"] == "all"}))


def print_results(answer: Answer, seconds: float) -> None:
    """The scores, what was assumed, and where the files are, for the terminal."""
    cases, slices = answer["cases"], answer["slices"]
    empty, looked_at = slices["without_object"], slices["encoded"] or slices["total"]
    done = cases["total"] - cases["failed"]
    if answer["scores"]:
        unit = f"{answer['unit']}, {answer['measured']}"
        split = answer["mode"] == "propagate"
        print(table(answer["scores"], answer["marks"], unit, split=split, names=answer["names"]))
    if answer["worst"] and not answer["scores"]:
        print("Least sure, by what the network and the prompted slices tell:\n  " + "\n  ".join(answer["worst"]))
    for note in answer["notes"]:
        print(escape(f"note: {note}"))
    print(
        f"{done} of {counted(cases['total'], 'case')}, {counted(looked_at, 'slice')} in {seconds:.0f} s"
        + ("; no labels, no scores" if empty is None else f"; {counted(empty, 'slice')} without an object")
    )
    names = ("masks", "surfaces", "overlays", "metrics.csv", "summary.json", "report.html")
    print(written(Path(answer["out"]), names))


def table(
    summary: Summary,
    marks: Mapping[str, str],
    unit: str = "mm",
    *,
    split: bool = False,
    names: Mapping[str, str] | None = None,
) -> str:
    """A summary as plain text, a line per prompt.

    Over all slices the Dice of every object and of their mean, HD95 in ``unit`` and NSD of the mean and what other
    packages measure; with ``split`` the mean Dice of prompted and of unprompted slices beside it. Where a score of
    the mean is undefined in some cases, their number. ``marks``: prompt -> what is to be said about it. ``names``:
    of objects, by id.
    """
    objects = sorted({name for found in summary.values() for name in found} - {MACRO}, key=int)
    split_names, added = ("prompted", "unprompted") if split else (), added_scores(summary)
    marked = any(marks.get(prompt) for prompt in summary)
    heading = [
        "prompt",
        *(escape(f"object {called(name, names or {})}") for name in objects),
        "macro",
        *split_names,
        f"HD95 {unit}",
        "NSD",
    ]
    named = {"dice": "Dice", "hd95_mm": "HD95", "nsd": "NSD", **{name: name for name in added}}
    lost = {prompt: _undefined(found[MACRO]["all"], named) for prompt, found in summary.items()}
    some = any(lost.values())
    lines = [[*heading, *added, "n", *["undefined"] * some, *["note"] * marked]]
    for prompt, found in summary.items():
        macro = found[MACRO]
        everywhere = macro["all"]
        cells = [_number(found[name]["all"]["dice"]) if name in found else "-" for name in objects]
        cells += [_spread(everywhere["dice"]), *(_number(macro[slices]["dice"]) for slices in split_names)]
        cells += [_number(everywhere["hd95_mm"], 1), *(_number(everywhere[name]) for name in ("nsd", *added))]
        cells += [str(everywhere["dice"]["n"]), *[lost[prompt]] * some, *[marks.get(prompt, "")] * marked]
        lines.append([prompt, *cells])
    left = {0, *range(len(lines[0]) - some - marked, len(lines[0]))}
    return f"Dice over all slices: mean of n cases, ± sd\n{columns(lines, left=left)}"


def _undefined(scores: ScoreStatistics, named: Mapping[str, str]) -> str:
    """How many cases lack which score, such as HD95 1."""
    return ", ".join(f"{named[name]} {n}" for name in named if (n := scores[name]["n_undefined"]))


def _number(statistics: Statistics, digits: int = 3) -> str:
    return "-" if statistics["mean"] is None else f"{statistics['mean']:.{digits}f}"


def _spread(statistics: Statistics) -> str:
    return _number(statistics) + ("" if statistics["sd"] is None else f" ± {statistics['sd']:.3f}")
