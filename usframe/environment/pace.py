"""How long a network will take: what it has to do, and one step of each kind timed on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from usframe.config.schema import Mode
from usframe.errors import CaseError
from usframe.geometry import to_model
from usframe.inference.decoding import best_candidates
from usframe.inference.fill import chosen, gaps
from usframe.inference.tracks import REMEMBERED, Track, Tracking, find_sought
from usframe.inference.verbs import condition, decode, device_of, encode_slices, memorize
from usframe.types import Backbone, Memory, MemoryBackbone, Prompt

SIDE = 256  # of the slice that is timed; the network makes its own size of any


class Steps(NamedTuple):
    """Slices to ``encode``, ``prompt`` answers from them, and how often an object is ``follow``ed to a slice."""

    encode: int = 0
    prompt: int = 0
    follow: int = 0


class Pace(NamedTuple):
    """The seconds of one step of each kind; ``follow`` is 0 for a network without memory."""

    encode: float
    prompt: float
    follow: float

    def seconds(self, every: Iterable[Steps]) -> float:
        """Of all these steps, one after the other."""
        return sum(one * count for steps in every for one, count in zip(self, steps, strict=True))


def count_steps(sets: Sequence[Sequence[Prompt]], mode: Mode, length: int, tracking: Tracking) -> Steps:
    """The steps of a volume of ``length`` slices, each encoded once for all ``sets`` of prompts.

    Objects are taken to be followed as far as ``tracking`` lets them, also where ``patience`` may end that earlier.
    """
    asked = [prompt for prompts in sets for prompt in prompts]
    seen, follow = {prompt.frame for prompt in asked}, 0
    for track in (track for prompts in sets if mode == "propagate" for track in tracking.tracks(prompts)):
        frames = [*_followed(track, length, tracking)]
        seen.update(frames)
        follow += len(frames) * len(track.objects)
    return Steps(len(seen), len(asked), follow)


def _followed(track: Track, length: int, tracking: Tracking) -> Iterator[int]:
    """The slices that the memory of a track leads to, each as often as it does."""
    there, both = track.frames, tracking.fill == "both"
    walked = [frame for frame in range(length) if frame not in there] if tracking.fill == "memory" else []
    for first, last in gaps(there, length) if both else ():
        walked += [frame for end in (first, last) if end in there for frame in range(first + 1, last)]
    yield from (frame for frame in walked if find_sought(track, frame, tracking))
    for frame in chosen(there) if both else ():  # left out in turn, to see what the memory is worth
        at = there.index(frame)
        for before in there[max(at - 1, 0) : at]:
            yield from range(before + 1, frame + 1)
        for behind in there[at + 1 : at + 2]:
            yield from range(frame, behind)


def time_steps(backbone: Backbone) -> Pace:
    """Every kind of step on a slice of noise, timed the second time. Raises `CaseError` where the network fails."""
    try:
        with torch.inference_mode():
            _once(backbone)
            return _once(backbone)
    except torch.OutOfMemoryError as error:
        raise CaseError(f"out of memory on {device_of(backbone)}") from error


def _once(backbone: Backbone) -> Pace:
    """A slice is followed to with as many memories as there can be, as it is in all but short volumes."""
    corners = np.array([SIDE / 4, SIDE / 4, SIDE * 3 / 4, SIDE * 3 / 4], np.float32)
    prompt = to_model(Prompt(0, 1, box=corners), (SIDE, SIDE), backbone.image_size)
    noise = np.random.default_rng(0).random((1, SIDE, SIDE), np.float32)
    began = _now(backbone)
    features = encode_slices(backbone, noise)
    encoded = _now(backbone)
    decoded = decode(backbone, features, [prompt], [0])
    answered = followed = _now(backbone)
    if isinstance(backbone, MemoryBackbone):
        content = memorize(backbone, features, best_candidates(decoded))
        memories = [Memory(frame, frame == 0, content) for frame in range(REMEMBERED + 1)]
        frame, length, remembered = len(memories), len(memories) + 1, _now(backbone)
        fused = condition(backbone, features, memories, frame=frame, length=length, reverse=False)
        candidates = decode(backbone, fused, [None], [0], multimask=True)
        memorize(backbone, features, best_candidates(candidates))
        followed = answered + _now(backbone) - remembered
    return Pace(encoded - began, answered - encoded, followed - answered)


def _now(backbone: Backbone) -> float:
    """The clock once the device has done what it was given."""
    device = device_of(backbone)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter()
