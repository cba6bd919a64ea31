"""`usframe plugins new`: a package of every kind that passes its own tests, and names that cannot be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import usframe_

from usframe.plugins.kinds import KINDS


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a new package of every kind."""
    folder = tmp_path_factory.mktemp("packages")
    for kind in KINDS:
        done = usframe_("plugins", "new", kind, f"my-{kind}", "-o", folder / kind)
        assert done.exit_code == 0, done.output
    return folder


@pytest.fixture(scope="module")
def outcomes(packages: Path) -> dict[str, list[str]]:
    """Kind -> what each test of its package came to, all of them run at once."""
    told = packages / "outcomes.xml"
    paths = os.pathsep.join(str(packages / kind) for kind in KINDS)
    words = ["-q", "-c", os.devnull, "--rootdir", str(packages), "-p", "no:cacheprovider", f"--junitxml={told}"]
    subprocess.run(
        [sys.executable, "-m", "pytest", *words, *(str(packages / kind / "tests") for kind in KINDS)],
        env={**os.environ, "PYTHONPATH": paths},
        cwd=packages,
        capture_output=True,
    )
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for case in ElementTree.parse(told).iter("testcase"):
        kind = case.attrib["classname"].partition(".")[0].partition("/")[0]
        found[kind].append(next((part.tag for part in case if part.tag in ("failure", "error")), "ok"))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_package_passes_its_own_tests(kind: str, outcomes: dict[str, list[str]]) -> None:
    assert len(outcomes[kind]) > 3
    assert {*outcomes[kind]} == {"ok"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_package_is_complete(kind: str, packages: Path) -> None:
    files = {str(path.relative_to(packages / kind)) for path in (packages / kind).rglob("*") if path.is_file()}
    module = f"usframe_my_{kind}"
    assert files >= {"pyproject.toml", "README.md", ".gitignore", f"{module}.py", f"tests/test_{module}.py"}
    listed = usframe_("plugins", "--kind", kind, "--plugin", packages / kind / f"{module}.py").output
    row = next(line for line in listed.splitlines() if line.startswith(f"my-{kind} "))
    does = (packages / kind / "README.md").read_text(encoding="utf-8").splitlines()[2]
    assert row.endswith(f" ok       {does}")


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        ("metric", "Loud", "small letters"),
        ("metric", "3d", "small letters"),
        ("metric", "../up", "small letters"),
        ("metric", "lambda", "means something else in the code of a metric"),
        ("metric", "np", "means something else in the code of a metric"),
        ("prompt", "box", "prompt 'box' by usframe"),
        ("reader", "png", "suffix '.png' is there already"),
    ],
)
def test_a_name_that_cannot_be_is_one_line(kind: str, name: str, told: str, tmp_path: Path) -> None:
    done = usframe_("plugins", "new", kind, name, "-o", tmp_path / "made")
    assert done.exit_code == 2
    assert len(done.output.splitlines()) == 1
    assert told in done.output
    assert not (tmp_path / "made").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    done = usframe_("plugins", "new", "metric", "untouched", "-o", tmp_path / "made")
    assert (done.exit_code, list((tmp_path / "made").iterdir())) == (2, [])
    assert (
        done.output
        == f"Error: {tmp_path / 'made'} is there already; nothing was written, choose another folder with -o\n"
    )


def test_without_a_folder_it_is_called_as_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert usframe_("plugins", "new", "metric", "two_words").exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["usframe-two-words"]
    assert 'register("two_words", two_words)' in Path("usframe-two-words/usframe_two_words.py").read_text()
