"""Where the mask prompts of a long volume wait for their slice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from usframe import arrays
from usframe.types import Prompt


class Shelf:
    """Keeps the masks of prompts: the first in memory, those beyond `usframe.arrays.LARGE` in temporary files."""

    def __init__(self) -> None:
        self.bytes, self.number = 0, 0
        self.masks: NDArray[Any] | None = None

    def keep(self, prompt: Prompt) -> Prompt:
        """The same prompt. Raises `CaseError` where the temporary folder is full."""
        if prompt.mask is None:
            return prompt
        self.bytes += prompt.mask.nbytes
        if self.bytes <= arrays.LARGE:
            return prompt
        if self.masks is None or self.number == len(self.masks):
            count = arrays.LARGE // prompt.mask.nbytes + 1
            self.planes = arrays.Planes((count, *prompt.mask.shape), bool)
            self.masks, self.number = self.planes.array(), 0
        self.planes.put(self.number, prompt.mask)
        self.number += 1
        return replace(prompt, mask=self.masks[self.number - 1])
