"""Brightness, contrast, gamma and noise: the same draw for all frames of a clip, noise drawn for each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.float32]
Masks = NDArray[Any]


def brightness_contrast(frames: Frames, masks: Masks, *, rng: np.random.Generator) -> tuple[Frames, Masks]:
    """Contrast about the mean by a factor of 0.7-1.3, brightness by up to 0.1."""
    mean = frames.mean()
    changed = (frames - mean) * rng.uniform(0.7, 1.3) + mean + rng.uniform(-0.1, 0.1)
    return np.asarray(np.clip(changed, 0, 1), np.float32), masks


def gamma(frames: Frames, masks: Masks, *, rng: np.random.Generator) -> tuple[Frames, Masks]:
    """Grey levels to the power of 0.6-1.65, drawn evenly on a logarithmic scale."""
    return np.asarray(frames ** np.exp(rng.uniform(-0.5, 0.5)), np.float32), masks


def noise(frames: Frames, masks: Masks, *, rng: np.random.Generator) -> tuple[Frames, Masks]:
    """Gaussian noise with a standard deviation of up to 0.08."""
    grain = rng.standard_normal(frames.shape) * rng.uniform(0, 0.08)
    return np.asarray(np.clip(frames + grain, 0, 1), np.float32), masks
