"""Pictures and stacks of them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from . import Place, Recipe, cut, flipped, labels, save, voxels

PNG, JPG, TIF, BMP = ".png", ".jpg", ".tif", ".bmp"
UNREADABLE = "not a readable picture|damaged"


def picture(suffix: str, how: Callable[[bytes], bytes] = bytes) -> Callable[[Place], Any]:
    """A picture with its labels, or a stack where the format has pages, changed by ``how``."""

    def make(place: Place) -> None:
        paged = suffix == TIF
        cv2.imwritemulti(str(place.label(TIF if paged else PNG)), list(labels() if paged else labels()[1:2]))
        path = place.volume(suffix)
        cv2.imwritemulti(str(path), list(voxels() if paged else voxels()[1:2]))
        path.write_bytes(how(path.read_bytes()))

    return make


def png_header(*size: int, depth: int = 8) -> Callable[[bytes], bytes]:
    """Another IHDR, with its checksum."""

    def how(content: bytes) -> bytes:
        part = b"IHDR" + struct.pack(">2I5B", *size, depth, 0, 0, 0, 0)
        return content[:12] + part + struct.pack(">I", zlib.crc32(part)) + content[33:]

    return how


def pages(*shapes: tuple[int, ...]) -> Callable[[Place], Any]:
    def make(place: Place) -> None:
        picture(TIF)(place)
        cv2.imwritemulti(str(place.volume(TIF)), [np.full(shape, 90, np.uint8) for shape in shapes])

    return make


def circle(content: bytes) -> bytes:
    """A chain of directories that leads from the first back to the first."""
    (first,) = struct.unpack_from("<I", content, 4)
    (entries,) = struct.unpack_from("<H", content, first)
    changed = bytearray(content)
    struct.pack_into("<I", changed, first + 2 + 12 * entries, first)
    return bytes(changed)


def coloured_labels(place: Place) -> None:
    picture(PNG)(place)
    colours = np.array([[0, 0, 0], [0, 0, 255], [0, 255, 0]], np.uint8)
    cv2.imwrite(str(place.label(PNG)), colours[labels()[1]])


def jpeg_labels(place: Place) -> None:
    picture(PNG)(place)
    place.label(PNG).unlink()
    cv2.imwrite(str(place.label(JPG)), labels()[1] * 90)


def one_slice_for_many(place: Place) -> None:
    save(place.volume(".nii.gz"), voxels())
    cv2.imwrite(str(place.label(PNG)), labels()[1])


RECIPES = [
    Recipe("png_empty", picture(PNG, cut(0)), "empty"),
    Recipe("png_magic", picture(PNG, flipped(2)), UNREADABLE),
    Recipe("png_half", picture(PNG, cut(0.5)), UNREADABLE),
    Recipe("png_no_end", picture(PNG, lambda content: content[:-12]), UNREADABLE),
    Recipe("png_bit", picture(PNG, flipped(300)), UNREADABLE),
    Recipe("png_checksum", picture(PNG, flipped(-14)), UNREADABLE),
    Recipe("png_no_width", picture(PNG, png_header(0, 36)), UNREADABLE),
    Recipe("png_huge", picture(PNG, png_header(2**30, 2**30)), UNREADABLE),
    Recipe("png_higher", picture(PNG, png_header(48, 72)), UNREADABLE),
    Recipe("png_depth", picture(PNG, png_header(48, 36, depth=5)), UNREADABLE),
    Recipe("png_words", picture(PNG, lambda content: b"a picture, really"), UNREADABLE),
    Recipe("png_drawing", picture(PNG, lambda content: b"<svg xmlns='http://www.w3.org/2000/svg'/>"), UNREADABLE),
    Recipe("jpg_empty", picture(JPG, cut(0)), "empty"),
    Recipe("jpg_half", picture(JPG, cut(0.5)), UNREADABLE),
    Recipe("jpg_no_end", picture(JPG, lambda content: content[:-2]), UNREADABLE),
    Recipe("jpg_marker", picture(JPG, lambda content: content[:-300] + b"\xff\xd0" * 150), UNREADABLE),
    Recipe("bmp_empty", picture(BMP, cut(0)), "empty"),
    Recipe("bmp_half", picture(BMP, cut(0.5)), UNREADABLE),
    Recipe("bmp_header", picture(BMP, lambda content: content[:20]), UNREADABLE),
    Recipe("tif_empty", picture(TIF, cut(0)), "empty"),
    Recipe("tif_magic", picture(TIF, flipped(2)), UNREADABLE),
    Recipe("tif_header", picture(TIF, lambda content: content[:6]), UNREADABLE),
    Recipe("tif_half", picture(TIF, cut(0.5)), UNREADABLE),
    Recipe("tif_last_byte", picture(TIF, lambda content: content[:-1]), UNREADABLE),
    Recipe("tif_circle", picture(TIF, circle), f"{UNREADABLE}|pages"),
    Recipe("tif_bits", picture(TIF, flipped(40)), UNREADABLE),
    Recipe("tif_pages_differ", pages((36, 48), (36, 40)), "differ in size"),
    Recipe("tif_pages_colour", pages((36, 48), (36, 48, 3)), "differ in size or colour"),
    Recipe("png_labels_colour", coloured_labels, "labels in colour"),
    Recipe("jpg_labels", jpeg_labels, "JPEG changes label values"),
    Recipe("png_labels_of_volume", one_slice_for_many, r"\(1, 36, 48\)"),
]
