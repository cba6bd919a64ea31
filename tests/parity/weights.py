"""Deterministic weights and images for parity tests (no download, no torch RNG)."""

import zlib

import numpy as np
import torch


def fill_weights(model, seed):
    """Fill every parameter and float buffer listed by ``state_dict`` from numpy streams keyed by name."""
    with torch.no_grad():
        for name, value in sorted(model.state_dict().items()):
            if not value.is_floating_point():
                continue
            rng = np.random.Generator(np.random.Philox(key=[seed, zlib.crc32(name.encode())]))
            noise = rng.standard_normal(tuple(value.shape)).astype(np.float32)
            if value.ndim >= 2:
                fan_in = int(np.prod(value.shape[1:]))
                noise *= 1.0 / np.sqrt(fan_in)
            elif "norm" in name and name.endswith("weight"):
                noise = 1.0 + 0.1 * noise
            elif name.endswith("gamma"):
                noise = 0.3 + 0.1 * noise
            else:
                noise *= 0.05
            value.copy_(torch.from_numpy(np.ascontiguousarray(noise)))


def speckle(seed, depth=1, side=512):
    """uint8 ``(depth, side, side)`` smooth speckle with a moving bright ellipse."""
    import cv2

    rng = np.random.Generator(np.random.Philox(key=[seed, 7]))
    y, x = np.mgrid[:side, :side] / side
    out = []
    for z in range(depth):
        field = cv2.GaussianBlur(rng.standard_normal((side, side)).astype(np.float32), (0, 0), 2)
        inside = ((x - 0.45 - 0.01 * z) / 0.2) ** 2 + ((y - 0.5 + 0.01 * z) / 0.15) ** 2 < 1
        img = np.abs(field) * (1.5 + 2.5 * inside) * 600
        out.append(np.clip(img, 0, 255).astype(np.uint8))
    return np.stack(out)
