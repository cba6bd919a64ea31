"""What a label value means, decided once for all files of a run and not file by file."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usframe.arrays import blocks, gather, values_of
from usframe.data.volumes import read_volume
from usframe.errors import CaseError, ReadError
from usframe.objects import ObjectNames
from usframe.plugins import Plugins
from usframe.types import Role

WHITE = 255
DUST = 1e-3  # what the slope of a NIfTI file leaves of whole numbers
Labels = NDArray[np.uint8]


class Meaning:
    """The label values of a run, whose files are looked at only where one of them raises the question.

    0 and 255 are background and object 1 where all label files of the run hold nothing else, and the masks hold
    no 255 beside other values; for masks the other way round. Objects with names have the values of the first file
    that has the name; later ones follow with the next free number.
    """

    def __init__(
        self,
        labels: Sequence[Path],
        masks: Sequence[Path] = (),
        *,
        layout: str = "auto",
        ignore: int | None = None,
        allow_outside: bool = False,
        plugins: Plugins | None = None,
        objects: ObjectNames | None = None,
        time_point: int | None = None,
    ) -> None:
        """``ignore``: the value of labels that stands for voxels which nobody has judged; it means nothing else.

        ``objects``: names for files that have none of their own.
        """
        self.objects = objects or ObjectNames()
        self.ignore = ignore
        self.files: dict[Role, Sequence[Path]] = {"labels": labels, "mask": masks}
        self.layout, self.allow_outside, self.plugins = layout, allow_outside, plugins
        self.time_point = time_point
        self._seen: dict[Path, tuple[frozenset[int], Mapping[int, str]]] = {}

    @classmethod
    def of_one(cls, data: Labels, role: Role, ignore: int | None = None) -> Meaning:
        """That of a file which stands alone."""
        place = Path()
        meaning = cls([place] if role == "labels" else [], [place] if role == "mask" else [], ignore=ignore)
        meaning._seen[place] = (frozenset(values_of(data)) - meaning.left_out(role), {})
        return meaning

    def decided(self, questions: Collection[str] | None = None) -> dict[str, Any]:
        """The answers to ``questions`` (``ids``, ``white``), or to those that came up so far; plain data."""
        asked = vars(self).keys() & {"ids", "white"} if questions is None else questions
        answers = {"ids": lambda: dict(self.ids), "white": lambda: sorted(self.white)}
        return {question: answer() for question, answer in answers.items() if question in asked}

    def left_out(self, role: Role) -> set[int]:
        """The value that is no object in the files of a role."""
        return {self.ignore} - {None} if role == "labels" else set()  # type: ignore[return-value]

    def apply(
        self, path: Path, data: Labels, names: Mapping[int, str], role: Role
    ) -> tuple[Labels, dict[int, str], list[str]]:
        """``data`` in the values of the run, the names of these, and what was changed.

        Raises `ReadError` where more than 255 objects have names.
        """
        names = _distinct(names)
        if names:
            ids = {value: self.ids.get(name, value) for value, name in names.items()} if self._runs else {}
            if clash := self.left_out(role) & {*names, *ids.values()}:
                raise ReadError(f"{path}: ignore={clash.pop()} is the value of an object that has a name")
            if max([*ids.values(), 0]) > WHITE:
                raise ReadError(f"{path}: the run has more than {WHITE} names of objects; segment fewer at once")
            known = {ids.get(value, value): name for value, name in names.items()}
            if all(value == number for value, number in ids.items()):
                return data, known, []
            table = np.arange(256, dtype=np.uint8)
            table[list(ids)] = list(ids.values())
            listed = ", ".join(f"{name} is {value}" for value, name in sorted(known.items()))
            return mapped(data, table), known, [f"objects were matched by name, as in the first file: {listed}"]
        values = {*values_of(data)} - self.left_out(role)
        if WHITE in values and not values - {0, WHITE} and role in self.white:
            ones = np.arange(256)
            ones[WHITE] = 1
            called, notes = self._called({1})
            return mapped(data, ones), called, ["the label values 0 and 255 were read as 0 and 1", *notes]
        return data, *self._called(values)

    def _called(self, values: Collection[int]) -> tuple[dict[int, str], list[str]]:
        """What the values of a file without names are called, and who says so."""
        names = {value: name for value, name in self.objects.by_value.items() if value in values}
        source = self.objects.source
        return names, [f"objects are called as in {source}; objects={{1: NAME}} says otherwise"] * bool(
            names and source
        )

    @property
    def _runs(self) -> bool:
        return any(path != Path() for paths in self.files.values() for path in paths)

    @cached_property
    def ids(self) -> dict[str, int]:
        """Name of an object -> its value in this run; never that of an object without a name beside named ones."""
        named = []
        taken: set[int] = set()
        for path in (path for paths in self.files.values() for path in paths):
            values, names = self._look(path)
            if names := _distinct(names):
                named.append(names)
                taken |= values - {0, *names}
        found: dict[str, int] = {}
        for value, name in (pair for names in named for pair in sorted(names.items())):
            if name not in found:
                found[name] = max(taken) + 1 if value in taken else value
                taken.add(found[name])
        return found

    @cached_property
    def white(self) -> set[Role]:
        """The roles whose files are all of 0 and 255."""
        binary: dict[Role, bool] = {}
        white: dict[Role, bool] = {}
        for role, paths in self.files.items():
            values: set[int] = set()
            for path in paths:
                values |= self._look(path)[0]
                if WHITE in values and values - {0, WHITE}:
                    break
            binary[role], white[role] = not values - {0, WHITE}, WHITE in values
        mixed = any(white[role] and not binary[role] for role in self.files)
        return {role for role in self.files if binary[role] and not mixed}

    def _look(self, path: Path) -> tuple[frozenset[int], Mapping[int, str]]:
        """The values and names of a file; none of one that cannot be read, which fails where it is used."""
        if path not in self._seen:
            role: Role = "mask" if path in self.files["mask"] else "labels"
            try:
                read = read_volume(
                    path,
                    layout=self.layout,
                    role=role,
                    allow_outside=self.allow_outside,
                    time_point=self.time_point,
                    plugins=self.plugins,
                )
                values = values_of(whole_numbers(path, read.data))
                self._seen[path] = (frozenset(values) - self.left_out(role), read.names)
            except CaseError:
                self._seen[path] = (frozenset(), {})
        return self._seen[path]


def whole_numbers(path: Path, data: NDArray[Any]) -> Labels:
    """Label values as uint8; those within a thousandth of a whole number are this number.

    Raises `ReadError` for other values, and for NaN.
    """
    if data.dtype == np.uint8:
        return data
    if data.dtype.kind == "f":
        if not all(np.isfinite(data[part]).all() for part in blocks(data.shape)):
            raise ReadError(f"{path}: labels contain NaN or infinite values")
        for part in blocks(data.shape):
            broken = data[part][np.abs(data[part] - np.rint(data[part])) > DUST]
            if broken.size:
                raise ReadError(f"{path}: label values must be whole numbers, found {broken.flat[0]:g}")
    low, high = (np.rint(value) for value in (data.min(), data.max()))
    if low < 0 or high > WHITE:
        raise ReadError(f"{path}: label values must be from 0 to 255, found {low:g} to {high:g}")
    return gather((np.rint(data[part]) for part in blocks(data.shape)), data.shape, np.uint8)


def mapped(data: Labels, table: NDArray[Any]) -> Labels:
    """Every value of ``data`` replaced by what ``table`` (256,) has for it."""
    return gather((table[data[part]] for part in blocks(data.shape)), data.shape, np.uint8)


def _distinct(names: Mapping[int, str]) -> dict[int, str]:
    """Names by value; none where two objects of a file share one."""
    return dict(names) if len(set(names.values())) == len(names) else {}
