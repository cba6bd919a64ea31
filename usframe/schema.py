"""Every key that an experiment can have, with its default and its limits."""

# ruff: noqa: RUF009 - option() is dataclasses.field()

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import Field, dataclass, field, fields, is_dataclass
from functools import reduce
from itertools import permutations
from typing import Any

FRAMES = re.compile(r"(largest|middle|first)|(every|uniform):([1-9]\d*)")
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
class Common:
    """Keys of every task. Paths are relative to the current folder."""

    backbone: str = option("medsam2")
    checkpoint: str | None = option(None)
    out: str | None = option(None)
    device: str = option("auto")
    precision: str = option("auto", choices=("auto", "fp32", "bf16", "fp16"))
    seed: int = option(0, least=0)
    overwrite: bool = option(False)
    plugins: list[str] = option([])
    noise: Noise = option(Noise)


@dataclass
class Predict(Common):
    """Segment volumes from prompts made of their labels.

    ``box_margin`` is in pixels, ``batch_size`` counts the slices encoded at once, ``cases`` names the only
    cases to run, ``label_layout`` is that of the volumes where it is null.
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
    frames: str = option("largest")
    multimask: str = option("auto", choices=("auto", "always", "never"))
    batch_size: int = option(8, least=1)
    overlays: bool = option(True)


@dataclass
class Losses:
    """Weights of the training terms."""

    focal: float = option(20.0, least=0)
    dice: float = option(1.0, least=0)
    iou: float = option(1.0, least=0)
    presence: float = option(1.0, least=0)


@dataclass
class Train:
    """How a network is trained; ``warmup_steps`` and ``validate_every`` count optimizer steps."""

    steps: int = option(1000, least=1)
    batch_size: int = option(8, least=1)
    objects_per_image: int = option(3, least=1)
    learning_rate: float = option(1e-3, least=0)
    weight_decay: float = option(0.01, least=0)
    warmup_steps: int = option(100, least=0)
    gradient_clip: float = option(1.0, least=0)
    workers: int = option(0, least=0)
    validate_every: int = option(500, least=1)
    validation_images: int = option(64, least=1)
    losses: Losses = option(Losses)


@dataclass
class Simulate:
    """``shape``: D, H, W of a simulated clip. ``scene``: one kind of scene, or null for all of them."""

    shape: list[int] = option([1, 256, 256], least=1)
    scene: str | None = option(None)


@dataclass
class Pretrain(Common):
    """Train a backbone on simulated slices. ``prompt``: strategy -> share of the objects it points out."""

    task: str = option("pretrain", choices=("pretrain",))
    backbone: str = option("demo")
    prompt: dict[str, float] = option(
        {"box": 0.4, "box+point": 0.15, "point": 0.25, "mask": 0.1, "mask+point": 0.1}, least=0
    )
    train: Train = option(Train)
    simulate: Simulate = option(Simulate)


Config = Predict | Pretrain
TASKS: dict[str, type[Predict] | type[Pretrain]] = {"predict": Predict, "pretrain": Pretrain}


def leaves(schema: Any, prefix: str = "") -> dict[str, "Field[Any]"]:
    """Dotted key -> field of everything in a schema that holds a value."""
    found: dict[str, Field[Any]] = {}
    for part in fields(schema):
        key = prefix + part.name
        found |= leaves(part.type, f"{key}.") if is_dataclass(part.type) else {key: part}
    return found


def frames_problems(rule: str) -> list[str]:
    """One line for a rule that `usframe.frames.choose_frames` does not know, none for one that it does."""
    if FRAMES.fullmatch(rule):
        return []
    return [f"frames={rule} is not possible; choose one of largest, middle, first, every:N, uniform:K"]


def outside_limits(config: Config) -> list[str]:
    """One line per value that is none of its choices or beyond its limits."""
    problems = []
    for key, leaf in leaves(config).items():
        value = reduce(getattr, key.split("."), config)
        items = [(key, value)]
        if isinstance(value, list):
            items = [(key, item) for item in value]
        elif isinstance(value, dict):
            items = [(f"{key}.{name}", item) for name, item in value.items()]
        choices, least, most = (leaf.metadata[limit] for limit in ("choices", "least", "most"))
        for name, item in items:
            if choices and item is not None and item not in choices:
                problems.append(f"{name}={item} is not possible; choose one of {', '.join(choices)}")
            elif isinstance(item, int | float) and not (math.isfinite(item) and least <= item <= most):
                words = (
                    f"at least {least:g}" if least > -math.inf else "",
                    f"at most {most:g}" if most < math.inf else "",
                )
                limits = " and ".join(filter(None, words))
                problems.append(f"{name}={item} is not possible; it must be {limits or 'a finite number'}")
    return problems
