"""Propagation: prompts on a few slices, masks on all of them, through the memory of the network.

As MedSAM2 does it (Ma et al., 2025): every prompted slice is decoded from its prompts alone and remembered; from
the first of them the volume is walked to its end, and, with a memory reset to the prompted slices, back to its
beginning.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from usframe.decoding import best_candidates, check_prompts, wants_candidates
from usframe.errors import RequestError
from usframe.geometry import from_model, to_model, to_network
from usframe.types import Backbone, Decoded, Memory, Prompt, Segmentation

REMEMBERED = 15  # slices that SAM 2 still has object pointers of; masks count for fewer
ABSENT = -32.0  # logit of every pixel of a slice where the object is not seen


@dataclass
class Track:
    """Objects of one set of prompts that are prompted on the same ``frames``, and what is known of them."""

    name: str
    objects: tuple[int, ...]
    frames: tuple[int, ...]
    prompts: Mapping[int, Sequence[Prompt]]
    prompted: list[Memory] = field(default_factory=list)
    recent: deque[Memory] = field(default_factory=lambda: deque(maxlen=REMEMBERED))


def propagate_slices(
    data: NDArray[np.float32],
    prompt_sets: Mapping[str, Sequence[Prompt]],
    backbone: Backbone,
    *,
    multimask: str = "auto",
    keep_logits: bool = False,
    progress: Callable[[int], object] = lambda slices: None,
) -> dict[str, Segmentation]:
    """One `Segmentation` per set of prompts, each slice encoded once for all sets, objects and directions.

    ``data``: (D, H, W) float32 in 0-1. Raises `RequestError` for prompts off the volume and for a backbone without
    memory.
    """
    check_prompts(prompt_sets, data.shape)
    tracks = [track for name, prompts in prompt_sets.items() for track in make_tracks(name, prompts)]
    shape = (data.shape[1], data.shape[2])
    answers = {
        name: _Answer(sorted({p.object_id for p in prompts}), len(data), backbone.image_size // 4)
        for name, prompts in prompt_sets.items()
    }

    def put(track: Track, frame: int, decoded: Decoded) -> None:
        answers[track.name].put(track.objects, frame, best_candidates(decoded))

    if tracks:
        with tempfile.TemporaryDirectory(prefix="usframe-") as folder, torch.inference_mode():
            features = Encodings(data, backbone, tracks, Path(folder), progress)
            try:
                walk(backbone, tracks, features, len(data), shape, put, multimask=multimask)
            except NotImplementedError as error:
                raise RequestError("this backbone has no memory to propagate with; use mode=slice") from error
    return {name: answer.result(shape, keep_logits) for name, answer in answers.items()}


def walk(
    backbone: Backbone,
    tracks: Sequence[Track],
    features: Callable[[int], Any],
    length: int,
    shape: tuple[int, int],
    put: Callable[[Track, int, Decoded], object],
    *,
    multimask: str = "auto",
) -> None:
    """Decode every slice of a volume for all ``tracks`` and hand each answer to ``put``; training does the same.

    ``features``: slice number -> its encoding (B = 1), of ``length`` slices of ``shape`` (H, W). A prompted slice
    has one mask per object, any other the decoder's three candidates, of which the best is remembered.
    """
    for frame in sorted({frame for track in tracks for frame in track.frames}):
        for track in (track for track in tracks if frame in track.frames):
            decoded = _decode_prompts(backbone, features(frame), track, shape, frame, multimask)
            track.prompted.append(Memory(frame, True, backbone.memorize(features(frame), decoded)))
            put(track, frame, decoded)
    first = [track.frames[0] for track in tracks]
    for reverse in (False, True):
        for track in tracks:
            track.recent.clear()
        for frame in range(max(first) - 1, -1, -1) if reverse else range(min(first) + 1, length):
            for track in tracks:
                behind = frame < track.frames[0] if reverse else frame > track.frames[0]
                if not behind or frame in track.frames:
                    continue
                fused = backbone.condition(
                    features(frame), [*track.prompted, *track.recent], frame=frame, length=length, reverse=reverse
                )
                count = len(track.objects)
                candidates = backbone.decode(fused, [None] * count, range(count), multimask=True)
                memory = backbone.memorize(features(frame), best_candidates(candidates))
                track.recent.append(Memory(frame, False, memory))
                put(track, frame, candidates)


class Encodings:
    """The features of a slice by its number, each encoded once.

    Most are needed at one moment only. Those that the walk comes back to, prompted slices and slices between the
    first prompts of different objects, wait on disk, so that memory does not grow with the number of slices.
    """

    def __init__(
        self,
        data: NDArray[np.float32],
        backbone: Backbone,
        tracks: Sequence[Track],
        folder: Path,
        progress: Callable[[int], object],
    ) -> None:
        self.data, self.backbone, self.folder, self.progress = data, backbone, folder, progress
        first = [track.frames[0] for track in tracks]
        prompted = {frame for track in tracks for frame in track.frames}
        self.again = prompted | set(range(min(first), max(first)))
        self.current: tuple[int, Any] = (-1, None)

    def __call__(self, frame: int) -> Any:
        if self.current[0] != frame:
            path = self.folder / f"{frame}.pt"
            if path.exists():
                features = torch.load(path, weights_only=False)
            else:
                picture = to_network(self.data[frame : frame + 1], self.backbone.image_size)
                features = self.backbone.encode(torch.from_numpy(picture))
                self.progress(1)
                if frame in self.again:
                    torch.save(features, path)
            self.current = (frame, features)
        return self.current[1]


class _Answer:
    """Decoder logits of every object and slice, until all are there and the larger one can win."""

    def __init__(self, objects: Sequence[int], depth: int, side: int) -> None:
        self.objects = tuple(objects)
        self.logits = np.full((len(objects), depth, side, side), np.nan, np.float32)
        self.iou = np.full((len(objects), depth), np.nan, np.float32)

    def put(self, objects: Sequence[int], frame: int, decoded: Decoded) -> None:
        rows = [self.objects.index(object_id) for object_id in objects]
        seen = (decoded.presence > 0)[:, None, None]
        self.logits[rows, frame] = torch.where(seen, decoded.logits[:, 0], ABSENT).cpu().numpy()
        self.iou[rows, frame] = decoded.iou[:, 0].cpu().numpy()

    def result(self, shape: tuple[int, int], keep_logits: bool) -> Segmentation:
        mask = np.zeros((self.iou.shape[1], *shape), np.uint8)
        ids = np.array(self.objects, np.uint8)
        for frame in np.flatnonzero(~np.isnan(self.iou).all(0)) if self.objects else ():
            full = from_model(np.nan_to_num(self.logits[:, frame], nan=ABSENT), shape)
            mask[frame] = np.where(full.max(0) > 0, ids[full.argmax(0)], 0)
        return Segmentation(mask, self.objects, self.iou, self.logits if keep_logits else None)


def make_tracks(name: str, prompts: Sequence[Prompt]) -> list[Track]:
    """The objects of ``prompts`` as tracks; those with the same prompted slices are one batch."""
    frames = {
        object_id: tuple(sorted({p.frame for p in prompts if p.object_id == object_id}))
        for object_id in sorted({prompt.object_id for prompt in prompts})
    }
    return [
        Track(
            name,
            objects=(together := tuple(object_id for object_id, theirs in frames.items() if theirs == key)),
            frames=key,
            prompts={frame: [p for p in prompts if p.frame == frame and p.object_id in together] for frame in key},
        )
        for key in dict.fromkeys(frames.values())
    ]


def _decode_prompts(
    backbone: Backbone, features: Any, track: Track, shape: tuple[int, int], frame: int, multimask: str
) -> Decoded:
    """One mask per object of the track, from its prompts alone; the pieces of an object are united."""
    moved = [to_model(prompt, shape, backbone.image_size) for prompt in track.prompts[frame]]
    several = [wants_candidates(prompt, multimask) for prompt in moved]
    groups = [[n for n, wants in enumerate(several) if wants is kind] for kind in (False, True)]
    answered = [
        best_candidates(
            backbone.decode(
                features, [moved[n] for n in group], [0] * len(group), multimask=several[group[0]], keep_masks=True
            )
        )
        for group in groups
        if group
    ]
    order = np.argsort(np.concatenate(groups))
    logits, iou, presence = (
        torch.cat([getattr(part, name) for part in answered])[order] for name in ("logits", "iou", "presence")
    )
    pieces = [[n for n, prompt in enumerate(moved) if prompt.object_id == one] for one in track.objects]
    tokens = [part.tokens for part in answered if part.tokens is not None]
    return Decoded(
        torch.stack([logits[rows].amax(0) for rows in pieces]),
        torch.stack([iou[rows].mean(0) for rows in pieces]),
        torch.stack([presence[rows].amax(0) for rows in pieces]),
        torch.cat(tokens)[order][[rows[0] for rows in pieces]] if tokens else None,
    )
