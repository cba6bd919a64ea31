"""Which scores a case gets: those of the answers, and those of the answers without a network."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from usframe.arrays import blocks, gather
from usframe.config.schema import Mode
from usframe.prompting.frames import Extents
from usframe.scoring.baselines import FROM_LABELS, Draw, frames_of, make_baselines
from usframe.scoring.metrics import PromptedSlices, Row, RowKey, Scoring, score_case, score_slices
from usframe.types import Prompt, Segmentation, Spacing


@dataclass
class Scores:
    """Rows of metrics.csv, and those of metrics_per_slice.csv where slices are scored."""

    rows: list[Row] = field(default_factory=list)
    slice_rows: list[Row] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Reference:
    """The labels (D, H, W) of a case, ``spacing_mm`` (3,) along D, H, W, and how answers are held against them.

    ``drawn``: prompts were made from these very labels. ``per_frame``: D is time (or unknown), so that
    distances are those of the contours on each frame. ``voxel_ml``: see `usframe.data.axis.voxel_ml`.
    ``ignored`` (D, H, W) and ``known`` (D,): see `usframe.data.reading.Reading`.
    """

    labels: NDArray[np.uint8]
    spacing_mm: Spacing | None
    scoring: Scoring
    drawn: bool = True
    per_frame: bool = False
    voxel_ml: float | None = None
    ignored: NDArray[np.bool_] | None = None
    known: NDArray[np.bool_] | None = None

    def score(self, key: RowKey, answer: Segmentation, prompts: Sequence[Prompt] | None = None) -> Scores:
        """The rows of one answer to ``prompts``, or of one that was there already."""
        if prompts is None:
            return self._score(key, answer, {}, {}, None)
        frames = frames_of(prompts)
        return self._score(key, answer, frames, self.oracle_frames(prompts), {*frames})

    def score_baselines(
        self,
        key: RowKey,
        prompts: Sequence[Prompt],
        extents: Extents,
        mode: Mode,
        draw: Draw,
        *,
        several: bool = False,
    ) -> Scores:
        """The same for the answers without a network, on the slices that any of ``prompts`` names.

        ``key``: its prompt is replaced by the name of the baseline. ``draw``, ``several``: see `make_baselines`.
        """
        frames, found = frames_of(prompts), Scores()
        given = [] if self.drawn else [prompt for prompt in prompts if prompt.box is not None]
        made = make_baselines(self.labels, frames, extents, mode, given, draw, several=several)
        for name, answer in made.items():
            oracle = frames if name in FROM_LABELS else {}
            scores = self._score(replace(key, prompt=name), answer, frames, oracle, {*frames})
            found.rows += scores.rows
            found.slice_rows += scores.slice_rows
        return found

    def oracle_frames(self, prompts: Sequence[Prompt]) -> dict[int, set[int]]:
        """Object id -> the slices prompted with their own label mask: made from it, or in a file and the same."""
        return frames_of([p for p in prompts if p.mask is not None and (self.drawn or self._is_label(p))])

    def _is_label(self, prompt: Prompt) -> bool:
        return prompt.mask is not None and np.array_equal(
            prompt.mask, self.labels[prompt.frame] == prompt.object_id
        )

    def _score(
        self,
        key: RowKey,
        answer: Segmentation,
        prompted: PromptedSlices,
        oracle: PromptedSlices,
        asked: AbstractSet[int] | None,
    ) -> Scores:
        voxel_ml = self.voxel_ml
        if self.ignored is not None:
            answer, voxel_ml = replace(answer, mask=without(answer.mask, self.ignored)), None
        given = (key, self.labels, answer, self.spacing_mm, self.scoring)
        whole = score_case(
            *given,
            prompted=prompted,
            oracle=oracle,
            asked=asked,
            known=self.known,
            per_frame=self.per_frame,
            voxel_ml=voxel_ml,
        )
        if not self.scoring.settings.per_slice:
            return Scores(whole)
        slices = score_slices(*given, prompted=prompted, oracle=oracle, asked=asked, known=self.known)
        return Scores(whole, slices)


def without(mask: NDArray[np.uint8], ignored: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """``mask`` (D, H, W) with background where voxels are ``ignored``."""
    parts = blocks(mask.shape)
    return gather((np.where(ignored[part], 0, mask[part]) for part in parts), mask.shape, np.uint8)
