"""Where several plugins have one name, users choose; nobody else is disturbed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from usframe.cli import main
from usframe.errors import PluginError
from usframe.plugins import load_plugins

SOURCE = '''
from usframe import hookimpl

def strategy(mask, *, frame, object_id, rng):
    """That of {owner}."""
    return None

@hookimpl
def usframe_register_prompts(register):
    register("{name}", strategy)

@hookimpl
def usframe_register_readers(register):
    register("reader-{owner}", strategy, suffixes=(".grid",))
'''

Install = Callable[..., str]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a package with the prompt ``name``; returns the owner it will go by."""
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))

    def installed(package: str, name: str = "grid") -> str:
        module = package.lower().replace("-", "_")
        folder = site / f"{module}-1.0.dist-info"
        folder.mkdir(parents=True)
        (site / f"{module}.py").write_text(SOURCE.format(owner=package, name=name))
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[usframe]\nit = {module}\n")
        monkeypatch.delitem(sys.modules, module, raising=False)
        return f"{package} 1.0"

    return installed


def write(path: Path, name: str = "grid") -> Path:
    path.write_text(SOURCE.format(owner=path.stem, name=name))
    return path


def listed(*words: str) -> dict[str, str]:
    """Origin -> what `usframe plugins` says of the prompt "grid" under "imports"."""
    done = CliRunner().invoke(main, ["plugins", "--kind", "prompt", "--json", *words])
    assert done.exit_code == 0, done.output
    return {row["origin"]: row["imports"] for row in json.loads(done.stdout)["plugins"] if row["name"] == "grid"}


def test_a_clash_is_told_where_the_name_is_used_only(install: Install) -> None:
    one, two = install("one"), install("two")
    plugins = load_plugins()
    assert plugins.prompts.get("box")
    with pytest.raises(
        PluginError, match=r"^prompt 'grid' is registered twice: by one 1\.0 and by two 1\.0; choose"
    ):
        plugins.prompts.get("grid")
    with pytest.raises(PluginError, match=r"^suffix '\.grid' is registered twice: by one 1\.0 and by two 1\.0;"):
        plugins.readers.for_path(Path("a.grid"))
    assert listed() == {one: f"clashes with {two}", two: f"clashes with {one}"}


def test_a_preferred_package_wins(install: Install) -> None:
    one, two = install("one"), install("two")
    plugins = load_plugins(prefer=["two"])
    assert plugins.prompts.get("grid").__doc__ == "That of two."
    assert plugins.readers.for_path(Path("a.grid"))[1].owner == two
    assert listed("prefer=two") == listed("--prefer", "two") == {one: f"replaced by {two}", two: "ok"}


def test_a_preferred_package_wins_over_the_built_ins(install: Install) -> None:
    install("one", "box")
    with pytest.raises(PluginError, match=r"prefer=one or prefer=usframe; or leave one out: block=one$"):
        load_plugins().prompts.get("box")
    assert load_plugins(prefer=["one"]).prompts.get("box").__doc__ == "That of one."


def test_two_preferred_packages_clash(install: Install) -> None:
    install("one")
    install("two")
    with pytest.raises(PluginError, match=r"prefer only one of them, or leave one out: block=one or block=two$"):
        load_plugins(prefer=["one", "two"]).prompts.get("grid")


def test_a_blocked_package_is_not_even_imported(install: Install) -> None:
    one, two = install("one"), install("two")
    plugins = load_plugins(block=["one"])
    assert "one" not in sys.modules
    assert plugins.prompts.get("grid").__doc__ == "That of two."
    assert plugins.blocked == [one]
    assert listed("block=[one]") == listed("--block", "one") == {two: "ok"}
    assert f"blocked: {one}\n" in CliRunner().invoke(main, ["plugins", "block=one"]).stdout


def test_a_name_that_a_blocked_package_may_have_is_told_with_it(install: Install) -> None:
    one = install("one")
    (line,) = load_plugins(block=["one"]).prompts.check("grid", {}, "prompts")
    assert line.startswith("prompts: unknown prompt 'grid'; known: box, ")
    assert line.endswith(f"; blocked: {one}")


@pytest.mark.parametrize("name", ["My-Plugin", "my-plugin", "my_plugin", "MY.plugin"])
def test_packages_are_named_as_for_pip(install: Install, name: str) -> None:
    install("My-Plugin")
    assert load_plugins(block=[name]).blocked == ["My-Plugin 1.0"]


def test_a_package_that_is_not_installed_cannot_be_chosen(install: Install) -> None:
    install("grids")
    with pytest.raises(PluginError) as caught:
        load_plugins(prefer=["grid"], block=["zzz"])
    assert caught.value.problems == (
        "prefer=grid: no plugin package is called so (did you mean 'grids'?); installed: grids, usframe",
        "block=zzz: no plugin package is called so; installed: grids, usframe",
    )


def test_a_package_cannot_be_both_preferred_and_blocked(install: Install) -> None:
    install("one")
    with pytest.raises(PluginError, match=r"^one is both preferred and blocked"):
        load_plugins(prefer=["one"], block=["One"])


def test_a_file_wins_over_all_packages_and_settles_their_clash(install: Install, tmp_path: Path) -> None:
    one, two = install("one"), install("two")
    mine = write(tmp_path / "mine.py")
    plugins = load_plugins([mine], prefer=["two"])
    assert plugins.prompts.get("grid").__doc__ == "That of mine."
    assert plugins.readers.for_path(Path("a.grid"))[1].owner == str(mine)
    fate = f"replaced by {mine}"
    assert listed(f"plugins=['{mine}']") == {one: fate, two: fate, str(mine): "ok"}


def test_a_file_replaces_a_built_in_by_its_name(tmp_path: Path) -> None:
    assert load_plugins([write(tmp_path / "mine.py", "box")]).prompts.get("box").__doc__ == "That of mine."


def test_two_files_clash_where_the_name_is_used(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a.py"), write(tmp_path / "b.py")
    with pytest.raises(PluginError) as caught:
        load_plugins([a, b]).prompts.get("grid")
    told = f"prompt 'grid' is registered twice: by {a} and by {b}; name only one of these files"
    assert str(caught.value) == told


def test_the_table_says_what_each_plugin_does_and_json_its_arguments(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import math\nfrom usframe import hookimpl\n\ndef far(mask, *, spacing_mm, mm, most=math.inf):\n"
        '    """What is further away than ``mm`` is removed.\n\n    More."""\n    return mask\n\n'
        "@hookimpl\ndef usframe_register_postprocessing(register):\n    register('far', far)\n"
    )
    words = ["plugins", "--kind", "postprocessing", "--plugin", str(tmp_path / "mine.py")]
    table = CliRunner().invoke(main, words).stdout.splitlines()
    assert table[0].split() == ["name", "kind", "origin", "imports", "does"]
    assert next(line for line in table if line.startswith("far ")).endswith(
        "  ok       What is further away than ``mm`` is removed."
    )
    rows = json.loads(CliRunner().invoke(main, [*words, "--json"]).stdout)["plugins"]
    far = next(row for row in rows if row["name"] == "far")
    assert far["does"] == "What is further away than ``mm`` is removed."
    assert far["arguments"] == {"mm": {"default": None, "required": True}, "most": {"default": "inf"}}


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["prefers=one"], "unknown key 'prefers' (did you mean 'prefer'?)"),
        (["seed=1"], "unknown key 'seed'; its keys are plugins, prefer, block"),
        (["block=3"], "block=3: no plugin package is called so; installed: usframe"),
        (["one"], "'one' is no option; options are written KEY=VALUE"),
        (["plugins=[no.py]"], "no.py: there is no such plugin file"),
    ],
)
def test_a_wrong_word_is_one_line(words: list[str], problem: str) -> None:
    done = CliRunner().invoke(main, ["plugins", *words])
    assert (done.exit_code, done.stderr) == (2, f"Error: {problem}\n")
