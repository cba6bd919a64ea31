"""What a person looks at after a run: a picture of every case and one HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

import cv2
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from usframe.config.schema import prompt_file
from usframe.files import write_file
from usframe.types import Prompt

Picture: TypeAlias = NDArray[Any]

PANEL, GAP, LINE = 360, 12, 26
PICTURES = 6
BACKGROUND, TEXT, WHITE = 22, (225, 225, 225), (255, 255, 255)
# Colours of the Okabe-Ito palette that stand out from grey, as BGR.
COLOURS = ((0, 159, 230), (233, 180, 86), (115, 158, 0), (167, 121, 204), (66, 228, 240), (0, 94, 213))
SHOWN_CASES = 12
NOT_FACTS = ("command", "notes", "slices", "oracle_prompts")


def write_overlay(
    path: Path,
    data: NDArray[np.float32],
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
    labelled: NDArray[Any] = mask if reference is None else np.where(reference > 0, reference, mask)
    size = _panel_size(data.shape[1:], spacing_mm)
    panels = []
    for frame in _choose(np.asarray(labelled.any((1, 2))), {prompt.frame for prompt in prompts}):
        here = [prompt for prompt in prompts if prompt.frame == frame]
        picture = _draw(data[frame], None if reference is None else reference[frame], mask[frame], here, size)
        caption = f"frame {frame}{', prompted' if here else ''}"
        panels.append(np.vstack([picture, _text_line(caption, size[0])]))
    montage = _montage(panels)
    objects = [int(i) for i in np.unique(labelled) if i]
    width = montage.shape[1]
    sheet = [_text_line(title, width), montage, _legend(objects, reference is not None, width)]
    png = cv2.imencode(".png", _pad(np.vstack(sheet), GAP, GAP, GAP, GAP))[1]
    write_file(path, png.tobytes())


def write_report(
    path: Path,
    *,
    title: str,
    summary: Mapping[str, Any],
    marks: Mapping[str, str],
    unit: str,
    slices: Mapping[str, int | None],
    overlays: Mapping[str, Sequence[Path]],
    run: Mapping[str, Any],
    failures: Sequence[Mapping[str, str]],
) -> None:
    """Write report.html, which refers to the overlays beside it and to nothing else.

    ``summary``: of `usframe.scoring.summary.summarise`. ``marks``: prompt -> "oracle" or "no network". ``unit``: of the
    distances. ``slices``: how many there were: total, encoded and without_object, None where there are no labels.
    ``overlays``: prompt -> PNG files below the report's folder. ``run``: what run.json holds. ``failures``: case,
    stage and error of each. Raises `WriteError`.
    """
    pages = Environment(loader=PackageLoader("usframe.reporting"), autoescape=True, undefined=StrictUndefined)
    pages.trim_blocks = pages.lstrip_blocks = True
    pictures = {
        prompt: [(file.stem, quote(file.relative_to(path.parent).as_posix())) for file in files]
        for prompt, files in overlays.items()
    }
    html = pages.get_template("report.html").render(
        title=title,
        summary=summary,
        slices=slices,
        pictures=pictures,
        shown=SHOWN_CASES,
        failures=failures,
        prompted="masks" not in run,
        prompt_file=prompt_file(run.get("frames")),
        command=run.get("command"),
        notes=run.get("notes", ()),
        facts={name: _in_words(value) for name, value in run.items() if name not in NOT_FACTS},
        marks=marks,
        unit=unit,
    )
    write_file(path, html)


def _in_words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_in_words(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_in_words, value))
    return "none" if value is None else str(value)


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
    width = PANEL if ratio <= 1.4 else PANEL * 1.4 / ratio
    return max(int(width), 120), max(int(width * ratio), 40)


def _draw(
    image: NDArray[np.float32],
    reference: NDArray[Any] | None,
    mask: NDArray[np.uint8],
    prompts: Sequence[Prompt],
    size: tuple[int, int],
) -> Picture:
    """One slice (H, W) as a picture of ``size``: prompts, then predictions, then the dashed reference."""
    grey = _resize(np.clip(image, 0, 1).astype(np.float32), size) * 255
    picture = cv2.cvtColor(grey.round().astype(np.uint8), cv2.COLOR_GRAY2BGR)
    scale = np.array(size) / (image.shape[1], image.shape[0])
    for prompt in prompts:
        _draw_prompt(picture, prompt, scale)
    for object_id in np.unique(mask[mask > 0]):
        outline = _enlarge(mask == object_id, size)
        picture[(outline > 0) & (cv2.erode(outline, np.ones((5, 5), np.uint8)) == 0)] = _colour(object_id)
    for object_id in [] if reference is None else np.unique(reference[reference > 0]):
        outline = _enlarge(reference == object_id, size)
        for contour in cv2.findContours(outline, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]:
            _dashed(picture, contour)
    return picture


def _draw_prompt(picture: Picture, prompt: Prompt, scale: NDArray[np.float64]) -> None:
    """A mask as a tint, a box around its outer pixels, a point as a disc, a negative one as a cross."""
    colour = _colour(prompt.object_id)
    if prompt.mask is not None:
        inside = _resize(prompt.mask.astype(np.float32), picture.shape[1::-1]) >= 0.5
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


def _resize(image: NDArray[np.float32], size: Sequence[int]) -> Picture:
    shrinks = size[0] < image.shape[1] or size[1] < image.shape[0]
    return cv2.resize(image, tuple(size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def _enlarge(mask: NDArray[np.bool_], size: tuple[int, int]) -> Picture:
    """A mask (H, W) at ``size`` as uint8 of 0 and 1; what is too small to be seen there is made visible."""
    large = _resize(mask.astype(np.float32), size)
    return (large >= 0.5 if (large >= 0.5).any() else large > 0).astype(np.uint8)


def _dashed(picture: Picture, contour: Picture) -> None:
    """Every other five pixels of a contour (N, 1, 2) in white."""
    x, y = contour[np.arange(len(contour)) // 5 % 2 == 0, 0].T
    picture[y, x] = WHITE


def _colour(object_id: int) -> tuple[int, int, int]:
    return COLOURS[(int(object_id) - 1) % len(COLOURS)]


def _text_line(text: str, width: int, x: int = 0) -> Picture:
    """A strip (LINE, width, 3) with ``text``, made smaller where it would not fit."""
    strip = np.full((LINE, width, 3), BACKGROUND, np.uint8)
    text = text.encode("ascii", "replace").decode()
    wide = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)[0][0]
    scale = 0.5 * min(1.0, (width - x) / max(wide, 1))
    cv2.putText(strip, text, (x, LINE - 9), cv2.FONT_HERSHEY_SIMPLEX, scale, TEXT, 1, cv2.LINE_AA)
    return strip


def _legend(objects: Sequence[int], reference: bool, width: int) -> Picture:
    """What the lines mean: a line per object (prediction), the dashed reference, the prompts."""
    entries: list[tuple[str, tuple[int, int, int]]] = [(f"object {i} predicted", _colour(i)) for i in objects]
    if reference:
        entries.append(("reference", WHITE))
    rows, x = [np.full((LINE, width, 3), BACKGROUND, np.uint8)], 0
    for name, colour in entries:
        needed = 34 + cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)[0][0] + 18
        if x and x + needed > width:
            rows.append(np.full((LINE, width, 3), BACKGROUND, np.uint8))
            x = 0
        line = np.array([[[column, LINE - 13]] for column in range(x, x + 26)], np.int32)
        if colour == WHITE:
            _dashed(rows[-1], line)
        else:
            cv2.polylines(rows[-1], [line], False, colour, 2, cv2.LINE_AA)
        cv2.putText(rows[-1], name, (x + 34, LINE - 9), cv2.FONT_HERSHEY_SIMPLEX, 0.5, TEXT, 1, cv2.LINE_AA)
        x += needed
    return np.vstack(rows)


def _montage(panels: Sequence[Picture]) -> Picture:
    """Panels of one size in rows of at most three."""
    columns = min(3, len(panels))
    blank = np.full_like(panels[0], BACKGROUND)
    filled = [*panels, *[blank] * (-len(panels) % columns)]
    framed = [_pad(panel, 0, GAP, GAP // 2, 0) for panel in filled]
    rows = [np.hstack(framed[n : n + columns]) for n in range(0, len(framed), columns)]
    return np.vstack(rows)[:, :-GAP]


def _pad(picture: Picture, top: int, right: int, bottom: int, left: int) -> Picture:
    return np.pad(picture, ((top, bottom), (left, right), (0, 0)), constant_values=BACKGROUND)
