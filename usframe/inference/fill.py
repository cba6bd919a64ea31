"""Filling: slices between and beyond prompted ones from the image and from the shape, each as far as it is sure.

Two ways lead to an object on a slice that nobody prompted. The network's memory walks there from the nearest
prompted slices on either side, and the two answers are blended by distance. The shape is interpolated between the
outlines on the prompted slices. What becomes of the two is said in `usframe.inference.blend`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from usframe.geometry import from_model
from usframe.inference.blend import Blend
from usframe.inference.decoding import check_prompts
from usframe.inference.spool import Answers, Spool, logits_of
from usframe.inference.tracks import Track, Tracking, decode_prompts, find_sought, follow, only, start
from usframe.inference.verbs import with_memory
from usframe.intensity import Slices
from usframe.selection import from_end_to_end
from usframe.types import Backbone, Decoded, Features, MemoryBackbone, Prompt, Segmentation

K = TypeVar("K")
LEFT_OUT = 8  # prompted slices of an object that are left out in turn, at most


def fill_slices(
    data: Slices,
    prompt_sets: Mapping[K, Sequence[Prompt]],
    backbone: Backbone,
    tracking: Tracking,
    *,
    keep_logits: bool = False,
    progress: Callable[[int], object] = lambda slices: None,
    encoded: Callable[[int], Features] | None = None,
) -> dict[K, Segmentation]:
    """One `Segmentation` per set of prompts, as `usframe.inference.propagate.propagate_slices` answers them.

    Its logits and predicted IoU are those of the memory. ``tracking.fill`` is ``both``, or ``shape``, which asks
    the network about prompted slices only. Raises as `propagate_slices` does.
    """
    check_prompts(prompt_sets, data.shape, tracking.extents)
    with Spool() as spool, torch.inference_mode():
        features = encoded or spool.encodings(data, backbone, {*range(len(data))}, progress)
        answers = {}
        for key, prompts in prompt_sets.items():
            kept = spool.answers({p.object_id for p in prompts}, len(data), backbone.image_size // 4)
            blend = Blend(data.shape, kept, tracking.extents)
            for track in tracking.tracks(prompts):
                if tracking.fill == "both":
                    Walk(with_memory(backbone), track, features, data.shape, tracking).fill(kept, blend)
                else:
                    prompt_only(backbone, track, features, kept, blend, tracking)
            answers[key] = blend.result(keep_logits)
        return answers


def prompt_only(
    backbone: Backbone,
    track: Track,
    features: Callable[[int], Features],
    answers: Answers,
    blend: Blend,
    tracking: Tracking,
) -> None:
    """Decode the prompted slices of a track; the network remembers nothing."""
    size = blend.shape[1:]
    for frame in track.frames:
        decoded = decode_prompts(backbone, features(frame), track, size, frame, tracking.multimask)
        answers.put(track.objects, frame, decoded)
        show(blend, track, frame, decoded)
    for frame in chosen(track.frames):
        for one in track.objects:
            blend.learn(one, frame)


class Walk:
    """A track through a volume of ``shape`` (D, H, W), from every prompted slice to the next ones."""

    def __init__(
        self,
        backbone: MemoryBackbone,
        track: Track,
        features: Callable[[int], Features],
        shape: tuple[int, ...],
        tracking: Tracking,
    ) -> None:
        self.backbone, self.track, self.features = backbone, track, features
        self.shape, self.tracking = shape, tracking

    def fill(self, answers: Answers, blend: Blend) -> None:
        """Answer all slices, and find out what the memory is worth here."""
        track = self.track
        for frame in track.frames:
            encoded, size = self.features(frame), self.shape[1:]
            decoded = start(self.backbone, track, frame, encoded, size, self.tracking.multimask)
            answers.put(track.objects, frame, decoded)
            show(blend, track, frame, decoded)
        for first, last in gaps(track.frames, self.shape[0]):
            for reverse in (False, True):
                if (last if reverse else first) in track.frames:
                    self._cross(first, last, reverse, answers)
        for frame in chosen(track.frames):
            masks = from_model(self._without(frame), (self.shape[1], self.shape[2])) > 0
            for one, mask in zip(track.objects, masks, strict=True):
                blend.learn(one, frame, mask)

    def _cross(self, first: int, last: int, reverse: bool, answers: Answers) -> None:
        """Answer the slices between ``first`` and ``last``, coming from one of them."""
        there, between = self.track.afresh(), range(first + 1, last)
        for frame in between[::-1] if reverse else between:
            if sought := find_sought(there, frame, self.tracking):
                some, decoded = only(there, self._follow(there, frame, reverse, sought), sought)
                share = (frame - first) / (last - first) if reverse else 1.0
                answers.put(some.objects, frame, self.tracking.choose(decoded), share)

    def _without(self, frame: int) -> NDArray[np.float32]:
        """The logits (O, s, s) that the other prompted slices lead to on this one."""
        kept = [memory for memory in self.track.prompted if memory.frame != frame]
        before = [one for one in self.track.frames if one < frame][-1:]
        behind = [one for one in self.track.frames if one > frame][:1]
        found = []
        for origin in (*before, *behind):
            there, reverse = self.track.afresh(kept), origin > frame
            for at in range(origin - 1, frame - 1, -1) if reverse else range(origin + 1, frame + 1):
                decoded = self._follow(there, at, reverse, range(len(there.objects)))
            found.append((abs(origin - frame), self.tracking.choose(decoded)))
        total = sum(distance for distance, _ in found)
        shares = [np.float32(1 - distance / total if len(found) > 1 else 1) for distance, _ in found]
        parts = [share * logits_of(one) for share, (_, one) in zip(shares, found, strict=True)]
        return np.sum(parts, axis=0, dtype=np.float32)

    def _follow(self, track: Track, frame: int, reverse: bool, sought: Sequence[int]) -> Decoded:
        return follow(
            self.backbone,
            track,
            frame,
            self.features(frame),
            length=self.shape[0],
            reverse=reverse,
            tracking=self.tracking,
            sought=sought,
        )


def show(blend: Blend, track: Track, frame: int, decoded: Decoded) -> None:
    """Take the masks of a prompted slice: those that were drawn as they were drawn, others as they were decoded."""
    full = from_model(logits_of(decoded), (blend.shape[1], blend.shape[2])) > 0
    for n, one in enumerate(track.objects):
        drawn = drawn_mask([prompt for prompt in track.prompts[frame] if prompt.object_id == one])
        blend.show(one, frame, full[n] if drawn is None else drawn, drawn=drawn is not None)


def drawn_mask(prompts: Sequence[Prompt]) -> NDArray[np.bool_] | None:
    """The mask (H, W) that prompts are and nothing else; None where the network has to answer them."""
    masks = [prompt.mask for prompt in prompts if prompt.points is None and prompt.box is None]
    found = [mask for mask in masks if mask is not None]
    return np.logical_or.reduce(found) if len(found) == len(prompts) else None


def gaps(frames: Sequence[int], length: int) -> Iterator[tuple[int, int]]:
    """The prompted slices on either side of each stretch without one; -1 and ``length`` beyond the ends."""
    yield from (pair for pair in zip([-1, *frames], [*frames, length], strict=True) if pair[1] - pair[0] > 1)


def chosen(frames: Sequence[int]) -> list[int]:
    """The prompted slices that are left out in turn; none where there is no other."""
    if len(frames) < 2:
        return []
    return from_end_to_end(frames, LEFT_OUT)
