"""Weights: where they are looked for, how they are read, and how they must fit."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from importlib.resources import files
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from usframe.config.schema import Precision
from usframe.errors import CheckpointError, PluginError, RequestError, UsframeError
from usframe.inference.weights import counted, read_weights
from usframe.plugins.load import Plugins, load_plugins
from usframe.plugins.registry import blame
from usframe.types import Backbone, Weights

if TYPE_CHECKING:
    import torch

RANDOM = "random"
PREFIXES = ("_orig_mod.", "module.", "model.")
BACKBONE = ("image_size", "module", "checkpoint", "encode", "decode")


def load_backbone(
    name: str,
    *,
    checkpoint: str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    plugins: Plugins | None = None,
) -> Backbone:
    """Build the backbone ``name`` with its weights, ready to predict.

    ``checkpoint``: a .pt or .safetensors file, None for the backbone's own, ``"random"`` for none at all.
    ``device``: auto, cpu, cuda, cuda:N or mps. ``precision``: auto is bf16 on a CUDA device that has it, else fp32.
    Raises `PluginError` for an unknown name and a backbone that is none, `CheckpointError` for a missing or
    unfitting file, and `RequestError` for a device or precision that this machine lacks.
    """
    plugins = plugins or load_plugins()
    try:
        factory = plugins.backbones.get(name)
    except PluginError as error:
        if hint := _hidden("sam2"):
            raise PluginError(f"backbone {name} cannot be built: {error}{hint}") from error
        raise
    where = resolve_device(device)
    weights: Weights = "pretrained" if checkpoint is None else Path(checkpoint)
    if str(checkpoint) == RANDOM:
        weights = "random"
    given = {"weights": weights, "device": where, "precision": resolve_precision(precision, where)}
    try:
        backbone = factory(**_keywords(name, factory, given))
    except UsframeError:
        raise
    except Exception as error:
        raise PluginError(f"backbone {name} cannot be built: {blame(error)}{_hidden('sam2')}") from error
    if not isinstance(backbone, Backbone):
        missing = [part for part in BACKBONE if not hasattr(backbone, part)]
        raise PluginError(f"backbone {name} is no usframe.types.Backbone: it has no {', '.join(missing)}")
    return backbone


def _hidden(package: str) -> str:
    """What to do where a folder of the working folder was imported instead of the installed ``package``."""
    spec = find_spec(package)
    places = spec.submodule_search_locations if spec else None
    if Path.cwd() / package not in map(Path, places or ()):
        return ""
    return (
        f"; ./{package} hides the installed package, so type usframe, not python -m usframe, or change the folder"
    )


def _keywords(name: str, factory: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What a factory takes: ``weights``, or ``checkpoint`` (a path, or None for its own), as the first ones did."""
    taken = signature(factory).parameters
    if "weights" in taken or "checkpoint" not in taken:
        return dict(given)
    if given["weights"] == "random":
        raise RequestError(f"checkpoint=random is not possible: backbone {name} takes a file, or its own weights")
    path = given["weights"] if isinstance(given["weights"], Path) else None
    return {"checkpoint": path} | {key: value for key, value in given.items() if key != "weights"}


def resolve_device(name: str) -> str:
    """The torch device for ``auto|cpu|cuda|cuda:N|mps``; raises `RequestError` where it is not there."""
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, number = name.partition(":")
    available = {
        "cpu": 1,
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
    }
    if kind not in available or (number and not number.isdigit()):
        raise RequestError(f"device={name} is not known; use auto, cpu, cuda, cuda:N or mps")
    if int(number or 0) >= available[kind]:
        raise RequestError(
            f"device={name} is not available here: torch {torch.__version__} sees {available[kind]} of them; "
            "use device=auto or cpu, or install a torch build for your GPU"
        )
    return name


def resolve_precision(name: str, device: str) -> str:
    """fp32, bf16 or fp16 for ``device``; raises `RequestError` for one that it cannot do."""
    import torch

    if name not in (known := get_args(Precision)):
        raise RequestError(f"precision={name} is not known; use one of {', '.join(known)}")
    cuda = device.startswith("cuda")
    if name == "auto":
        return "bf16" if cuda and torch.cuda.is_bf16_supported() else "fp32"
    if name == "fp16" and not cuda:
        raise RequestError(f"precision=fp16 needs a CUDA device, not {device}; use bf16 or fp32")
    return name


def find_checkpoint(path: Path | None, *, filename: str, source: str) -> Path:
    """The file to load: ``path`` if given, else ``filename`` in one of the `checkpoint_folders`.

    Raises `CheckpointError` saying where to get it (``source``) and where to put it.
    """
    if path is not None:
        if not path.is_file():
            what = "is a folder, not a file" if path.is_dir() else "does not exist"
            raise CheckpointError(f"checkpoint {path} {what}; {filename} can be had from {source}")
        return path
    folders = checkpoint_folders()
    for folder in folders:
        if (folder / filename).is_file():
            return folder / filename
    raise CheckpointError(
        f"checkpoint {filename} was not found in {', '.join(map(str, folders))}; "
        f"get it from {source}, and put it at {folders[0] / filename} or name it with --checkpoint FILE"
    )


def checkpoint_folders() -> list[Path]:
    """Where checkpoints are looked for: ``./checkpoints``, ``$USFRAME_HOME/checkpoints``, usframe's own folder."""
    home = os.environ.get("USFRAME_HOME")
    kept = [Path(home) / "checkpoints"] if home else []
    return [Path("checkpoints"), *kept, Path(str(files("usframe_checkpoints")))]


def load_weights(
    module: torch.nn.Module, path: Path, *, prepare: Callable[[Mapping[str, Any]], object] | None = None
) -> None:
    """Load a .pt or .safetensors file, as `read_weights` reads it, into ``module``, strictly.

    ``prepare`` is shown the weights first, to add to the network what some checkpoints have more than others.

    Names may begin with what `torch.compile` (``_orig_mod.``), data parallel training (``module.``) and trainers
    (``model.``) put before all of them. Raises `CheckpointError` naming what is missing, unexpected, of another
    shape or not finite.
    """
    stored = read_weights(path)
    if prepare:
        prepare(stored)
    expected = module.state_dict()
    state = _named_as(expected, stored)
    missing = [key for key in expected if key not in state]
    unexpected = [key for key in state if key not in expected]
    reshaped = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(expected[key].shape)}"
        for key in expected
        if key in state and state[key].shape != expected[key].shape
    ]
    if missing or unexpected or reshaped:
        parts = (("missing", missing), ("unexpected", unexpected), ("of another shape", reshaped))
        what = "; ".join(counted(kind, keys) for kind, keys in parts if keys)
        differ = len(missing) + len(reshaped)
        other = "; these are weights of another network, check --backbone" if differ > len(expected) / 4 else ""
        raise CheckpointError(
            f"checkpoint {path} does not fit this network of {len(expected)} tensors: {what}{other}"
        )
    if broken := [key for key in expected if not _sound(state[key], expected[key])]:
        raise CheckpointError(
            f"checkpoint {path} holds NaN or infinite values in {counted('of its tensors', broken)}; "
            "its training diverged or the file is damaged, take another"
        )
    module.load_state_dict(state, strict=True)


def _named_as(expected: Mapping[str, Any], state: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
    """The state dict without a prefix that all its names have and none that is expected."""
    for prefix in PREFIXES * 2:
        if all(key.startswith(prefix) for key in state) and not any(key.startswith(prefix) for key in expected):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _sound(value: torch.Tensor, fresh: torch.Tensor) -> bool:
    """Whether a weight is finite, but for places that are infinite in a ``fresh`` network, such as a mask."""
    import torch

    value = value.to(fresh.dtype)
    if value.sum(dtype=torch.float64).isfinite():  # as it is only where every number is
        return True
    finite = value.isfinite()
    return bool(finite.all()) or finite.equal(fresh.isfinite().to(finite.device))


def sha256(path: Path) -> str:
    """Hexadecimal digest of a checkpoint file, as recorded in run.json."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
