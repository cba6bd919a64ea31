"""Attacks by weights: pickles, promises, numbers that are none."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from pathlib import Path

from attacker import Scene, attack


class Evil:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("ran"),))


def _torch(content: object, **options: bool) -> bytes:
    import torch

    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


def _safetensors(header: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header


def _zip_bomb() -> bytes:
    """A checkpoint whose one tensor unpacks to 16 GB."""
    import torch

    size = 4 << 30
    whole = zipfile.ZipFile(io.BytesIO(_torch({"model": {"a": torch.zeros(1)}})))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zipped:
        for info in whole.infolist():
            if not info.filename.endswith("data/0"):
                zipped.writestr(info.filename, whole.read(info).replace(b"K\x01", b"J\xff\xff\xff\x3f"))
                continue
            with zipped.open(info.filename, "w", force_zip64=True) as entry:
                for _ in range(size >> 26):
                    entry.write(bytes(1 << 26))
    return file.getvalue()


def _deep_pickle() -> bytes:
    return b"\x80\x02" + b"]" + b"]" * 50000 + b"a" * 50000 + b"."


CHECKPOINTS = {
    "a pickle": ("a.pt", lambda: pickle.dumps({"model": Evil()})),
    "a pickle in a zip": ("a.pt", lambda: _torch({"model": Evil()})),
    "a pickle in the old form": ("a.pt", lambda: _torch({"model": Evil()}, _use_new_zipfile_serialization=False)),
    "a pickle called safetensors": ("a.safetensors", lambda: pickle.dumps(Evil())),
    "a pickle nested deeply": ("a.pt", _deep_pickle),
    "a tensor that unpacks to 4 GB": ("a.pt", _zip_bomb),
    "a header of 2^62 bytes": ("a.safetensors", lambda: _safetensors(b"{}", 2**62)),
    "a header of 200 MB": ("a.safetensors", lambda: _safetensors(b"{}" + b" " * (200 << 20))),
    "a header nested deeply": ("a.safetensors", lambda: _safetensors(b'{"a":' + b"[" * 100000)),
    "tensors beyond the file": (
        "a.safetensors",
        lambda: _safetensors(b'{"a":{"dtype":"F32","shape":[99999999999],"data_offsets":[0,399999999996]}}'),
    ),
    "a shape that overflows": (
        "a.safetensors",
        lambda: _safetensors(b'{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}'),
    ),
    "names of codes": (
        "a.safetensors",
        lambda: _safetensors(b'{"a\\u001b[2J\\nError: b":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}'),
    ),
}


def _checkpoint(what: str, name: str, content: object) -> None:
    def function(scene: Scene) -> None:
        assert callable(content)
        scene.write(name, content())
        scene.refused(scene.run(checkpoint=name), "checkpoint")
        assert not scene.files(scene.out / "masks"), "a mask was written"

    attack(f"a checkpoint with {what}")(function)


for _what, (_name, _content) in CHECKPOINTS.items():
    _checkpoint(_what, _name, _content)


@attack("a checkpoint of NaN")
def checkpoint_of_nan(scene: Scene) -> None:
    from usframe import load_backbone

    state = load_backbone("demo", checkpoint="random", device="cpu").module.state_dict()
    scene.write("a.pt", _torch({key: value * float("nan") for key, value in state.items()}))
    scene.refused(scene.run(checkpoint="a.pt"), "NaN")


@attack("a folder checkpoints/ with code in the working folder")
def checkpoints_folder(scene: Scene) -> None:
    scene.write("checkpoints/__init__.py", "open('ran', 'w')\n")
    for name in ("MedSAM2_latest.pt", "demo.pt", "sam2.1_hiera_tiny.pt"):
        scene.write(f"checkpoints/{name}", pickle.dumps({"model": Evil()}))
    words = ("run", "-i", "volumes", "-l", "labels", "-o", "out", "--device", "cpu")
    scene.refused(scene.usframe(*words), "checkpoints/MedSAM2_latest.pt")
