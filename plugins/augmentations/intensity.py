"""Brightness, contrast, gamma and noise: the same draw for all frames of a clip, noise drawn for each."""

from __future__ import annotations

import numpy as np

from .draws import Frames, Masks, between, check_limit, clipped, within


def brightness_contrast(
    frames: Frames, masks: Masks, *, rng: np.random.Generator, brightness: float = 0.1, contrast: float = 0.3
) -> tuple[Frames, Masks]:
    """Brighter or darker by up to ``brightness``, and more or less contrast about the mean by that share."""
    check_limit("contrast", contrast)
    mean = frames.mean()
    changed = (frames - mean) * between(rng, 1 - contrast, 1 + contrast) + mean
    return clipped(changed + within(rng, "brightness", brightness)), masks


def gamma(frames: Frames, masks: Masks, *, rng: np.random.Generator, spread: float = 0.5) -> tuple[Frames, Masks]:
    """Grey levels to a power, drawn evenly on a logarithmic scale from 1 / e^spread to e^spread."""
    return np.asarray(frames ** np.exp(within(rng, "spread", spread)), np.float32), masks


def noise(
    frames: Frames, masks: Masks, *, rng: np.random.Generator, deviation: float = 0.08
) -> tuple[Frames, Masks]:
    """Gaussian noise with a standard deviation of up to this."""
    check_limit("deviation", deviation)
    grain = rng.standard_normal(frames.shape) * between(rng, 0, deviation)
    return clipped(frames + grain), masks
