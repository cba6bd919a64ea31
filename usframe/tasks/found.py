"""Objects that the network finds by itself: prompts that need no labels, and slices of a support volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from usframe.arrays import values_of
from usframe.config.schema import SUPPORT, Mode, Predict, support_folder
from usframe.data.cache import describe_inputs
from usframe.data.case import Case
from usframe.data.cases import find_cases
from usframe.data.reading import Reading, read_case
from usframe.errors import CaseError, RequestError
from usframe.inference.scout import begin_surest, check_known, surest_masks
from usframe.inference.support import Support
from usframe.inference.tracks import Tracking
from usframe.inference.verbs import with_memory
from usframe.plugins import Plugins
from usframe.prompting.frames import Extents
from usframe.session.loop import Progress
from usframe.tasks.experiment import Experiment, Variant
from usframe.types import Backbone, Prompt, Segmentation


@dataclass
class Found:
    """The prompts of every variant, answers that are there already, and what is to be noted."""

    prompts: dict[Variant, list[Prompt]] = field(default_factory=dict)
    answers: dict[Variant, Segmentation] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def find_objects(
    experiment: Experiment,
    case: Case,
    reading: Reading,
    extents: Extents,
    mode: Mode,
    backbone: Backbone,
    progress: Progress,
) -> Found:
    """What needs no labels in a case. Objects are those that the network has learned, or that the support shows; of
    other prompts those of the labels, or object 1.

    In propagation each begins on the slices where it is surest to have found the object, as ``frames`` has them,
    and from a support on the one surest. Raises `CaseError` where the labels show an object that it knows nothing
    of.
    """
    config, learned = experiment.config, tuple(getattr(backbone, "learned", ()))
    shown = [] if reading.labels is None else [one for one in values_of(reading.labels) if one]
    if experiment.support is not None:
        return _from_support(experiment.support, reading, mode, shown, progress)
    everywhere = experiment.free_prompts(case, reading, extents, mode, learned or shown or [1])
    if any(prompt.learned for prompts in everywhere.values() for prompt in prompts):
        check_known(shown, learned, "learned prompt")
    if mode == "slice" or not everywhere:
        return Found(everywhere)
    tracking = Tracking(config.multimask, extents=extents)
    begun = begin_surest(
        reading.data,
        everywhere,
        backbone,
        config.frames,
        tracking,
        window=reading.window,
        batch_size=config.batch_size,
        progress=progress,
    )
    lost = {key: {p.object_id for p in everywhere[key]} - {p.object_id for p in begun[key]} for key in begun}
    return Found(begun, notes=[_lost(key, gone) for key, gone in lost.items() if gone and key.draw == 0])


def _from_support(
    support: Support, reading: Reading, mode: Mode, shown: Sequence[int], progress: Progress
) -> Found:
    check_known(shown, support.objects, "slice in the support")
    variant, answer = Variant(mode, SUPPORT), support.segment(reading.data, progress)
    if mode == "slice":
        asked = [Prompt(frame, one, learned=True) for frame in range(len(reading.data)) for one in support.objects]
        return Found({variant: asked}, {variant: answer})
    masks = surest_masks(answer)
    lost = {*support.objects} - {prompt.object_id for prompt in masks}
    return Found({variant: masks}, notes=[_lost(variant, lost)] if lost else [])


def _lost(variant: Variant, objects: set[int]) -> str:
    return f"{variant.prompt} finds no object {', '.join(map(str, sorted(objects)))}, so the mask has none"


def with_support(experiment: Experiment, backbone: Backbone) -> tuple[Experiment, dict[str, Any]]:
    """The experiment with what ``frames=support:DIR`` names, where it names some, and facts about its files.

    Raises `RequestError` where nothing there can be used.
    """
    config, plugins = experiment.config, experiment.plugins
    if not (place := support_folder(config.frames)):
        return experiment, {}
    cases = support_cases(config, plugins)
    support = Support(with_memory(backbone))
    for case in cases:
        try:
            reading = read_case(case, config, plugins)
        except CaseError as error:
            raise RequestError(f"support {case.name}: {error}") from error
        assert reading.labels is not None
        support.remember(reading.data, reading.labels)
    if not support.objects:
        raise RequestError(f"frames={config.frames}: the labels in {place} show no object")
    facts = {f"support.{case.name}": describe_inputs(case, plugins) for case in cases}
    return replace(experiment, support=support), facts


def support_cases(config: Predict, plugins: Plugins) -> list[Case]:
    """The volumes/ and labels/ of the folder that ``frames=support:DIR`` names. Raises `PairingError`."""
    place = Path(support_folder(config.frames))
    return find_cases(replace(config, volumes=str(place / "volumes")), str(place / "labels"), plugins)
