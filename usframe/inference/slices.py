"""Slice mode: every prompted slice by itself.

Every prompted slice is encoded once; all prompts on it, of all strategies and objects, are decoded from that
encoding, and logits go back to the original slice before they are thresholded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from usframe.arrays import Planes, release
from usframe.config.schema import Multimask
from usframe.geometry import from_model, label_slice, to_model
from usframe.inference.decoding import ABSENT, best_candidates, check_prompts, wants_candidates
from usframe.inference.trust import foretell
from usframe.inference.verbs import decode, encode_slices
from usframe.intensity import Slices
from usframe.quality import Quality
from usframe.types import Backbone, Features, Prompt, Segmentation

K = TypeVar("K")


def segment_slices(
    data: Slices,
    prompt_sets: Mapping[K, Sequence[Prompt]],
    backbone: Backbone,
    *,
    keep_logits: bool = False,
    multimask: Multimask = "auto",
    batch_size: int = 8,
    progress: Callable[[int], object] = lambda slices: None,
) -> dict[K, Segmentation]:
    """One `Segmentation` per set of prompts, all from one encoding of each slice.

    ``data``: (D, H, W) float32 in 0-1. ``batch_size`` slices are encoded at a time, and ``progress`` is told so.
    """
    depth, height, width = data.shape
    shape, side = (height, width), backbone.image_size // 4
    check_prompts(prompt_sets, data.shape)
    answers = {
        name: Answer((depth, *shape), sorted({p.object_id for p in prompts}), side, keep_logits)
        for name, prompts in prompt_sets.items()
    }
    by_frame: dict[int, list[tuple[K, Prompt]]] = {}
    for name, prompts in prompt_sets.items():
        for prompt in prompts:
            by_frame.setdefault(prompt.frame, []).append((name, prompt))
    frames = sorted(by_frame)
    with ThreadPoolExecutor(1) as beside:  # masks of a batch are put together while the network has the next one
        before: Future[None] | None = None
        for start in range(0, len(frames), batch_size):
            batch = frames[start : start + batch_size]
            asked = [(frame, name, prompt) for frame in batch for name, prompt in by_frame[frame]]
            moved = [to_model(prompt, shape, backbone.image_size) for _, _, prompt in asked]
            release(*(prompt.mask for _, _, prompt in asked))
            rows = [batch.index(frame) for frame, _, _ in asked]
            with torch.inference_mode():
                features = encode_slices(backbone, data[batch])
                decoded = decode_best(backbone, features, moved, rows, multimask)
            if before:
                before.result()
            before = beside.submit(partial(put_together, answers, asked), *decoded)
            progress(len(batch))
        if before:
            before.result()
    return {name: answer.result() for name, answer in answers.items()}


def put_together(
    answers: Mapping[K, Answer],
    asked: Sequence[tuple[int, K, Prompt]],
    logits: NDArray[np.float32],
    iou: NDArray[np.float32],
    presence: NDArray[np.float32],
) -> None:
    """Add what was decoded of ``asked`` (slice, set of prompts, prompt) to the answer of each set."""
    mine: dict[tuple[int, K], list[int]] = {}
    for n, (frame, name, _) in enumerate(asked):
        mine.setdefault((frame, name), []).append(n)
    for (frame, name), members in mine.items():
        objects = [asked[n][2].object_id for n in members]
        answers[name].add(frame, objects, logits[members], iou[members], presence[members])


def decode_best(
    backbone: Backbone,
    features: Features,
    prompts: Sequence[Prompt],
    index: Sequence[int],
    multimask: Multimask = "auto",
    most: int = 32,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Logits (N, S/4, S/4), predicted IoU (N,) and presence (N,) of the best candidate of every prompt.

    What a person has prompted is there; a learned prompt finds nothing on a slice where its presence is below 0.
    At most ``most`` prompts are decoded at a time.
    """
    groups: dict[bool, list[int]] = {}
    for n, prompt in enumerate(prompts):
        groups.setdefault(wants_candidates(prompt, multimask), []).append(n)
    side = backbone.image_size // 4
    logits = np.empty((len(prompts), side, side), np.float32)
    iou, presence = np.empty((2, len(prompts)), np.float32)
    for several, members in groups.items():
        for start in range(0, len(members), most):
            part = members[start : start + most]
            asked = [prompts[n] for n in part]
            decoded = decode(backbone, features, asked, [index[n] for n in part], multimask=several)
            best = best_candidates(decoded)
            logits[part], iou[part] = best.logits[:, 0].cpu().numpy(), best.iou[:, 0].cpu().numpy()
            presence[part] = best.presence.float().cpu().numpy()
    gone = [n for n, prompt in enumerate(prompts) if prompt.learned and presence[n] <= 0]
    logits[gone] = ABSENT
    return logits, iou, presence


class Answer:
    """A volume's masks while its slices come in: the larger logit wins where objects overlap."""

    def __init__(self, shape: tuple[int, int, int], objects: Sequence[int], side: int, keep_logits: bool) -> None:
        self.masks, self.size = Planes(shape, np.uint8), shape[1:]
        self.row = {object_id: row for row, object_id in enumerate(objects)}
        self.iou, self.presence = np.full((2, len(objects), shape[0]), np.nan, np.float32)
        size = (len(objects), shape[0], side, side)
        self.logits = np.full(size, np.nan, np.float32) if keep_logits else None

    def add(
        self,
        frame: int,
        objects: Sequence[int],
        logits: NDArray[np.float32],
        iou: NDArray[np.float32],
        presence: NDArray[np.float32],
    ) -> None:
        """Several prompts of one object (its pieces) are united; its predicted IoU and presence are their means."""
        present = sorted(set(objects))
        pieces = [np.flatnonzero(np.array(objects) == object_id) for object_id in present]
        united = np.stack([logits[piece].max(0) for piece in pieces])
        self.masks.put(frame, label_slice(from_model(united, self.size), present))
        rows = [self.row[object_id] for object_id in present]
        self.iou[rows, frame] = [iou[piece].mean() for piece in pieces]
        self.presence[rows, frame] = [presence[piece].mean() for piece in pieces]
        if self.logits is not None:
            self.logits[rows, frame] = united

    def result(self) -> Segmentation:
        quality = Quality(self.presence, np.full_like(self.iou, np.nan), foretell(self.iou, self.presence))
        return Segmentation(self.masks.array(), tuple(self.row), self.iou, self.logits, quality=quality)
