"""What `usframe annotate` is asked for: its cases, its network and its OUT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from usframe.config.places import entangled
from usframe.config.schema import Predict
from usframe.data.case import Case
from usframe.errors import ConfigError, RequestError
from usframe.plugins import Plugins, load_plugins
from usframe.tasks import read
from usframe.tasks.predict import choose_cases

OPTIONS = ("volumes", "labels", "out", "backbone", "checkpoint", "device")
KEYS = (
    *("cases", "precision", "layout", "label_layout", "label_suffix", "intensity", "geometry", "axis"),
    *("spacing", "time_point", "allow_outside", "plugins", "prefer", "block"),
)


@dataclass(frozen=True)
class Asked:
    """A request that can be met. ``config``: of task predict, of which `KEYS` may be given."""

    config: Predict
    plugins: Plugins
    cases: Sequence[Case]


def asked(overrides: Sequence[str], files: Sequence[str] = ()) -> Asked:
    """A request of ``KEY=VALUE``, with plugin ``files``. Raises `RequestError` with all that is wrong with it."""
    given = [text.partition("=")[0] for text in overrides]
    foreign = [key for key in given if key not in (*OPTIONS, *KEYS)]
    config, problems = read("zero_shot", [text for text in overrides if text.partition("=")[0] not in foreign])
    assert isinstance(config, Predict)
    config.plugins = [*files, *config.plugins]
    plugins = load_plugins([Path(file) for file in config.plugins], prefer=config.prefer, block=config.block)
    known = plugins.backbones
    unknown = [] if config.backbone in known else [f"backbone: {known.unknown(config.backbone)}"]
    places = {"volumes": config.volumes, "labels": config.labels}
    tangled = entangled(config.folder, places) if config.out else "out is required: -o OUT"
    told = [f"{key} is no key of usframe annotate; its keys are {', '.join(KEYS)}" for key in foreign]
    if wrong := [*told, *problems, *unknown, *([tangled] if tangled and tangled not in problems else [])]:
        raise ConfigError(*wrong)
    cases = choose_cases(config, plugins)
    if not cases:
        raise RequestError(f"volumes={config.volumes} has no case")
    return Asked(config, plugins, cases)
