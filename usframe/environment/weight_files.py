"""A file of weights: what is in it, which backbones it fits, and the same weights in another form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from usframe.errors import CheckpointError, RequestError, UsframeError
from usframe.inference.checkpoints import load_backbone, sha256
from usframe.inference.weights import read_weights
from usframe.plugins.load import Plugins

if TYPE_CHECKING:
    import torch

FORMS = (".pt", ".safetensors")


@dataclass(frozen=True)
class Found:
    """``tensors`` of ``parameters`` numbers in ``types``; ``fits``: the backbones that load it.

    ``problem``: why it cannot be used, empty where it can.
    """

    path: str
    sha256: str
    tensors: int
    parameters: int
    types: tuple[str, ...]
    fits: tuple[str, ...]
    problem: str


def inspect(path: Path, plugins: Plugins, backbones: Sequence[str] = ()) -> Found:
    """Read a file and load it into each of the ``backbones``, or into all of them. Raises `CheckpointError`."""
    state = read(path)
    fits, problems = [], []
    for name in backbones or plugins.backbones.names():
        try:
            load_backbone(name, checkpoint=path, device="cpu", precision="fp32", plugins=plugins)
            fits.append(name)
        except UsframeError as error:
            problems.append(str(error))
    problem = "" if fits else problems[0] if len(problems) == 1 else f"checkpoint {path} fits no backbone"
    return Found(
        str(path),
        sha256(path),
        len(state),
        sum(value.numel() for value in state.values()),
        tuple(sorted({str(value.dtype).removeprefix("torch.") for value in state.values()})),
        tuple(fits),
        problem,
    )


def mix(first: Path, second: Path, target: Path, *, share: float, half: bool) -> None:
    """Write weights between those of two files, number by number: ``share`` of the second, the rest of the first.

    Of weights and what they became by training, this keeps more of what the first could do: Wortsman et al.,
    "Robust fine-tuning of zero-shot models", 2022. Raises as `export` does, and `RequestError` for other weights.
    """
    from usframe.training.weights import write_weights

    check_target(target)
    one, other = (read(path) for path in (first, second))
    if {name: value.shape for name, value in one.items()} != {name: value.shape for name, value in other.items()}:
        raise RequestError(f"{first} and {second} hold weights of different networks, which cannot be mixed")
    mixed = {
        name: (value.float() * (1 - share) + other[name].float() * share).to(other[name].dtype).contiguous()
        if value.is_floating_point()
        else other[name]
        for name, value in one.items()
    }
    write_weights(target, mixed, half=half)


def export(source: Path, target: Path, *, half: bool) -> None:
    """Write the weights of a file as ``target``, ``half``: in half precision.

    A .pt is as MedSAM2 stores it, ``{"model": state_dict}``; a .safetensors holds the same names. What else was in
    the file, such as the state of an optimiser, is left behind. Raises `RequestError` for another suffix and for a
    target that is there, `CheckpointError` for a source that is no weights, and `WriteError`.
    """
    from usframe.training.weights import write_weights

    check_target(target)
    state = {name: value.contiguous().clone() for name, value in read(source).items()}
    write_weights(target, state, half=half)


def check_target(target: Path) -> None:
    if target.suffix not in FORMS:
        raise RequestError(f"{target}: weights are written as {' or '.join(FORMS)}; name it so")
    if target.exists():
        raise RequestError(f"{target} is there already; choose another name or remove it")


def read(path: Path) -> Mapping[str, torch.Tensor]:
    if not path.is_file():
        raise CheckpointError(
            f"checkpoint {path} {'is a folder, not a file' if path.is_dir() else 'does not exist'}"
        )
    return read_weights(path)
