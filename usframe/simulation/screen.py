"""What a scanner's screen adds to the picture: margins, writing, a grey bar, covered corners."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def draw_marks(rng: np.random.Generator, rows: int, columns: int) -> tuple[Array, NDArray[np.bool_]]:
    """Marks (rows, columns) in grey 0..1 and the mask of the pixels they cover."""
    marks, cover = np.zeros((rows, columns), np.float32), np.zeros((rows, columns), np.uint8)
    if rng.random() < 0.6:
        return marks, cover.astype(bool)
    if rng.random() < 0.3:
        _bar(rng, marks, cover)
    for _ in range(int(rng.integers(0, 3))):
        _box(rng, marks, cover)
    for _ in range(int(rng.integers(0, 3))):
        _writing(rng, marks, cover)
    return marks, cover.astype(bool)


def _bar(rng: np.random.Generator, marks: Array, cover: NDArray[np.uint8]) -> None:
    rows, columns = marks.shape
    top, long = int(rng.uniform(0.02, 0.2) * rows), int(rng.uniform(0.15, 0.35) * rows)
    left = 1 if rng.random() < 0.7 else columns - 5
    marks[top : top + long, left : left + 3] = np.linspace(1, 0, long, dtype=np.float32)[:, None]
    cover[top : top + long, left : left + 3] = 1


def _box(rng: np.random.Generator, marks: Array, cover: NDArray[np.uint8]) -> None:
    rows, columns = marks.shape
    high, wide = int(rng.uniform(0.05, 0.22) * rows), int(rng.uniform(0.05, 0.2) * columns)
    top = 0 if rng.random() < 0.4 else rows - high
    left = 0 if rng.random() < 0.4 else columns - wide
    marks[top : top + high, left : left + wide] = 0
    cover[top : top + high, left : left + wide] = 1


def _writing(rng: np.random.Generator, marks: Array, cover: NDArray[np.uint8]) -> None:
    rows, columns = marks.shape
    text = "".join(rng.choice(list("ABDGLMRTVcm0123456789.:+ "), int(rng.integers(1, 9))))
    place = int(rng.uniform(0, 0.85) * columns), int(rng.choice([0.06, 0.12, 0.9, 0.97]) * rows)
    ink = np.zeros_like(cover)
    cv2.putText(ink, text, place, cv2.FONT_HERSHEY_SIMPLEX, rng.uniform(0.25, 0.45) * rows / 256, 255, 1)
    marks[ink > 0] = rng.uniform(0.5, 1.0)
    cover[ink > 0] = 1
