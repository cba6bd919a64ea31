"""Every key that an experiment can have, with its default and its limits."""

# ruff: noqa: RUF009 - option() is dataclasses.field()

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import Field, dataclass, field, fields, is_dataclass
from itertools import permutations
from typing import Any

FRAMES = re.compile(r"(largest|middle|first)|(every|uniform):([1-9]\d*)")
PROMPT_FILES = (".csv", ".json")
FROM_FILE = "file"  # name of the prompts that frames=file:PATH brings
LAYOUTS = ("auto", *map("".join, permutations("dhw")))


def option(default: Any, *, choices: Sequence[str] = (), least: float = -math.inf, most: float = math.inf) -> Any:
    """A dataclass field whose value (or every item of it) is one of ``choices`` or within limits."""
    limits = {"choices": choices, "least": least, "most": most}
    if isinstance(default, (type, list, dict)):
        factory: Callable[[], Any] = default if isinstance(default, type) else default.copy
        return field(default_factory=factory, metadata=limits)
    return field(default=default, metadata=limits)


@dataclass
class Noise:
    """How carelessly prompts are drawn, see `usframe.prompting.Noise`."""

    box: float = option(0.0, least=0)
    point: float = option(0.0, least=0, most=1)
    mask: int = option(0, least=0, most=50)


@dataclass
class Noised(Noise):
    """That of configs/noise/mild.yaml."""

    box: float = option(0.1, least=0)
    point: float = option(0.25, least=0, most=1)
    mask: int = option(2, least=0, most=50)


@dataclass
class Common:
    """Keys of every task. Paths are relative to the current folder."""

    out: str | None = option(None)
    seed: int = option(0, least=0)
    overwrite: bool = option(False)
    plugins: list[str] = option([])


@dataclass
class Networked(Common):
    """Keys of every task with a network."""

    backbone: str = option("medsam2")
    checkpoint: str | None = option(None)
    device: str = option("auto")
    precision: str = option("auto", choices=("auto", "fp32", "bf16", "fp16"))
    noise: Noise = option(Noise)


@dataclass
class Postprocess:
    """What is done to masks before they are written and scored, see `usframe.postprocess.clean_mask`."""

    largest_component: bool = option(False)
    fill_holes: bool = option(False)
    min_volume_ml: float = option(0.0, least=0)


@dataclass
class Metrics:
    """How masks are scored: ``tolerance_mm`` of the NSD, ``tolerances_mm`` for single objects (id -> mm)."""

    tolerance_mm: float = option(2.0, least=0)
    tolerances_mm: dict[str, float] = option({}, least=0)
    per_slice: bool = option(False)


@dataclass
class Predict(Networked):
    """Segment volumes from prompts made of their labels, or read from a file.

    ``box_margin`` is in pixels, ``batch_size`` counts the slices encoded at once, ``cases`` names the only
    cases to run, ``label_layout`` is that of the volumes where it is null. ``frames``: a rule, a list of slices or
    ``file:PATH``. ``patience`` counts slices, 0 is without end. ``z_range``: [first, last] slice, ``labels``, or
    null for all. ``group``: the patient of a case, see `usframe.patients.read_patients`.
    """

    task: str = option("predict", choices=("predict",))
    volumes: str = option("")
    labels: str | None = option(None)
    label_suffix: str = option("")
    layout: str = option("auto", choices=LAYOUTS)
    label_layout: str | None = option(None, choices=LAYOUTS)
    intensity: str = option("auto", choices=("auto", "none", "minmax", "percentile"))
    cases: list[str] = option([])
    prompts: list[str] = option(["box+point"])
    components: str = option("largest", choices=("largest", "all", "merged"))
    box_margin: float = option(0.0, least=0)
    mode: str = option("slice", choices=("slice", "propagate"))
    frames: Any = option("largest")
    patience: int = option(0, least=0)
    z_range: Any = option(None)
    postprocess: Postprocess = option(Postprocess)
    multimask: str = option("auto", choices=("auto", "always", "never"))
    batch_size: int = option(8, least=1)
    overlays: bool = option(True)
    baselines: bool = option(True)
    group: str | None = option(None)
    metrics: Metrics = option(Metrics)


@dataclass
class Score(Common):
    """Score masks that are there, whoever made them. ``name``: what they are called in the tables."""

    task: str = option("score", choices=("score",))
    masks: str = option("")
    labels: str = option("")
    volumes: str | None = option(None)
    name: str = option("masks")
    label_suffix: str = option("")
    layout: str = option("auto", choices=LAYOUTS)
    intensity: str = option("auto", choices=("auto", "none", "minmax", "percentile"))
    group: str | None = option(None)
    metrics: Metrics = option(Metrics)


@dataclass
class Compare(Predict):
    """Compare strategies, in both modes (or one), on clean prompts and on ``seeds`` draws of ``noised`` ones."""

    task: str = option("compare", choices=("compare",))
    prompts: list[str] = option(["mask", "mask+point", "box+point", "box", "point"])
    mode: str = option("both", choices=("both", "slice", "propagate"))
    overlays: bool = option(False)
    noised: Noised = option(Noised)
    seeds: int = option(3, least=0)


def modes_of(config: Predict) -> tuple[str, ...]:
    """The modes a request runs in."""
    return ("slice", "propagate") if config.mode == "both" else (config.mode,)


@dataclass
class Losses:
    """Weights of the training terms."""

    focal: float = option(20.0, least=0)
    dice: float = option(1.0, least=0)
    iou: float = option(1.0, least=0)
    presence: float = option(1.0, least=0)


@dataclass
class Train:
    """How a network is trained; ``warmup_steps``, ``validate_every`` and ``save_every`` count optimizer steps.

    ``recipe``: what is learned from a clip, see `usframe.objectives.Objective`. ``parameters``, ``layer_decay`` and
    ``encoder_learning_rate``: see `usframe.parameters`. ``accumulate``: batches per step. ``stop_after``:
    validations without a better one that end the training, 0 is never. ``ema``: how much of the moving average each
    step keeps.
    """

    recipe: str = option("slice", choices=("slice", "clip", "both"))
    parameters: str = option("all", choices=("decoder", "decoder+memory", "all"))
    steps: int = option(1000, least=1)
    batch_size: int = option(8, least=1)
    accumulate: int = option(1, least=1)
    objects_per_image: int = option(3, least=1)
    prompts_per_object: int = option(1, least=1)
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
    losses: Losses = option(Losses)


@dataclass
class TrainSimulated(Train):
    """``validation_images`` slices, and ``validation_volumes`` volumes where memory is trained, are held out."""

    validation_images: int = option(64, least=1)
    validation_volumes: int = option(12, least=1)


@dataclass
class Simulate:
    """``shape``: most slices, rows and columns of a clip. ``scene``: one kind of scene, or null for all of them."""

    shape: list[int] = option([1, 256, 256], least=1)
    scene: str | None = option(None)


@dataclass
class Pretrain(Networked):
    """Train a backbone on simulated clips. ``prompt``: strategy -> share of the objects it points out.

    ``augment``: augmentation -> how often it is applied.
    """

    task: str = option("pretrain", choices=("pretrain",))
    backbone: str = option("demo")
    prompt: dict[str, float] = option(
        {"box": 0.4, "box+point": 0.15, "point": 0.25, "mask": 0.1, "mask+point": 0.1}, least=0
    )
    augment: dict[str, float] = option({}, least=0, most=1)
    train: TrainSimulated = option(TrainSimulated)
    simulate: Simulate = option(Simulate)


Config = Predict | Pretrain | Score
TASKS: dict[str, type[Config]] = {"predict": Predict, "compare": Compare, "score": Score, "pretrain": Pretrain}


def leaves(schema: Any, prefix: str = "") -> dict[str, "Field[Any]"]:
    """Dotted key -> field of everything in a schema that holds a value."""
    found: dict[str, Field[Any]] = {}
    for part in fields(schema):
        key = prefix + part.name
        found |= leaves(part.type, f"{key}.") if is_dataclass(part.type) else {key: part}
    return found


def prompt_file(rule: Any) -> str:
    """The path in ``frames=file:PATH``; nothing for all else."""
    return rule.removeprefix("file:") if isinstance(rule, str) and rule.startswith("file:") else ""
