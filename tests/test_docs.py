"""The pages are true: everything users can type or read is in them, and their examples run as printed.

CONTRIBUTING.md says which blocks are run, and how their output is compared.
"""

import contextlib
import doctest
import io
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest
import torch
import yaml
from click.testing import CliRunner
from safetensors.torch import save_file

import usframe
from usframe.cli import COMMANDS, main
from usframe.config.compose import CONFIGS, GROUPS
from usframe.config.schema import Networked, Predict, leaves
from usframe.config.schema.options import choices_of
from usframe.data.fingerprint import COLUMNS as FINGERPRINT
from usframe.plugins.load import load_plugins
from usframe.reporting.page.about import PAPERS
from usframe.scoring.metrics import COLUMNS
from usframe.simulation import SCENES
from usframe.tasks import TASKS

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES_WITH_COMMANDS = [name for name, page in PAGES.items() if "```console" in page]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `usframe demo --data-only --cases 2` leaves, and a demo network of random weights."""
    folder = tmp_path_factory.mktemp("prepared")
    done = CliRunner().invoke(main, ["demo", "--data-only", "--cases", "2", "-o", str(folder / "usframe_demo")])
    assert done.exit_code == 0, done.output
    torch.manual_seed(0)
    network = usframe.load_backbone("demo", checkpoint="random", device="cpu").module
    (folder / "checkpoints").mkdir()
    save_file(network.state_dict(), folder / "checkpoints/demo.safetensors")
    return folder


@pytest.fixture
def folder(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to run in."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("USFRAME_HOME", raising=False)
    return tmp_path


def assert_printed(command: str, expected: str, printed: str) -> None:
    """``...`` is any text, numbers with a decimal point and the width of columns are not compared."""
    shown, got = (re.sub(r"\d+(\.\d+)+", "#", text.strip()) + "\n" for text in (expected, printed))
    ways = (doctest.ELLIPSIS, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    same = any(doctest.OutputChecker().check_output(shown, got, way) for way in ways)
    assert same, f"$ {command}\nthe page says:\n{expected}\nit printed:\n{printed}"


def commands_of(page: str) -> Iterator[tuple[str, str]]:
    """(command, output) of the console blocks."""
    for language, block in BLOCK.findall(page):
        if language == "console":
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, output = part.partition("\n")
                yield command, output


def run(command: str) -> str:
    """What the real command line prints, or `sh` for anything else; only a printed error may fail."""
    if command.startswith("usframe "):
        done = CliRunner().invoke(main, shlex.split(command)[1:])
        output, status = done.output, done.exit_code
    else:
        other = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
        output, status = other.stdout + other.stderr, other.returncode
    assert (status != 0) == output.startswith("Error: "), f"$ {command}\nexit status {status}\n{output}"
    return output


@pytest.mark.parametrize("name", PAGES_WITH_COMMANDS)
def test_commands_print_what_the_page_shows(name: str, folder: Path) -> None:
    for command, output in commands_of(PAGES[name]):
        assert_printed(command, output, run(command))


def test_the_python_page_runs(folder: Path) -> None:
    names: dict[str, object] = {}
    blocks = BLOCK.findall(PAGES["python"])
    assert [language for language, _ in blocks].count("python") > 5
    for (language, code), (follows, expected) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if language == "python":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(code, "docs/python.md", "exec"), names)
            assert_printed(code, expected if follows == "text" else "", printed.getvalue())


def documented(name: str) -> set[str]:
    """Everything that a page sets as `code` outside its blocks, and the words of it."""
    code = re.findall(r"`([^`\n]+)`", BLOCK.sub("", PAGES[name]))
    return {*code, *(word for part in code for word in re.split(r"[ =/]", part))}


PAGE_OF = {
    **{"run": "configuration", "config": "configuration", "report": "metrics", "demo": "simulator"},
    **{"weights": "backbones", "join": "cluster", "prompts": "propagation"},
}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_documented(name: str) -> None:
    assert any(f"usframe {name}" in page for page in PAGES.values())
    page = PAGE_OF.get(name, name)
    command = import_module(f"usframe.cli.{name}").command
    parts = command.commands.values() if isinstance(command, click.Group) else [command]
    options = {flag for part in parts for one in part.params if isinstance(one, click.Option) for flag in one.opts}
    assert options - documented(page) == set()


def rows(page: str, heading: str) -> dict[str, list[str]]:
    """First cell -> other cells of the tables below a heading, up to the next one."""
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    cells = [re.split(r" \| ", line.strip("| ")) for line in section.splitlines() if line.startswith("| `")]
    return {first.strip("`"): others for first, *others in cells}


@pytest.mark.parametrize("task", TASKS)
def test_every_key_is_documented_with_its_default(task: str) -> None:
    page = PAGES["configuration"]
    schema = TASKS[task].schema
    inherited = rows(page, "Keys of task `predict`") if issubclass(schema, Predict) else {}
    common, own = rows(page, "Keys of every task"), {**inherited, **rows(page, f"Keys of task `{task}`")}
    if issubclass(schema, Networked):
        common |= rows(page, "Keys of every task with a network")
    assert set(common) | set(own) == set(leaves(schema))
    config = schema()
    for key, (default, meaning) in {**common, **own}.items():
        value = config
        for part in key.split("."):
            value = getattr(value, part)
        stated = yaml.safe_load(default.strip("`"))
        other = f"`{value}`" in meaning  # the two tasks differ: the one's default is in words beside the other's
        assert (type(stated), stated) == (type(value), value) or other, f"{key}: {default} instead of {value}"
        for choice in choices_of(leaves(schema)[key].type):
            assert choice in documented("configuration"), f"{key}={choice}"


def test_every_experiment_and_group_is_documented() -> None:
    experiments = {path.stem for path in (CONFIGS / "experiment").glob("*.yaml")}
    assert set(rows(PAGES["configuration"], "Experiments")) == experiments
    for group in GROUPS:
        members = {path.stem for path in (CONFIGS / group).glob("*.yaml")}
        assert {group, *members} <= documented("configuration")


def test_every_file_column_and_key_of_a_run_is_documented(folder: Path) -> None:
    words = ["-i", "usframe_demo/volumes", "-l", "usframe_demo/labels", "-o", "out", "-p", "box"]
    done = CliRunner().invoke(main, ["run", *words, "--backbone", "demo", "cases=[vessel_001]"])
    assert done.exit_code == 0, done.output
    known = documented("outputs")
    assert {path.name for path in Path("out").iterdir()} - known == set()
    assert list(rows(PAGES["outputs"], "metrics.csv")) == list(COLUMNS)
    record = json.loads(Path("out/run.json").read_text())
    assert {*record, *record["slices"], *record["peak_memory"]} - known == set()
    summary = json.loads(Path("out/summary.json").read_text())
    assert {*summary, *summary["scores"]["box"]["1"]["all"]["dice"]} - known == set()


def test_every_column_of_the_fingerprint_is_documented() -> None:
    assert {*FINGERPRINT} - documented("prepare") == set()


def test_every_built_in_plugin_is_documented() -> None:
    plugins = load_plugins()
    assert {suffix for reader in plugins.readers for suffix in reader.suffixes} <= documented("data")
    for kind, page in (("reader", "data"), ("prompt", "prompts"), ("backbone", "backbones")):
        own = {entry.name for entry in plugins.by_kind()[kind] if entry.owner.startswith("usframe ")}
        assert own - documented(page) == set()


def test_every_scene_and_public_name_is_documented() -> None:
    assert set(rows(PAGES["simulator"], "Scenes")) == set(SCENES)
    assert set(usframe.__all__) - documented("python") == set()


def test_every_public_name_is_rendered_from_its_docstring() -> None:
    rendered = re.findall(r"^::: ([\w.]+)\.(\w+)$", PAGES["api"], re.MULTILINE)
    assert sorted(name for _, name in rendered) == sorted(set(usframe.__all__) - {"__version__"})
    for module, name in rendered:
        assert getattr(import_module(module), name) is getattr(usframe, name)


def test_the_citation_is_of_this_version() -> None:
    told = yaml.safe_load((DOCS.parent / "CITATION.cff").read_text(encoding="utf-8"))
    package = (DOCS.parent / "pyproject.toml").read_text(encoding="utf-8")
    project = dict(re.findall(r'^(\w+) = "(.*)"$', package, re.MULTILINE))
    assert told["version"] == usframe.__version__ == project["version"]
    assert (told["title"], told["license"]) == (project["name"], project["license"])
    titles = [reference["title"] for reference in told["references"]]
    assert all(any(title in paper for paper in PAPERS.values()) for title in titles)
    assert len(titles) == len(PAPERS)


def test_pages_ask_nobody_else_for_anything() -> None:
    site = yaml.safe_load((DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8"))
    assert site["theme"]["font"] is False
    assert not {"repo_url", "extra_javascript"} & set(site)
    for name, page in PAGES.items():
        assert re.findall(r"!\[[^\]]*\]\((?:https?:)?//", page) == [], name


def test_every_page_can_be_reached_from_the_start() -> None:
    linked = set(re.findall(r"\]\((\w+)\.md", PAGES["index"]))
    assert linked == set(PAGES) - {"index"}
