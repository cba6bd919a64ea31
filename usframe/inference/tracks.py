"""What propagation follows from slice to slice: objects of the same prompted slices, and what is known of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from usframe.config.schema import Drift, Fill, Multimask
from usframe.geometry import to_model
from usframe.inference.decoding import best_candidates, wants_candidates
from usframe.inference.verbs import condition, decode, memorize
from usframe.prompting.frames import Extents
from usframe.types import Backbone, Decoded, Memory, MemoryBackbone, Prompt

REMEMBERED = 15  # slices that SAM 2 still has object pointers of; masks count for fewer


@dataclass
class Track:
    """Objects of one set of prompts that are prompted on the same ``frames``, and what is known of them.

    ``owner``: the number of the set. ``missed``: object id -> slices in a row, up to the present one, on which it
    was not seen. ``largest``: the pixels of its largest prompted mask in the decoder's grid.
    """

    owner: int
    objects: tuple[int, ...]
    frames: tuple[int, ...]
    prompts: Mapping[int, Sequence[Prompt]]
    prompted: list[Memory] = field(default_factory=list)
    recent: deque[Memory] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    missed: dict[int, int] = field(default_factory=dict)
    largest: int = 0

    def afresh(self, prompted: Sequence[Memory] | None = None) -> Track:
        """The same objects at the beginning of a walk, knowing only their prompted slices, or ``prompted``."""
        known = self.prompted if prompted is None else list(prompted)
        return replace(self, prompted=known, recent=deque(maxlen=REMEMBERED), missed={})


@dataclass(frozen=True)
class Tracking:
    """How objects are followed.

    ``multimask``: see `usframe.inference.decoding.wants_candidates`. ``patience``: after that many slices in a row
    without an object it is not looked for any further in that direction, up to a slice it is prompted on; 0 is
    never. ``extents``: object id -> first and last slice it is looked for on. ``drift``: what is remembered.
    ``fill``: see `usframe.inference.fill`.
    """

    multimask: Multimask = "auto"
    patience: int = 0
    extents: Extents = field(default_factory=dict)
    drift: Drift = field(default_factory=Drift)
    fill: Fill = "memory"

    def choose(self, candidates: Decoded) -> Decoded:
        """One candidate (M = 1) of each object: of those on a walked slice the first, where that is asked for."""
        if self.drift.candidate == "first":
            tokens = None if candidates.tokens is None else candidates.tokens[:, :1]
            return Decoded(candidates.logits[:, :1], candidates.iou[:, :1], candidates.presence, tokens)
        return best_candidates(candidates)

    def tracks(self, prompts: Sequence[Prompt], owner: int = 0) -> list[Track]:
        """The objects of ``prompts`` as tracks: those with the same prompted slices are one batch, unless each has
        slices of its own that are not remembered.
        """
        apart = bool(self.drift.least_iou or self.drift.most_growth)
        return make_tracks(prompts, owner, apart=apart)


DEFAULT = Tracking()


def make_tracks(prompts: Sequence[Prompt], owner: int = 0, *, apart: bool = False) -> list[Track]:
    """The objects of ``prompts`` as tracks: those with the same prompted slices are one batch, or all ``apart``."""
    frames = {
        object_id: tuple(sorted({p.frame for p in prompts if p.object_id == object_id}))
        for object_id in sorted({prompt.object_id for prompt in prompts})
    }
    together: dict[Any, list[int]] = {}
    for object_id, key in frames.items():
        together.setdefault((key, object_id if apart else 0), []).append(object_id)
    tracks = []
    for (key, _), objects in together.items():
        by_frame = {frame: [p for p in prompts if p.frame == frame and p.object_id in objects] for frame in key}
        tracks.append(Track(owner, tuple(objects), key, by_frame))
    return tracks


def start(
    backbone: MemoryBackbone, track: Track, frame: int, features: Any, shape: tuple[int, ...], multimask: Multimask
) -> Decoded:
    """One mask per object from its prompts on a slice of ``shape`` (H, W) alone, which is remembered."""
    decoded = decode_prompts(backbone, features, track, shape, frame, multimask)
    track.prompted.append(Memory(frame, True, memorize(backbone, features, decoded)))
    track.largest = max(track.largest, int((decoded.logits > 0).sum((1, 2, 3)).max()))
    return decoded


def follow(
    backbone: MemoryBackbone,
    track: Track,
    frame: int,
    features: Any,
    *,
    length: int,
    reverse: bool,
    tracking: Tracking,
    sought: Sequence[int] | None = None,
) -> Decoded:
    """The candidates for all objects on a slice that their memory leads to, which is remembered, too.

    ``sought``: the objects, by their place in the track, that are looked for.
    """
    memories = [*track.prompted, *track.recent]
    fused = condition(backbone, features, memories, frame=frame, length=length, reverse=reverse)
    count = len(track.objects)
    candidates = decode(backbone, fused, [None] * count, range(count), multimask=True)
    chosen = tracking.choose(candidates)
    if _is_worth_remembering(track, chosen, tracking.drift):
        track.recent.append(Memory(frame, False, memorize(backbone, features, chosen)))
    if tracking.patience:
        _count_missed(track, range(count) if sought is None else sought, candidates)
    return candidates


def find_sought(track: Track, frame: int, tracking: Tracking) -> list[int]:
    """Which of the track's objects, by their place in it, are still looked for and may be on this slice."""
    patience, extents = tracking.patience, tracking.extents
    return [
        n
        for n, one in enumerate(track.objects)
        if not (patience and track.missed.get(one, 0) >= patience)
        and (one not in extents or extents[one][0] <= frame <= extents[one][1])
    ]


def only(track: Track, decoded: Decoded, rows: Sequence[int]) -> tuple[Track, Decoded]:
    """The track and its answer for some of its objects."""
    tokens = None if decoded.tokens is None else decoded.tokens[rows]
    some = Decoded(decoded.logits[rows], decoded.iou[rows], decoded.presence[rows], tokens)
    return replace(track, objects=tuple(track.objects[n] for n in rows)), some


def _is_worth_remembering(track: Track, chosen: Decoded, drift: Drift) -> bool:
    if drift.least_iou and float(chosen.iou.min()) < drift.least_iou:
        return False
    return not drift.most_growth or int((chosen.logits > 0).sum()) <= drift.most_growth * track.largest


def _count_missed(track: Track, sought: Sequence[int], decoded: Decoded) -> None:
    for n, presence in zip(sought, decoded.presence[sought].tolist(), strict=True):
        one = track.objects[n]
        track.missed[one] = 0 if presence > 0 else track.missed.get(one, 0) + 1


def decode_prompts(
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
