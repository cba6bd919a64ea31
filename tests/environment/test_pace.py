"""A dry run counts what the network has to do as a run does it, and times a step of each kind on the spot."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from conftest import DataSet, usframe_

TESTS = Path(__file__).parents[1]
COUNTING = """
import sys
sys.path.insert(0, {tests!r})
from toy_backbones import ToyWithMemory
from usframe import hookimpl


def note(kind, count):
    with open({file!r}, "a") as file:
        print(kind, count, file=file)


class Counting(ToyWithMemory):
    def encode(self, images):
        note("encode", len(images))
        return super().encode(images)

    def decode(self, features, prompts, index, **more):
        note("prompt", sum(prompt is not None for prompt in prompts))
        note("follow", sum(prompt is None for prompt in prompts))
        return super().decode(features, prompts, index, **more)


@hookimpl
def usframe_register_backbones(register):
    register("counting", lambda *, weights, device, precision: Counting())
"""


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["-p", "box", "-p", "point"], id="slice mode"),
        pytest.param(["propagate", "-p", "box", "frames=largest"], id="from one slice"),
        pytest.param(["propagate", "-p", "box", "frames=uniform:2"], id="from several slices"),
        pytest.param(["propagate", "-p", "box", "frames=largest", "z_range=labels"], id="within the labels"),
        pytest.param(["propagate", "-p", "box", "frames=uniform:2", "fill=both"], id="filled"),
        pytest.param(["propagate", "-p", "box", "frames=uniform:2", "fill=shape"], id="filled by shape"),
        pytest.param(["compare_prompts", "-p", "box", "-p", "mask", "seeds=2"], id="a comparison"),
    ],
)
def test_the_steps_that_are_foreseen_are_those_of_the_run(words: list[str], data: DataSet, tmp_path: Path) -> None:
    plugin, noted = tmp_path / "counting.py", tmp_path / "noted.txt"
    plugin.write_text(COUNTING.format(tests=str(TESTS), file=str(noted)))
    command = data.request("--backbone", "counting", "patience=0", "--plugin", str(plugin), *words)
    planned = usframe_(*command, "--dry-run", "--json")
    assert planned.exit_code == 0, planned.output
    plan = json.loads(planned.stdout)
    assert plan["seconds"] > 0
    noted.unlink()
    assert usframe_(*command).exit_code == 0
    done: Counter[str] = Counter()
    for kind, count in map(str.split, noted.read_text().splitlines()):
        done[kind] += int(count)
    assert +sum((Counter(case["steps"]) for case in plan["cases"]), Counter()) == +done


def test_a_dry_run_says_about_how_long_the_network_takes(data: DataSet) -> None:
    done = usframe_(*data.request("--dry-run", "-p", "box"))
    assert done.exit_code == 0, done.output
    last = done.output.splitlines()[-1]
    assert last.startswith("The network will take about ")
    assert last.endswith(" s on this machine (one slice timed).")


def test_nothing_is_said_where_the_steps_depend_on_what_is_found(data: DataSet) -> None:
    words = ["budget", "-p", "box", "selections=[uniform]", "slices=[1,2]", "--dry-run"]
    done = usframe_(*data.request(*words))
    assert done.exit_code == 0, done.output
    assert "on this machine" not in done.output


def test_a_network_that_fails_on_a_slice_is_noted(data: DataSet, tmp_path: Path) -> None:
    plugin = tmp_path / "broken.py"
    plugin.write_text(
        f"import sys\nsys.path.insert(0, {str(TESTS)!r})\n"
        "from toy_backbones import Toy\nfrom usframe import hookimpl\n\n\n"
        "class Broken(Toy):\n    def encode(self, images):\n        raise ValueError('no such thing')\n\n\n"
        "@hookimpl\ndef usframe_register_backbones(register):\n"
        "    register('broken', lambda *, weights, device, precision: Broken())\n"
    )
    done = usframe_(*data.request("--backbone", "broken", "--plugin", str(plugin), "--dry-run"))
    assert "note: the network could not be timed: backbone Broken (broken.py): encode failed" in done.output
    assert "on this machine" not in done.output
