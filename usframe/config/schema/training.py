"""The keys of the tasks that train."""

# ruff: noqa: RUF009 - option() is dataclasses.field()

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from usframe.config.named import Named, in_mapping, number_of
from usframe.config.schema.options import Cache, Common, Networked, Paired, option, place_problems
from usframe.config.schema.scored import Called

Parameters = Literal["prompt", "prompt+decoder", "decoder", "decoder+memory", "lora", "all"]
PROMPT: dict[str, Any] = {"box": 0.5, "point": 0.25, "mask": 0.25}
LEARNED = "learned"  # the strategy of prompts that the backbone learns
Optimizer = Literal["adamw", "muon"]
Tracker = Literal["none", "tensorboard", "wandb"]
LOSSES: dict[str, Any] = {"focal": 20.0, "dice": 1.0, "iou": 1.0, "presence": 1.0}


@dataclass
class Train:
    """How a network is trained; ``warmup_steps``, ``validate_every`` and ``save_every`` count optimizer steps.

    ``recipe``: what is learned from a clip, see `usframe.training.objectives`. ``parameters``, ``optimizer``,
    ``layer_decay`` and ``encoder_learning_rate``: see `usframe.training.parameters`. ``accumulate``: batches per
    step. ``losses``: training term -> its weight.
    ``stop_after``: validations without a better one that end the training, 0 is never. ``ema``: how much of the
    moving average each step keeps. ``interpolate``: see `usframe.training.weights.interpolated`.
    """

    recipe: str = option("slice")
    parameters: Parameters = option("all")
    lora_rank: int = option(8, least=1)
    steps: int = option(1000, least=1)
    batch_size: int = option(8, least=1)
    accumulate: int = option(1, least=1)
    objects_per_image: int = option(3, least=1)
    prompts_per_object: int = option(1, least=1)
    corrections: int = option(0, least=0)
    optimizer: Optimizer = option("adamw")
    learning_rate: float = option(1e-3, least=0)
    encoder_learning_rate: float | None = option(None, least=0)
    layer_decay: float = option(1.0, least=0, most=1)
    weight_decay: float = option(0.01, least=0)
    warmup_steps: int = option(100, least=0)
    gradient_clip: float = option(1.0, least=0)
    checkpointing: bool = option(False)
    workers: int = option(0, least=0)
    validate_every: int = option(500, least=1)
    save_every: int = option(100, least=1)
    stop_after: int = option(0, least=0)
    ema: float = option(0.0, least=0, most=1)
    interpolate: float = option(1.0, least=0, most=1)
    tracker: Tracker = option("tensorboard")
    losses: dict[str, Any] = option(LOSSES, least=0, number="weight")


@dataclass
class TrainSimulated(Train):
    """``validation_images`` slices, and ``validation_volumes`` volumes where memory is trained, are held out."""

    validation_images: int = option(64, least=1)
    validation_volumes: int = option(12, least=1)


@dataclass
class TrainLabelled(Train):
    """``clip_length`` counts slices (recipe ``clip`` and ``both``). ``empty``: share of slices without an object.

    ``validation_slices``: of a held-out case, at most. ``cache``: augmented versions of every slice or clip whose
    embeddings are kept on disk, where the encoder is not trained; 0 computes them anew.
    """

    learning_rate: float = option(1e-4, least=0)
    batch_size: int = option(4, least=1)
    warmup_steps: int = option(50, least=0)
    validate_every: int = option(200, least=1)
    clip_length: int = option(8, least=2)
    empty: float = option(0.1, least=0, most=1)
    validation_slices: int = option(16, least=1)
    cache: int = option(0, least=0)


@dataclass
class Simulate:
    """``shape``: most slices, rows and columns of a clip. ``scene``: one kind of scene, or null for all of them.

    ``faint``: share of the objects that hardly differ from what surrounds them. ``clutter``: share of those with a
    layer of another echo, and of the clips with patches that mean nothing. None of those validated on has either.
    """

    shape: list[int] = option([1, 256, 256], least=1)
    scene: str | None = option(None)
    faint: float = option(0.0, least=0, most=1)
    clutter: float = option(0.0, least=0, most=1)


@dataclass
class Trained(Networked):
    """Keys of every task that trains. ``prompt``: strategy -> share of the objects it points out.

    ``augment``: augmentation -> how often it is applied.
    """

    prompt: dict[str, Any] = option(PROMPT, least=0, number="share")
    augment: dict[str, Any] = option({}, least=0, most=1, number="p")
    train: Train = option(Train)

    def strategies(self) -> list[Named]:
        return list(in_mapping("prompt", "prompt", self.prompt, "share"))

    def augmentations(self) -> list[Named]:
        return list(in_mapping("augmentation", "augment", self.augment, "p"))

    def losses(self) -> list[Named]:
        return list(in_mapping("objective", "train.losses", self.train.losses, "weight"))

    def named(self) -> Iterator[Named]:
        yield from super().named()
        yield from (*self.strategies(), *self.augmentations(), *self.losses())
        yield Named("objective", self.train.recipe, "train.recipe")

    def problems(self) -> list[str]:
        shares = [number_of(value, "share") for value in self.prompt.values()]
        nobody = not any(isinstance(share, int | float) and share > 0 for share in shares)
        return super().problems() + ["prompt: no strategy has a share above 0"] * nobody + self._learned_problems()

    def _learned_problems(self) -> list[str]:
        """What is wrong with what takes the place of prompts, and with whether it is trained."""
        parameters, learned = self.train.parameters, LEARNED in self.prompt
        if parameters.startswith("prompt") and not learned:
            return [f"train.parameters={parameters} trains learned prompts, so give prompt.{LEARNED} a share"]
        if learned and parameters.startswith("decoder"):
            return [f"prompt.{LEARNED} is not trained with train.parameters={parameters}; take prompt+decoder"]
        others = [name for name in self.prompt if name != LEARNED]
        if parameters == "prompt" and others:
            return [f"prompt.{others[0]} has nothing to train with train.parameters=prompt; take prompt+decoder"]
        return []

    def settle(self, given: Mapping[str, Any]) -> list[str]:
        """Where learned prompts are trained, they are half of all, or all where nothing else is trained."""
        if self.prompt == PROMPT and self.train.parameters.startswith("prompt"):
            drawn = {} if self.train.parameters == "prompt" else PROMPT
            self.prompt = {**drawn, LEARNED: 1.0}
        return super().settle(given)


@dataclass
class Pretrain(Trained):
    """Train a backbone on simulated clips."""

    task: Literal["pretrain"] = option("pretrain")
    backbone: str = option("demo")
    prompt: dict[str, Any] = option(
        {"box": 0.4, "box+point": 0.15, "point": 0.25, "mask": 0.1, "mask+point": 0.1}, least=0, number="share"
    )
    train: TrainSimulated = option(TrainSimulated)
    simulate: Simulate = option(Simulate)

    def problems(self) -> list[str]:
        problems = super().problems()
        if len(self.simulate.shape) != 3:
            problems.append(f"simulate.shape={self.simulate.shape} is not possible; write [D, H, W]")
        if LEARNED in self.prompt:
            problems.append(f"prompt.{LEARNED} is not for task=pretrain, whose objects are others in every clip")
        return problems


@dataclass
class Finetune(Paired, Called, Trained):
    """Train a backbone on volumes with labels. Others as in `Predict`.

    ``splits``: a file as `usframe prepare` writes it, of which ``fold`` is taken; without one the share ``val`` of
    the patients is held out.
    """

    task: Literal["finetune"] = option("finetune")
    labels: str = option("")
    group: str | None = option(None)
    splits: str | None = option(None)
    fold: int = option(0, least=0)
    val: float = option(0.2, least=0, most=1)
    train: TrainLabelled = option(TrainLabelled)
    cache: Cache = option(Cache)

    def problems(self) -> list[str]:
        problems = super().problems() + place_problems(self)
        problems += self.cache.problems({"out": self.out, "volumes": self.volumes, "labels": self.labels})
        if self.cache.embeddings and not self.train.cache:
            problems.append("cache.embeddings keeps slices that come again: set train.cache=1 or more, too")
        if self.fold and not self.splits:
            problems.append(f"fold={self.fold} is one of a file: give splits=FILE, as usframe prepare writes it")
        return problems


@dataclass
class Preview(Paired, Common):
    """Draw what augmentations do to one clip; ``names``: only some of them. The seed chooses case and draws."""

    task: Literal["preview"] = option("preview")
    labels: str = option("")
    names: list[str] = option([])
    draws: int = option(4, least=1, most=16)
    clip_length: int = option(3, least=1)

    def named(self) -> Iterator[Named]:
        yield from super().named()
        yield from (Named("augmentation", name, "names") for name in self.names)

    def problems(self) -> list[str]:
        return super().problems() + place_problems(self)
