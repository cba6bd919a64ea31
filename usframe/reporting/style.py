"""How pictures look: their colours, their letters, and how contours are drawn on a slice."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from unicodedata import normalize

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from usframe.files import write_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Picture: TypeAlias = NDArray[Any]  # (H, W, 3) uint8, as BGR
Colour: TypeAlias = tuple[int, int, int]

# The palette of Okabe and Ito (2008), which the colour-blind can tell apart.
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, YELLOW, BLACK = "#E69F00", "#56B4E9", "#F0E442", "#000000"
CURVES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
INK, SOFT, FAINT, SHADE, PAPER = "#1d2125", "#5d666f", "#dfe2e5", "#f2f3f4", "#ffffff"

BACKGROUND, GAP, LINE = 22, 12, 26
TEXT, WHITE = (225, 225, 225), (255, 255, 255)
LETTERS = 14


def bgr(colour: str) -> Colour:
    """``#RRGGBB`` as OpenCV has it."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return blue, green, red


# Those that stand out from grey, object 1 first.
OBJECTS = (ORANGE, SKY, GREEN, PURPLE, YELLOW, VERMILION)
COLOURS = tuple(map(bgr, OBJECTS))


def colour_of(object_id: int) -> Colour:
    """The colour of an object, the same in every picture."""
    return COLOURS[(int(object_id) - 1) % len(COLOURS)]


def grey_picture(image: NDArray[np.float32], size: tuple[int, int]) -> Picture:
    """A slice (H, W) in 0-1 as a picture of ``size`` (width, height)."""
    grey = resize(np.clip(image, 0, 1).astype(np.float32), size) * 255
    return cv2.cvtColor(grey.round().astype(np.uint8), cv2.COLOR_GRAY2BGR)


def resize(image: NDArray[np.float32], size: tuple[int, int]) -> Picture:
    """An image (H, W) at ``size`` (width, height), averaged where it shrinks."""
    shrinks = size[0] < image.shape[1] or size[1] < image.shape[0]
    return cv2.resize(image, tuple(size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def enlarge(mask: NDArray[np.bool_], size: tuple[int, int]) -> Picture:
    """A mask (H, W) at ``size`` as uint8 of 0 and 1; what is too small to be seen there is made visible."""
    large = resize(mask.astype(np.float32), size)
    return (large >= 0.5 if (large >= 0.5).any() else large > 0).astype(np.uint8)


def draw_contour(picture: Picture, mask: NDArray[np.bool_], colour: Colour, *, width: int = 2) -> None:
    """Draw the border of a mask (H, W), ``width`` pixels of the picture inside it."""
    inside = enlarge(mask, picture.shape[1::-1])
    kernel = np.ones((2 * width + 1,) * 2, np.uint8)
    picture[(inside > 0) & (cv2.erode(inside, kernel) == 0)] = colour


def draw_dashes(picture: Picture, contour: Picture) -> None:
    """Every other five pixels of a contour (N, 1, 2) in white."""
    x, y = contour[np.arange(len(contour)) // 5 % 2 == 0, 0].T
    picture[y, x] = WHITE


def blank(width: int, height: int = LINE) -> Picture:
    """A picture (height, width, 3) of nothing but the background."""
    return np.full((height, width, 3), BACKGROUND, np.uint8)


def pad(picture: Picture, top: int, right: int, bottom: int, left: int) -> Picture:
    """The picture with so many pixels of background around it."""
    return np.pad(picture, ((top, bottom), (left, right), (0, 0)), constant_values=BACKGROUND)


def text_width(text: str) -> int:
    """How many pixels ``text`` needs."""
    return int(np.ceil(_font(LETTERS).getlength(_drawable(text))))


def draw_text(strip: Picture, text: str, x: int = 0) -> None:
    """Write ``text`` into a strip (LINE, W, 3) from column ``x`` on, smaller where it would not fit."""
    room = strip.shape[1] - x
    font = _font(max(1, int(LETTERS * min(1.0, room / max(text_width(text), 1)))))
    image = Image.fromarray(strip)
    ImageDraw.Draw(image).text((x, LINE - 9), _drawable(text), TEXT, font, anchor="ls")
    strip[:] = np.asarray(image)


def caption(text: str, width: int, x: int = 0) -> Picture:
    """A strip (LINE, width, 3) with ``text``."""
    strip = blank(width)
    draw_text(strip, text, x)
    return strip


def write_picture(path: Path, picture: Picture) -> None:
    """Write a PNG, making its folder. Raises `WriteError`."""
    write_file(path, cv2.imencode(".png", picture)[1].tobytes())


@contextmanager
def plain_style() -> Iterator[None]:
    """Figures as matplotlib draws them by itself, whatever a matplotlibrc says; $ is a letter in names."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams["text.parse_math"] = False
        yield


def write_figure(path: Path, figure: Figure) -> None:
    """Write a figure of matplotlib as a PNG. Raises `WriteError`."""
    png = io.BytesIO()
    figure.savefig(png, format="png", facecolor="white")
    write_file(path, png.getvalue())


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    import matplotlib

    file = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    return ImageFont.truetype(file, size, layout_engine=ImageFont.Layout.BASIC)


def _drawable(text: str) -> str:
    """One line of whole letters: names of files may hold line feeds, loose accents and bytes that are no text."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in normalize("NFC", text))
