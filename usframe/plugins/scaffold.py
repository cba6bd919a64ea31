"""A package with a plugin in it, to begin with: written from the templates beside this file."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from usframe.errors import RequestError
from usframe.hookspecs import PROJECT
from usframe.plugins.kinds import KINDS
from usframe.plugins.load import load_plugins

TEMPLATES = Path(__file__).parent / "templates"
_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")


@dataclass(frozen=True)
class Scaffold:
    """A package for one plugin of a ``kind``, which is registered as ``name``."""

    kind: str
    name: str

    @property
    def function(self) -> str:
        return self.name.replace("-", "_")

    @property
    def title(self) -> str:
        return "".join(part.capitalize() for part in self.function.split("_"))

    @property
    def package(self) -> str:
        return f"{PROJECT}-{self.name.replace('_', '-')}"

    @property
    def module(self) -> str:
        return f"{PROJECT}_{self.function}"

    def files(self) -> dict[str, str]:
        """Path in the package -> text."""
        templates = {
            "pyproject.toml": "pyproject.toml",
            "README.md": "README.md",
            ".gitignore": "gitignore",
            f"{self.module}.py": "module.py",
            f"tests/test_{self.module}.py": "test.py",
        }
        return {path: self._rendered(base) for path, base in templates.items()}

    def write(self, folder: Path) -> list[str]:
        """Write the package into ``folder``, which is made, and answer its files. Nothing is overwritten.

        Raises `RequestError` with one line per problem: a name that cannot be one, or is taken, and a folder that
        is there already.
        """
        problems = list(self.problems())
        if folder.exists():
            problems.append(f"{folder} is there already; nothing was written, choose another folder with -o")
        if problems:
            raise RequestError(*problems)
        files = self.files()
        try:
            for path, text in files.items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(text, encoding="utf-8")
        except OSError as error:
            raise RequestError(f"{folder}: cannot be written ({error.strerror or error})") from error
        return list(files)

    def problems(self) -> list[str]:
        """Why the package cannot have this name."""
        if not _NAME.fullmatch(self.name):
            return [
                f"the name {self.name!r} is not possible; it has small letters, digits, and - or _ between them, "
                "and begins with a letter"
            ]
        if keyword.iskeyword(self.function) or {self.function, self.title} & self._words():
            return [f"the name {self.name!r} means something else in the code of a {self.kind}; choose another"]
        registry = load_plugins()[self.kind]
        taken = [f"{self.kind} {self.name!r} by {entry.owner}" for entry in registry if entry.name == self.name]
        suffixes = [suffix for entry in registry for suffix in entry.suffixes if suffix == f".{self.name}"]
        taken += [f"suffix {suffix!r}" for suffix in suffixes if self.kind == "reader"]
        if _is_installed(self.package):
            taken.append(f"package {self.package!r}")
        elif find_spec(self.module) is not None:
            taken.append(f"module {self.module!r}")
        return [f"{what} is there already; choose another name" for what in taken]

    def _words(self) -> set[str]:
        """What the code of an example of this kind calls something else by."""
        tree = ast.walk(ast.parse(Scaffold(self.kind, "the-plugin")._rendered("module.py")))
        found = {node.id for node in tree if isinstance(node, ast.Name)}
        return found | set(dir(builtins))

    def _rendered(self, base: str) -> str:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined

        loader = FileSystemLoader(TEMPLATES, encoding="utf-8")
        made = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, autoescape=False)
        words = {key: getattr(self, key) for key in ("name", "function", "title", "package", "module")}
        example = made.get_template(f"{self.kind}.jinja")
        text = example.render(words, base=f"{base}.jinja", hook=KINDS[self.kind].hook)
        return re.sub(r"\n{4,}", "\n\n\n", text).strip() + "\n"


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
