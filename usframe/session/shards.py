"""Parts of a run for jobs that cannot talk to each other, each in its own folder, and how they are joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from usframe.config.schema import SHARDS, Predict, Shard
from usframe.data.case import Case
from usframe.errors import RequestError
from usframe.files import CASES, HIDDEN, Manifest, write_file
from usframe.plain import read_json
from usframe.reporting.record import OF_NETWORK
from usframe.reporting.results import INTERRUPTED, CaseResult, Kept, Records
from usframe.reporting.text import counted
from usframe.session.folder import BEGUN, DONE, difference

OF_CASE = "shards."  # beginning of the keys of begun.json that say which shard does a case
AGAIN = "the command of that shard goes on with it"


def by_size(cases: Sequence[Case]) -> list[Case]:
    """The cases with the largest files of volumes first, as far as that tells how long they take."""
    return sorted(cases, key=lambda case: (-case.size, case.name))


def deal(cases: Sequence[Case], number: int) -> list[list[Case]]:
    """The cases of each of so many shards: by size, each to the shard that has the fewest bytes so far."""
    shards: list[list[Case]] = [[] for _ in range(number)]
    load = [0] * number
    for case in by_size(cases):
        least = load.index(min(load))
        shards[least].append(case)
        load[least] += max(case.size, 1)
    return [sorted(shard, key=lambda case: case.name) for shard in shards]


class Part(NamedTuple):
    """The ``cases`` of a run that one job does, which shard does which, as ``facts`` of the run, and ``notes``."""

    cases: list[Case]
    facts: dict[str, Any]
    notes: list[str]


def part_of(cases: Sequence[Case], config: Predict) -> Part:
    """That of ``shard=``, which is all where it is not given."""
    if config.shard is None:
        return Part([*cases], {}, [])
    shard = Shard.of_text(config.shard)
    dealt = deal(cases, shard.of)
    mine = dealt[shard.number - 1]
    facts = {f"{OF_CASE}{case.name}": {"shard": n} for n, part in enumerate(dealt, 1) for case in part}
    about = f"shard {shard}: {len(mine)} of {counted(len(cases), 'case')}, in {config.folder}"
    return Part(mine, facts, [f"{about}; usframe join {config.out} puts all shards together"])


@dataclass(frozen=True)
class Begun:
    """A shard that was begun in ``folder``, and with what."""

    folder: Path
    facts: Mapping[str, Any]

    @cached_property
    def shard(self) -> Shard:
        return Shard.of_text(str(self.facts["shard"]))

    @cached_property
    def whole(self) -> dict[str, Any]:
        """The facts of the run that this is a part of."""
        own = {key for key in self.facts if key.startswith(OF_CASE)} | {"shard"}
        return {key: value for key, value in self.facts.items() if key not in own} | {"shard": None}

    @cached_property
    def cases(self) -> list[str]:
        mine = {"shard": self.shard.number}
        return [
            key.removeprefix(OF_CASE) for key in self.facts if key.startswith(OF_CASE) and self.facts[key] == mine
        ]

    @property
    def records(self) -> Records:
        return Records(self.folder / HIDDEN / CASES)

    @cached_property
    def kept(self) -> dict[str, Kept | None]:
        """What its run kept of each of its cases."""
        return {case: self.records.read(case) for case in self.cases}

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The files that these came with, and their SHA-256. Raises `RequestError` for others."""
        files = Manifest(self.folder).files
        found: dict[str, str] = {}
        for kept in self.kept.values():
            found |= kept.outputs if kept else {}
        if other := [place for place, known in found.items() if known not in files.get(place, ())]:
            raise RequestError(f"{self.folder / other[0]} is not as its shard left it; {AGAIN}")
        return found

    @cached_property
    def record(self) -> dict[str, Any]:
        """What its run.json says; nothing where there is none."""
        try:
            found: dict[str, Any] = read_json(self.folder / "run.json", dict[str, Any])
        except (OSError, ValueError):
            return {}
        return found if {"seconds", "processes", "peak_memory", *OF_NETWORK} <= found.keys() else {}

    def unfinished(self) -> str:
        """Which shard it is and what of it is not done, "" where it has come to its end."""
        undone = [case for case, kept in self.kept.items() if not kept or kept.result.stage == INTERRUPTED]
        more = f" and {len(undone) - 1} more" if len(undone) > 1 else ""
        if undone or not self.record or not (self.folder / HIDDEN / DONE / "0").exists():
            return f"{self.shard}{f' (case {undone[0]}{more})' if undone else ''}"
        return ""


def find_shards(out: Path) -> list[Begun]:
    """All shards of the run at OUT, in their order. Raises `RequestError` unless they are whole and of one run."""
    places = sorted((out / SHARDS).glob(f"*/{HIDDEN}/{BEGUN}"))
    if not places:
        raise RequestError(f"{out / SHARDS} holds no shards; usframe run ... shard=I/N -o {out} makes them")
    found: dict[int, Begun] = {}
    for place in places:
        begun = Begun(place.parent.parent, _facts(place))
        other = found.setdefault(begun.shard.number, begun)
        first = next(iter(found.values()))
        if first.shard.of != begun.shard.of:
            numbers = f"of {first.shard.of} ({first.folder}) and of {begun.shard.of} ({begun.folder})"
            raise RequestError(f"{out / SHARDS} holds shards {numbers}; move those of one away")
        if other is not begun:
            raise RequestError(
                f"shard {begun.shard} is there twice, in {other.folder} and in {begun.folder}; move one away"
            )
    first = next(iter(found.values()))
    if missing := [str(Shard(n, first.shard.of)) for n in range(1, first.shard.of + 1) if n not in found]:
        raise RequestError(f"{out / SHARDS} lacks shard {', '.join(missing)}; run what is missing first")
    for begun in found.values():
        other_than, kind = difference({**first.facts, "shard": None}, {**begun.facts, "shard": None})
        if other_than:
            raise RequestError(
                f"{begun.folder} is of other {kind} than {first.folder} ({other_than}); "
                "run one of them again, with overwrite=true"
            )
    shards = [found[number] for number in sorted(found)]
    if undone := [which for begun in shards if (which := begun.unfinished())]:
        raise RequestError(f"{out / SHARDS}: shard {', '.join(undone)} is not finished; {AGAIN}")
    return shards


def _facts(place: Path) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = dict(read_json(place))
        Shard.of_text(str(facts["shard"]))
        if any("/" in key or "\\" in key for key in facts if key.startswith(OF_CASE)):
            raise ValueError("a case is no path")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RequestError(f"{place} does not say which shard it is; move its folder away") from error
    return facts


def take_over(shards: Sequence[Begun], config: Predict) -> list[CaseResult]:
    """Copy masks, pictures and records of all shards into OUT, which was opened for it; the results by case.

    Raises `RequestError` where something is not as its shard left it, and `WriteError`.
    """
    out = config.folder
    manifest, records = Manifest.current, Records(out / HIDDEN / CASES)
    results: list[CaseResult] = []
    for shard in shards:
        for place, found in shard.outputs.items():
            if not (manifest and manifest.has(place, found)):
                _copy(shard.folder / place, out / place, found)
        for case, kept in shard.kept.items():
            for path, copy in zip(shard.records.files(case), records.files(case), strict=True):
                _copy(path, copy)
            results += [kept.result] if kept else []
    return sorted(results, key=lambda result: result.case)


def _copy(source: Path, target: Path, found: str = "") -> None:
    try:
        content = source.read_bytes()
    except OSError as error:
        raise RequestError(f"{source}: cannot be read ({error.strerror or error}); {AGAIN}") from error
    if found and sha256(content).hexdigest() != found:
        raise RequestError(f"{source} is not as its shard left it; {AGAIN}")
    write_file(target, content)
