"""How a request becomes the schema of its task: YAML composed by Hydra, then the user's overrides.

Nothing here imports or runs code that a YAML names, and no weights are touched: a wrong request fails at once
and with all that is wrong with it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from importlib.resources import files
from operator import getitem
from pathlib import Path
from typing import Any, get_origin

import hydra
import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.version import VersionBase
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from usframe.config.foreign import checked_files
from usframe.config.guide import translated
from usframe.config.limits import outside_limits
from usframe.config.overrides import first_line, override, parse_overrides
from usframe.config.places import at_home
from usframe.config.schema import Common, leaves
from usframe.config.structured import build, twin
from usframe.config.values import is_text, number_for_text, refused, set_value
from usframe.errors import ConfigError
from usframe.plugins.registry import nearest

CONFIGS = Path(str(files("usframe_configs")))
GROUPS = ("noise",)
PATHS = ("volumes", "labels", "masks", "splits", "checkpoint", "out")
ON_COMMAND_LINE = ("plugins",)
VERSION = 1  # of the keys; grows when one is renamed, removed or means something else
PACKAGES = ("prefer", "block")  # one may be named without brackets


def read(
    experiment: str, overrides: Sequence[str], schemas: Mapping[str, type[Common]]
) -> tuple[Common, list[str]]:
    """The experiment (a name under ``configs/experiment`` or a YAML file) with ``KEY=VALUE`` overrides.

    ``schemas``: task -> its keys. All that is wrong is handed back; a key that is wrong keeps its default.
    Raises `ConfigError` where the YAML cannot be read at all or does not say its task.
    """
    path = find_experiment(experiment)
    given, problems = parse_overrides(overrides)
    given |= {key: [given[key]] for key in PACKAGES if isinstance(given.get(key), str)}
    choices = {key: given.pop(key) for key in GROUPS if isinstance(given.get(key), str)}
    problems += [problem for key in list(choices) for problem in _check_choice(path, choices, key)]
    content = _compose_yaml(path, choices)
    if now := translated(content):
        raise ConfigError(f"{path}: is a file of the MedSAM2 guide; the same here is {now}", *problems)
    _check_version(path, content.pop("version", VERSION))
    schema = _schema(path, content.get("task"), schemas, problems)
    config = OmegaConf.structured(twin(schema))
    groups = {group: group_members(group) for group in GROUPS}
    for key in ON_COMMAND_LINE:
        if content.pop(key, None):
            problems.append(f"{path}: {key} can only be named on the command line, as {key}=[FILE.py]")
    for key, value in content.items():
        wrong = number_for_text(schema, key, value) or set_value(config, schema, key, value, groups, schemas)
        problems += [f"{path}: {problem}" for problem in wrong]
    texts, _ = parse_overrides(overrides, numbers=False)
    for key, value in given.items():
        value = texts[key] if is_text(schema, key) else value
        problems += set_value(config, schema, key, value, groups, schemas)
    for key, wrong in _follow_references(config, schema, groups, schemas).items():
        typed = any(f"{key}.".startswith(f"{one}.") or one.startswith(f"{key}.") for one in given)
        problems += wrong if typed else [f"{path}: {problem}" for problem in wrong]
    values = OmegaConf.to_container(config)
    assert isinstance(values, dict)
    built = build(schema, {str(key): value for key, value in values.items()})
    built.out = built.out or str(Path("outputs", path.stem))
    for key in PATHS:
        if place := getattr(built, key, None):
            setattr(built, key, at_home(place))
    built.plugins = [at_home(file) for file in built.plugins]
    problems += built.settle(given)
    return built, [*problems, *outside_limits(built), *built.problems()]


def _follow_references(
    config: DictConfig,
    schema: type[Common],
    groups: Mapping[str, Sequence[str]],
    schemas: Mapping[str, type[Common]],
) -> dict[str, list[str]]:
    """Put what references such as ``${out}`` stand for in their place, as if it had been typed there.

    Key -> what is wrong with it.
    """
    typed = OmegaConf.to_container(config)
    meant: dict[str, Any] = {}
    wrong: dict[str, list[str]] = {}
    for key, leaf in leaves(schema).items():
        there: Any = reduce(getitem, key.split("."), typed)  # type: ignore[arg-type]
        if "${" in str(there):
            try:
                value = OmegaConf.select(config, key)
                meant[key] = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
            except OmegaConfBaseException as error:
                wrong[key] = [f"{key}={there} is not possible; {first_line(error)}"]
            else:
                if isinstance(value, str) and get_origin(leaf.type) in (dict, list):
                    wrong[key] = [refused(leaf, key, meant.pop(key))]
    if references := [*meant, *wrong]:
        defaults = OmegaConf.structured(twin(schema))
        for key in references:
            OmegaConf.update(config, key, OmegaConf.select(defaults, key), merge=False)
    return wrong | {key: set_value(config, schema, key, value, groups, schemas) for key, value in meant.items()}


def _check_version(path: Path, version: Any) -> None:
    """A file that states none is read as it is. Raises `ConfigError` for one of a later usframe."""
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ConfigError(f"{path}: version={version} is not possible; leave it out, or write version: {VERSION}")
    if version > VERSION:
        raise ConfigError(
            f"{path}: its keys are of version {version}, and this usframe knows them up to {VERSION}; install the "
            f"usframe that wrote it, or set version: {VERSION} and mend the keys that are then named as unknown"
        )


def _schema(path: Path, task: Any, schemas: Mapping[str, type[Common]], problems: Sequence[str]) -> type[Common]:
    if task is None:
        raise ConfigError(f"{path}: names no task; begin it with 'defaults: [zero_shot]'", *problems)
    if not isinstance(task, str) or task not in schemas:
        raise ConfigError(f"{path}: task={task} is not possible; choose one of {', '.join(schemas)}", *problems)
    return schemas[task]


def find_experiment(experiment: str) -> Path:
    """The YAML file of an experiment, given by name or by path. Raises `ConfigError`."""
    known = sorted(path.stem for path in (CONFIGS / "experiment").glob("*.yaml"))
    if experiment.endswith((".yaml", ".yml")) or "/" in experiment:
        path = Path(experiment)
        if not path.is_file():
            meant = f"; the experiment of that name is {path.stem}" if path.stem in known else ""
            raise ConfigError(f"{path}: there is no such experiment file{meant}")
        if path.suffix != ".yaml":
            raise ConfigError(f"{path}: an experiment file must end in .yaml")
        return path
    if experiment not in known:
        raise ConfigError(
            f"unknown experiment {experiment!r}{nearest(experiment, known)}; known: {', '.join(known)}, "
            "or the path of a .yaml file"
        )
    return CONFIGS / "experiment" / f"{experiment}.yaml"


def _compose_yaml(path: Path, choices: Mapping[str, str]) -> dict[str, Any]:
    """What the YAML and its defaults list say, with one file chosen from each group in ``choices``."""
    try:
        with checked_files(), _hydra_at(path.parent.resolve()):
            alone = OmegaConf.load(path)
            if not isinstance(alone, DictConfig):
                raise ConfigError(f"{path}: an experiment is made of 'key: value' lines")
            if "hydra" in alone:  # its searchpath could import any package
                raise ConfigError(f"{path}: unknown key 'hydra'")
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


def group_members(group: str) -> list[str]:
    """The names of the files of a group, such as mild and none of ``noise``."""
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))
