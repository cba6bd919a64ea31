"""What an experiment file, which may come from anywhere, can hold: of bounded size, and blind to all around it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import hydra
import yaml
from omegaconf import OmegaConf

from usframe.errors import ConfigError

LARGEST_FILE = 2**20  # bytes
MOST_VALUES = 100_000  # in a file whose aliases are written out
MOST_REFERENCES = 16  # in all files of a request: one may stand for a text that has others in it
# ${name: ...}, which calls a function (oc.env reads the environment), but not ${key}; \${ is text.
_CALL = re.compile(r"(?<!\\)(?:\\\\)*\$\{[^}]*(?::|\$\{)")


@contextmanager
def checked_files() -> Iterator[None]:
    """Everything that OmegaConf loads in the block, for Hydra too, passes through `check_yaml` before."""
    load, own = OmegaConf.load, Path(hydra.__file__).parent
    references: dict[Path, int] = {}

    def checked(file: str | Path | IO[Any]) -> Any:
        if isinstance(file, str | Path):
            path, text = Path(file), _text(Path(file))
        else:
            path, text = Path(file.name), file.read(LARGEST_FILE + 1)
        if own not in path.resolve().parents:
            check_yaml(path, text)
            references[path.resolve()] = text.count("${")
            if sum(references.values()) > MOST_REFERENCES:
                raise ConfigError(
                    f"{path}: more than {MOST_REFERENCES} references to other keys; write their values"
                )
        return load(io.StringIO(text))

    OmegaConf.load = staticmethod(checked)  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        OmegaConf.load = staticmethod(load)  # type: ignore[method-assign]


def check_yaml(path: Path, text: str) -> None:
    """Raise `ConfigError` for a YAML that is too large, or is once its aliases are written out, or calls functions.

    Raises `yaml.YAMLError` for a text that is none.
    """
    if len(text) > LARGEST_FILE:
        raise ConfigError(f"{path}: is larger than {LARGEST_FILE} bytes, which no experiment needs")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        count = _count(root, {}) if root else 0
    except RecursionError as error:
        raise ConfigError(f"{path}: its values are nested too deeply") from error
    if count > MOST_VALUES:
        raise ConfigError(f"{path}: its aliases stand for more than {MOST_VALUES} values")
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(token, yaml.ScalarToken) and (call := _CALL.search(token.value)):
            raise ConfigError(
                f"{path}:{token.start_mark.line + 1}: {call[0].lstrip(chr(92))}...}} is not possible; "
                "a file can refer to its own keys, ${key}, and to nothing else"
            )


def _text(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return file.read(LARGEST_FILE + 1)


def _count(node: yaml.Node, known: dict[int, int]) -> int:
    """The values in ``node``, those of an alias as often as it is named; without end where one is in itself."""
    if id(node) not in known:
        known[id(node)] = MOST_VALUES + 1
        inner: list[yaml.Node] = []
        if isinstance(node, yaml.SequenceNode):
            inner = node.value
        elif isinstance(node, yaml.MappingNode):
            inner = [part for pair in node.value for part in pair]
        known[id(node)] = 1 + sum(_count(part, known) for part in inner)
    return known[id(node)]
