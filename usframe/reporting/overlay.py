"""A picture of one case: some of its slices with the answer, the reference and the prompts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from usframe.arrays import values_of
from usframe.intensity import Slices
from usframe.reporting.style import (
    GAP,
    LINE,
    WHITE,
    Colour,
    Picture,
    blank,
    caption,
    colour_of,
    draw_contour,
    draw_dashes,
    draw_text,
    enlarge,
    grey_picture,
    pad,
    resize,
    text_width,
    write_picture,
)
from usframe.types import Prompt

PANEL, TALLEST = 360, 1.4
PICTURES, ACROSS = 6, 3
SAMPLE = 26  # the width of a line in the legend


def write_overlay(
    path: Path,
    data: Slices,
    reference: NDArray[Any] | None,
    mask: NDArray[np.uint8],
    prompts: Sequence[Prompt],
    *,
    title: str,
    spacing_mm: Sequence[float] | None = None,
) -> None:
    """Write a PNG of up to six slices with their contours and prompts, making its folder.

    ``data``: (D, H, W) in 0-1; ``reference`` and ``mask``: (D, H, W), 0 is background. Slices have their true
    proportions where ``spacing_mm`` (3,) along D, H, W is known. Raises `WriteError`.
    """
    shown, objects = _shown(mask, reference)
    size = _panel_size(data.shape[1:], spacing_mm)
    panels = []
    for frame in _choose(shown, {prompt.frame for prompt in prompts}):
        here = [prompt for prompt in prompts if prompt.frame == frame]
        picture = draw_slice(data[frame], None if reference is None else reference[frame], mask[frame], here, size)
        panels.append(np.vstack([picture, caption(f"frame {frame}{', prompted' if here else ''}", size[0])]))
    montage = _montage(panels)
    width = montage.shape[1]
    sheet = [caption(title, width), montage, _legend(objects, reference is not None, width)]
    write_picture(path, pad(np.vstack(sheet), GAP, GAP, GAP, GAP))


def _shown(mask: NDArray[np.uint8], reference: NDArray[Any] | None) -> tuple[NDArray[np.bool_], list[int]]:
    """Which slices (D,) show an object, and all objects; where both show one, that of the reference counts."""
    planes = mask if reference is None else (np.where(r > 0, r, m) for r, m in zip(reference, mask, strict=True))
    found = [{*values_of(plane)} - {0} for plane in planes]
    return np.array([bool(objects) for objects in found]), sorted(set().union(*found))


def _choose(labelled: NDArray[Any], prompted: set[int]) -> list[int]:
    """Evenly spread slices among those with an object, or any where none has one; one of them prompted."""
    frames = np.flatnonzero(labelled) if labelled.any() else np.arange(len(labelled))
    count = min(PICTURES, len(frames))
    chosen = [int(frames[int((n + 0.5) * len(frames) / count)]) for n in range(count)]
    if prompted and not prompted & set(chosen):
        wanted = min(prompted, key=lambda frame: abs(frame - chosen[count // 2]))
        chosen[int(np.argmin(np.abs(np.array(chosen) - wanted)))] = wanted
    return sorted(chosen)


def _panel_size(shape: tuple[int, ...], spacing_mm: Sequence[float] | None) -> tuple[int, int]:
    """(width, height) of one picture: `PANEL` wide at true proportions, narrower where that is too tall."""
    _, row_mm, column_mm = spacing_mm or (1, 1, 1)
    ratio = shape[0] * row_mm / (shape[1] * column_mm)
    width = PANEL if ratio <= TALLEST else PANEL * TALLEST / ratio
    return max(int(width), 120), max(int(width * ratio), 40)


def draw_slice(
    image: NDArray[np.float32],
    reference: NDArray[Any] | None,
    mask: NDArray[np.uint8],
    prompts: Sequence[Prompt],
    size: tuple[int, int],
) -> Picture:
    """One slice (H, W) as a picture of ``size``: prompts, then predictions, then the dashed reference."""
    picture = grey_picture(image, size)
    scale = np.array(size) / (image.shape[1], image.shape[0])
    for prompt in prompts:
        _draw_prompt(picture, prompt, scale)
    for object_id in np.unique(mask[mask > 0]):
        draw_contour(picture, mask == object_id, colour_of(object_id))
    for object_id in [] if reference is None else np.unique(reference[reference > 0]):
        outline = enlarge(reference == object_id, size)
        for contour in cv2.findContours(outline, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]:
            draw_dashes(picture, contour)
    return picture


def _draw_prompt(picture: Picture, prompt: Prompt, scale: NDArray[np.float64]) -> None:
    """A mask as a tint, a box around its outer pixels, a point as a disc, a negative one as a cross."""
    colour = colour_of(prompt.object_id)
    if prompt.mask is not None:
        inside = resize(prompt.mask.astype(np.float32), picture.shape[1::-1]) >= 0.5
        picture[inside] = (0.75 * picture[inside] + 0.25 * np.array(colour)).astype(np.uint8)
    if prompt.box is not None:
        first = (prompt.box[:2] * scale).round().astype(int).tolist()
        last = ((prompt.box[2:] + 1) * scale - 1).round().astype(int).tolist()
        cv2.rectangle(picture, first, last, colour, 1)
    if prompt.points is not None and prompt.point_labels is not None:
        centres = ((prompt.points + 0.5) * scale - 0.5).round().astype(int).tolist()
        for centre, label in zip(centres, prompt.point_labels, strict=True):
            if label:
                cv2.circle(picture, centre, 6, WHITE, -1, cv2.LINE_AA)
                cv2.circle(picture, centre, 4, colour, -1, cv2.LINE_AA)
            else:
                cv2.drawMarker(picture, centre, colour, cv2.MARKER_TILTED_CROSS, 12, 2, cv2.LINE_AA)


def _legend(objects: Sequence[int], reference: bool, width: int) -> Picture:
    """What the lines mean: a line per object (prediction), and the dashed reference."""
    entries: list[tuple[str, Colour]] = [(f"object {i} predicted", colour_of(i)) for i in objects]
    if reference:
        entries.append(("reference", WHITE))
    rows, x = [blank(width)], 0
    for name, colour in entries:
        needed = SAMPLE + 8 + text_width(name) + 18
        if x and x + needed > width:
            rows.append(blank(width))
            x = 0
        line = np.array([[[column, LINE - 13]] for column in range(x, x + SAMPLE)], np.int32)
        if colour == WHITE:
            draw_dashes(rows[-1], line)
        else:
            cv2.polylines(rows[-1], [line], False, colour, 2, cv2.LINE_AA)
        draw_text(rows[-1], name, x + SAMPLE + 8)
        x += needed
    return np.vstack(rows)


def _montage(panels: Sequence[Picture]) -> Picture:
    """Panels of one size in rows of at most `ACROSS`."""
    across = min(ACROSS, len(panels))
    height, width = panels[0].shape[:2]
    filled = [*panels, *[blank(width, height)] * (-len(panels) % across)]
    framed = [pad(panel, 0, GAP, GAP // 2, 0) for panel in filled]
    rows = [np.hstack(framed[n : n + across]) for n in range(0, len(framed), across)]
    return np.vstack(rows)[:, :-GAP]
