"""What no single key can tell: values that do not go together, and places that would be lost."""

from __future__ import annotations

import re
from pathlib import Path

from usframe.schema import Compare, Config, Predict, Pretrain, frames_problems, prompt_file, z_range_problems

FOLDERS = ("masks", "overlays")


def impossible(config: Config) -> list[str]:
    """One line per problem of a request as a whole."""
    problems = []
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", config.device):
        problems.append(f"device={config.device} is not possible; choose one of auto, cpu, cuda, cuda:N, mps")
    if isinstance(config, Pretrain):
        if not sum(config.prompt.values()) > 0:
            problems.append("prompt: no strategy has a share above 0")
        if len(config.simulate.shape) != 3:
            problems.append(f"simulate.shape={config.simulate.shape} is not possible; write [D, H, W]")
        return problems
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
