"""What a checkpoint file holds, read so that nothing in it runs."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from usframe.errors import CheckpointError

if TYPE_CHECKING:
    import torch

WRAPPERS = ("model", "state_dict")


def read_weights(path: Path) -> Mapping[str, torch.Tensor]:
    """The state dict that ``path`` is or holds as ``model`` or ``state_dict``, whatever else lies beside it.

    Nothing but tensors and plain values is unpickled. Raises `CheckpointError` for anything else.
    """
    import torch
    from safetensors.torch import load_file

    try:
        stored: Any = load_file(path) if path.suffix == ".safetensors" else _unpickled(path)
    except Exception as error:  # torch and safetensors raise a dozen unrelated types for a damaged file
        if foreign := re.search(r"(?:GLOBAL |<class ')([\w.]+)", str(error)):
            raise CheckpointError(
                f"checkpoint {path} cannot be read as weights: it holds other objects than tensors "
                f"({foreign[1]}), and none is unpickled; save its state dict alone"
            ) from error
        raise CheckpointError(
            f"checkpoint {path} cannot be read as weights (a .pt or .safetensors of tensors and nothing else); "
            "it may be damaged or not fully downloaded"
        ) from error
    inner = [stored.get(key) for key in WRAPPERS] if isinstance(stored, Mapping) else []
    state: Any = next(filter(_has_tensors, [*inner, stored]), None)
    if state is None:
        raise CheckpointError(f"checkpoint {path} holds no state dict (a mapping of names to tensors)")
    others = [str(key) for key, value in state.items() if not isinstance(value, torch.Tensor)]
    if others:
        raise CheckpointError(
            f"checkpoint {path}: its state dict has {counted('values that are no tensors', others)}"
        )
    weights: Mapping[str, torch.Tensor] = state
    return weights


def check_state(folder: Path) -> None:
    """Raise `CheckpointError` for the state of a training in which a file is damaged or would run code."""
    from accelerate.utils import load

    for path in sorted(file for file in folder.rglob("*") if file.suffix != ".safetensors" and file.is_file()):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what is wrong is said in one line
                load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise CheckpointError(
                f"{path}: is damaged or holds other objects than numbers and tensors, and none is unpickled; "
                f"remove {folder} to begin anew"
            ) from error
    for path in sorted(folder.iterdir()):
        if path.is_file() and not _is_whole(path):
            raise CheckpointError(f"{path}: is damaged; remove {folder} to begin anew")


def _is_whole(path: Path) -> bool:
    """Whether a file of tensors is as long as it says, and what `torch.save` wrote has its checksums."""
    from safetensors import SafetensorError, safe_open

    try:
        if path.suffix != ".safetensors":
            with zipfile.ZipFile(path) as stored:
                return stored.testzip() is None
        with safe_open(path, "pt"):
            return True
    except (OSError, zipfile.BadZipFile, SafetensorError):
        return False


def _has_tensors(state: Any) -> bool:
    import torch

    return isinstance(state, Mapping) and any(isinstance(value, torch.Tensor) for value in state.values())


class _Inert:
    """What every object beside the weights becomes: nothing of its class is imported, called or kept."""

    def __new__(cls, *_: Any, **__: Any) -> _Inert:
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...


def _unpickled(path: Path) -> Any:
    import torch

    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except (AttributeError, ValueError, RuntimeError):  # an old torch; an old or a damaged file
        names = []
    parts = [name.rpartition(".") for name in names]
    inert: list[Any] = [type(name, (_Inert,), {"__module__": home}) for home, _, name in parts]
    with torch.serialization.safe_globals(inert), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is wrong is said in one line
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))


def counted(what: str, keys: Sequence[str], most: int = 3) -> str:
    """How many, of what, and the first of them: "5 missing (a, b, c and 2 more)"."""
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return f"{len(keys)} {what} ({', '.join(keys[:most])}{more})"
