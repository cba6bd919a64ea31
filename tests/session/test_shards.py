"""Shards of a run: each does its part alone, and together they are the run that one job would have made."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from conftest import DataSet, usframe_, write_case
from hypothesis import given
from hypothesis import strategies as st

from usframe.data.case import Case
from usframe.session.shards import deal

TOY = """
import sys
sys.path.insert(0, {tests!r})
from toy_backbones import ToyWithMemory
from usframe import hookimpl

@hookimpl
def usframe_register_backbones(register):
    register("toy", lambda *, weights, device, precision: ToyWithMemory())
"""
TIMES = re.compile(r"<tr><th>(Date|Time|Memory)[^\n]*\n|, \d+ (?:process(?:es)?|shards)|in \d+ s\b")
Run = Callable[..., Result]


@pytest.fixture
def toy(data: DataSet, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`usframe run` with a network that costs nothing, where the volumes are."""
    monkeypatch.chdir(data.out.parent)
    Path("toy.py").write_text(TOY.format(tests=str(Path(__file__).parents[1])))
    write_case(data, "case_3", 12, seed=3)
    near = DataSet(Path("volumes"), Path("labels"), Path("out"))

    def run(*words: str) -> Result:
        request = near.request("--backbone", "toy", "--plugin", "toy.py")[1:]
        given = request if "-o" not in words else [*request[:4], *request[6:]]
        return usframe_("run", *words, *given)

    return run


def shards(toy: Run, *words: str, of: int = 2) -> None:
    for number in range(1, of + 1):
        done = toy(*words, f"shard={number}/{of}")
        assert done.exit_code == 0, done.output


def left_in(out: Path) -> dict[str, str]:
    """All that a run left for people, without what tells when and where it ran."""
    found = {}
    for path in sorted(out.rglob("*")):
        place = path.relative_to(out).as_posix()
        if path.is_file() and not place.startswith((".usframe", "shards", "run.json")):
            text = path.read_bytes().decode("latin-1").replace(f"{out}\n", "OUT\n").replace(f"{out}/", "OUT/")
            if place == "report.html":
                text = TIMES.sub("", text)
            found[place] = text
    return found


REQUESTS = {
    "predict": ("-p", "box", "-p", "mask", "mode=propagate", "metrics.per_slice=true"),
    "compare": ("compare_prompts", "prompts=[mask,box]", "seeds=1", "overlays=true"),
    "budget": ("budget", "slices=[1,2]", "selections=[largest,uniform]"),
}
PLAIN = ("-p", "box", "overlays=false", "baselines=false")


@pytest.mark.parametrize("task", REQUESTS)
def test_joined_shards_are_the_run_that_one_job_makes(toy: Run, task: str) -> None:
    words = REQUESTS[task]
    assert toy(*words, "-o", "single").exit_code == 0
    shards(toy, *words, of=3)
    done = usframe_("join", "out", "--plugin", "toy.py")
    assert done.exit_code == 0, done.output
    one, joined = left_in(Path("single")), left_in(Path("out"))
    assert one.keys() == joined.keys()
    assert [name for name in one if one[name] != joined[name]] == []
    assert json.loads(Path("out/run.json").read_text())["shards"] == 3


def test_a_joined_run_is_one_that_can_be_gone_on_with(toy: Run) -> None:
    shards(toy, *PLAIN)
    assert usframe_("join", "out", "--plugin", "toy.py").exit_code == 0
    before = {path: path.stat().st_mtime_ns for path in Path("out/masks").rglob("*.gz")}
    assert len(before) == 4
    assert toy(*PLAIN).exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert usframe_("join", "out", "--plugin", "toy.py").exit_code == 0


def test_cases_that_failed_in_their_shard_have_failed(toy: Run, data: DataSet) -> None:
    (data.volumes / "case_1.nii.gz").write_bytes(b"no volume")
    status = [toy(*PLAIN, f"shard={number}/2").exit_code for number in (1, 2)]
    assert sorted(status) == [0, 1]
    done = usframe_("join", "out", "--plugin", "toy.py")
    assert done.exit_code == 1
    assert "Error: case case_1 (read): " in done.output
    assert "3 of 4 cases" in done.output


def test_a_shard_goes_on_as_a_run_does(toy: Run) -> None:
    shards(toy, *PLAIN)
    mask = next(Path("out/shards/1of2/masks").rglob("*.gz"))
    wanted = {path: path.stat().st_mtime_ns for path in Path("out/shards").rglob("*.gz") if path != mask}
    mask.unlink()
    assert toy(*PLAIN, "shard=1/2").exit_code == 0
    assert mask.exists()
    assert {path: path.stat().st_mtime_ns for path in wanted} == wanted


def test_there_may_be_more_shards_than_cases(toy: Run) -> None:
    shards(toy, *PLAIN, of=10)
    assert [path.name for path in sorted(Path("out/shards").iterdir())][:2] == ["01of10", "02of10"]
    done = usframe_("join", "out", "--plugin", "toy.py", "-o", "whole")
    assert done.exit_code == 0, done.output
    assert len([*Path("whole/masks").rglob("*.gz")]) == 4
    assert not Path("out/masks").exists()


def test_a_dry_run_says_what_the_shard_would_do(toy: Run) -> None:
    done = toy(*PLAIN, "shard=1/2", "--dry-run")
    assert "case_3: " in done.output
    assert "case_0: " not in done.output
    note = "note: shard 1/2: 1 of 4 cases, in out/shards/1of2; usframe join out puts all shards together\n"
    assert note in done.output
    assert "out/shards/1of2/masks/box/case_3.nii.gz" in done.output
    assert not Path("out").exists()


@pytest.mark.parametrize("text", ["0/4", "5/4", "x", "3", "1/2/3", "-1/2", "1/0"])
def test_a_shard_that_cannot_be_is_one_line(toy: Run, text: str) -> None:
    done = toy(*PLAIN, f"shard={text}")
    assert done.exit_code == 2
    assert done.output == f"Error: shard={text} is not possible; it is I/N with I from 1 to N, such as 3/16\n"


def test_a_task_without_shards_says_so(toy: Run) -> None:
    done = usframe_("run", "finetune", "-i", "volumes", "-l", "labels", "-o", "out", "shard=1/2")
    assert done.exit_code == 2
    assert "Error: task=finetune has no key 'shard'" in done.output


def test_what_cannot_be_joined_is_one_line_that_names_the_shard(toy: Run) -> None:
    def refused(line: str) -> None:
        done = usframe_("join", "out", "--plugin", "toy.py")
        assert (done.exit_code, done.output) == (2, f"Error: {line}\n")
        assert not Path("out/metrics.csv").exists()

    refused("out/shards holds no shards; usframe run ... shard=I/N -o out makes them")
    assert toy(*PLAIN, "shard=2/3").exit_code == 0
    refused("out/shards lacks shard 1/3, 3/3; run what is missing first")
    for words in (["shard=1/3"], ["shard=3/3", "seed=1"]):
        assert toy(*PLAIN, *words).exit_code == 0
    refused(
        "out/shards/3of3 is of other settings than out/shards/1of3 (seed=0); run one of them again, with "
        "overwrite=true"
    )
    assert toy(*PLAIN, "shard=3/3", "overwrite=true").exit_code == 0
    shutil.copytree("out/shards/2of3", "out/shards/copy")
    refused("shard 2/3 is there twice, in out/shards/2of3 and in out/shards/copy; move one away")
    shutil.rmtree("out/shards/copy")
    assert toy(*PLAIN, "shard=1/2").exit_code == 0
    refused("out/shards holds shards of 2 (out/shards/1of2) and of 3 (out/shards/1of3); move those of one away")
    shutil.rmtree("out/shards/1of2")
    record = next(Path("out/shards/3of3/.usframe/cases").glob("*.json"))
    kept = record.read_bytes()
    record.unlink()
    refused(
        f"out/shards: shard 3/3 (case {record.stem}) is not finished; the command of that shard goes on with it"
    )
    record.write_bytes(kept)
    mask = next(Path("out/shards/3of3/masks").rglob("*.gz"))
    mask.write_bytes(b"other")
    refused(f"{mask} is not as its shard left it; the command of that shard goes on with it")


def test_a_join_changes_nothing_of_what_was_asked(toy: Run) -> None:
    done = usframe_("join", "out", "seed=1")
    line = "Error: seed=1 is not possible; what was run is run, and a join takes only overwrite=true\n"
    assert (done.exit_code, done.output) == (2, line)


@given(st.lists(st.integers(0, 5000), max_size=30), st.integers(1, 12), st.randoms(use_true_random=False))
def test_every_case_is_in_one_shard_and_none_has_more_than_one_file_more(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], number: int, chance: object
) -> None:
    folder = tmp_path_factory.mktemp("sizes")
    cases = []
    for n, size in enumerate(sizes):
        (folder / f"{n}.npy").write_bytes(bytes(size))
        cases.append(Case(f"{n}", folder / f"{n}.npy"))
    dealt = deal(cases, number)
    assert sorted(case.name for part in dealt for case in part) == sorted(case.name for case in cases)
    loads = [sum(max(case.volume.stat().st_size, 1) for case in part) for part in dealt]
    assert max(loads) - min(loads) <= max([1, *sizes])
    chance.shuffle(cases)  # type: ignore[attr-defined]
    assert deal(cases, number) == dealt
