"""Training clips out of volumes with labels, read when they are needed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from usframe.arrays import blocks, values_of
from usframe.config.schema import Paired
from usframe.data.cache import open_cached
from usframe.data.case import Case
from usframe.data.clips import Clip
from usframe.data.reading import judged, read_case
from usframe.errors import CaseError
from usframe.intensity import Slices
from usframe.plugins import Plugins
from usframe.selection import spread
from usframe.training.validation import HeldOut

KEPT = 2  # volumes held in memory at a time, per process that reads
Pair: TypeAlias = tuple[Slices, NDArray[np.uint8]]


class Volumes:
    """Reads cases, slices (D, H, W) float32 in 0-1 and (D, H, W) uint8, read-only; the last few stay in memory.

    Of a sparsely labelled volume D are the slices with labels; voxels that nobody has judged have the value
    ``settings.ignore``. ``notes``: case -> what was assumed about it. ``names``: of the objects read so far, by id.
    """

    def __init__(self, settings: Paired, plugins: Plugins) -> None:
        self.settings, self.plugins = settings, plugins
        self.kept: OrderedDict[str, Pair] = OrderedDict()
        self.notes: dict[str, tuple[str, ...]] = {}
        self.names: dict[int, str] = {}

    def __call__(self, case: Case) -> Pair:
        """Raises `CaseError` in one line for files that cannot be used."""
        if case.name not in self.kept:
            self.kept[case.name] = self._read(case)
            if len(self.kept) > KEPT:
                self.kept.popitem(last=False)
        self.kept.move_to_end(case.name)
        return self.kept[case.name]

    def _read(self, case: Case) -> Pair:
        reading = read_case(case, self.settings, self.plugins)
        assert reading.labels is not None
        self.notes[case.name] = reading.notes
        self.names |= reading.names
        data, labels = reading.data, reading.labels_with(self.settings.ignore)
        if reading.known is not None:
            frames = np.flatnonzero(reading.known)
            return data[frames], labels[frames]
        labels.setflags(write=False)
        return data, labels


@dataclass(frozen=True)
class ScannedCase:
    """A case that was read: its ``length`` in slices, those that show an object and those that do not, its ids.

    ``mapped``: its files are what a training needs as they are, so slices can be read from them alone.
    """

    case: Case
    length: int
    shown: tuple[int, ...]
    empty: tuple[int, ...]
    objects: tuple[int, ...]
    mapped: bool


def scan_case(case: Case, read: Volumes) -> ScannedCase:
    """What is to be known of a case. Raises `CaseError` for files that cannot be used and labels of nothing."""
    data, labels = read(case)
    ignore = -1 if read.settings.ignore is None else read.settings.ignore
    objects = np.array([((plane > 0) & (plane != ignore)).any() for plane in labels])
    if not objects.any():
        raise CaseError(f"{case.labels}: no slice shows an object, so there is nothing to train on")
    shown, empty = (tuple(map(int, np.flatnonzero(which))) for which in (objects, ~objects))
    ids = tuple(one for one in values_of(labels) if one not in (0, ignore))
    return ScannedCase(case, len(data), shown, empty, ids, _is_mapped(case, data, labels, read.settings))


def _is_mapped(case: Case, data: Slices, labels: NDArray[np.uint8], settings: Paired) -> bool:
    if {settings.layout, settings.label_layout or settings.layout} - {"auto", "dhw"} or case.labels is None:
        return False
    if {case.volume.suffix, case.labels.suffix} != {".npy"}:
        return False
    return _holds(case.volume, data) and _holds(case.labels, labels)


def _holds(path: Path, used: Slices | NDArray[np.uint8]) -> bool:
    stored = open_cached(path)
    if (stored.dtype, stored.shape) != (used.dtype, used.shape):
        return False
    return all(np.array_equal(stored[part], used[part]) for part in blocks(used.shape))


class LabelledClips:
    """A source of clips around every slice that shows an object; an epoch has each of them once, in any order.

    A clip has ``length`` slices, fewer in a shorter volume. Of single slices the share ``empty`` shows no object,
    and the prompt is drawn from the nearest slice that does. With ``versions`` above 0 a slice comes as one of so
    many pictures (place of the clip, augmentation), for embeddings that are computed once.
    """

    def __init__(
        self,
        cases: Sequence[ScannedCase],
        read: Volumes,
        *,
        length: int,
        seed: int,
        empty: float = 0.0,
        versions: int = 0,
    ) -> None:
        self.items = [(scanned, frame) for scanned in cases for frame in scanned.shown]
        self.read, self.length, self.seed = read, length, seed
        self.empty, self.versions = empty, versions

    def __call__(self, number: int) -> Clip:
        epoch, place = divmod(number, len(self.items))
        index = int(np.random.default_rng([self.seed, epoch, 3]).permutation(len(self.items))[place])
        view = index * self.versions + epoch % self.versions if self.versions else number
        return self.clip(index, view)

    def clip(self, index: int, view: int) -> Clip:
        """The clip around item ``index``; what is drawn of it depends on ``view``."""
        scanned, frame = self.items[index]
        rng = np.random.default_rng([self.seed, view, 4])
        if self.length == 1 and scanned.empty and rng.random() < self.empty:
            gone = int(rng.choice(scanned.empty))
            nearest = min(scanned.shown, key=lambda one: abs(one - gone))
            images, _ = self._slices(scanned, gone, gone + 1)
            _, labels = self._slices(scanned, nearest, nearest + 1)
            return Clip(images, labels, f"{scanned.case.volume}, slice {gone}", view, absent=True)
        length = min(self.length, scanned.length)
        first = int(np.clip(frame - rng.integers(length), 0, scanned.length - length))
        images, labels = self._slices(scanned, first, first + length)
        where = f"slice {first}" if length == 1 else f"slices {first}-{first + length - 1}"
        return Clip(images, labels, f"{scanned.case.volume}, {where}", view)

    def _slices(self, scanned: ScannedCase, first: int, stop: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        case = scanned.case
        if scanned.mapped and case.labels is not None:
            mapped = [np.array(open_cached(path)[first:stop]) for path in (case.volume, case.labels)]
            return mapped[0], mapped[1]
        data, labels = self.read(case)
        return data[first:stop], labels[first:stop]


def hold_out(scanned: ScannedCase, read: Volumes, *, slices: int, volume: bool) -> Iterator[HeldOut]:
    """A held-out case as ``slices`` of its slices at most, and, where memory is trained, as a ``volume``."""
    data, stored = read(scanned.case)
    labels, ignored, _, _ = judged(stored, read.settings.ignore, sparse=False)
    frames = spread(np.array(scanned.shown, np.intp), slices)
    some = None if ignored is None else ignored[frames]
    yield HeldOut(scanned.case.name, data[frames], labels[frames], ignored=some)
    if volume:
        yield HeldOut(scanned.case.name, data, labels, "propagate", ignored)
