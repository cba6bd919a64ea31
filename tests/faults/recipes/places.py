"""What lies under the name of a volume without being a file, may not be read, or has a name that does harm."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import Place, Recipe, labels, pair, save, voxels

GZ = ".nii.gz"
OUTSIDE = "outside its folder"


def instead(what: Callable[[Path], Any], *, labelled: bool = False) -> Callable[[Place], Any]:
    """``what`` is made where the volume, or the file of labels, was."""

    def make(place: Place) -> None:
        pair(place, GZ)
        path = place.label() if labelled else place.volume(GZ)
        path.unlink()
        what(path)

    return make


def bind(path: Path) -> None:
    """A socket; its address has a limit that paths have not."""
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(here)


def dicom(path: Path) -> None:
    path.mkdir()
    (path / "slice1.dcm").write_bytes(b"DICM")


def linked(target: str) -> Callable[[Path], Any]:
    return lambda path: path.symlink_to(target)


def moved_out(path: Path) -> None:
    """A link to a whole file beside the folder."""
    target = save(path.parent.parent / f"out_of_{path.name}", voxels())
    path.symlink_to(target)


def unreadable(path: Path) -> None:
    save(path, voxels()).chmod(0)
    drop_privileges()


def drop_privileges() -> None:
    """Have permissions hold for this process, also where it is root's (no CAP_DAC_OVERRIDE, no _READ_SEARCH)."""
    if os.geteuid() == 0:
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        sets = (ctypes.c_uint32 * 6)()
        libc = ctypes.CDLL(None, use_errno=True)
        libc.capget(header, sets)
        for at in range(3):
            sets[at] &= ~0b110
        assert libc.capset(header, sets) == 0, os.strerror(ctypes.get_errno())


def broken(place: Place) -> None:
    """A damaged volume: what is tried is its name."""
    save(place.label(), labels())
    save(place.volume(GZ), voxels()).write_bytes(b"")


def twice(place: Place) -> None:
    pair(place, GZ)
    save(place.volume(".nrrd"), voxels())


def alone(suffix: str) -> Callable[[Place], Any]:
    """A volume without labels."""

    def make(place: Place) -> None:
        pair(place, suffix)
        place.label(suffix).unlink()

    return make


def only_labels(place: Place) -> None:
    pair(place, GZ)
    place.volume(GZ).unlink()


def mixed_up(place: Place) -> None:
    """The file of a sibling channel."""
    pair(place, GZ)
    shutil.copy(place.volume(GZ), place.volumes / f"{place.case}_0001.nii.gz")


RECIPES = [
    Recipe("folder", instead(Path.mkdir), "is a folder"),
    Recipe("folder_of_slices", instead(dicom), "is a folder"),
    Recipe("labels_folder", instead(Path.mkdir, labelled=True), "is a folder"),
    Recipe("pipe", instead(os.mkfifo), "a pipe, a socket or a device"),
    Recipe("labels_pipe", instead(os.mkfifo, labelled=True), "a pipe, a socket or a device"),
    Recipe("socket", instead(bind), "a pipe, a socket or a device"),
    Recipe("dead_link", instead(linked("nowhere.nii.gz")), "link leads to no file"),
    Recipe("link_to_itself", instead(lambda path: path.symlink_to(path.name)), "symbolic links"),
    Recipe("labels_dead_link", instead(linked("nowhere.nii.gz"), labelled=True), "link leads to no file"),
    Recipe("link_outside", instead(moved_out), OUTSIDE),
    Recipe("labels_link_outside", instead(moved_out, labelled=True), OUTSIDE),
    Recipe("link_to_nothing", instead(linked("/dev/null")), OUTSIDE),
    Recipe("link_to_no_end", instead(linked("/dev/zero")), OUTSIDE),
    Recipe("link_to_system", instead(linked("/etc/passwd")), OUTSIDE),
    Recipe("unreadable", instead(unreadable), "ermission"),
    Recipe("labels_unreadable", instead(unreadable, labelled=True), "ermission"),
    Recipe("name_newline", broken, "empty", case="bad\nError: case good_0 (read): forged"),
    Recipe("name_return", broken, "empty", case="bad\rall is well"),
    Recipe("name_escape", broken, "empty", case="bad\x1b[2J\x1b[31mred"),
    Recipe("name_turned", broken, "empty", case="bad\u202egnp.exe"),
    Recipe("name_no_utf8", broken, "empty", case="bad M\udcfcller"),
    Recipe("name_formula", broken, "empty", case='=HYPERLINK("http:x","bad")'),
    Recipe("name_tags", broken, "empty", case="bad<script>alert(1)<script>"),
    Recipe("name_option", broken, "empty", case="--bad=rm -rf ."),
    Recipe("name_template", broken, "empty", case="bad${oc.env:HOME}{0}%s%n"),
    Recipe("name_longest", broken, "empty", case="bad" + "x" * 245),
    Recipe("name_blank", broken, "empty", case=" bad "),
    Recipe("two_volumes", twice, "2 volumes for case", 2),
    Recipe("no_labels", alone(GZ), "no labels", 2),
    Recipe("no_volume", only_labels, "no volume", 2),
    Recipe("channel", mixed_up, "channel 0001", 2),
]
