"""Plugins come from packages and from files; a broken one is told apart from a wrong request."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import DataSet

from usframe import hookspecs
from usframe.errors import PluginError
from usframe.plugins.kinds import KINDS
from usframe.plugins.load import load_plugins

PAGE = (Path(__file__).parents[2] / "docs/plugins.md").read_text(encoding="utf-8")
HOOKS = sorted(name for name in vars(hookspecs) if name.startswith("usframe_register_"))

GOOD = """
from usframe import hookimpl

def strategy(mask, *, frame, object_id, rng):
    return None

@hookimpl
def {hook}(register):
    register("{name}", strategy{more})
"""


def good(name: str, more: str = "", hook: str = "usframe_register_prompts") -> str:
    return GOOD.format(name=name, more=more, hook=hook)


MISSPELT = good("x", hook="usframe_register_prompt")

Install = Callable[..., str]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a module as a package with an entry point; returns the owner it will go by."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def installed(name: str, source: str) -> str:
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
        folder = tmp_path / f"{name}-2.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.0\n")
        (folder / "entry_points.txt").write_text(f"[usframe]\nit = {name}\n")
        monkeypatch.delitem(sys.modules, name, raising=False)
        return f"{name} 2.0"

    return installed


def file_plugin(path: Path, source: str) -> Path:
    path.write_text(source, encoding="utf-8")
    return path


def test_the_built_ins_come_in_through_the_distributions_own_entry_point() -> None:
    plugins = load_plugins()
    assert plugins.prompts.names() == ["box", "box+point", "learned", "mask", "mask+point", "point"]
    assert {"demo", "medsam2"} <= set(plugins.backbones.names())
    assert {entry.owner.split()[0] for entry in plugins.readers} == {"usframe"}
    assert not plugins.broken


@pytest.mark.parametrize("kind", KINDS)
def test_every_hook_takes_a_plugin_file(kind: str, tmp_path: Path) -> None:
    more = ', suffixes=(".new",)' if kind == "reader" else ""
    path = file_plugin(tmp_path / "my plugin.py", good("new", more, KINDS[kind].hook))
    registry = load_plugins([path])[kind]
    assert registry.get("new").__name__ == "strategy"
    assert next(entry for entry in registry if entry.name == "new").owner == str(path)
    if kind == "reader":
        assert registry.for_path(Path("a.NEW"))[1].name == "new"


def test_every_hook_is_documented() -> None:
    assert sorted(re.findall(r"^### `(\w+)`", PAGE, flags=re.MULTILINE)) == HOOKS
    assert sorted(kind.hook for kind in KINDS.values()) == HOOKS


def test_two_files_of_one_name_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        file_plugin(tmp_path / folder / "mine.py", good(folder))
    plugins = load_plugins([tmp_path / "a/mine.py", tmp_path / "b/mine.py"])
    assert {"a", "b"} <= set(plugins.prompts.names())


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("import os\ndef f(:\n", ":2: SyntaxError"),
        ("import os\n\nimport no_such_module\n", ":3: ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit('stop')\n", ":1: SystemExit: stop"),
        (good("x") + "    1 / 0\n", ":10: ZeroDivisionError"),
        (MISSPELT, "hook .*did you mean 'usframe_register_prompts'"),
        (
            good("x").replace("(register)", "(registry)"),
            ": PluginValidation",
        ),
        ("x = 1\n", "no hook found; decorate"),
        (good("a b"), ": the name 'a b'"),
    ],
)
def test_a_wrong_file_is_an_error_with_its_path_and_line(tmp_path: Path, source: str, line: str) -> None:
    path = file_plugin(tmp_path / "mine.py", source)
    with pytest.raises(PluginError, match=f"^{re.escape(str(path))}.*{line}") as caught:
        load_plugins([path])
    assert len(str(caught.value).splitlines()) == 1


def test_everything_wrong_with_the_files_is_said_at_once(tmp_path: Path) -> None:
    twin = file_plugin(tmp_path / "twin.py", good("x") + '    register("x", len)\n')
    text = file_plugin(tmp_path / "mine.txt", "")
    with pytest.raises(PluginError) as caught:
        load_plugins([tmp_path / "missing.py", text, twin])
    missing, wrong, taken = caught.value.problems
    assert missing == f"{tmp_path / 'missing.py'}: there is no such plugin file"
    assert wrong == f"{text}: a plugin file must end in .py"
    assert taken == f"{twin}:10: prompt 'x' is registered twice"


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("import no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("def f(:\n", "SyntaxError: invalid syntax (broken_one.py, line 1)"),
        ("raise SystemExit\n", "SystemExit"),
        (
            good("x") + "    1 / 0\n",
            "ZeroDivisionError: division by zero",
        ),
        (
            MISSPELT,
            "unknown hook 'usframe_register_prompt' (did you mean 'usframe_register_prompts'?)",
        ),
    ],
)
def test_a_broken_package_is_kept_apart_and_breaks_nothing(install: Install, source: str, cause: str) -> None:
    owner = install("broken_one", source)
    other = install("good_one", good("grid"))
    plugins = load_plugins()
    assert list(plugins.broken) == [(owner, cause)]
    assert {entry.name: entry.owner for entry in plugins.prompts}["grid"] == other
    assert "x" not in plugins.prompts
    with pytest.raises(PluginError, match=f"unknown prompt 'gird'.*not loaded because broken: {owner}"):
        plugins.prompts.get("gird")


LAZY = good("blob").replace("strategy)", '"usframe_blob:strategy")')


def test_a_lazy_target_in_a_file_may_name_the_file_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file_plugin(tmp_path / "usframe_blob.py", LAZY)
    (tmp_path / "site").mkdir()
    file_plugin(tmp_path / "site/usframe_blob.py", "raise ImportError('another module of this name')\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    target = load_plugins([path]).prompts.get("blob")
    assert target.__code__.co_filename == str(path)
    assert "usframe_blob" not in sys.modules


def test_a_lazy_target_that_the_file_does_not_have_is_told_by_its_name(tmp_path: Path) -> None:
    path = file_plugin(tmp_path / "usframe_blob.py", LAZY.replace(":strategy", ":strateg"))
    with pytest.raises(PluginError, match="cannot import usframe_blob:strateg: AttributeError"):
        load_plugins([path]).prompts.get("blob")


def test_a_strangers_package_is_fifteen_lines_and_an_entry_point(tmp_path: Path, data: DataSet) -> None:
    """The template of the documentation, installed by pip, listed and used by the real command."""
    code, project = re.findall(r"```(?:python|toml)\n(.*?)```", PAGE.split("## Rules")[0], flags=re.DOTALL)
    assert len(code.splitlines()) <= 15
    package, target = tmp_path / "package", tmp_path / "site"
    package.mkdir()
    (package / "usframe_centre.py").write_text(code, encoding="utf-8")
    (package / "pyproject.toml").write_text(project, encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "-q"]
    subprocess.run([*pip, "--target", str(target), str(package)], check=True)

    def usframe(*arguments: str) -> str:
        command = [sys.executable, "-m", "usframe", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(target)}
        done = subprocess.run(command, env=environment, cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout

    answer = json.loads(usframe("plugins", "--kind", "prompt", "--json"))
    listed = {plugin["name"]: plugin for plugin in answer["plugins"]}
    assert listed["centre"] == {
        "name": "centre",
        "kind": "prompt",
        "origin": "usframe-centre 1.0",
        "imports": "ok",
        "does": "A click on the pixel of the object that is nearest to its centroid.",
        "arguments": {},
    }
    assert "box" in listed
    assert "centre" in usframe(*data.request("-p", "centre"))
    assert (data.out / "masks" / "centre" / "case_0.nii.gz").is_file()
