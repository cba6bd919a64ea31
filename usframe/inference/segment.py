"""A volume and prompts in, masks out, in either mode. No files, no configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar, get_args

from usframe.config.schema import Crop, Drift, Fill, Mode, Multimask
from usframe.crop import Window, find_window
from usframe.errors import RequestError
from usframe.inference.decoding import check_prompts
from usframe.inference.fill import fill_slices
from usframe.inference.propagate import propagate_slices
from usframe.inference.slices import segment_slices
from usframe.inference.tracks import Tracking
from usframe.intensity import Slices, normalise_intensity
from usframe.prompting.frames import find_extents
from usframe.types import Backbone, Prompt, Segmentation, Volume

K = TypeVar("K")


def segment(
    volume: Volume,
    prompts: Sequence[Prompt],
    backbone: Backbone,
    *,
    mode: Mode = "slice",
    keep_logits: bool = False,
    intensity: str = "auto",
    multimask: Multimask = "auto",
    batch_size: int = 8,
    fill: Fill = "memory",
    drift: Drift | None = None,
    patience: int = 0,
    z_range: tuple[int, int] | None = None,
    crop: Crop = "none",
) -> Segmentation:
    """Segment ``volume`` from ``prompts``.

    ``mode``: ``slice`` segments each prompted slice alone and leaves the others background; ``propagate`` carries
    the objects from their prompted slices through the whole volume (`usframe.inference.propagate`).
    ``multimask``: let the decoder propose three masks and take the one of highest predicted IoU ``always``,
    ``never``, or (``auto``) for ambiguous prompts, which are single points.
    ``fill``: ``memory``, or, from prompts on several slices, ``both`` memory and shape
    (`usframe.inference.fill`), or the ``shape`` alone. ``drift``: what is remembered. ``patience``: slices in a row
    without the object after which propagation gives it up in that direction; 0 is never. ``z_range``: the first and
    last slice to look at. ``crop``: show the network only the ``scan`` of a reconstructed volume (`usframe.crop`).
    The answer's ``notes`` say what was assumed.
    Raises `RequestError` for a mode or prompt that cannot be, `CaseError` for unusable intensities.
    """
    for key, value, known in (
        ("mode", mode, get_args(Mode)),
        ("multimask", multimask, get_args(Multimask)),
        ("fill", fill, get_args(Fill)),
        ("crop", crop, get_args(Crop)),
    ):
        if value not in known:
            raise RequestError(f"{key}={value} is not possible; choose one of {', '.join(known)}")
    if crop != "none" and keep_logits:
        raise RequestError("logits are those of whole slices: leave out crop or keep_logits")
    data, notes = normalise_intensity(volume.data, intensity)
    tracking = Tracking(multimask, patience, find_extents(z_range, len(data)), drift or Drift(), fill)
    check_prompts({"": prompts}, data.shape, tracking.extents)
    window = None if crop == "none" else find_window(data)
    answers = segment_sets(
        data, {"": prompts}, backbone, mode, tracking, window, batch_size=batch_size, keep_logits=keep_logits
    )
    return replace(answers[""], notes=(*volume.notes, *notes))


def segment_sets(
    data: Slices,
    prompt_sets: Mapping[K, Sequence[Prompt]],
    backbone: Backbone,
    mode: Mode,
    tracking: Tracking,
    window: Window | None = None,
    *,
    batch_size: int = 8,
    keep_logits: bool = False,
    progress: Callable[[int], object] = lambda slices: None,
) -> dict[K, Segmentation]:
    """One `Segmentation` per set of prompts on ``data`` (D, H, W) in 0-1, all from one encoding of each slice.

    ``window``: the part of the slices that the network is shown.
    """
    if window is not None:
        moved = {key: [window.prompt(prompt) for prompt in prompts] for key, prompts in prompt_sets.items()}
        part = window.part(data)
        found = segment_sets(part, moved, backbone, mode, tracking, batch_size=batch_size, progress=progress)
        return {key: window.whole(answer) for key, answer in found.items()}
    if mode == "propagate":
        follow = propagate_slices if tracking.fill == "memory" else fill_slices
        return follow(data, prompt_sets, backbone, tracking, keep_logits=keep_logits, progress=progress)
    return segment_slices(
        data,
        prompt_sets,
        backbone,
        multimask=tracking.multimask,
        batch_size=batch_size,
        keep_logits=keep_logits,
        progress=progress,
    )
