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
    tracks = [track for name, prompts in prompt_sets.items() for track in _tracks(name, prompts)]
    answers = {
        name: _Answer(sorted({p.object_id for p in prompts}), len(data), backbone.image_size // 4)
        for name, prompts in prompt_sets.items()
    }
    if tracks:
        with tempfile.TemporaryDirectory(prefix="usframe-") as folder, torch.inference_mode():
            features = Encodings(data, backbone, tracks, Path(folder), progress)
            try:
                _walk(backbone, tracks, answers, features, multimask)
            except NotImplementedError as error:
                raise RequestError("this backbone has no memory to propagate with; use mode=slice") from error
    return {name: answer.result(data.shape[1:], keep_logits) for name, answer in answers.items()}


def _walk(
    backbone: Backbone,
    tracks: Sequence[Track],
    answers: Mapping[str, _Answer],
    features: Encodings,
    multimask: str,
) -> None:
    length = len(features.data)
    for frame in sorted({frame for track in tracks for frame in track.frames}):
        for track in (track for track in tracks if frame in track.frames):
            decoded = _decode_prompts(backbone, features(frame), track, features.shape, frame, multimask)
            track.prompted.append(Memory(frame, True, backbone.memorize(features(frame), decoded)))
            answers[track.name].put(track.objects, frame, decoded)
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
                decoded = best_candidates(backbone.decode(fused, [None] * count, range(count), multimask=True))
                track.recent.append(Memory(frame, False, backbone.memorize(features(frame), decoded)))
                answers[track.name].put(track.objects, frame, decoded)


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
        self.shape = data.shape[1:]
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


def _tracks(name: str, prompts: Sequence[Prompt]) -> list[Track]:
    """Objects with the same prompted slices are tracked as one batch."""
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
    objects = []
    for object_id in track.objects:
        mine = [prompt for prompt in track.prompts[frame] if prompt.object_id == object_id]
        pieces = []
        for prompt in (to_model(prompt, shape, backbone.image_size) for prompt in mine):
            several = wants_candidates(prompt, multimask)
            decoded = backbone.decode(features, [prompt], [0], multimask=several, keep_masks=True)
            pieces.append(best_candidates(decoded))
        objects.append(
            Decoded(
                torch.stack([piece.logits for piece in pieces]).amax(0),
                torch.stack([piece.iou for piece in pieces]).mean(0),
                torch.stack([piece.presence for piece in pieces]).amax(0),
                pieces[0].tokens,
            )
        )
    tokens = [decoded.tokens for decoded in objects if decoded.tokens is not None]
    return Decoded(
        torch.cat([decoded.logits for decoded in objects]),
        torch.cat([decoded.iou for decoded in objects]),
        torch.cat([decoded.presence for decoded in objects]),
        torch.cat(tokens) if tokens else None,
    )
