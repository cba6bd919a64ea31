"""Propagation: prompts on a few slices, masks on all of them, through the memory of the network.

As MedSAM2 does it (Ma et al., 2025): every prompted slice is decoded from its prompts alone and remembered; from
the first of them the volume is walked to its end, and, with a memory reset to the prompted slices, back to its
beginning. What has to wait for something else waits on disk, so that a long volume needs no more memory than a
short one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import torch

from usframe.config.schema import Multimask
from usframe.geometry import to_model
from usframe.inference.decoding import best_candidates, check_prompts, wants_candidates
from usframe.inference.spool import Spool
from usframe.inference.verbs import condition, decode, memorize, with_memory
from usframe.intensity import Slices
from usframe.prompting.frames import Extents
from usframe.types import Backbone, Decoded, Memory, MemoryBackbone, Prompt, Segmentation

K = TypeVar("K")
REMEMBERED = 15  # slices that SAM 2 still has object pointers of; masks count for fewer


@dataclass
class Track:
    """Objects of one set of prompts that are prompted on the same ``frames``, and what is known of them.

    ``owner``: the number of the set. ``missed``: object id -> slices in a row, up to the present one, on which it
    was not seen.
    """

    owner: int
    objects: tuple[int, ...]
    frames: tuple[int, ...]
    prompts: Mapping[int, Sequence[Prompt]]
    prompted: list[Memory] = field(default_factory=list)
    recent: deque[Memory] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    missed: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Tracking:
    """How objects are followed.

    ``multimask``: see `usframe.inference.decoding.wants_candidates`. ``patience``: after that many slices in a row
    without an object it is not looked for any further in that direction, up to a slice it is prompted on; 0 is
    never. ``extents``: object id -> first and last slice it is looked for on.
    """

    multimask: Multimask = "auto"
    patience: int = 0
    extents: Extents = field(default_factory=dict)


def propagate_slices(
    data: Slices,
    prompt_sets: Mapping[K, Sequence[Prompt]],
    backbone: Backbone,
    tracking: Tracking = Tracking(),
    *,
    keep_logits: bool = False,
    progress: Callable[[int], object] = lambda slices: None,
) -> dict[K, Segmentation]:
    """One `Segmentation` per set of prompts, each slice encoded once for all sets, objects and directions.

    ``data``: (D, H, W) float32 in 0-1. Raises `RequestError` for prompts off the volume or the extents and for a
    backbone without memory, `CaseError` where the temporary folder is full.
    """
    network = with_memory(backbone)
    check_prompts(prompt_sets, data.shape, tracking.extents)
    keys = list(prompt_sets)
    tracks = [track for number, key in enumerate(keys) for track in make_tracks(prompt_sets[key], number)]
    first = [track.frames[0] for track in tracks]
    between = range(min(first, default=0), max(first, default=0))
    again = {*between, *(frame for track in tracks for frame in track.frames)}
    with Spool() as spool, torch.inference_mode():
        features = spool.encodings(data, backbone, again, progress)
        answers = [
            spool.answers({p.object_id for p in prompt_sets[key]}, len(data), backbone.image_size // 4)
            for key in keys
        ]

        def put(track: Track, frame: int, decoded: Decoded) -> None:
            answers[track.owner].put(track.objects, frame, best_candidates(decoded))

        walk(network, tracks, features, data.shape, put, tracking)
        return {key: answer.result(data.shape[1:], keep_logits) for key, answer in zip(keys, answers, strict=True)}


def walk(
    backbone: MemoryBackbone,
    tracks: Sequence[Track],
    features: Callable[[int], Any],
    shape: tuple[int, ...],
    put: Callable[[Track, int, Decoded], object],
    tracking: Tracking = Tracking(),
) -> None:
    """Decode every slice of a volume for all ``tracks`` and hand each answer to ``put``; training does the same.

    ``features``: slice number -> its encoding (B = 1), of a volume of ``shape`` (D, H, W). A prompted slice has one
    mask per object, any other the decoder's three candidates, of which the best is remembered. ``put`` gets a track
    of those objects only that were looked for.
    """
    length = shape[0]
    for frame in sorted({frame for track in tracks for frame in track.frames}):
        for track in (track for track in tracks if frame in track.frames):
            decoded = _decode_prompts(backbone, features(frame), track, shape[1:], frame, tracking.multimask)
            track.prompted.append(Memory(frame, True, memorize(backbone, features(frame), decoded)))
            put(track, frame, decoded)
    first = [track.frames[0] for track in tracks]
    for reverse in (False, True):
        for track in tracks:
            track.recent.clear()
            track.missed.clear()
        ahead = range(min(first, default=length) + 1, length)
        for frame in range(max(first, default=0) - 1, -1, -1) if reverse else ahead:
            for track in tracks:
                if frame in track.frames:
                    track.missed.clear()
                behind = frame < track.frames[0] if reverse else frame > track.frames[0]
                sought = _sought(track, frame, tracking)
                if not behind or frame in track.frames or not sought:
                    continue
                memories = [*track.prompted, *track.recent]
                fused = condition(backbone, features(frame), memories, frame=frame, length=length, reverse=reverse)
                count = len(track.objects)
                candidates = decode(backbone, fused, [None] * count, range(count), multimask=True)
                memory = memorize(backbone, features(frame), best_candidates(candidates))
                track.recent.append(Memory(frame, False, memory))
                if tracking.patience:
                    _count_missed(track, sought, candidates)
                some = replace(track, objects=tuple(track.objects[n] for n in sought))
                put(some, frame, _rows(candidates, sought))


def _sought(track: Track, frame: int, tracking: Tracking) -> list[int]:
    """Which of the track's objects are still looked for, and may be on this slice."""
    patience, extents = tracking.patience, tracking.extents
    return [
        n
        for n, one in enumerate(track.objects)
        if not (patience and track.missed.get(one, 0) >= patience)
        and (one not in extents or extents[one][0] <= frame <= extents[one][1])
    ]


def _rows(decoded: Decoded, rows: Sequence[int]) -> Decoded:
    tokens = None if decoded.tokens is None else decoded.tokens[rows]
    return Decoded(decoded.logits[rows], decoded.iou[rows], decoded.presence[rows], tokens)


def _count_missed(track: Track, sought: Sequence[int], decoded: Decoded) -> None:
    for n, presence in zip(sought, decoded.presence[sought].tolist(), strict=True):
        one = track.objects[n]
        track.missed[one] = 0 if presence > 0 else track.missed.get(one, 0) + 1


def make_tracks(prompts: Sequence[Prompt], owner: int = 0) -> list[Track]:
    """The objects of ``prompts`` as tracks; those with the same prompted slices are one batch."""
    frames = {
        object_id: tuple(sorted({p.frame for p in prompts if p.object_id == object_id}))
        for object_id in sorted({prompt.object_id for prompt in prompts})
    }
    tracks = []
    for key in dict.fromkeys(frames.values()):
        together = tuple(object_id for object_id, theirs in frames.items() if theirs == key)
        by_frame = {frame: [p for p in prompts if p.frame == frame and p.object_id in together] for frame in key}
        tracks.append(Track(owner, together, key, by_frame))
    return tracks


def _decode_prompts(
    backbone: Backbone, features: Any, track: Track, shape: tuple[int, ...], frame: int, multimask: Multimask
) -> Decoded:
    """One mask per object of the track, from its prompts alone; the pieces of an object are united."""
    moved = [to_model(prompt, (shape[0], shape[1]), backbone.image_size) for prompt in track.prompts[frame]]
    several = [wants_candidates(prompt, multimask) for prompt in moved]
    groups = [[n for n, wants in enumerate(several) if wants is kind] for kind in (False, True)]
    answered = [
        best_candidates(
            decode(
                backbone,
                features,
                [moved[n] for n in group],
                [0] * len(group),
                multimask=several[group[0]],
                keep_masks=True,
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
