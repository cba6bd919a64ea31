"""Before a training: which case is in which part, what the data are like and, if asked, all of it as plain arrays.

The workflow behind `usframe prepare`. Cases are found and read as by `usframe run`, one at a time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from usframe.config.schema import Prepare
from usframe.config.schema.prepare import CACHE, SHARE
from usframe.data.cache import Cache
from usframe.data.case import Case
from usframe.data.cases import find_cases
from usframe.data.fingerprint import describe_case, summarise_fingerprint, write_fingerprint
from usframe.data.patients import note_single_slices, with_patients
from usframe.data.reading import read_case
from usframe.data.splits import PARTS, Split, check_leakage, make_splits, read_splits, without, write_splits
from usframe.errors import CaseError, RequestError, WriteError, escape
from usframe.files import write_json
from usframe.intensity import Slices
from usframe.objects import name_objects
from usframe.plain import read_json
from usframe.plugins import Plugins
from usframe.reporting.page.data_set import MOST, draw_case, write_data_set
from usframe.reporting.record import describe_host
from usframe.reporting.results import CaseResult, count_totals, list_failures, print_failures
from usframe.reporting.text import columns, counted, fingerprint_lines, written
from usframe.session.folder import open_folder
from usframe.session.loop import Progress, run_cases, stop_if_interrupted
from usframe.tasks import PREPARED, Output

RECORD = "prepare.json"
SPLITS = "splits.json"
FINGERPRINT = "fingerprint.csv"
PAGE = "report.html"
SETTINGS = (
    *("volumes", "labels", "label_suffix", "layout", "label_layout", "intensity", "geometry", "axis"),
    *("objects", "time_point"),
    *("group", "splits", "folds", "val", "test", "seed"),
)


def prepare(config: Prepare, plugins: Plugins, output: Output) -> int:
    """Leave the split, the fingerprint and the cache of a data set in OUT; returns 1 if some case failed.

    Raises `RequestError` before any volume is read where the request cannot be met or OUT would be lost.
    """
    started = time.perf_counter()
    objects = name_objects(config.objects, config.labels)
    cases = with_patients(find_cases(config, config.labels, plugins, objects=objects), config.group)
    patients = {case.name: case.group for case in cases}
    splits = _split(config, patients)
    out = config.folder
    _open_folder(config, patients)
    cache = Cache(out / CACHE, plugins) if config.cache else None
    pictures: dict[str, str] = {}
    results = run_cases(partial(prepare_case, config, plugins, cache, pictures), cases, output)
    stop_if_interrupted(results)
    print_failures(results)
    record = _describe(config, patients, splits, results)
    host = describe_host(config, time.perf_counter() - started)
    record |= host
    left = _write(out, cases, splits, results, record, cache)
    about = (left, patients, _fingerprints(results), record["fingerprint"], pictures, record["failures"])
    write_data_set(out / PAGE, {**host, "notes": record["notes"]}, *about)
    if output.json:
        print(json.dumps({"out": config.out, **record}, indent=2))
    elif not output.quiet:
        _show(out, record)
    return int(any(result.error for result in results))


def prepare_case(
    config: Prepare,
    plugins: Plugins,
    cache: Cache | None,
    pictures: dict[str, str],
    case: Case,
    result: CaseResult,
    progress: Progress,
) -> None:
    """Read, describe, draw and cache one case, unless the cache has it. Raises `CaseError`."""
    with result.timed("read"):
        about = cache.about(case) if cache else None
        if about is None:
            about = _read(case, config, plugins, cache)
    result.fingerprint = about["fingerprint"]
    result.notes += about["notes"]
    if len(pictures) < MOST:
        pictures[case.name] = about["picture"]


def _read(case: Case, config: Prepare, plugins: Plugins, cache: Cache | None) -> dict[str, Any]:
    """What is known about a case; its arrays go into the cache."""
    if cache:
        cache.remove(case.name)
    reading = read_case(case, config, plugins)
    assert reading.labels is not None
    spacing = reading.volume.spacing_mm
    unknown = [] if spacing else ["voxel size unknown: volumes of objects are in voxels"]
    about = {
        "fingerprint": describe_case(
            case, reading.volume, reading.labels, reading.names, per_frame=reading.per_frame
        ),
        "spacing_mm": None if spacing is None else [float(mm) for mm in spacing],
        "notes": [*reading.notes, *unknown],
        "picture": draw_case(reading.data, reading.labels, spacing),
    }
    if cache:
        data: Slices = reading.data
        labels = reading.labels_with(config.ignore)
        if reading.known is not None and not config.sparse:
            frames = np.flatnonzero(reading.known)
            data, labels = data[frames], labels[frames]
        cache.put(case, data, labels, about)
    return about


def _split(config: Prepare, patients: Mapping[str, str]) -> list[Split]:
    if config.splits is None:
        settings = settings_of(config)
        return make_splits(
            patients, folds=config.folds, val=settings["val"], test=settings["test"], seed=config.seed
        )
    splits = read_splits(Path(config.splits), list(patients))
    for split in splits:
        check_leakage(split, patients)
    return splits


def settings_of(config: Prepare) -> dict[str, Any]:
    """What prepare.json says was asked for, shares as numbers."""
    shares = {
        "val": SHARE if config.val is None else config.val,
        "test": 0.0 if config.test is None else config.test,
    }
    return {key: shares.get(key, getattr(config, key)) for key in SETTINGS}


def _open_folder(config: Prepare, patients: Mapping[str, str]) -> None:
    """Make OUT, with what is being prepared in it. Raises `RequestError` where something else would be lost."""
    out = config.folder
    fresh = {"settings": settings_of(config), "patients": dict(patients)}
    if (out / RECORD).exists() and not config.overwrite and (difference := _difference(out / RECORD, fresh)):
        raise RequestError(f"{out} {difference}; choose another -o, or add --overwrite to replace it")
    open_folder(config, [*PREPARED, *([f"{CACHE}/"] if config.cache else [])], resume="always")
    try:
        write_json(out / RECORD, fresh)
    except WriteError as error:
        raise RequestError(f"{error}; choose another -o") from error


def _difference(record: Path, fresh: Mapping[str, Any]) -> str:
    """How what was prepared differs from what is asked for now; nothing, and it can be gone on with."""
    try:
        earlier = read_json(record)
        settings, patients = earlier["settings"], earlier["patients"]
        changed = [
            f"{key}={settings.get(key)}" for key, now in fresh["settings"].items() if settings.get(key) != now
        ]
        others = sorted(set(patients.items()) ^ set(fresh["patients"].items()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return f"holds a {RECORD} that cannot be read"
    if changed:
        return f"was prepared with other settings ({', '.join(changed)})"
    return f"was prepared from other cases or patients (such as case {others[0][0]})" if others else ""


def _describe(
    config: Prepare, patients: Mapping[str, str], splits: Sequence[Split], results: Sequence[CaseResult]
) -> dict[str, Any]:
    """What prepare.json holds, but for where and when."""
    failures = list_failures(results)
    failed = {failure["case"] for failure in failures}
    alone = "every case counts as a patient of its own; --group says which belong together"
    single = note_single_slices((row["slices"] for row in _fingerprints(results)), config.group)
    about = single or ([alone] if config.group is None else [])
    folds = [
        {
            part: {"cases": len(cases), "patients": len({patients[case] for case in cases})}
            for part, cases in asdict(without(split, failed)).items()
        }
        for split in splits
    ]
    return {
        "settings": settings_of(config),
        "patients": dict(patients),
        "cases": {"total": len(results), "failed": len(failed), "patients": len({*patients.values()})},
        "folds": folds,
        "fingerprint": summarise_fingerprint(_fingerprints(results)),
        "failures": failures,
        "notes": count_totals(results, labelled=True, notes=about)["notes"],
    }


def _fingerprints(results: Sequence[CaseResult]) -> list[dict[str, Any]]:
    return [result.fingerprint for result in results if result.fingerprint is not None]


def _write(
    out: Path,
    cases: Sequence[Case],
    splits: Sequence[Split],
    results: Sequence[CaseResult],
    record: Mapping[str, Any],
    cache: Cache | None,
) -> list[Split]:
    """Write the tables of OUT; the splits without what failed.

    Raises `CaseError` where failures leave a fold without training or validation.
    """
    write_fingerprint(out / FINGERPRINT, _fingerprints(results))
    if cache:
        known = {case.name: about["spacing_mm"] for case in cases if (about := cache.about(case))}
        write_json(cache.folder / "spacing.json", known)
    write_json(out / RECORD, record)
    left = [without(split, {result.case for result in results if result.error}) for split in splits]
    if short := [number for number, split in enumerate(left) if not (split.train and split.val)]:
        (out / SPLITS).unlink(missing_ok=True)
        raise CaseError(f"fold {short[0]}: all cases of a part failed, so {out / SPLITS} was not written")
    write_splits(out / SPLITS, left)
    return left


def _show(out: Path, record: Mapping[str, Any]) -> None:
    print(columns(fingerprint_lines(record["fingerprint"]), left={0}))
    for number, fold in enumerate(record["folds"]):
        parts = [
            f"{part} {counted(fold[part]['cases'], 'case')} of {counted(fold[part]['patients'], 'patient')}"
            for part in PARTS
            if fold[part]["cases"]
        ]
        print(f"fold {number}: {', '.join(parts)}")
    for note in record["notes"]:
        print(escape(f"note: {note}"))
    total, failed = record["cases"]["total"], record["cases"]["failed"]
    print(f"{total - failed} of {counted(total, 'case')} in {record['seconds']:.0f} s")
    print(written(out, (SPLITS, FINGERPRINT, RECORD, PAGE, CACHE)))
