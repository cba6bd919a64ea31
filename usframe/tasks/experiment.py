"""What a request means for each of its cases: how it is read, which prompts it gets, what follows the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from usframe.config.named import bound
from usframe.config.schema import FROM_FILE, Mode, Noise, Predict, prompt_file
from usframe.crop import find_window
from usframe.data.axis import voxel_ml
from usframe.data.case import Case
from usframe.data.meshes import check_library, surface_notes
from usframe.data.reading import Reading, read_case
from usframe.errors import CaseError
from usframe.inference.postprocess import clean_mask
from usframe.inference.support import Support
from usframe.plugins import Plugins
from usframe.plugins.arguments import needs_labels
from usframe.prompting.answers import ask_everywhere
from usframe.prompting.detections import choose
from usframe.prompting.fallback import at_the_centre, empty_frames, of_the_nearest
from usframe.prompting.files import place_prompts
from usframe.prompting.frames import Extents, choose_frames, find_extents
from usframe.prompting.selections import select
from usframe.prompting.strategies import case_seed, make_prompts
from usframe.scoring.baselines import frames_of
from usframe.scoring.metrics import Scoring
from usframe.scoring.rows import Reference
from usframe.types import Postprocessing, Prompt, PromptStrategy


class Variant(NamedTuple):
    """One set of prompts of a case: of a strategy, in a mode. ``draw``: 0 is clean, others are noised."""

    mode: Mode
    prompt: str
    draw: int = 0


@dataclass(frozen=True)
class Draw:
    """How prompts stray from what strategies answer, and the seed of all chance."""

    noise: Noise
    seed: int


@dataclass(frozen=True, eq=False)
class Experiment:
    """What is done with every case, made once per process.

    ``strategies`` and ``steps`` by what they are called; ``draws``: one for each number of a `Variant`.
    ``support``: what ``frames=support:DIR`` remembers. ``compared``: answers are only scored and drawn, mode by
    mode, and no masks are written.
    """

    config: Predict
    plugins: Plugins
    strategies: Mapping[str, PromptStrategy]
    steps: Mapping[str, Postprocessing]
    scoring: Scoring
    draws: Sequence[Draw]
    compared: bool = False
    support: Support | None = None

    @classmethod
    def of(
        cls, config: Predict, plugins: Plugins, draws: Sequence[Draw] = (), *, compared: bool = False
    ) -> Experiment:
        """Raises `PluginError` where a plugin, and `RequestError` where a library for surfaces, cannot be had."""
        if config.surface != "none":
            check_library()
        return cls(
            config,
            plugins,
            {named.label: bound(named, plugins) for named in config.strategies()},
            {named.name: bound(named, plugins) for named in config.steps()},
            Scoring.of(config.metrics, plugins),
            draws or [Draw(config.noise, config.seed)],
            compared,
        )

    def read(self, case: Case) -> tuple[Reading, Extents]:
        """A case, and where its objects may be. Raises `CaseError` for what a later stage could not use."""
        reading = read_case(case, self.config, self.plugins)
        volume = reading.volume
        try:  # a step that cannot be done here, such as one that needs the spacing
            clean_mask(np.zeros(volume.data.shape, np.uint8), self.steps, volume.spacing_mm)
        except CaseError as error:
            raise CaseError(f"{case.volume}: {error}") from error
        if reading.labels is not None and volume.spacing_mm is None:
            unknown = "voxel size unknown: hd95_mm, assd_mm and the tolerance of nsd are in pixels"
            reading = replace(reading, notes=(*reading.notes, unknown))
        if self.config.surface != "none":
            shown = surface_notes(volume, per_frame=reading.per_frame)
            reading = replace(reading, notes=(*reading.notes, *shown))
        if self.config.crop == "scan":
            window = find_window(reading.data, reading.labels)
            seen = f"the network is shown {window}" if window else "the scan fills the slices, so they stay whole"
            reading = replace(reading, window=window, notes=(*reading.notes, f"crop=scan: {seen}"))
        return reading, find_extents(self.config.z_range, len(reading.data), reading.labels)

    def prompts(
        self, case: Case, reading: Reading, extents: Extents, mode: Mode
    ) -> tuple[dict[Variant, list[Prompt]], list[str]]:
        """The prompts of every variant in a mode, but for `free_prompts`, and what is to be noted about them.

        They are drawn from the seed and the case's name alone, or those of the file. Slice mode prompts every
        object on every slice that shows it, propagation on those that ``frames`` chooses, both within ``extents``.
        """
        config = self.config
        if file := prompt_file(config.frames):
            layout = config.label_layout or config.layout
            rows, left_out = choose(case.prompts, config.detections)
            placed = place_prompts(
                rows,
                reading.volume,
                extents,
                plugins=self.plugins,
                layout=layout,
                geometry=config.geometry,
                allow_outside=config.allow_outside,
            )
            missing = [] if case.prompts else [f"there is no prompt in {file}, so the mask is empty"]
            return {Variant(mode, FROM_FILE): placed}, missing + left_out + _nothing_left(mode, reading, placed)
        if reading.labels is None or not self.strategies:
            return {}, []
        rule = config.frames if mode == "propagate" else "every:1"
        chosen = choose_frames(reading.labels, rule, extents, partial(self._select, case))
        left = [str(object_id) for object_id, frames in chosen.items() if not frames]
        where = f"z_range={config.z_range}" if config.z_range else f"frames={config.frames}"
        notes = [f"no prompt for object {', '.join(left)}, which {where} misses"] if left else []
        sets = {
            Variant(mode, name, draw): self.drawing(case, reading, draw)(strategy, frames=chosen)
            for draw in range(len(self.draws))
            for name, strategy in self.strategies.items()
            if needs_labels(strategy)
        }
        if any(chosen.values()):
            silent = [variant.prompt for variant, prompts in sets.items() if not prompts and variant.draw == 0]
            notes += [f"the strategy {name} prompted nothing, so its mask is empty" for name in silent]
        sets |= self._fallbacks(reading, extents, sets)
        return sets, notes + _nothing_left(mode, reading, [one for prompts in sets.values() for one in prompts])

    def _fallbacks(
        self, reading: Reading, extents: Extents, sets: Mapping[Variant, Sequence[Prompt]]
    ) -> dict[Variant, list[Prompt]]:
        """The prompts on slices that show no object, as sets of their own."""
        assert reading.labels is not None
        frames = empty_frames(reading.labels, reading.known) if self.config.fallback != "none" else []
        if self.config.fallback == "center":
            return {
                Variant("slice", name): at_the_centre(reading.labels, frames, extents)
                for name in self.config.fallbacks()
            }
        made = {source: name for name, source in self.config.fallbacks().items()}
        return {
            variant._replace(prompt=made[variant.prompt]): of_the_nearest(prompts, frames, extents)
            for variant, prompts in sets.items()
            if variant.prompt in made
        }

    def reference(self, reading: Reading) -> Reference:
        """What the answers of a case are held against."""
        assert reading.labels is not None
        volume = reading.volume
        return Reference(
            reading.labels,
            volume.spacing_mm,
            self.scoring,
            bool(self.strategies),
            per_frame=reading.per_frame,
            voxel_ml=voxel_ml(volume),
            ignored=reading.ignored,
            known=reading.known,
        )

    def free_prompts(
        self, case: Case, reading: Reading, extents: Extents, mode: Mode, objects: Sequence[int]
    ) -> dict[Variant, list[Prompt]]:
        """The prompts of the strategies that need no labels: for all ``objects`` on every slice they may be on."""
        length, *shape = reading.data.shape
        frames = {
            one: range(first, last + 1) for one in objects for first, last in [extents.get(one, (0, length - 1))]
        }
        return {
            variant: list(
                ask_everywhere(
                    self.strategies[name], frames, tuple(shape), case_seed(self.draws[draw].seed, case.name)
                )
            )
            for draw in range(len(self.draws))
            for name in self.strategies
            if self.is_free(variant := Variant(mode, name, draw))
        }

    def is_free(self, variant: Variant) -> bool:
        """Whether its prompts need no labels."""
        strategy = self.strategies.get(variant.prompt)
        return self.support is not None or (strategy is not None and not needs_labels(strategy))

    def _select(self, case: Case, name: str, area: NDArray[np.intp], count: int, object_id: int) -> tuple[int, ...]:
        """What a rule of a plugin chooses for an object."""
        rule, seed = self.plugins.selections.get(name), case_seed(self.config.seed, case.name)
        return select(name, rule, area, count, seed=seed, object_id=object_id)

    def drawing(self, case: Case, reading: Reading, draw: int) -> partial[list[Prompt]]:
        """`make_prompts` from the labels of a case, as one of the draws has it."""
        assert reading.labels is not None
        config, chance = self.config, self.draws[draw]
        return partial(
            make_prompts,
            reading.labels,
            components=config.components,
            box_margin=config.box_margin,
            noise=chance.noise,
            seed=case_seed(chance.seed, case.name),
        )


def _nothing_left(mode: Mode, reading: Reading, prompts: Sequence[Prompt]) -> list[str]:
    """A note where propagation has no slice to go to, since every object is prompted on all of them."""
    frames = frames_of(prompts).values()
    if mode == "slice" or not prompts or any(len(one) < len(reading.data) for one in frames):
        return []
    return ["every slice is prompted, so there is nothing to propagate and no unprompted slice to score"]
