"""The contracts of everything that one package, or one plugin file, registers: `usframe plugins check`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from inspect import Parameter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from usframe_contracts.augmentation import AugmentationContract
from usframe_contracts.backbone import MemoryContract, NoMemoryContract
from usframe_contracts.loss import LossContract
from usframe_contracts.metric import MetricContract
from usframe_contracts.postprocessing import PostprocessingContract
from usframe_contracts.prompt import FreePromptContract, PromptContract
from usframe_contracts.reader import RECORDING, SPACING, ForeignGrid, ReaderContract
from usframe_contracts.recipe import RecipeContract
from usframe_contracts.selection import SelectionContract

from usframe import UsframeError
from usframe.plugins.arguments import needs_labels, own_arguments, takes
from usframe.plugins.check import registered_by
from usframe.plugins.entry import Entry
from usframe.plugins.kinds import KINDS
from usframe.plugins.load import load_plugins
from usframe.types import MemoryBackbone

FIXTURES: dict[str, tuple[type, str]] = {
    "selection": (SelectionContract, "rule"),
    "augmentation": (AugmentationContract, "augmentation"),
    "metric": (MetricContract, "metric"),
    "postprocessing": (PostprocessingContract, "step"),
}


def contracts_of(owner: str) -> dict[str, type]:
    """A test class for every target of ``owner``, a distribution or the path of a plugin file.

    Each has ``about``, such as "prompt centre". Targets that do not import, or need an argument that only their
    author knows, have none.
    """
    files = [Path(owner)] if owner.endswith(".py") else []
    found: dict[str, type] = {}
    for kind, entry in registered_by(load_plugins(files), owner):
        try:
            target = entry.load()
        except UsframeError:
            continue
        if kind == "metric" or Parameter.empty not in own_arguments(target, KINDS[kind]).values():
            for about, contract, own in _contracts(kind, entry, target):
                found[f"Test{len(found)}"] = type(f"Test{len(found)}", (contract,), {**own, "about": about})
    return found


def _contracts(kind: str, entry: Entry, target: Callable[..., Any]) -> Iterator[tuple[str, type, dict[str, Any]]]:
    """(what is tested, contract, what a test class of it overrides)."""
    about = f"{kind} {entry.name}"
    if kind == "reader":
        for suffix in entry.suffixes:
            yield f"{about} ({suffix})", ReaderContract, _of_reader(target, suffix)
    elif kind == "backbone":
        yield _of_backbone(about, target)
    elif kind == "prompt":
        contract = PromptContract if needs_labels(target) else FreePromptContract
        yield about, contract, {"strategy": _given(lambda: target)}
    elif kind == "objective" and takes(target, "encode"):
        yield about, RecipeContract, {"recipe": _given(lambda: target)}
    elif kind == "objective":
        yield about, LossContract, {"loss": _given(lambda: target)}
    else:
        contract, fixture = FIXTURES[kind]
        yield about, contract, {fixture: _given(lambda: target)}


def _given(make: Callable[[], Any]) -> Any:
    """A fixture of a test class that gives what ``make`` makes."""

    @pytest.fixture
    def given(self: object) -> Any:
        return make()

    return given


def _of_reader(target: Callable[[], Any], suffix: str) -> dict[str, Any]:
    """Files are those that the reader writes itself: usframe has no other tool for its format."""

    def save(self: object, path: Path, data: np.ndarray, spacing_mm: tuple[float, float, float]) -> None:
        target().write(path, data, ForeignGrid(None, spacing_mm))

    @pytest.fixture(autouse=True)
    def _states_spacing(self: Any, tmp_path: Path) -> None:
        probe = tmp_path / f"probe{suffix}"
        try:
            save(self, probe, RECORDING, SPACING)
            self.has_spacing = target().read(probe).spacing_mm is not None
        except Exception:
            self.has_spacing = True  # the tests themselves tell what is wrong

    return {"suffix": suffix, "save": save, "reader": _given(target), "_states_spacing": _states_spacing}


def _of_backbone(about: str, factory: Callable[..., Any]) -> tuple[str, type, dict[str, Any]]:
    """With random weights, or its own where it has no others; what cannot be built is told by the tests."""
    ways: list[dict[str, Any]] = [{"weights": "random"}, {"weights": "pretrained"}]
    contract: type = NoMemoryContract
    for way in ways if takes(factory, "weights") else [{"checkpoint": None}]:
        build = partial(factory, **way, device="cpu", precision="fp32")
        try:
            contract = MemoryContract if isinstance(build(), MemoryBackbone) else NoMemoryContract
            break
        except UsframeError:
            continue
        except Exception:
            break
    return about, contract, {"backbone": _given(build)}
