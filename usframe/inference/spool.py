"""What a walk through a volume keeps for later, on disk: a long volume needs no more memory than a short one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray

from usframe.arrays import Planes, explained
from usframe.geometry import from_model, label_slice
from usframe.inference.decoding import ABSENT
from usframe.inference.trust import dice
from usframe.inference.verbs import device_of, encode_slices
from usframe.intensity import Slices
from usframe.quality import Quality
from usframe.types import Backbone, Decoded, Segmentation

AHEAD = 8  # slices encoded at a time, but on a CPU, where they take as long one by one


class Spool:
    """A temporary folder, and what is kept in it. As a context it raises `CaseError` where the disk is full."""

    def __enter__(self) -> Spool:
        self.stack = ExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="usframe-")))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stack.close()
        if isinstance(error, OSError):
            with explained():
                raise error

    def encodings(
        self,
        data: Slices,
        backbone: Backbone,
        again: AbstractSet[int],
        progress: Callable[[int], object],
    ) -> Encodings:
        """The features of the slices of ``data``, those in ``again`` kept."""
        return Encodings(data, backbone, again, self.folder, progress)

    def answers(self, objects: Iterable[int], depth: int, side: int) -> Answers:
        """The logits of ``objects`` on ``depth`` slices at ``side`` x ``side``."""
        return Answers(sorted(objects), depth, side, self.stack.enter_context(tempfile.TemporaryFile()))


class Encodings:
    """The features of a slice by its number, each encoded once.

    Most are needed at one moment only. Those in ``again`` (prompted slices, and slices between the first prompts of
    different objects) wait in ``folder``. Others are encoded `AHEAD` at a time, in the direction of the walk, where
    that is faster.
    """

    def __init__(
        self,
        data: Slices,
        backbone: Backbone,
        again: AbstractSet[int],
        folder: Path,
        progress: Callable[[int], object],
    ) -> None:
        self.data, self.backbone, self.again, self.folder, self.progress = data, backbone, again, folder, progress
        self.current: tuple[int, Any] = (-1, None)
        self.ahead: dict[int, Any] = {}

    def __call__(self, frame: int) -> Any:
        if self.current[0] != frame:
            path = self.folder / f"{frame}.pt"
            if path.exists():
                features = torch.load(path, weights_only=False)
            else:
                features = self._encode(frame)
                self.progress(1)
                if frame in self.again:
                    _save(features, path)
            self.current = (frame, features)
        return self.current[1]

    def _encode(self, frame: int) -> Any:
        if frame not in self.ahead:
            single = frame in self.again or device_of(self.backbone).type == "cpu"
            further = 0 if single else AHEAD - 1
            back = frame < self.current[0]
            first, last = (max(frame - further, 0), frame) if back else (frame, frame + further)
            part = self.data[first : last + 1]
            features = encode_slices(self.backbone, part)
            self.ahead = {first + n: features[n : n + 1] for n in range(len(part))}
        return self.ahead.pop(frame)


class Answers:
    """Decoder logits of every object and slice, until all are there and the larger one can win.

    ``iou``, ``presence``, ``agreement``: (O, D); the last between two answers to the same slice.
    """

    def __init__(self, objects: Sequence[int], depth: int, side: int, file: IO[bytes]) -> None:
        self.objects = tuple(objects)
        self.shape = (len(objects), side, side)
        self.size = 4 * side * side
        self.iou, self.presence, self.agreement = np.full((3, len(objects), depth), np.nan, np.float32)
        self.answered = np.zeros(self.iou.shape, bool)
        self.file = file
        file.truncate(self.iou.size * self.size)

    def put(self, objects: Sequence[int], frame: int, decoded: Decoded, share: float = 1.0) -> None:
        """The answer (M = 1) for some of the objects on one slice; ``share`` of it where there is one already."""
        logits = logits_of(decoded)
        iou, presence = decoded.iou[:, 0].float().cpu().numpy(), decoded.presence.float().cpu().numpy()
        for n, row in enumerate(self.objects.index(object_id) for object_id in objects):
            plane, new = logits[n], np.array([iou[n], presence[n]])
            if share < 1 and self.answered[row, frame]:
                earlier = self.plane(row, frame)
                self.agreement[row, frame] = dice(earlier > 0, plane > 0)
                plane = (1 - share) * earlier + np.float32(share) * plane
                new = (1 - share) * np.array([self.iou[row, frame], self.presence[row, frame]]) + share * new
            self.file.seek((frame * len(self.objects) + row) * self.size)
            self.file.write(plane.astype(np.float32).tobytes())
            self.iou[row, frame], self.presence[row, frame] = new
            self.answered[row, frame] = True

    def on(self, frame: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """The rows of the objects that were answered on a slice, and their logits (N, S/4, S/4)."""
        rows = np.flatnonzero(self.answered[:, frame])
        return rows, self._logits(frame)[rows]

    @property
    def quality(self) -> Quality:
        return Quality(self.presence, self.agreement, np.full(self.iou.shape, np.nan, np.float32))

    def result(self, shape: tuple[int, ...], keep_logits: bool) -> Segmentation:
        """The masks on slices of ``shape`` (H, W)."""
        count, depth = self.iou.shape
        masks = Planes((depth, *shape), np.uint8)
        kept = np.full((count, depth, *self.shape[1:]), np.nan, np.float32) if keep_logits else None
        for frame in map(int, np.flatnonzero(self.answered.any(0))):
            rows, logits = self.on(frame)
            full = from_model(logits, (shape[0], shape[1]))
            masks.put(frame, label_slice(full, [self.objects[row] for row in rows]))
            if kept is not None:
                kept[rows, frame] = logits
        return Segmentation(masks.array(), self.objects, self.iou, kept, quality=self.quality)

    def _logits(self, frame: int) -> NDArray[np.float32]:
        """(O, S/4, S/4) of one slice."""
        self.file.seek(frame * len(self.objects) * self.size)
        read = self.file.read(len(self.objects) * self.size)
        return np.frombuffer(read, np.float32).reshape(self.shape)

    def plane(self, row: int, frame: int) -> NDArray[np.float32]:
        """The logits (S/4, S/4) of one object on one slice where it was answered."""
        self.file.seek((frame * len(self.objects) + row) * self.size)
        return np.frombuffer(self.file.read(self.size), np.float32).reshape(self.shape[1:])


def logits_of(decoded: Decoded) -> NDArray[np.float32]:
    """(N, S/4, S/4) of the first candidate, far below 0 where the object is not seen."""
    seen = (decoded.presence > 0)[:, None, None]
    answer: NDArray[np.float32] = torch.where(seen, decoded.logits[:, 0], ABSENT).float().cpu().numpy()
    return answer


def _save(features: Any, path: Path) -> None:
    try:
        torch.save(features, path)
    except RuntimeError as error:  # what torch makes of a full disk
        raise OSError("no room for the encodings of the slices") from error
