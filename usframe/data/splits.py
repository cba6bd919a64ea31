"""Which cases are for training, validation and testing: by patient, from a seed, in a file of nnU-Net's shape."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from usframe.config.schema import Scored
from usframe.errors import RequestError
from usframe.files import write_file
from usframe.plain import read_json
from usframe.plugins.registry import nearest

PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class Split:
    """The names of the cases of each part. Of several folds, all have the same ``test``."""

    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...] = ()


def make_splits(patients: Mapping[str, str], *, folds: int, val: float, test: float, seed: int) -> list[Split]:
    """Draw a split, or ``folds`` of them that validate every case outside of the test part once.

    ``patients``: case -> patient, in any order. ``test`` and ``val``: shares of the patients, rounded, at least one
    (of ``test`` none where it is 0); ``val`` is for one fold only. Parts have about their share of the cases too,
    where patients have different numbers of them. Raises `RequestError` for impossible shares and too few patients.
    """
    _check_shares(folds, val, test)
    sizes = Counter(patients.values())
    rng = np.random.default_rng(seed)
    drawn = [str(patient) for patient in rng.permutation(sorted(sizes))]
    drawn.sort(key=lambda patient: -sizes[patient])
    tested = _sample(drawn, max(1, round(test * len(drawn))), rng) if test else set()
    left = [patient for patient in drawn if patient not in tested]
    if folds > 1:
        if len(left) < folds:
            raise RequestError(f"folds={folds} are too many for {_counted(left, tested)}")
        validated = _deal(left, sizes, folds)
    else:
        wanted = max(1, round(val * len(drawn)))
        if wanted >= len(left):
            raise RequestError(f"no patient is left to train on: val={val:g} for {_counted(left, tested)}")
        validated = [_sample(left, wanted, rng)]
    return [Split(*(_cases(patients, part) for part in ({*left} - chosen, chosen, tested))) for chosen in validated]


def without(split: Split, cases: AbstractSet[str]) -> Split:
    """The split with ``cases`` taken out of all parts."""
    return Split(*(tuple(case for case in part if case not in cases) for part in astuple(split)))


def check_leakage(split: Split, patients: Mapping[str, str]) -> None:
    """Raise `RequestError`, with a line per patient, where a patient has cases in two parts."""
    first: dict[str, dict[str, str]] = {}
    for part, cases in asdict(split).items():
        for case in cases:
            first.setdefault(patients[case], {}).setdefault(part, case)
    problems = [
        f"patient {patient} is in {' and in '.join(f'{part} (case {case})' for part, case in parts.items())}; "
        "all cases of a patient belong into one part"
        for patient, parts in sorted(first.items())
        if len(parts) > 1
    ]
    if problems:
        raise RequestError(*problems)


def write_splits(path: Path, splits: Sequence[Split]) -> None:
    """Write what nnU-Net calls ``splits_final.json``: a list of folds with ``train`` and ``val``.

    ``test`` is added where there is one. Raises `WriteError`.
    """
    folds = [{part: list(cases) for part, cases in asdict(split).items() if cases} for split in splits]
    write_file(path, json.dumps(folds, indent=2) + "\n")


def read_splits(path: Path, cases: Sequence[str] | None) -> list[Split]:
    """The folds of a file as `write_splits` or nnU-Net writes it. ``cases``: those that there are, None for any.

    Not all of them need be in a fold. Raises `RequestError` for a file that cannot be read or is of another shape,
    for unknown cases, for a case that is twice in a fold, and for a fold without training or validation.
    """
    try:
        folds = read_json(path)
    except OSError as error:
        raise RequestError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise RequestError(f"{path}: is no JSON ({error})") from error
    if not isinstance(folds, list) or not folds:
        raise RequestError(f'{path}: must be a list of folds such as [{{"train": ["a"], "val": ["b"]}}]')
    splits = [_read_fold(f"{path}: fold {number}", fold) for number, fold in enumerate(folds)]
    if cases is not None:
        named = dict.fromkeys(case for split in splits for part in asdict(split).values() for case in part)
        _check_known(path, [*named], cases)
    return splits


def read_fold(path: Path, fold: int, cases: Sequence[str] | None) -> Split:
    """One fold of a file; see `read_splits`. Raises `RequestError`, also for one that it does not have."""
    folds = read_splits(path, cases)
    if fold >= len(folds):
        raise RequestError(f"fold={fold} is not possible; {path} has folds 0 to {len(folds) - 1}")
    return folds[fold]


def in_part(settings: Scored, cases: Sequence[str]) -> list[str]:
    """Those of the names ``cases`` that a request is about.

    Raises `RequestError` for a part that is empty, or names others.
    """
    if settings.splits is None:
        return [*cases]
    path = Path(settings.splits)
    chosen = getattr(read_fold(path, settings.fold, None), settings.part)
    if not chosen:
        cure = "; usframe prepare --test 0.2 sets one aside" if settings.part == "test" else ""
        raise RequestError(f"{path}: fold {settings.fold} has no part {settings.part}{cure}")
    _check_known(path, chosen, cases)
    return [name for name in cases if name in {*chosen}]


def _check_known(path: Path, named: Sequence[str], cases: Sequence[str]) -> None:
    known = set(cases)
    if unknown := [case for case in named if case not in known]:
        some = ", ".join(f"{case}{nearest(case, cases)}" for case in unknown[:5])
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise RequestError(f"{path}: there is no case {some}{more}")


def _check_shares(folds: int, val: float, test: float) -> None:
    problems = []
    if folds < 1:
        problems.append(f"folds={folds} is not possible; it must be at least 1")
    if not 0 < val < 1:
        problems.append(f"val={val:g} is not possible; it must be a share between 0 and 1")
    if not 0 <= test < 1:
        problems.append(f"test={test:g} is not possible; it must be a share from 0 to below 1")
    if problems:
        raise RequestError(*problems)


def _sample(patients: Sequence[str], count: int, rng: np.random.Generator) -> set[str]:
    """``count`` of the patients, each as likely as the others, at equal distances in their order by size."""
    if count >= len(patients):
        return {*patients}
    start, step = rng.random(), len(patients) / count
    return {patients[int((start + number) * step)] for number in range(count)}


def _deal(patients: Sequence[str], sizes: Mapping[str, int], folds: int) -> list[set[str]]:
    """Each patient in turn, the largest first, to the fold that has the fewest cases, then the fewest patients."""
    dealt: list[set[str]] = [set() for _ in range(folds)]
    for patient in patients:
        min(dealt, key=lambda fold: (sum(sizes[one] for one in fold), len(fold))).add(patient)
    return dealt


def _cases(patients: Mapping[str, str], chosen: set[str]) -> tuple[str, ...]:
    return tuple(sorted(case for case, patient in patients.items() if patient in chosen))


def _counted(left: Sequence[str], tested: set[str]) -> str:
    held = f" beside {len(tested)} for testing" if tested else ""
    return f"{len(left)} patient{'' if len(left) == 1 else 's'}{held}"


def _read_fold(where: str, fold: Any) -> Split:
    """One fold of the file; all that needs no knowledge of the cases is checked."""
    if not isinstance(fold, dict) or not {"train", "val"} <= set(fold) <= set(PARTS):
        raise RequestError(f"{where} must have the keys train and val, may have test, and no others")
    for part, cases in fold.items():
        if not isinstance(cases, list) or not all(isinstance(case, str) for case in cases):
            raise RequestError(f"{where}: {part} must be a list of case names")
    if empty := [part for part in ("train", "val") if not fold[part]]:
        raise RequestError(f"{where} has no case in {empty[0]}")
    seen: dict[str, str] = {}
    for part in PARTS:
        for case in fold.get(part, ()):
            if case in seen:
                raise RequestError(f"{where}: case {case} is in {seen[case]} and again in {part}")
            seen[case] = part
    return Split(*(tuple(fold.get(part, ())) for part in PARTS))
