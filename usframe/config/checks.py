"""What no single key can tell: values that do not go together, and places that would be lost."""

from __future__ import annotations

import math
import re
from functools import reduce
from pathlib import Path
from typing import Any

from usframe.config.schema import (
    FRAMES,
    PROMPT_FILES,
    Compare,
    Config,
    Finetune,
    Predict,
    Pretrain,
    Preview,
    Score,
    leaves,
    prompt_file,
)

FOLDERS = ("masks", "overlays", "state", "embeddings", "tensorboard")


def impossible(config: Config) -> list[str]:
    """One line per problem of a request as a whole."""
    if isinstance(config, Score):
        given = {"masks": config.masks, "labels": config.labels}
        return [f"{key} is required: --{key} {key.upper()}" for key, place in given.items() if not place]
    if isinstance(config, Preview):
        return _place_problems(config)
    problems = []
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", config.device):
        problems.append(f"device={config.device} is not possible; choose one of auto, cpu, cuda, cuda:N, mps")
    if isinstance(config, Pretrain | Finetune):
        return problems + _training_problems(config)
    if not config.volumes:
        problems.append("volumes is required: -i VOLUMES")
    problems += _frames_problems(config)
    if isinstance(config, Compare):
        problems += _compare_problems(config)
    if not config.prompts:
        problems.append("prompts is empty; name at least one, such as -p box+point")
    for key, names in (("prompts", config.prompts), ("cases", config.cases)):
        problems += [f"{key} names {name} twice" for name in sorted(set(names)) if names.count(name) > 1]
    for key, place in (("volumes", config.volumes), ("labels", config.labels)):
        if place and config.out and Path(config.out).resolve().is_relative_to(Path(place).resolve()):
            problems.append(f"out={config.out} lies inside {key}={place}; choose another -o")
        elif place and config.out and config.overwrite and _is_result(Path(place), Path(config.out)):
            problems.append(f"{key}={place} is part of the run that overwrite=true removes; choose another -o")
    return problems


def _training_problems(config: Pretrain | Finetune) -> list[str]:
    problems = []
    if not sum(config.prompt.values()) > 0:
        problems.append("prompt: no strategy has a share above 0")
    if isinstance(config, Pretrain):
        if len(config.simulate.shape) != 3:
            problems.append(f"simulate.shape={config.simulate.shape} is not possible; write [D, H, W]")
        return problems
    problems += _place_problems(config)
    if config.fold and not config.splits:
        problems.append(f"fold={config.fold} is one of a file: give splits=FILE, as usframe prepare writes it")
    return problems


def _place_problems(config: Finetune | Preview) -> list[str]:
    """What is wrong with where the data are, and where the results go."""
    problems = []
    for key, option, place in (("volumes", "-i", config.volumes), ("labels", "-l", config.labels)):
        if not place:
            problems.append(f"{key} is required: {option} {key.upper()}")
        elif config.out and Path(config.out).resolve().is_relative_to(Path(place).resolve()):
            problems.append(f"out={config.out} lies inside {key}={place}; choose another -o")
    return problems


def _frames_problems(config: Predict) -> list[str]:
    """What is wrong with the choice of slices, and with where the prompts come from."""
    problems = [*frames_problems(config.frames), *z_range_problems(config.z_range)]
    if prompt_file(config.frames):
        drawn = {f"noise.{key}": value for key, value in vars(config.noise).items()}
        problems += [
            f"{key}={value} is for prompts made from labels; those of frames={config.frames} are taken as they are"
            for key, value in {"box_margin": config.box_margin, **drawn}.items()
            if value
        ]
    elif not config.labels:
        problems.append("labels is required, because prompts are made from labels: -l LABELS")
    if isinstance(config.frames, list) and config.mode == "slice" and not frames_problems(config.frames):
        problems.append(f"frames={config.frames} is for mode=propagate; slice mode prompts every labelled slice")
    if config.z_range == "labels" and not config.labels:
        problems.append("z_range=labels needs labels: -l LABELS")
    return problems


def _compare_problems(config: Compare) -> list[str]:
    """What a comparison cannot take, because it draws its own prompts, clean and noised."""
    problems = [
        f"noise.{key}={value} is not for task=compare, which draws clean prompts too; set noised.{key}"
        for key, value in vars(config.noise).items()
        if value
    ]
    if prompt_file(config.frames):
        problems.append(f"frames={config.frames} has no strategies to compare; they are drawn from labels")
    return problems


def _is_result(place: Path, out: Path) -> bool:
    """Whether ``place`` lies among the masks or overlays of the run in ``out``."""
    return any(place.resolve().is_relative_to((out / part).resolve()) for part in FOLDERS)


def frames_problems(rule: Any) -> list[str]:
    """One line for ``frames`` that is neither a rule nor a list of slices nor a prompt file, else none."""
    if isinstance(rule, str) and (FRAMES.fullmatch(rule) or prompt_file(rule).endswith(PROMPT_FILES)):
        return []
    if isinstance(rule, list) and rule and all(type(frame) is int and frame >= 0 for frame in rule):
        return []
    known = "largest, middle, first, every:N, uniform:K, a list such as [0, 12] or file:PATH (.csv or .json)"
    return [f"frames={rule} is not possible; choose one of {known}"]


def z_range_problems(z_range: Any) -> list[str]:
    """One line for a ``z_range`` that is neither null nor labels nor [first, last], else none."""
    if z_range in (None, "labels"):
        return []
    if isinstance(z_range, list) and len(z_range) == 2 and all(type(frame) is int for frame in z_range):
        first, last = z_range
        if 0 <= first <= last:
            return []
    return [f"z_range={z_range} is not possible; write [first, last] (slices counted from 0), labels or null"]


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
