"""Where a training stands, kept so that it goes on after an interruption as if there had been none."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from usframe.errors import TrainingError
from usframe.files import publish
from usframe.inference.weights import check_state

STATE = "state"


@dataclass
class Progress:
    """How far a training has come: a line of ``curve`` per validation, the ``losses`` of every step since.

    ``loading``, ``stepping``: seconds that its steps waited for their samples, and computed.
    """

    step: int = 0
    seconds: float = 0.0
    best: float = -math.inf
    best_step: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)
    losses: list[dict[str, float]] = field(default_factory=list)
    loading: float = 0.0
    stepping: float = 0.0

    @property
    def loader_share(self) -> float:
        """Of the time of its steps, without validations, what they waited for their samples."""
        return round(self.loading / ((self.loading + self.stepping) or 1.0), 4)

    def state_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        vars(self).update(state)


def save_state(accelerator: Accelerator, out: Path) -> None:
    """Everything the training needs to go on, whole or not at all."""
    state, fresh, old = (out / name for name in (STATE, f"{STATE}.part", f"{STATE}.old"))
    if accelerator.is_main_process:
        shutil.rmtree(fresh, ignore_errors=True)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(fresh))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        try:
            if state.exists():
                if old.exists():  # what a save was removing when it was killed
                    shutil.rmtree(old)
                state.rename(old)
            publish(fresh, state)
        except OSError as error:
            raise TrainingError(f"{state}: cannot be written ({error.strerror}); free it and go on") from error
        shutil.rmtree(old, ignore_errors=True)
    accelerator.wait_for_everyone()


def load_state(accelerator: Accelerator, out: Path) -> None:
    """Go on from what `save_state` left in ``out``, where it left something."""
    state, old = out / STATE, out / f"{STATE}.old"
    if accelerator.is_main_process:
        if old.exists() and not state.exists():
            old.rename(state)
        for rest in (old, out / f"{STATE}.part"):
            shutil.rmtree(rest, ignore_errors=True)
    accelerator.wait_for_everyone()
    if state.is_dir():
        check_state(state)
        accelerator.load_state(str(state))
