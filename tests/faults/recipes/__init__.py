"""Bad inputs, one recipe each: how its files are made, and what the one line about it has to say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import SimpleITK as sitk  # noqa: N813

SHAPE = (4, 36, 48)
AFFINE = np.array([[0.4, 0.05, 0, -10], [-0.05, 0.4, 0, 7], [0, 0, 1.5, 3], [0, 0, 0, 1]])


class Place(NamedTuple):
    """Where the files of one case go."""

    volumes: Path
    labels: Path
    case: str

    def volume(self, suffix: str) -> Path:
        return self.volumes / f"{self.case}{suffix}"

    def label(self, suffix: str = ".nii.gz") -> Path:
        return self.labels / f"{self.case}{suffix}"


class Recipe(NamedTuple):
    """``make`` writes the case; ``says``: an expression that the line must match; ``status``: that of the command.

    ``case``: its name where that is the point. ``options``: more words of the command; PLACE is its folder.
    """

    name: str
    make: Callable[[Place], Any]
    says: str
    status: int = 1
    case: str = ""
    options: Sequence[str] = ()


def voxels() -> np.ndarray:
    """(D, H, W) uint8: grey noise with two bright discs."""
    noise = np.random.default_rng(5).integers(20, 90, SHAPE)
    return np.clip(noise + 60 * labels(), 0, 255).astype(np.uint8)


def labels() -> np.ndarray:
    """(D, H, W) uint8 with the objects 1 and 2 on the inner slices."""
    y, x = np.mgrid[: SHAPE[1], : SHAPE[2]]
    plane = np.where((x - 14) ** 2 + (y - 12) ** 2 < 64, 1, 0)
    plane[(x - 32) ** 2 + (y - 24) ** 2 < 40] = 2
    return np.stack([np.zeros_like(plane), plane, plane, np.zeros_like(plane)]).astype(np.uint8)


def save(path: Path, array: np.ndarray, *, compressed: bool = False) -> Path:
    """``array`` (D, H, W) in a format that keeps its place in space."""
    if ".nii" in path.suffixes:
        image = nib.Nifti1Image(array.transpose(2, 1, 0), AFFINE, dtype=array.dtype)
        image.to_filename(path)
    elif path.suffix in (".npy", ".npz"):
        np.save(path, array) if path.suffix == ".npy" else np.savez_compressed(path, imgs=array)
    else:
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((0.4, 0.4, 1.5))
        image.SetOrigin((4.0, -7.0, 3.0))
        sitk.WriteImage(image, str(path), compressed)
    return path


def pair(place: Place, suffix: str, *, compressed: bool = False) -> Path:
    """A whole case, volume and labels alike; returns the volume, for a recipe to damage."""
    save(place.label(suffix), labels(), compressed=compressed)
    return save(place.volume(suffix), voxels(), compressed=compressed)


def replaced(suffix: str, content: bytes) -> Callable[[Place], Any]:
    """A case whose volume is ``content``."""
    return lambda place: pair(place, suffix).write_bytes(content)


def damaged(
    suffix: str, how: Callable[[bytes], bytes], *, compressed: bool = False, beside: str = ""
) -> Callable[[Place], Any]:
    """A case whose volume, or the data file ``beside`` its header, was changed by ``how``."""

    def make(place: Place) -> None:
        path = pair(place, suffix, compressed=compressed)
        path = path.with_suffix(beside) if beside else path
        path.write_bytes(how(path.read_bytes()))

    return make


def cut(share: float) -> Callable[[bytes], bytes]:
    return lambda content: content[: int(len(content) * share)]


def flipped(at: int) -> Callable[[bytes], bytes]:
    """One bit of the byte at ``at``, from the end where that is negative."""

    def flip(content: bytes) -> bytes:
        changed = bytearray(content)
        changed[at] ^= 4
        return bytes(changed)

    return flip


def swapped(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """``old`` replaced once; it must be there."""

    def swap(content: bytes) -> bytes:
        assert old in content, content[:400]
        return content.replace(old, new, 1)

    return swap
