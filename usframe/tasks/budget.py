"""What labelled slices buy, found out by playing annotation on labelled volumes: the task `budget`.

An object is prompted on more and more slices, which a selection rule chooses, and carried to the others in each way
to fill. All that can be chosen beforehand is segmented together, from one encoding of each slice; a rule that looks
at the expected Dice is asked again after every answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from usframe.arrays import release
from usframe.config.named import bound
from usframe.config.schema import Budget, Fill
from usframe.data.case import Case
from usframe.data.reading import Reading
from usframe.inference.postprocess import clean_mask
from usframe.inference.verbs import with_memory
from usframe.plugins import Plugins
from usframe.plugins.arguments import takes
from usframe.prompting.frames import Extents, areas_of
from usframe.prompting.selections import is_played, select
from usframe.prompting.strategies import case_seed
from usframe.reporting.budget.tables import print_budget, write_budget
from usframe.reporting.results import CaseResult
from usframe.reporting.text import counted
from usframe.scoring.budget import FILLS, Spent
from usframe.scoring.metrics import Scoring
from usframe.scoring.quality import expected_dice
from usframe.scoring.table import Row
from usframe.session.loop import Progress
from usframe.tasks import Output
from usframe.tasks.experiment import Experiment, Variant
from usframe.tasks.predict import Report, run, start
from usframe.tasks.stages import begin, row_key, segment_case
from usframe.types import Backbone, Prompt, Segmentation, Selection

Chosen: TypeAlias = Mapping[int, tuple[int, ...]]  # object id -> its prompted slices, ascending
Expected: TypeAlias = Mapping[int, NDArray[np.float64]]  # object id -> Dice (D,), NaN where unknown


class Turn(NamedTuple):
    """So many slices of each object, as one draw of a rule chooses them."""

    rule: str
    draw: int
    slices: int


def budget(config: Budget, plugins: Plugins, output: Output) -> int:
    """Play all rules, ways and numbers of slices on every case; returns the exit status, 1 if some case failed.

    Raises `RequestError` before any case is touched where the request cannot be met.
    """
    cases, accelerator, backbone = start(config, plugins)
    with_memory(backbone)
    dice = Scoring({"dice": plugins.metrics.get("dice")}, config.metrics)
    experiment = replace(Experiment.of(config, plugins, compared=True), scoring=dice)
    stages = partial(play, config, rules_of(config, plugins))
    return run(experiment, cases, backbone, accelerator, report_of(config, plugins), output, stages=stages)


def rules_of(config: Budget, plugins: Plugins) -> dict[str, Selection]:
    return {named.label: bound(named, plugins) for named in config.rules()}


def report_of(config: Budget, plugins: Plugins) -> Report:
    played = [name for name, rule in rules_of(config, plugins).items() if is_played(rule)]
    return Report(partial(write_budget, target=config.target, played=played), print_budget)


def play(
    config: Budget,
    rules: Mapping[str, Selection],
    experiment: Experiment,
    backbone: Backbone,
    case: Case,
    result: CaseResult,
    progress: Progress,
) -> Iterator[None]:
    """Read one case and score into ``result`` whatever is chosen on it, which needs the network again and again.

    Raises `CaseError`.
    """
    reading, extents = begin(experiment, case, result)
    yield
    game = Game(config, rules, experiment, backbone, case, result, progress, reading, extents)
    result.notes += game.too_short()
    beforehand = game.choose()
    for fill in FILLS:
        game.spend_by_turns(fill, game.spend(fill, beforehand))
    yield


@dataclass(eq=False)
class Game:
    """One case, on which objects are prompted where rules say."""

    config: Budget
    rules: Mapping[str, Selection]
    experiment: Experiment
    backbone: Backbone
    case: Case
    result: CaseResult
    progress: Progress
    reading: Reading
    extents: Extents
    areas: Mapping[int, NDArray[np.intp]] = field(init=False)
    drawn: dict[tuple[int, int], list[Prompt]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.reading.labels is not None
        self.areas = areas_of(self.reading.labels, self.extents)

    def left(self, slices: int) -> list[int]:
        """The objects that are shown on more than so many slices, so that one is left to be scored."""
        return [one for one, area in self.areas.items() if np.count_nonzero(area) > slices]

    def too_short(self) -> list[str]:
        """A note on every object that nothing is left to score of with some number of slices."""
        shown = {one: int(np.count_nonzero(area)) for one, area in self.areas.items()}
        told = "so its Dice is undefined from so many prompted ones on"
        return [
            f"object {one} is shown on {counted(number, 'slice')}, {told}"
            for one, number in shown.items()
            if number <= max(self.config.slices)
        ]

    def turns(self, *, played: bool) -> Iterator[tuple[str, int]]:
        """The rules that are (not) asked after every answer, each as often as chance has a say."""
        for name, rule in self.rules.items():
            if is_played(rule) == played:
                yield from ((name, draw) for draw in range(self.config.seeds if takes(rule, "rng") else 1))

    def choose(self) -> dict[Turn, Chosen]:
        """What the rules choose that look at no answer, and what the others begin with."""
        with self.result.timed("prompt"):
            chosen: dict[Turn, Chosen] = {
                Turn(name, draw, slices): self._ask(name, draw, slices, {})
                for name, draw in self.turns(played=False)
                for slices in self.config.slices
            }
        return chosen | {Turn(*who, 1): self.choose_first() for who in self.turns(played=True)}

    def _ask(
        self, name: str, draw: int, slices: int, chosen: Chosen, expected: Expected | None = None
    ) -> dict[int, tuple[int, ...]]:
        """The slices of every object that a rule adds to those ``chosen`` to have ``slices`` of them."""
        seed = case_seed(self.config.seed + draw, self.case.name)
        found = {}
        for one in self.left(slices):
            if not expected or one in expected:
                had = chosen.get(one, ())
                more = select(
                    name,
                    self.rules[name],
                    self.areas[one],
                    slices - len(had),
                    seed=seed,
                    object_id=one,
                    chosen=had,
                    expected=expected[one] if expected else None,
                )
                if len(had) + len(more) == slices:
                    found[one] = tuple(sorted((*had, *more)))
        return found

    def spend_by_turns(self, fill: Fill, told: Mapping[Turn, Expected]) -> None:
        """Play the rules that look at the answer to what they chose before; ``told``: of the largest slice."""
        first = self.choose_first()
        chosen = dict.fromkeys(self.turns(played=True), first)
        expected = {who: told[Turn(*who, 1)] for who in chosen}
        for slices in sorted({*self.config.slices} - {1}) if chosen else ():
            with self.result.timed("prompt"):
                chosen = {
                    who: self._ask(*who, slices, had, expected[who]) if expected[who] else {}
                    for who, had in chosen.items()
                }
            told = self.spend(fill, {Turn(*who, slices): had for who, had in chosen.items()})
            expected = {who: told[Turn(*who, slices)] for who in chosen}

    def choose_first(self) -> dict[int, tuple[int, ...]]:
        """The largest slice of every object, from which rules that look at answers go on."""
        return {one: (int(self.areas[one].argmax()),) for one in self.left(1)}

    def spend(self, fill: Fill, turns: Mapping[Turn, Chosen]) -> dict[Turn, Expected]:
        """Segment from what was chosen in every turn, score it, and say what is expected of the answers."""
        config = replace(self.config, fill=fill)
        with self.result.timed("prompt"):
            self._draw({(one, frame) for chosen in turns.values() for one in chosen for frame in chosen[one]})
            sets = {turn: self._prompts(chosen) for turn, chosen in turns.items()}
        prompted = {turn: prompts for turn, prompts in sets.items() if prompts}
        with self.result.timed("segment"):
            answers = segment_case(
                config, self.reading, prompted, self.extents, "propagate", self.backbone, self._count
            )
        told: dict[Turn, Expected] = {}
        for turn, prompts in sets.items():
            answer = answers.pop(turn) if prompts else self._nothing()
            told[turn] = expected_dice(answer)
            if turn.slices in self.config.slices:
                self.result.rows += self._score(Spent(turn.rule, turn.slices, fill), turn.draw, prompts, answer)
        return told

    def _score(self, spent: Spent, draw: int, prompts: Sequence[Prompt], answer: Segmentation) -> list[Row]:
        """The rows of the slices without a prompt; Dice is undefined where an object was not prompted."""
        steps, reading = self.experiment.steps, self.reading
        if steps:
            with self.result.timed("postprocess"):
                answer = replace(answer, mask=clean_mask(answer.mask, steps, reading.volume.spacing_mm))
        with self.result.timed("score"):
            key = row_key(self.case, reading, Variant("propagate", spent.label, draw))
            rows = self.experiment.reference(reading).score(key, answer, prompts).rows
            release(answer.mask)
            reading.rest()
        return [
            row if row["asked"] else {**row, "scores": dict.fromkeys(row["scores"])}
            for row in rows
            if row["slices"] == "unprompted"
        ]

    def _draw(self, wanted: set[tuple[int, int]]) -> None:
        """Draw the prompts of every (object, slice) that has none yet: they are the same in every turn."""
        frames: dict[int, set[int]] = {}
        for one, frame in wanted - self.drawn.keys():
            frames.setdefault(one, set()).add(frame)
            self.drawn[one, frame] = []
        (strategy,) = self.experiment.strategies.values()
        for prompt in self.experiment.drawing(self.case, self.reading, 0)(strategy, frames=frames):
            self.drawn[prompt.object_id, prompt.frame].append(prompt)

    def _prompts(self, chosen: Chosen) -> list[Prompt]:
        """By frame, then object."""
        places = sorted((frame, one) for one, frames in chosen.items() for frame in frames)
        return [prompt for frame, one in places for prompt in self.drawn[one, frame]]

    def _nothing(self) -> Segmentation:
        """The answer to no prompt."""
        shape = self.reading.data.shape
        return Segmentation(np.zeros(shape, np.uint8), (), np.zeros((0, shape[0]), np.float32))

    def _count(self, slices: int) -> None:
        self.result.slices["encoded"] += slices
        self.progress(slices)
