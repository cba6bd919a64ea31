"""Propagation: prompts on a few slices, masks on all of them, through the memory of the network.

As MedSAM2 does it (Ma et al., 2025): every prompted slice is decoded from its prompts alone and remembered; from
the first of them the volume is walked to its end, and, with a memory reset to the prompted slices, back to its
beginning. What has to wait for something else waits on disk, so that a long volume needs no more memory than a
short one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch

from usframe.inference.decoding import check_prompts
from usframe.inference.spool import Spool
from usframe.inference.tracks import DEFAULT, Track, Tracking, find_sought, follow, only, start
from usframe.inference.trust import foretell
from usframe.inference.verbs import with_memory
from usframe.intensity import Slices
from usframe.types import Backbone, Decoded, Features, MemoryBackbone, Prompt, Segmentation

K = TypeVar("K")


def propagate_slices(
    data: Slices,
    prompt_sets: Mapping[K, Sequence[Prompt]],
    backbone: Backbone,
    tracking: Tracking = DEFAULT,
    *,
    keep_logits: bool = False,
    progress: Callable[[int], object] = lambda slices: None,
    encoded: Callable[[int], Features] | None = None,
) -> dict[K, Segmentation]:
    """One `Segmentation` per set of prompts, each slice encoded once for all sets, objects and directions.

    ``data``: (D, H, W) float32 in 0-1. ``encoded``: slice number -> its features, where they are there. Raises
    `RequestError` for prompts off the volume or the extents and for a backbone without memory, `CaseError` where
    the temporary folder is full.
    """
    network = with_memory(backbone)
    check_prompts(prompt_sets, data.shape, tracking.extents)
    keys = list(prompt_sets)
    tracks = [track for number, key in enumerate(keys) for track in tracking.tracks(prompt_sets[key], number)]
    first = [track.frames[0] for track in tracks]
    between = range(min(first, default=0), max(first, default=0))
    again = {*between, *(frame for track in tracks for frame in track.frames)}
    with Spool() as spool, torch.inference_mode():
        features = encoded or spool.encodings(data, backbone, again, progress)
        answers = [
            spool.answers({p.object_id for p in prompt_sets[key]}, len(data), backbone.image_size // 4)
            for key in keys
        ]

        def put(track: Track, frame: int, decoded: Decoded) -> None:
            answers[track.owner].put(track.objects, frame, tracking.choose(decoded))

        walk(network, tracks, features, data.shape, put, tracking)
        found = {key: answer.result(data.shape[1:], keep_logits) for key, answer in zip(keys, answers, strict=True)}
        return {key: foretold(answer, prompt_sets[key]) for key, answer in found.items()}


def foretold(answer: Segmentation, prompts: Sequence[Prompt]) -> Segmentation:
    """The answer with the error that is expected of it."""
    assert answer.quality is not None
    distance, every = np.zeros_like(answer.predicted_iou), np.arange(len(answer.mask))
    for row, one in enumerate(answer.object_ids):
        frames = np.array([[prompt.frame] for prompt in prompts if prompt.object_id == one])
        distance[row] = np.abs(every - frames).min(0)
    error = foretell(answer.predicted_iou, answer.quality.presence, distance)
    return replace(answer, quality=replace(answer.quality, error=error))


def walk(
    backbone: MemoryBackbone,
    tracks: Sequence[Track],
    features: Callable[[int], Any],
    shape: tuple[int, ...],
    put: Callable[[Track, int, Decoded], object],
    tracking: Tracking = DEFAULT,
) -> None:
    """Decode every slice of a volume for all ``tracks`` and hand each answer to ``put``; training does the same.

    ``features``: slice number -> its encoding (B = 1), of a volume of ``shape`` (D, H, W). A prompted slice has one
    mask per object, any other the decoder's three candidates, of which the best is remembered. ``put`` gets a track
    of those objects only that were looked for.
    """
    length = shape[0]
    for frame in sorted({frame for track in tracks for frame in track.frames}):
        for track in (track for track in tracks if frame in track.frames):
            decoded = start(backbone, track, frame, features(frame), shape[1:], tracking.multimask)
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
                sought = find_sought(track, frame, tracking)
                if behind and frame not in track.frames and sought:
                    candidates = follow(
                        backbone,
                        track,
                        frame,
                        features(frame),
                        length=length,
                        reverse=reverse,
                        tracking=tracking,
                        sought=sought,
                    )
                    some, answer = only(track, candidates, sought)
                    put(some, frame, answer)
