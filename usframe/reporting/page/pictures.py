"""The slices of a case as small pictures for the page."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from usframe.intensity import Slices
from usframe.reporting.style import resize
from usframe.types import Spacing

SIDE = 512  # pixels of the longer side, at most
STEPS = ((SIDE, 60), (SIDE, 40), (384, 40), (320, 35), (256, 30))  # side and WebP's quality, the best first
CASE, SLICE = 400_000, 8_800  # letters that a case may take, and each of its slices where there are many
LEAST = 0.5  # of them for the pictures, however many outlines there are
TRIED = 3  # slices that say how large the others will be
SMALL, FLATTEST = 240, 3  # pixels of a thumbnail's longer side, and how many times the shorter one that is at most


def encode_slices(data: Slices, taken: int = 0) -> list[str]:
    """Every slice of ``data`` (D, H, W) in 0-1 as WebP in base 64, as good as there is room for.

    ``taken``: letters that the outlines of the case take.
    """
    all_of_it = max(CASE, SLICE * len(data))
    room = max(all_of_it - taken, LEAST * all_of_it)
    tried = np.unique(np.linspace(0, len(data) - 1, TRIED + 2).round().astype(int)[1:-1])
    for side, quality in STEPS:
        mean = np.mean([len(_encode(data[frame], side, quality)) for frame in tried])
        if mean * len(data) <= room:
            break
    return [_encode(data[frame], side, quality) for frame in range(len(data))]


def most_labelled(labels: NDArray[np.uint8]) -> int:
    """The slice of ``labels`` (D, H, W) of which most is labelled, of equal ones the first."""
    return int(np.argmax([np.count_nonzero(plane) for plane in labels]))


def thumbnail_size(shape: Sequence[int], spacing_mm: Spacing | None = None) -> tuple[int, int]:
    """(width, height) of a small picture of a slice (H, W), in true proportions where ``spacing_mm`` is known."""
    height, width = np.multiply(shape, spacing_mm[1:] if spacing_mm else 1)
    scale = SMALL / max(height, width)
    return max(round(width * scale), SMALL // FLATTEST), max(round(height * scale), SMALL // FLATTEST)


def scale(shape: tuple[int, ...]) -> float:
    """Pixels of the largest picture for one of a slice (H, W)."""
    return min(1.0, SIDE / max(shape))


def _encode(image: NDArray[np.float32], side: int, quality: int) -> str:
    height, width = image.shape
    shrunk = min(1.0, side / max(height, width))
    size = (max(1, round(width * shrunk)), max(1, round(height * shrunk)))
    grey = resize(image.astype(np.float32), size) if shrunk < 1 else image
    return webp((grey * 255).round().astype(np.uint8), quality)


def webp(picture: NDArray[np.uint8], quality: int = 60) -> str:
    """A picture (H, W), or (H, W, 3) as RGB, in base 64."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "WEBP", quality=quality, method=2)
    return b64encode(file.getvalue()).decode()
