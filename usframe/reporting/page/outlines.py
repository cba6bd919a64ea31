"""Outlines of masks as short text, which the page draws (``data.js`` reads it)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from usframe.arrays import values_of

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def outline(mask: NDArray[np.bool_], tolerance: float) -> str:
    """The outlines of a mask (H, W), its holes among them, a blank between two of them.

    Each goes through the centres of the mask's outermost pixels and strays from them by ``tolerance`` pixels at
    most. Written are the steps along x and y from point to point, the first from (0, 0), each as a variable-length
    quantity in base 64, as in source maps: https://tc39.es/ecma426/.
    """
    found = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)[0]
    rings = (cv2.approxPolyDP(ring, tolerance, True)[:, 0] for ring in found)
    return " ".join("".join(map(_digits, _steps(ring))) for ring in rings)


def outlines(planes: Iterable[NDArray[Any]], tolerance: float) -> dict[str, list[str]]:
    """Object id -> the `outline` of its mask on every slice, "" where it is not.

    ``planes``: (H, W), 0 is background.
    """
    found: dict[str, list[str]] = {}
    number = 0
    for number, plane in enumerate(planes, 1):
        for one in values_of(plane):
            if one:
                drawn = found.setdefault(str(one), [])
                drawn += [""] * (number - 1 - len(drawn))
                drawn.append(outline(plane == one, tolerance))
    return {one: drawn + [""] * (number - len(drawn)) for one, drawn in sorted(found.items(), key=_id)}


def _id(item: tuple[str, Any]) -> int:
    return int(item[0])


def _steps(ring: NDArray[Any]) -> list[int]:
    """From (0, 0) to the first of the points (N, 2), and on from each to the next."""
    steps = ring.copy()
    steps[1:] -= ring[:-1]
    return steps.ravel().tolist()


def _digits(number: int) -> str:
    return "".join(_pieces(abs(number) << 1 | (number < 0)))


def _pieces(number: int) -> Iterator[str]:
    """Five bits each, the lowest first; the sixth says that more follow."""
    while number > 31:
        yield DIGITS[number & 31 | 32]
        number >>= 5
    yield DIGITS[number]
