"""What an encoder made of slices, kept on disk for whoever encodes the same with the same weights again.

A file is named by the hash of a slice as the network gets it, of the encoder's weights, and of how it computes.
"""

from __future__ import annotations

import json
import math
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from usframe.encoding.features import join, rebuild, tensors_of
from usframe.errors import RequestError
from usframe.types import Backbone, Decoded, Features, Memory, MemoryBackbone, Prompt

MARK = "usframe-embeddings.json"  # the file that makes a folder a store
NAME = re.compile(r"[0-9a-f]{64}\.features")
GB = 10**9
DROPPED = 0.1  # share of the limit that is freed at a time


@dataclass(eq=False)
class Store:
    """Features in ``folder``, where several processes may be at work. ``hits`` were there, ``misses`` were not.

    ``half``: in half precision, also in the run that makes them, so that no result depends on what was there.
    ``limit`` is in bytes; beyond it, what was used longest ago goes. ``notes`` say what went wrong.
    """

    folder: Path
    limit: float = math.inf
    half: bool = True
    hits: int = 0
    misses: int = 0
    notes: list[str] = field(default_factory=list)
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = sum(state.st_size for _, state in self._files()) if self.limit < math.inf else 0

    def has(self, key: str) -> bool:
        return self._path(key).exists()

    def get(self, key: str, like: Features) -> Features | None:
        """The features of one slice, made as those ``like`` them; None where they cannot be read."""
        path = self._path(key)
        try:
            content = path.read_bytes()
            if int.from_bytes(content[:4], "big") != zlib.crc32(content[4:]):
                raise ValueError("damaged")
            tensors = safetensors.torch.load(content[4:])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, safetensors.SafetensorError) as error:
            why = error.strerror if isinstance(error, OSError) else "damaged"
            self._note(f"{path}: is no embedding that can be read ({why}), so the slice was encoded again")
            return None
        with suppress(OSError):  # somebody else's file is there to be read
            os.utime(path)
        wanted = list(tensors_of(like))
        if {name: one.shape for name, one in tensors.items()} != {
            f"{n}": one.shape for n, one in enumerate(wanted)
        }:
            self._note(f"{path}: is an embedding of another shape, so the slice was encoded again")
            return None
        return rebuild(like, (tensors[f"{n}"].to(one.device, one.dtype) for n, one in enumerate(wanted)))

    def put(self, key: str, features: Features) -> Features:
        """Keep the features of one slice; gives them as `get` does. A full disk is a note."""
        kept = [one.half() if self.half and one.is_floating_point() else one for one in tensors_of(features)]
        if not all(bool(one.isfinite().all()) for one in kept):
            return features
        content = safetensors.torch.save({f"{n}": one.cpu().contiguous() for n, one in enumerate(kept)})
        path = self._path(key)
        part = path.with_name(f".usframe-{os.getpid()}-{path.name}")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            part.write_bytes(zlib.crc32(content).to_bytes(4, "big") + content)
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            self._note(f"{self.folder}: not all embeddings could be kept ({error.strerror})")
        self.size += len(content)
        if self.size > self.limit:
            self._drop()
        return rebuild(features, (one.to(like.dtype) for one, like in zip(kept, tensors_of(features), strict=True)))

    def _drop(self) -> None:
        """Remove what was used longest ago, until there is room again."""
        files = sorted(self._files(), key=lambda file: file[1].st_mtime_ns)
        self.size = sum(state.st_size for _, state in files)
        for path, state in files:
            if self.size <= (1 - DROPPED) * self.limit:
                return
            path.unlink(missing_ok=True)
            self.size -= state.st_size

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self.folder.glob("*.features"):
            if NAME.fullmatch(path.name):
                try:
                    yield path, path.lstat()
                except FileNotFoundError:
                    continue  # another process removed it

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.features"

    def _note(self, note: str) -> None:
        if len(self.notes) < 3:
            self.notes.append(note)


def open_store(folder: Path, limit: float) -> Store:
    """The store in a folder, which is made if there is none; ``limit`` in GB.

    Raises `RequestError` for a folder that holds something else, or that cannot be written to.
    """
    try:
        if folder.exists() and not (folder / MARK).exists() and any(folder.iterdir()):
            raise RequestError(
                f"cache.embeddings={folder} holds other files; name a folder that is empty or not there yet"
            )
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / MARK).exists():
            (folder / MARK).write_text(json.dumps({"what": "embeddings kept by usframe, may be deleted"}) + "\n")
    except OSError as error:
        raise RequestError(f"cache.embeddings={folder} cannot be written to ({error.strerror})") from error
    return Store(folder, limit * GB)


def kept_by(store: Store, backbone: Backbone) -> KeptBackbone:
    """The backbone, which takes what the ``store`` has of a slice. Its encoder must not change from here on."""
    return (KeptMemoryBackbone if isinstance(backbone, MemoryBackbone) else KeptBackbone)(store, backbone)


class KeptBackbone:
    """A backbone whose encodings are kept; all else is that of ``behind``."""

    def __init__(self, store: Store, behind: Any) -> None:
        self.store, self.behind = store, behind
        self.image_size, self.module, self.checkpoint = behind.image_size, behind.module, behind.checkpoint
        self.name = _digest(behind, store.half)
        self.like: Features | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)

    def encode(self, images: torch.Tensor) -> Features:
        """Embed ``images`` (B, 3, S, S), those that are not in the store."""
        keys = [blake2b(self.name + image.tobytes(), digest_size=32).hexdigest() for image in images.cpu().numpy()]
        made = self._encode(images, [n for n, key in enumerate(keys) if not self.store.has(key)], keys)
        if self.like is None:
            one = next(iter(made.values())) if made else self.behind.encode(torch.zeros_like(images[:1]))
            self.like = one
        found = {n: self.store.get(key, self.like) for n, key in enumerate(keys) if n not in made}
        self.store.hits += sum(one is not None for one in found.values())
        found |= made | self._encode(images, [n for n, one in found.items() if one is None], keys)
        return join([found[n] for n in range(len(keys))])

    def _encode(self, images: torch.Tensor, numbers: Sequence[int], keys: Sequence[str]) -> dict[int, Features]:
        if not numbers:
            return {}
        self.store.misses += len(numbers)
        features = self.behind.encode(images[list(numbers)])
        return {n: self.store.put(keys[n], features[place : place + 1]) for place, n in enumerate(numbers)}

    def decode(
        self, features: Features, prompts: Sequence[Prompt | None], index: Sequence[int], **how: Any
    ) -> Decoded:
        decoded: Decoded = self.behind.decode(features, prompts, index, **how)
        return decoded


class KeptMemoryBackbone(KeptBackbone):
    """The same of a backbone with memory."""

    def memorize(self, features: Features, decoded: Decoded) -> Any:
        return self.behind.memorize(features, decoded)

    def condition(self, features: Features, memories: Sequence[Memory], **where: Any) -> Features:
        return self.behind.condition(features, memories, **where)


def _digest(backbone: Any, half: bool) -> bytes:
    """What encodings depend on besides the slice: the encoder's weights, and how it computes."""
    found = blake2b(digest_size=32)
    part_of = getattr(backbone, "part_of", lambda name: "encoder")
    how = (type(backbone).__qualname__, backbone.image_size, str(getattr(backbone, "precision", "")), half)
    found.update(repr(how).encode())
    for name, tensor in sorted(backbone.module.state_dict().items()):
        if part_of(name) == "encoder":
            found.update(name.encode())
            found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.digest()
