"""The house stays as drawn: imports go downward, the core knows no plugin, heavy imports wait."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from conftest import DataSet

import usframe

ROOT = Path(__file__).parents[1]
LOWER = "plugins config data simulation prompting encoding inference scoring reporting training annotation"
ORDER = [*LOWER.split(), *["session", "environment", "tasks", "labelling", "serving", "cli"]]
SHARED = "types errors hookspecs arrays geometry intensity files plain shape quality volume crop selection objects"
ABOVE = {*SHARED.split()}
FOR_PLUGINS = {f"usframe.{name}" for name in ("types", "errors", "hookspecs", "arrays", "geometry", "selection")}
CORE = sorted(path for path in (ROOT / "usframe").rglob("*.py") if path != ROOT / "usframe/__init__.py")
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))
FOLDERS = ("usframe", "plugins", "checkpoints", "configs", "benchmarks", "docs", "tests/contracts")
CODE = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def room_of(path: Path) -> str:
    return path.relative_to(ROOT / "usframe").parts[0].removesuffix(".py")


def imports_of(path: Path) -> Iterator[str]:
    """Dotted names of everything a file imports, wherever in the file; a public name counts as its module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno}: relative import"
            assert node.module
            if node.module == "usframe":
                yield from (usframe._PUBLIC.get(alias.name, f"usframe.{alias.name}") for alias in node.names)
            else:
                yield node.module


@pytest.mark.parametrize("path", CORE, ids=name_of)
def test_imports_between_folders_go_one_way(path: Path) -> None:
    own = room_of(path)
    for name in imports_of(path):
        package, _, rest = name.partition(".")
        room = rest.partition(".")[0]
        assert package not in ("usframe_plugins", "plugins"), f"{name_of(path)} imports {name}"
        if package == "usframe" and room in ORDER:
            assert own == "__main__" or (own in ORDER and ORDER.index(room) <= ORDER.index(own)), (
                f"{name_of(path)} imports {name}"
            )


def test_every_folder_has_its_place_and_no_more_than_fifteen_modules() -> None:
    assert {room_of(path) for path in CORE} == {*ORDER, *ABOVE, "__main__"}
    for folder in {path.parent for path in [*CODE, *(ROOT / "tests").rglob("*.py")]}:
        assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= 15, folder


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_a_function_fits_a_screen(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, f"{name_of(path)}:{node.lineno} {node.name}"


@pytest.mark.parametrize("path", CORE, ids=name_of)
def test_the_core_does_not_name_the_built_in_plugins(path: Path) -> None:
    assert "usframe_plugins" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PLUGINS, ids=name_of)
def test_plugins_use_public_names_only(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "usframe":
            assert {alias.name for alias in node.names} <= set(usframe.__all__), name_of(path)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("usframe."):
            assert node.module in FOR_PLUGINS, f"{name_of(path)} imports {node.module}"
        elif isinstance(node, ast.Import):
            names = {alias.name for alias in node.names if alias.name.startswith("usframe.")}
            assert names <= FOR_PLUGINS, f"{name_of(path)} imports {names}"


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_a_file_is_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 250


def test_public_names_are_not_hidden_by_modules_of_the_same_name() -> None:
    for name in [*usframe.__all__, *usframe.__all__]:  # the second time, all modules are imported
        assert not isinstance(getattr(usframe, name), ModuleType), name


@pytest.mark.parametrize(
    "statement", ["import usframe", "import usframe.types, usframe.plugins, usframe.config.compose"]
)
def test_importing_usframe_imports_no_network(statement: str) -> None:
    script = f"import sys; {statement}; sys.exit(bool({{'torch', 'sam2', 'SimpleITK'}} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", script], check=True)


NOTED = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from toy_backbones import Toy
from usframe import hookimpl


class Noting(Toy):
    def encode(self, images):
        if not (file := Path({file!r})).exists():
            file.write_text("\\n".join(sys.modules))
        return super().encode(images)


@hookimpl
def usframe_register_backbones(register):
    register("noting", lambda *, weights, device, precision: Noting())
"""


@pytest.mark.parametrize("experiment", ["zero_shot", "compare_prompts"])
def test_what_only_scores_and_pictures_need_is_imported_after_the_first_slice(
    experiment: str, data: DataSet, tmp_path: Path
) -> None:
    plugin, noted = tmp_path / "noting.py", tmp_path / "noted.txt"
    plugin.write_text(NOTED.format(tests=str(ROOT / "tests"), file=str(noted)))
    words = ["run", experiment, *data.request("--backbone", "noting", "mode=slice")[1:]]
    command = [sys.executable, "-m", "usframe", *words, "--plugin", str(plugin)]
    subprocess.run(command, capture_output=True, check=True, cwd=tmp_path)
    before = {*noted.read_text().splitlines()}
    assert "torch" in before
    late = {"matplotlib", "scipy.ndimage", "scipy.spatial", "scipy.stats", "skimage", "SimpleITK", "sam2"}
    assert not before & {*late, "pandas", "transformers", "tensorboard", "torch.utils.tensorboard"}
