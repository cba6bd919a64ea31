"""Training clips out of volumes with labels, read when they are needed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from usframe.config.schema import Finetune, Preview
from usframe.data.cache import open_cached
from usframe.data.case import Case
from usframe.data.cases import read_labels, read_volume
from usframe.data.clips import Clip
from usframe.errors import CaseError
from usframe.geometry import normalise_intensity
from usframe.plugins.load import Plugins

KEPT = 2  # volumes held in memory at a time, per process that reads
Reading: TypeAlias = Finetune | Preview
Pair: TypeAlias = tuple[NDArray[np.float32], NDArray[np.uint8]]


class Volumes:
    """Reads cases, (D, H, W) float32 in 0-1 and (D, H, W) uint8; the last few stay in memory."""

    def __init__(self, config: Reading, plugins: Plugins) -> None:
        self.config, self.plugins = config, plugins
        self.kept: OrderedDict[str, Pair] = OrderedDict()

    def __call__(self, case: Case) -> Pair:
        """Raises `CaseError` in one line for files that cannot be used."""
        if case.name not in self.kept:
            self.kept[case.name] = self._read(case)
            if len(self.kept) > KEPT:
                self.kept.popitem(last=False)
        self.kept.move_to_end(case.name)
        return self.kept[case.name]

    def _read(self, case: Case) -> Pair:
        layout = self.config.layout
        volume = read_volume(case.volume, layout=layout, plugins=self.plugins)
        labels = read_labels(case, volume, layout=self.config.label_layout or layout, plugins=self.plugins)
        try:
            return normalise_intensity(volume.data, self.config.intensity)[0], labels.data
        except CaseError as error:
            raise CaseError(f"{case.volume}: {error}") from error


@dataclass(frozen=True)
class Known:
    """A case that was looked through: its ``length`` in slices, those that show an object and those that do not.

    ``mapped``: its files are what a training needs as they are, so slices can be read from them alone.
    """

    case: Case
    length: int
    shown: tuple[int, ...]
    empty: tuple[int, ...]
    mapped: bool


def look_through(case: Case, read: Volumes) -> Known:
    """What is to be known of a case. Raises `CaseError` for files that cannot be used and labels of nothing."""
    data, labels = read(case)
    objects = labels.any((1, 2))
    if not objects.any():
        raise CaseError(f"{case.labels}: no slice shows an object, so there is nothing to train on")
    shown, empty = (tuple(map(int, np.flatnonzero(which))) for which in (objects, ~objects))
    return Known(case, len(data), shown, empty, _is_mapped(case, data, labels, read.config))


def _is_mapped(case: Case, data: NDArray[np.float32], labels: NDArray[np.uint8], config: Reading) -> bool:
    if {config.layout, config.label_layout or config.layout} - {"auto", "dhw"} or case.labels is None:
        return False
    if {case.volume.suffix, case.labels.suffix} != {".npy"}:
        return False
    return _holds(case.volume, data) and _holds(case.labels, labels)


def _holds(path: Path, used: NDArray[Any]) -> bool:
    stored = open_cached(path)
    return stored.dtype == used.dtype and np.array_equal(stored, used)


class LabelledClips:
    """A source of clips around every slice that shows an object; an epoch has each of them once, in any order.

    A clip has ``length`` slices, fewer in a shorter volume. Of single slices the share ``empty`` shows no object,
    and the prompt is drawn from the nearest slice that does. With ``versions`` above 0 a slice comes as one of so
    many pictures (place of the clip, augmentation), for embeddings that are computed once.
    """

    def __init__(
        self,
        cases: Sequence[Known],
        read: Volumes,
        *,
        length: int,
        seed: int,
        empty: float = 0.0,
        versions: int = 0,
    ) -> None:
        self.items = [(known, frame) for known in cases for frame in known.shown]
        self.read, self.length, self.seed = read, length, seed
        self.empty, self.versions = empty, versions

    def __call__(self, number: int) -> Clip:
        epoch, place = divmod(number, len(self.items))
        index = int(np.random.default_rng([self.seed, epoch, 3]).permutation(len(self.items))[place])
        view = index * self.versions + epoch % self.versions if self.versions else number
        return self.clip(index, view)

    def clip(self, index: int, view: int) -> Clip:
        """The clip around item ``index``; what is drawn of it depends on ``view``."""
        known, frame = self.items[index]
        rng = np.random.default_rng([self.seed, view, 4])
        if self.length == 1 and known.empty and rng.random() < self.empty:
            gone = int(rng.choice(known.empty))
            nearest = min(known.shown, key=lambda one: abs(one - gone))
            images, labels = self._slices(known, gone, gone + 1)
            asked = self._slices(known, nearest, nearest + 1)[1]
            return Clip(images, labels, asked, f"{known.case.volume}, slice {gone}", view)
        length = min(self.length, known.length)
        first = int(np.clip(frame - rng.integers(length), 0, known.length - length))
        images, labels = self._slices(known, first, first + length)
        where = f"slice {first}" if length == 1 else f"slices {first}-{first + length - 1}"
        return Clip(images, labels, labels, f"{known.case.volume}, {where}", view)

    def _slices(self, known: Known, first: int, stop: int) -> Pair:
        if known.mapped and known.case.labels is not None:
            data, labels = (
                np.array(open_cached(path)[first:stop]) for path in (known.case.volume, known.case.labels)
            )
            return data, labels
        data, labels = self.read(known.case)
        return data[first:stop], labels[first:stop]


def spread(frames: Sequence[int], most: int) -> Iterator[int]:
    """``most`` of the frames, evenly spread; all where there are fewer."""
    count = min(most, len(frames))
    yield from (frames[int((n + 0.5) * len(frames) / count)] for n in range(count))
