"""Attacks by volumes and labels: places outside, promises, bombs, parsers that read a header otherwise."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import pickle
import struct
import zipfile
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
from attacker import SECRET, Scene, attack

from kinds.weights import Evil

SIZES = "sizes: 30 20 5"
NRRD = f"NRRD0004\ntype: uint8\ndimension: 3\n{SIZES}\n"
META = "ObjectType = Image\nNDims = 3\nDimSize = 30 20 5\nElementType = MET_UCHAR\n"
HUGE = "30000 30000 30000"


def nifti(*shape: int, dtype: type = np.uint8, magic: bytes = b"n+1") -> bytes:
    header = nib.Nifti1Header()
    header.set_data_dtype(dtype)
    header.set_data_shape(shape)
    header["vox_offset"] = 352
    header["magic"] = magic
    return header.binaryblock + bytes(4)


def _places(suffix: str, header: str, words: dict[str, str]) -> None:
    """Attacks by headers that read their voxels elsewhere, each with the text after ``header``."""
    for what, text in words.items():

        def function(scene: Scene, text: str = text) -> None:
            inside = text.format(secret=scene.outside / "secret.raw")
            scene.write("volumes/ok.raw", bytes(3000))
            for number in range(1, 6):
                scene.write(f"outside/s{number}.raw", SECRET * 60)
            for name in ("%s.raw", "-", "%n%n.raw", "a.raw 1 2 1", "%d.raw"):
                scene.write(f"volumes/{name}", bytes(3000))
            scene.fails(suffix, (header + inside).encode(errors="surrogateescape"))

        attack(f"a {suffix} with {what}")(function)


RAW = NRRD + "encoding: raw\n"
_places(
    ".nrrd",
    RAW,
    {
        "data in another folder": "data file: ../outside/secret.raw\n",
        "data at an absolute path": "data file: {secret}\n",
        "data of the system": "byte skip: 0\ndata file: /etc/services\n",
        "data that never end": "data file: /dev/zero\n",
        "data from standard input": "data file: -\n",
        "data in a list": "data file: LIST\n" + "../outside/secret.raw\n" * 5,
        "data in a list with axes": "data file: LIST 2\n" + "../outside/secret.raw\n" * 5,
        "data in a series": "data file: ../outside/s%d.raw 1 5 1\n",
        "data in a series of text": "data file: %s.raw 1 5 1\n",
        "data in a series without end": "data file: ../outside/s%d.raw 1 99999999999 1\n",
        "two data files": "data file: ../outside/secret.raw\ndata file: ok.raw\n",
        "two data files, the other way": "data file: ok.raw\ndata file: ../outside/secret.raw\n",
        "two spellings of a data file": "datafile: ../outside/secret.raw\ndata file: ok.raw\n",
        "capitals in its key": "DATA FILE: ../outside/secret.raw\n",
        "a key after a vertical tab": "data file: ../outside/secret.raw\n# a\x0bdata file: ok.raw\n",
        "a key after a line separator": "data file: ../outside/secret.raw\n# a\u2028data file: ok.raw\n",
        "a key after a carriage return": "data file: ../outside/secret.raw\n# a\rdata file: ok.raw\n",
        "a key after a blank line": "content: a\n\ndata file: ../outside/secret.raw\n",
        "a list after another key": "data file: LIST\ncontent: a\n" + "../outside/secret.raw\n" * 5,
        "blanks before its key": "  data file: ../outside/secret.raw\n",
        "bytes to skip": "byte skip: -1\ndata file: ../outside/secret.raw\n",
        "lines to skip": "line skip: 99999999\n\n",
        "voxels as hex": "encoding: hex\n\n" + "zz" * 3000,
        "parentheses without end": "space directions: " + "(" * 1_000_000 + "\n\n",
        "quotes without end": "space units: " + '"' * 999_999 + "\n\n",
        "sizes without end": "space units: mm\nsizes: " + "9 " * 500_000 + "\n\n",
        "lengths below 0": "centers: cell cell cell\nsizes: -30 -20 5\n\n",
        "blank lines without end": "# a" + "\r" * 1_000_000 + "\n\n",
    },
)
_places(
    ".mhd",
    META,
    {
        "data in another folder": "ElementDataFile = ../outside/secret.raw\n",
        "data at an absolute path": "ElementDataFile = {secret}\n",
        "data of the system": "ElementDataFile = /etc/services\n",
        "data of the system from its end": "HeaderSize = -1\nElementDataFile = /etc/services\n",
        "data that never end": "ElementDataFile = /dev/zero\n",
        "data in a list": "ElementDataFile = LIST\n" + "../outside/secret.raw\n" * 5,
        "data in a list of axes": "ElementDataFile = LIST 2\n" + "../outside/secret.raw\n" * 5,
        "data in a series": "ElementDataFile = ../outside/s%d.raw 1 5 1\n",
        "data in a series without numbers": "ElementDataFile = ../outside/s%d.raw\n",
        "data in a series of text": "ElementDataFile = %s.raw 1 5 1\n",
        "data in a series of writes": "ElementDataFile = %n%n.raw 1 5 1\n",
        "data in a series of fractions": "ElementDataFile = ../outside/s%d.raw 1.0 5.0 1.0\n",
        "data in a series of numbers from space": "ElementDataFile = %d.raw 1 5 1\n",
        "a colon for its sign": "ElementDataFile: ../outside/secret.raw\n",
        "a colon, then a sign": "ElementDataFile: ../outside/secret.raw\nElementDataFile = LOCAL\n",
        "two data files": "ElementDataFile = ../outside/secret.raw\nElementDataFile = LOCAL\n",
        "a key after a vertical tab": "Comment = a\x0bElementDataFile = LOCAL\n"
        "ElementDataFile = ../outside/secret.raw\n",
        "a key after a carriage return": "Comment = a\rElementDataFile = ../outside/secret.raw\n"
        "ElementDataFile = ok.raw\n",
        "a key behind another": "Comment = ElementDataFile = ok.raw\nElementDataFile = ../outside/secret.raw\n",
        "blanks before its key": "  ElementDataFile = ../outside/secret.raw\n",
        "a line without end": "Comment = " + "a" * 600 + "ElementDataFile = ../outside/secret.raw\n"
        "ElementDataFile = ok.raw\n",
        "blanks without end": "ElementDataFile = a" + " " * 1_000_000 + "b\n",
        "line ends without end": "\n" * 1_000_000,
        "channels without end": "ElementNumberOfChannels = 999999999\nElementDataFile = ok.raw\n",
        "lengths below 0": "DimSize = -30 -20 5\nElementDataFile = ok.raw\n",
        "axes without end": "NDims = 999999999\nElementDataFile = ok.raw\n",
    },
)


def stored(what: str, suffix: str, content: object, *words: str) -> None:
    def function(scene: Scene) -> None:
        made = content(scene) if callable(content) else content
        assert isinstance(made, bytes)
        scene.fails(suffix, made, *words)

    attack(f"a {suffix} {what}")(function)


def _npz(array: bytes, name: str = "imgs.npy") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr(name, array)
    return file.getvalue()


def _npy(shape: str, dtype: str = "|u1", data: bytes = b"") -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", len(text) + 1) + text + b"\n" + data


def _npz_bomb(scene: Scene) -> bytes:
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zipped,
        zipped.open("imgs.npy", "w", force_zip64=True) as entry,
    ):
        entry.write(_npy("(4000, 1000, 1000)"))
        for _ in range(64):
            entry.write(bytes(62_500_000))
    return file.getvalue()


def _npz_hidden_bomb(scene: Scene) -> bytes:
    """A small array, with 4 GB behind it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zipped:
        with zipped.open("imgs.npy", "w", force_zip64=True) as entry:
            entry.write(_npy("(4, 36, 48)", data=bytes(range(64)) * 108))
            for _ in range(64):
                entry.write(bytes(62_500_000))
        zipped.writestr("spacing.npy", _npy("(2000000000,)", "<f8"))
    return file.getvalue()


def _pickled() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([Evil()], object), allow_pickle=True)
    return file.getvalue()


stored("of objects", ".npy", lambda scene: _pickled())
stored("that is a pickle", ".npy", lambda scene: pickle.dumps(Evil()))
stored("of objects", ".npz", lambda scene: _npz(_pickled()))
stored("that is a pickle", ".npz", lambda scene: pickle.dumps(Evil()))
stored("that promises terabytes", ".npy", _npy("(30000, 30000, 30000)"))
stored("that promises terabytes", ".npz", _npz(_npy("(30000, 30000, 30000)")))
stored("whose shape overflows", ".npy", _npy(f"({2**62}, {2**62}, 4)"))
stored("of text without end", ".npy", _npy("(1, 1, 1)", "<U2000000000"))
stored("whose header is code", ".npy", _npy("__import__('pathlib').Path('ran').touch()"))
stored("whose header is nested deeply", ".npy", _npy("(" * 5000 + ")" * 5000))
stored("whose header has no end", ".npy", b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b" " * 100)
stored("that unpacks to 4 GB", ".npz", _npz_bomb)
stored("with 4 GB behind its array", ".npz", _npz_hidden_bomb)
stored("of a name that leaves it", ".npz", lambda scene: _npz(_npy("(1, 1, 1)", data=b"a"), "../../../ran"))
stored("that promises terabytes", ".nii.gz", gzip.compress(nifti(30000, 30000, 30000)))
stored("that promises terabytes", ".nii", nifti(30000, 30000, 30000))
stored("that promises 4 GB", ".nii.gz", gzip.compress(nifti(2000, 2000, 1000)))
stored("that promises terabytes", ".nrrd", f"{RAW.replace(SIZES, f'sizes: {HUGE}')}\n".encode() + bytes(99))
stored(
    "whose gzip promises terabytes",
    ".nrrd",
    f"{NRRD.replace(SIZES, f'sizes: {HUGE}')}encoding: gzip\n\n".encode() + gzip.compress(bytes(99)),
)
stored(
    "whose bzip2 promises terabytes",
    ".nrrd",
    f"{NRRD.replace(SIZES, f'sizes: {HUGE}')}encoding: bzip2\n\n".encode() + bz2.compress(bytes(99)),
)
stored(
    "whose bzip2 has no end",
    ".nrrd",
    lambda scene: f"{NRRD}encoding: bzip2\n\n".encode() + bz2.compress(bytes(100 << 20)) * 4000,
)
stored(
    "whose gzip has no end",
    ".nrrd",
    lambda scene: f"{NRRD}encoding: gzip\n\n".encode() + gzip.compress(bytes(1 << 26), 1) * 960,
)
stored("whose gzip has no end", ".nii.gz", lambda scene: gzip.compress(nifti(4, 4, 4) + bytes(1 << 26), 1) * 960)
stored("whose header has no end", ".nii.gz", lambda scene: gzip.compress(bytes(1 << 26), 1) * 320)
stored("that promises terabytes", ".mha", f"{META.replace('30 20 5', HUGE)}ElementDataFile = LOCAL\n".encode())
stored(
    "whose stream promises terabytes",
    ".mha",
    f"{META.replace('30 20 5', HUGE)}CompressedData = True\nElementDataFile = LOCAL\n".encode()
    + zlib.compress(bytes(99)),
)
stored(
    "that is text of another format", ".mha", b"# vtk DataFile Version 2.0\na\nASCII\nDATASET STRUCTURED_POINTS\n"
)


@attack("a .hdr beside a link to data elsewhere")
def hdr_link(scene: Scene) -> None:
    (scene.volumes / "bad.img").symlink_to(scene.outside / "secret.raw")
    scene.fails(".hdr", nifti(30, 20, 5, magic=b"ni1"), "outside")


@attack("a .hdr beside a packed link to data elsewhere")
def hdr_packed_link(scene: Scene) -> None:
    scene.write("outside/secret.img.gz", gzip.compress((SECRET * 600).encode()))
    (scene.volumes / "bad.img.gz").symlink_to(scene.outside / "secret.img.gz")
    scene.fails(".hdr", nifti(30, 20, 5, magic=b"ni1"))


@attack("a .hdr in capitals beside a link to data elsewhere")
def hdr_capitals(scene: Scene) -> None:
    (scene.volumes / "bad.IMG").symlink_to(scene.outside / "secret.raw")
    scene.fails(".hdr", nifti(30, 20, 5, magic=b"ni1"))


@attack("a .nii that says it is one of a pair")
def nii_pair(scene: Scene) -> None:
    for suffix in (".img", ".hdr"):
        (scene.volumes / f"bad{suffix}.raw").symlink_to(scene.outside / "secret.raw")
    header = bytearray(nifti(30, 20, 5, magic=b"ni1"))
    (scene.volumes / "bad.nii").write_bytes(header)
    scene.fails(".nii", None)


@attack("a volume that is a link elsewhere")
def volume_link(scene: Scene) -> None:
    scene.write("outside/real.nii.gz", (scene.volumes / "good.nii.gz").read_bytes())
    (scene.volumes / "bad.nii.gz").symlink_to("../outside/real.nii.gz")
    scene.fails(".nii.gz", None, "outside")


@attack("labels that are a link elsewhere")
def labels_link(scene: Scene) -> None:
    scene.write("outside/real.nii.gz", (scene.data.labels / "good.nii.gz").read_bytes())
    (scene.volumes / "bad.nii.gz").write_bytes((scene.volumes / "good.nii.gz").read_bytes())
    (scene.data.labels / "bad.nii.gz").symlink_to(scene.outside / "real.nii.gz")
    scene.refused(scene.run(), "case bad (read)", "outside", status=1)


@attack("a volume that is a link without end")
def volume_zero(scene: Scene) -> None:
    (scene.volumes / "bad.png").symlink_to("/dev/zero")
    scene.fails(".png", None)


@attack("a volume that is a link to itself")
def volume_loop(scene: Scene) -> None:
    (scene.volumes / "bad.png").symlink_to("bad.png")
    scene.fails(".png", None)


@attack("a volume that is a pipe")
def volume_pipe(scene: Scene) -> None:
    os.mkfifo(scene.volumes / "bad.nii.gz")
    scene.fails(".nii.gz", None, "bad.nii.gz")


@attack("a volume that is a socket")
def volume_socket(scene: Scene) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as one:
        place = Path.cwd()
        os.chdir(scene.volumes)
        one.bind("bad.nrrd")
        os.chdir(place)
        scene.fails(".nrrd", None, "bad.nrrd")


@attack("labels of 10^9 objects")
def many_objects(scene: Scene) -> None:
    shape = nib.load(scene.data.labels / "good.nii.gz").shape
    labels = np.random.default_rng(0).integers(0, 10**9, shape).astype(np.int32)
    affine = nib.load(scene.data.labels / "good.nii.gz").affine
    (scene.volumes / "bad.nii.gz").write_bytes((scene.volumes / "good.nii.gz").read_bytes())
    nib.save(nib.Nifti1Image(labels, affine), scene.data.labels / "bad.nii.gz")
    scene.refused(scene.run(), "case bad (read)", status=1)


@attack("a segmentation of 10^6 segments")
def many_segments(scene: Scene) -> None:
    segments = "".join(f"Segment{n}_Name:=a\n" for n in range(30000))
    scene.fails(".seg.nrrd", f"{RAW}{segments}\n".encode() + bytes(3000))


@attack("a segmentation of layers far away")
def far_layers(scene: Scene) -> None:
    text = f"{RAW}Segment0_Layer:=99999999999999999999\nSegment0_LabelValue:={'9' * 5000}\n\n"
    scene.fails(".seg.nrrd", text.encode() + bytes(3000))


@attack("labels far from their mask in space")
def far_masks(scene: Scene) -> None:
    for folder, at in (("masks", "0,0,0"), ("truth", "1e12,1e12,1e12")):
        text = RAW + "space: left-posterior-superior\nspace directions: (1,0,0) (0,1,0) (0,0,1)\n"
        text += f"space origin: ({at})\nSegment0_LabelValue:=1\nSegment0_Layer:=0\n\n"
        scene.write(f"{folder}/bad.seg.nrrd", text.encode() + b"\1" * 3000)
    told = scene.usframe("report", "--masks", "masks", "--labels", "truth", "-o", "out")
    scene.refused(told, "bad", status=1)
