"""What a key is, and the keys that tasks share."""

# ruff: noqa: RUF009 - option() is dataclasses.field()

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from usframe.config.named import Named
from usframe.config.places import inside
from usframe.plugins import Plugins

Layout = Literal["auto", "dhw", "dwh", "hdw", "hwd", "wdh", "whd"]
Intensity = Literal["auto", "none", "minmax", "percentile"]
Axis = Literal["auto", "space", "time"]
Geometry = Literal["refuse", "resample", "ignore"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
LARGEST_SEED = 2**32 - 1
DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
GPUS = re.compile(r"\d+(,\d+)*")  # as MedSAM2's guide names them


def option(
    default: Any, *, least: float = -math.inf, most: float = math.inf, number: str = "", wanted: str = ""
) -> Any:
    """A dataclass field whose value (or every item of it) lies within limits.

    ``number``: in a mapping of plugins by name, the argument that a bare number stands for, such as ``p``.
    ``wanted``: what a value must be, in words, where its type does not say it.
    """
    limits = {"least": least, "most": most, "number": number, "wanted": wanted}
    if isinstance(default, (type, list, dict)):
        factory: Callable[[], Any] = default if isinstance(default, type) else default.copy
        return field(default_factory=factory, metadata=limits)
    return field(default=default, metadata=limits)


def leaves(schema: Any, prefix: str = "") -> dict[str, "Field[Any]"]:
    """Dotted key -> field of everything in a schema that holds a value."""
    found: dict[str, Field[Any]] = {}
    for part in fields(schema):
        key = prefix + part.name
        found |= leaves(part.type, f"{key}.") if is_dataclass(part.type) else {key: part}
    return found


def choices_of(kind: Any) -> tuple[str, ...]:
    """The words of the `Literal` that a type is, or is made of; none where any text will do."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    inner = get_args(kind) if get_origin(kind) in (Union, UnionType, list) else ()
    if any(get_origin(part) is list for part in inner):
        return ()
    return tuple(word for part in inner for word in choices_of(part))


@dataclass
class Noise:
    """How far prompts stray from what the strategy answered; 0 is not at all.

    ``box``: every edge moves by up to this share of the box's side. ``point``: the probability that a positive
    point becomes a random pixel of its piece. ``mask``: the largest radius in pixels of erosion or dilation.
    """

    box: float = option(0.0, least=0)
    point: float = option(0.0, least=0, most=1)
    mask: int = option(0, least=0, most=50)


@dataclass
class Common:
    """Keys of every task. Paths are relative to the current folder.

    ``plugins``: files (.py). ``prefer`` and ``block``: packages whose plugins win over others', or are left out.
    """

    out: str | None = option(None)
    seed: int = option(0, least=0, most=LARGEST_SEED)
    overwrite: bool = option(False)
    plugins: list[str] = option([])
    prefer: list[str] = option([])
    block: list[str] = option([])

    @property
    def folder(self) -> Path:
        return Path(self.out or "")

    def settle(self, given: Mapping[str, Any]) -> list[str]:
        """Bring values into one form once all are known; problems with what was ``given`` on the command line."""
        return []

    def problems(self) -> list[str]:
        """One line per value that does not go with another, or is missing."""
        return []

    def problems_with(self, plugins: Plugins) -> list[str]:
        """One line per value that does not go with the plugins that are named."""
        return []

    def named(self) -> Iterator[Named]:
        """Every plugin that the request names, but for its readers."""
        yield from ()


@dataclass
class Cache:
    """``embeddings``: the folder in which what the encoder made of slices is kept; ``limit``: how large, in GB."""

    embeddings: str | None = option(None)
    limit: float = option(50.0, least=0)

    def problems(self, places: Mapping[str, str | None]) -> list[str]:
        """What is wrong with the folder, beside those of a request (key -> path)."""
        lies = [(key, place) for key, place in places.items() if inside(self.embeddings, key, place)]
        return [
            f"cache.embeddings={self.embeddings} lies inside {key}={place}; take another" for key, place in lies
        ]


@dataclass
class Networked(Common):
    """Keys of every task with a network."""

    backbone: str = option("medsam2")
    checkpoint: str | None = option(None)
    device: str = option("auto")
    precision: Precision = option("auto")
    noise: Noise = option(Noise)

    def problems(self) -> list[str]:
        wrong = not DEVICE.fullmatch(self.device)
        known = "choose one of auto, cpu, cuda, cuda:N, mps"
        if GPUS.fullmatch(self.device):
            known = f"a GPU is named cuda:{self.device[0]}; for several: accelerate launch -m usframe run ..."
        return super().problems() + [f"device={self.device} is not possible; {known}"] * wrong

    def named(self) -> Iterator[Named]:
        yield from super().named()
        yield Named("backbone", self.backbone, "backbone")


@dataclass
class Paired:
    """Keys of every task that reads volumes and their labels.

    ``axis``: what D is, ``space`` or ``time``. ``geometry``: what is done with labels whose header places them on
    another grid than their volume. ``allow_outside``: read data that lies outside the folder of the file that
    names it. ``sparse``: slices without any label are unknown, not empty. ``ignore``: the label of voxels that
    nobody has judged. ``spacing``: the voxel size (x, y, z) in mm of files that tell none. ``time_point``: which
    volume of files that hold several, from 0.
    """

    volumes: str = option("")
    label_suffix: str = option("")
    layout: Layout = option("auto")
    label_layout: Layout | None = option(None)
    intensity: Intensity = option("auto")
    axis: Axis = option("auto")
    spacing: list[float] = option([], least=1e-6, most=1e5)
    time_point: int | None = option(None, least=0)
    geometry: Geometry = option("refuse")
    sparse: bool = option(False)
    ignore: int | None = option(None, least=1, most=255)
    allow_outside: bool = option(False)


def place_problems(config: Any) -> list[str]:
    """What is wrong with where volumes and labels are, both of which are needed, and where the results go."""
    problems = []
    for key, flag, place in (("volumes", "-i", config.volumes), ("labels", "-l", config.labels)):
        if not place:
            problems.append(f"{key} is required: {flag} {key.upper()}")
        elif problem := inside(config.out, key, place):
            problems.append(problem)
    return problems + spacing_problems(config.spacing)


def spacing_problems(spacing: list[float]) -> list[str]:
    """A line for a ``spacing`` that is given and has not three numbers."""
    told = f"spacing={spacing} is not possible; write three numbers in mm, spacing=[x, y, z]"
    return [told] * (len(spacing) not in (0, 3))
