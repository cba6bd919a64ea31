"""How a request becomes a `Predict` or a `Pretrain`: YAML composed by Hydra, then the user's overrides.

Nothing here imports or runs code that a YAML names, and no weights are touched: a wrong request fails at once
and with all that is wrong with it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.version import VersionBase
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from usframe.config.checks import impossible, outside_limits
from usframe.config.overrides import first_line, override, parse_overrides
from usframe.config.schema import (
    FROM_FILE,
    TASKS,
    Config,
    Finetune,
    Predict,
    Pretrain,
    Preview,
    Score,
    leaves,
    prompt_file,
)
from usframe.errors import ConfigError
from usframe.plugins.registry import Registry, nearest

CONFIGS = Path(str(files("usframe_configs")))
GROUPS = ("noise",)
PATHS = ("volumes", "labels", "masks", "splits", "checkpoint", "out")
_KINDS: dict[Any, str] = {
    str: "text",
    str | None: "text or null",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Any: "text or a list",
    list[str]: "a list such as [a, b]",
    list[int]: "a list such as [1, 2]",
    dict[str, float]: "names with numbers such as {a: 1}",
}


def compose(experiment: str = "zero_shot", overrides: Sequence[str] = ()) -> Config:
    """The experiment (a name under ``configs/experiment`` or a YAML file) with ``KEY=VALUE`` overrides.

    Raises `ConfigError` with every problem at once.
    """
    config, problems = read(experiment, overrides)
    if problems:
        raise ConfigError(*problems)
    return config


def read(experiment: str, overrides: Sequence[str] = ()) -> tuple[Config, list[str]]:
    """As `compose`, with the problems handed back; a key that is wrong keeps its default.

    Raises `ConfigError` where the YAML cannot be read at all or does not say its task.
    """
    path = find_experiment(experiment)
    given, problems = parse_overrides(overrides)
    choices = {key: given.pop(key) for key in GROUPS if isinstance(given.get(key), str)}
    problems += [problem for key in list(choices) for problem in _check_choice(path, choices, key)]
    content = _compose_yaml(path, choices)
    task = content.get("task")
    if task is None:
        raise ConfigError(f"{path}: names no task; begin it with 'defaults: [zero_shot]'", *problems)
    if not isinstance(task, str) or task not in TASKS:
        raise ConfigError(f"{path}: task={task} is not possible; choose one of {', '.join(TASKS)}", *problems)
    config = OmegaConf.structured(TASKS[task])
    if content.pop("plugins", None):
        problems.append(f"{path}: plugins can only be named on the command line, as plugins=[FILE.py]")
    problems += [f"{path}: {problem}" for key, value in content.items() for problem in _set(config, key, value)]
    problems += [problem for key, value in given.items() for problem in _set(config, key, value)]
    try:
        built: Any = OmegaConf.to_object(config)
    except OmegaConfBaseException as error:
        raise ConfigError(f"{path}: {first_line(error)}", *problems) from error
    built.out = built.out or str(Path("outputs", path.stem))
    for key in PATHS:
        if place := getattr(built, key, None):
            setattr(built, key, _at_home(place))
    built.plugins = [_at_home(file) for file in built.plugins]
    if isinstance(built, Predict):
        problems += _settle_prompts(built, given)
    return built, [*problems, *outside_limits(built), *impossible(built)]


def _settle_prompts(config: Predict, given: Mapping[str, Any]) -> list[str]:
    """One slice is a list of one; prompts from a file are one set, called `FROM_FILE`."""
    if type(config.frames) is int:
        config.frames = [config.frames]
    if not (place := prompt_file(config.frames)):
        return []
    config.frames, config.prompts = f"file:{_at_home(place)}", [FROM_FILE]
    return [f"prompts are read from {place}; leave -p out"] if "prompts" in given else []


def find_experiment(experiment: str) -> Path:
    """The YAML file of an experiment, given by name or by path. Raises `ConfigError`."""
    if experiment.endswith((".yaml", ".yml")) or "/" in experiment:
        path = Path(experiment)
        if not path.is_file():
            raise ConfigError(f"{path}: there is no such experiment file")
        if path.suffix != ".yaml":
            raise ConfigError(f"{path}: an experiment file must end in .yaml")
        return path
    known = sorted(path.stem for path in (CONFIGS / "experiment").glob("*.yaml"))
    if experiment not in known:
        raise ConfigError(
            f"unknown experiment {experiment!r}{nearest(experiment, known)}; known: {', '.join(known)}, "
            "or the path of a .yaml file"
        )
    return CONFIGS / "experiment" / f"{experiment}.yaml"


def check_names(config: Config, registries: Mapping[str, Registry]) -> list[str]:
    """One line per prompt or backbone that no plugin offers; ``registries`` as of `Plugins.by_kind`."""
    if isinstance(config, Score):
        return []
    if isinstance(config, Preview):
        known = registries["augmentation"]
        return [known.unknown(name) for name in config.names if name not in known]
    prompts = config.prompts if isinstance(config, Predict) else list(config.prompt)
    augmentations = config.augment if isinstance(config, Pretrain | Finetune) else ()
    wanted = [*(("prompt", name) for name in prompts if prompts != [FROM_FILE]), ("backbone", config.backbone)]
    wanted += [("augmentation", name) for name in augmentations]
    return [registries[kind].unknown(name) for kind, name in wanted if name not in registries[kind]]


def _compose_yaml(path: Path, choices: Mapping[str, str]) -> dict[str, Any]:
    """What the YAML and its defaults list say, with one file chosen from each group in ``choices``."""
    try:
        alone = OmegaConf.load(path)
        if not isinstance(alone, DictConfig):
            raise ConfigError(f"{path}: an experiment is made of 'key: value' lines")
        if "hydra" in alone:  # its searchpath could import any package
            raise ConfigError(f"{path}: unknown key 'hydra'")
        with _hydra_at(path.parent.resolve()):
            folders = [f"file://{CONFIGS}", f"file://{CONFIGS / 'experiment'}"]
            search = override("hydra.searchpath", folders)
            composed = hydra.compose(path.stem, [search], return_hydra_config=True)
            if choices:
                listed = composed.hydra.runtime.choices
                chosen = [("" if key in listed else "+") + override(key, choices[key]) for key in choices]
                composed = hydra.compose(path.stem, [search, *chosen], return_hydra_config=True)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{path}{line}: {error.problem}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: its defaults list leads back to itself") from error
    except (HydraException, OmegaConfBaseException, yaml.YAMLError, OSError, ValueError) as error:
        raise ConfigError(f"{path}: {first_line(error)}") from error
    content = OmegaConf.to_container(composed)
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items() if key != "hydra"}


@contextmanager
def _hydra_at(folder: Path) -> Iterator[None]:
    """Hydra on ``folder``; its global state, by which sam2 finds its networks, is put back afterwards."""
    state, base = GlobalHydra.instance(), VersionBase.instance().version_base
    used = state.hydra
    state.clear()
    try:
        with warnings.catch_warnings(), hydra.initialize_config_dir(str(folder), version_base="1.2"):
            warnings.filterwarnings("ignore", message=".*missing `_self_`")  # it then comes last, as documented
            yield
    finally:
        state.hydra = used
        GlobalHydra.set_instance(state)
        VersionBase.instance().version_base = base


def _check_choice(path: Path, choices: dict[str, str], group: str) -> list[str]:
    """Take a choice that no file stands for out of ``choices``."""
    known = sorted({file.stem for root in (CONFIGS, path.parent) for file in (root / group).glob("*.yaml")})
    if choices[group] in known:
        return []
    choice = choices.pop(group)
    return [f"{group}={choice} is not possible{nearest(choice, known)}; choose one of {', '.join(known)}"]


def _set(config: DictConfig, key: str, value: Any) -> list[str]:
    """Put a value, or every value of a section, at a dotted key; problems are handed back, one line each."""
    known = leaves(OmegaConf.get_type(config))
    parts = [name for name in known if name.startswith(f"{key}.")]
    section, _, name = key.rpartition(".")
    weights = section in known and known[section].type == dict[str, float]
    if parts and isinstance(value, Mapping):
        return [problem for name, item in value.items() for problem in _set(config, f"{key}.{name}", item)]
    if parts:
        return [f"{key}={value} is not possible; set {', '.join(parts)}{_group_hint(key)}"]
    if key not in known and not weights:
        hint = nearest(key, known) or f"; its keys are {', '.join(known)}"
        return [f"task={config.task} has no key {key!r}{hint}"]
    kind = float if weights else known[key].type
    if kind == dict[str, float] and isinstance(value, Mapping):
        value = {str(name): item for name, item in value.items()}
    try:
        if isinstance(value, bool) != (kind is bool) and not isinstance(value, str):
            raise ValueError(value)
        if weights:
            OmegaConf.select(config, section)[name] = value
        else:
            OmegaConf.update(config, key, value, merge=False)
    except (OmegaConfBaseException, ValueError):
        wanted = f"a list: {key}=[{value}]" if kind == list[str] and isinstance(value, str) else _KINDS[kind]
        return [f"{key}={value} is not possible; it must be {wanted}"]
    return []


def _group_hint(key: str) -> str:
    if key not in GROUPS:
        return ""
    known = ", ".join(sorted(path.stem for path in (CONFIGS / key).glob("*.yaml")))
    return f", or name one of {known} in the defaults list"


def _at_home(place: str) -> str:
    """A path that begins with ``~/`` in full, where no shell has done so; a folder called ~ is ``./~/``."""
    return str(Path(place).expanduser()) if place.startswith("~/") else place
