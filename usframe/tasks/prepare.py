"""Before a training: which case is in which part, what the data are like and, if asked, all of it as plain arrays.

The workflow behind `usframe prepare`. Cases are found and read by the functions of `usframe run`, one at a time.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from usframe.config.checks import impossible, outside_limits
from usframe.config.schema import Predict
from usframe.data.cache import Cache
from usframe.data.case import Case
from usframe.data.fingerprint import describe_case, fingerprint_table, summarise_fingerprint, write_fingerprint
from usframe.data.splits import PARTS, Split, check_leakage, make_splits, read_splits, without, write_splits
from usframe.errors import CaseError, ConfigError, RequestError, UsframeError, WriteError
from usframe.files import write_json
from usframe.plugins.load import Plugins
from usframe.reporting.record import describe_host
from usframe.reporting.run import CaseResult, count_totals, counted, list_failures, print_failures
from usframe.tasks.predict import find_cases
from usframe.tasks.stages import read_case

RECORD = "prepare.json"
SPLITS = "splits.json"
CACHE = "cache"
SHARE = 0.2
SETTINGS = (
    *("volumes", "labels", "label_suffix", "layout", "label_layout", "intensity"),
    *("group", "splits", "folds", "val", "test", "seed"),
)


@dataclass(frozen=True)
class Preparation:
    """What is prepared and how. ``splits``: a file with the split, instead of a draw. Others as in `Predict`."""

    volumes: str
    labels: str
    out: str
    label_suffix: str = ""
    layout: str = "auto"
    label_layout: str | None = None
    intensity: str = "auto"
    group: str | None = None
    splits: str | None = None
    folds: int = 1
    val: float = SHARE
    test: float = 0.0
    seed: int = 0
    cache: bool = False
    overwrite: bool = False


def prepare(request: Preparation, plugins: Plugins, *, quiet: bool = False, json_output: bool = False) -> int:
    """Leave the split, the fingerprint and the cache of a data set in OUT; returns 1 if some case failed.

    Raises `RequestError` before any volume is read where the request cannot be met or OUT would be lost.
    """
    started = time.perf_counter()
    config = _reading(request)
    cases = find_cases(config, plugins)
    patients = {case.name: case.group for case in cases}
    splits = _split(request, patients)
    out = Path(request.out)
    _open_folder(request, patients)
    cache = Cache(out / CACHE) if request.cache else None
    hidden = quiet or json_output or not sys.stderr.isatty()
    results = [prepare_case(case, config, plugins, cache) for case in tqdm(cases, unit="case", disable=hidden)]
    print_failures(results)
    record = _describe(request, patients, splits, results)
    record |= describe_host(config, time.perf_counter() - started)
    _write(out, cases, splits, results, record, cache)
    if json_output:
        print(json.dumps({"out": request.out, **record}, indent=2))
    elif not quiet:
        _show(out, record)
    return int(any(result.error for result in results))


def prepare_case(case: Case, config: Predict, plugins: Plugins, cache: Cache | None) -> CaseResult:
    """Read, describe and cache one case, unless the cache has it; a failure is part of the result, never raised."""
    result = CaseResult(case.name)
    try:
        with result.timed("read"):
            about = cache.about(case) if cache else None
            if about is None:
                about = _read(case, config, plugins, cache)
        result.rows, result.notes = [about["fingerprint"]], about["notes"]
    except UsframeError as error:
        result.error = str(error)
    return result


def _read(case: Case, config: Predict, plugins: Plugins, cache: Cache | None) -> dict[str, Any]:
    """What is known about a case; its arrays go into the cache."""
    if cache:
        cache.remove(case.name)
    notes: list[str] = []
    volume, labels, data = read_case(case, config, plugins, notes)
    assert labels is not None
    about = {
        "fingerprint": describe_case(case, volume, labels),
        "spacing_mm": None if volume.spacing_mm is None else [float(mm) for mm in volume.spacing_mm],
        "notes": notes,
    }
    if cache:
        cache.put(case, data, labels, about)
    return about


def _reading(request: Preparation) -> Predict:
    """How `usframe run` would read the same data. Raises `ConfigError` for values that it refuses."""
    shared = ("volumes", "labels", "out", "label_suffix", "layout", "label_layout", "intensity", "group", "seed")
    config = Predict(**{key: getattr(request, key) for key in shared})
    problems = [*outside_limits(config), *impossible(config)]
    for key in ("volumes", "labels"):
        if Path(getattr(request, key)).resolve().is_relative_to(Path(request.out, CACHE).resolve()):
            problems.append(f"{key}={getattr(request, key)} is part of what was prepared; choose another -o")
    if problems:
        raise ConfigError(*problems)
    return config


def _split(request: Preparation, patients: Mapping[str, str]) -> list[Split]:
    if request.splits is None:
        return make_splits(patients, folds=request.folds, val=request.val, test=request.test, seed=request.seed)
    splits = read_splits(Path(request.splits), list(patients))
    for split in splits:
        check_leakage(split, patients)
    return splits


def _open_folder(request: Preparation, patients: Mapping[str, str]) -> None:
    """Make OUT, with what is being prepared in it. Raises `RequestError` where something else would be lost."""
    out = Path(request.out)
    fresh = {"settings": {key: getattr(request, key) for key in SETTINGS}, "patients": dict(patients)}
    try:
        if not (out / RECORD).exists():
            if (out / CACHE).exists():
                raise RequestError(f"{out / CACHE} is there, but not from usframe prepare; choose another -o")
        elif request.overwrite:
            shutil.rmtree(out / CACHE, ignore_errors=True)
            for name in (RECORD, SPLITS, "fingerprint.csv"):
                (out / name).unlink(missing_ok=True)
        elif difference := _difference(out / RECORD, fresh):
            raise RequestError(f"{out} {difference}; choose another -o, or add --overwrite to replace it")
        write_json(out / RECORD, fresh)
    except (OSError, WriteError) as error:
        cause = error.strerror if isinstance(error, OSError) else error
        raise RequestError(f"cannot write to {out}: {cause}; choose another -o") from error


def _difference(record: Path, fresh: Mapping[str, Any]) -> str:
    """How what was prepared differs from what is asked for now; nothing, and it can be gone on with."""
    try:
        earlier = json.loads(record.read_text(encoding="utf-8"))
        settings, patients = earlier["settings"], earlier["patients"]
        changed = [
            f"{key}={settings.get(key)}" for key, now in fresh["settings"].items() if settings.get(key) != now
        ]
        others = sorted(set(patients.items()) ^ set(fresh["patients"].items()))
    except (ValueError, KeyError, AttributeError, TypeError):
        return f"holds a {RECORD} that cannot be read"
    if changed:
        return f"was prepared with other settings ({', '.join(changed)})"
    return f"was prepared from other cases or patients (such as case {others[0][0]})" if others else ""


def _describe(
    request: Preparation, patients: Mapping[str, str], splits: Sequence[Split], results: Sequence[CaseResult]
) -> dict[str, Any]:
    """What prepare.json holds, but for where and when."""
    failures = list_failures(results)
    failed = {failure["case"] for failure in failures}
    notes = count_totals(results, labelled=True)["notes"]
    if request.group is None:
        notes.insert(0, "every case counts as a patient of its own; --group says which belong together")
    folds = [
        {
            part: {"cases": len(cases), "patients": len({patients[case] for case in cases})}
            for part, cases in asdict(without(split, failed)).items()
        }
        for split in splits
    ]
    return {
        "settings": {key: getattr(request, key) for key in SETTINGS},
        "patients": dict(patients),
        "cases": {"total": len(results), "failed": len(failed), "patients": len({*patients.values()})},
        "folds": folds,
        "fingerprint": summarise_fingerprint([row for result in results for row in result.rows]),
        "failures": failures,
        "notes": notes,
    }


def _write(
    out: Path,
    cases: Sequence[Case],
    splits: Sequence[Split],
    results: Sequence[CaseResult],
    record: Mapping[str, Any],
    cache: Cache | None,
) -> None:
    """Write the files of OUT. Raises `CaseError` where failures leave a fold without training or validation."""
    write_fingerprint(out / "fingerprint.csv", [row for result in results for row in result.rows])
    if cache:
        known = {case.name: about["spacing_mm"] for case in cases if (about := cache.about(case))}
        write_json(cache.folder / "spacing.json", known)
    write_json(out / RECORD, record)
    left = [without(split, {result.case for result in results if result.error}) for split in splits]
    if short := [number for number, split in enumerate(left) if not (split.train and split.val)]:
        (out / SPLITS).unlink(missing_ok=True)
        raise CaseError(f"fold {short[0]}: all cases of a part failed, so {out / SPLITS} was not written")
    write_splits(out / SPLITS, left)


def _show(out: Path, record: Mapping[str, Any]) -> None:
    print(fingerprint_table(record["fingerprint"]))
    for number, fold in enumerate(record["folds"]):
        parts = [
            f"{part} {counted(fold[part]['cases'], 'case')} of {counted(fold[part]['patients'], 'patient')}"
            for part in PARTS
            if fold[part]["cases"]
        ]
        print(f"fold {number}: {', '.join(parts)}")
    for note in record["notes"]:
        print(f"note: {note}")
    total, failed = record["cases"]["total"], record["cases"]["failed"]
    print(f"{total - failed} of {counted(total, 'case')} in {record['seconds']:.0f} s")
    parts = [name for name in (SPLITS, "fingerprint.csv", RECORD, CACHE) if (out / name).exists()]
    print(f"Wrote {out}/: {', '.join(parts)}")
