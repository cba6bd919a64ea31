"""Statistics over the cases of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias, TypedDict

import numpy as np

from usframe.scoring.metrics import METRICS, Row
from usframe.scoring.table import object_names, score_names

MACRO = "macro"
PREDICTED = "predicted_iou"

Scores: TypeAlias = dict[str, "float | None"]


class Statistics(TypedDict):
    """Of one score over cases: mean, sd (of a sample), median, the 95 % interval of the mean, and their numbers."""

    mean: float | None
    sd: float | None
    median: float | None
    ci95: list[float] | None
    n: int
    n_groups: int
    n_undefined: int


ScoreStatistics: TypeAlias = dict[str, Statistics]  # score -> statistics
Summary: TypeAlias = dict[str, dict[str, dict[str, ScoreStatistics]]]  # prompt -> object -> slices -> scores


def summarise(rows: Sequence[Row], *, seed: int = 0, resamples: int = 2000) -> Summary:
    """``{prompt: {object: {slices: {score: statistics}}}}`` over cases, ready for JSON.

    ``rows``: of one mode, with one draw of each prompt. Objects are ids as text, and "macro": the `mean_scores` of
    the objects of each case, without `unasked_objects`. Statistics: mean, sd (of a sample) and median over cases,
    ci95 (percentile bootstrap of that mean which draws patients with all their cases), n cases of n_groups
    patients, n_undefined. What is undefined, such as the ci95 of one patient, is None.
    """
    members: dict[tuple[str, str, str], list[tuple[str, Scores]]] = {}
    for row in sorted(rows, key=lambda row: row["object"]):
        key = (row["prompt"], str(row["object"]), row["slices"])
        members.setdefault(key, []).append((row["group"], row["scores"]))
    unasked = unasked_objects(rows)
    for (_, prompt, slices), objects in _by_case(rows).items():
        macro = mean_scores([row for row in objects if row["object"] not in unasked])
        members.setdefault((prompt, MACRO, slices), []).append((objects[0]["group"], macro))
    names = score_names(rows)
    summary: Summary = {prompt: {} for prompt in dict.fromkeys(row["prompt"] for row in rows)}
    for (prompt, name, slices), found in members.items():
        patients = [patient for patient, _ in found]
        summary[prompt].setdefault(name, {})[slices] = {
            score: _statistics([scores.get(score) for _, scores in found], patients, seed, resamples)
            for score in names
        }
    return summary


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of those that are defined, None where none is."""
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined) if defined else None


def mean_scores(rows: Sequence[Row]) -> Scores:
    """The `mean` of every score; None where one is undefined though labels or answer show the object.

    So a lost object, which has no distance, does not make the distance of the others that of all. An object that
    neither of them shows is left out; so is a missing predicted IoU.
    """
    there = [row["scores"] for row in rows if row["scores"].get("dice") is not None]
    lost = {name for scores in there for name, value in scores.items() if value is None and name != PREDICTED}
    return {
        name: None if name in lost else mean(row["scores"].get(name) for row in rows) for name in score_names(rows)
    }


def patient_dice(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Prompt -> patient -> Dice, of those that have one; without the objects that no case was asked for."""
    unasked = unasked_objects(rows)
    cases: dict[tuple[str, str, str], list[float | None]] = {}
    prompts: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        prompts.setdefault(row["prompt"], {})
        if row["object"] in unasked:
            continue
        cases.setdefault((row["prompt"], row["group"], row["case"]), []).append(row["scores"].get("dice"))
    for (prompt, patient, _), values in cases.items():
        if (dice := mean(values)) is not None:
            prompts[prompt].setdefault(patient, []).append(dice)
    return {
        prompt: {patient: sum(dice) / len(dice) for patient, dice in patients.items()}
        for prompt, patients in prompts.items()
    }


def unasked_objects(rows: Iterable[Row]) -> set[int]:
    """The objects that had no prompt in any case, so that nothing was answered about them."""
    asked: dict[int, bool] = {}
    for row in rows:
        asked[row["object"]] = asked.get(row["object"], False) or row["asked"]
    return {object_id for object_id, prompted in asked.items() if not prompted}


def called(object_id: str, names: Mapping[str, str]) -> str:
    """An object as tables show it: its id, and its name where it has one."""
    return f"{object_id} {names[object_id]}" if object_id in names else object_id


def score_notes(rows: Sequence[Row]) -> list[str]:
    """What is to be known about scores: which objects are in no macro, and how many frames have no distance."""
    notes, names = [], object_names(rows)
    if unasked := unasked_objects(rows):
        listed = ", ".join(called(str(object_id), names) for object_id in sorted(unasked))
        listed = f"object{'s' * (len(unasked) > 1)} {listed}"
        notes.append(f"no case has a prompt for {listed}: scored, but left out of the mean of objects")
    missed: dict[int, set[str]] = {}
    for row in rows:
        scored = any(value is not None for value in row["scores"].values())
        if scored and not row["asked"] and row["object"] not in unasked:
            missed.setdefault(row["object"], set()).add(row["case"])
    if missed:
        listed = ", ".join(f"{called(str(one), names)} ({len(missed[one])})" for one in sorted(missed))
        notes.append(
            f"objects without a prompt in some cases, though not in others, count as missed there: {listed}"
        )
    frames: dict[str, int] = {}
    for row in rows:
        counted = row["slices"] == "all" and row["n_slices"] > 1 and row["asked"] and row["draw"] == 0
        if counted and row["undefined_frames"]:
            frames[row["prompt"]] = frames.get(row["prompt"], 0) + row["undefined_frames"]
    if frames:
        counts = ", ".join(f"{prompt} {count}" for prompt, count in frames.items())
        notes.append(
            f"frames on which only the labels or only the answer show an object have no distance: {counts}"
        )
    return notes


def added_scores(summary: Summary) -> list[str]:
    """The scores of a summary that are not usframe's own, but of other packages' metrics."""
    found = dict.fromkeys(
        score
        for objects in summary.values()
        for by_slices in objects.values()
        for scores in by_slices.values()
        for score in scores
    )
    return [score for score in found if score not in (*METRICS, PREDICTED)]


def _by_case(rows: Iterable[Row]) -> dict[tuple[str, str, str], list[Row]]:
    """(case, prompt, slices) -> the rows of its objects."""
    cases: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        cases.setdefault((row["case"], row["prompt"], row["slices"]), []).append(row)
    return cases


def _statistics(values: Sequence[float | None], patients: Sequence[str], seed: int, resamples: int) -> Statistics:
    by_patient: dict[str, list[float]] = {}
    for patient, value in zip(patients, values, strict=True):
        if value is not None:
            by_patient.setdefault(patient, []).append(value)
    defined = np.array([value for value in values if value is not None])
    n = len(defined)
    return {
        "mean": float(defined.mean()) if n else None,
        "sd": float(defined.std(ddof=1)) if n > 1 else None,
        "median": float(np.median(defined)) if n else None,
        "ci95": _interval(list(by_patient.values()), seed, resamples) if len(by_patient) > 1 else None,
        "n": n,
        "n_groups": len(by_patient),
        "n_undefined": len(values) - n,
    }


def _interval(patients: Sequence[Sequence[float]], seed: int, resamples: int) -> list[float]:
    """Percentiles of the mean over cases when patients are drawn with replacement."""
    sums, counts = np.array([sum(cases) for cases in patients]), np.array([len(cases) for cases in patients])
    drawn = np.random.default_rng(seed).integers(len(patients), size=(resamples, len(patients)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return [float(bound) for bound in np.percentile(means, (2.5, 97.5))]
