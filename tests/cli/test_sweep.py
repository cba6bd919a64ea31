"""`usframe run -m`: every combination of several values in a folder of its own, and one table of all."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import DataSet, usframe_

from usframe.config.schema import Predict
from usframe.config.sweeps import combine

TWO = ("propagate", "-m", "prompts=box,point", "frames=largest,uniform:2", "overlays=false")
NAMES = [
    "frames=largest,prompts=box",
    "frames=uniform:2,prompts=box",
    "frames=largest,prompts=point",
    "frames=uniform:2,prompts=point",
]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_combination_has_its_folder_and_its_lines_in_one_table(data: DataSet) -> None:
    done = usframe_(*data.request(*TWO))
    assert done.exit_code == 0, done.output
    assert {path.name for path in data.out.iterdir()} == {*NAMES, "sweep.csv"}
    assert [line.split()[0] for line in done.output.splitlines() if line.startswith("[")] == [
        *("[1/4]", "[2/4]", "[3/4]", "[4/4]")
    ]
    table = rows(data.out / "sweep.csv")
    assert list(dict.fromkeys(row["run"] for row in table)) == NAMES
    for row in table:
        summary = json.loads((data.out / row["run"] / "summary.json").read_text())
        scores = summary["scores"][row["prompt"]]["macro"][row["slices"]]
        assert (row["prompts"], row["frames"]) == (row["prompt"], row["run"].split(",")[0].removeprefix("frames="))
        assert float(row["dice"]) == scores["dice"]["mean"]
        assert row["hd95"] == ("" if scores["hd95_mm"]["mean"] is None else str(scores["hd95_mm"]["mean"]))
    lines = done.output.splitlines()[-6:]
    assert lines[0].split()[:4] == ["frames", "prompt", "Dice", "unprompted"]
    assert [line.split()[:2] for line in lines[1:5]] == [
        *(["largest", "box"], ["uniform:2", "box"], ["largest", "point"], ["uniform:2", "point"])
    ]


def test_the_same_command_goes_on_and_another_run_in_a_folder_is_kept(data: DataSet) -> None:
    assert usframe_(*data.request(*TWO)).exit_code == 0
    table = (data.out / "sweep.csv").read_bytes()
    masks = {path: path.stat().st_mtime_ns for path in data.out.rglob("masks/*/*.nii.gz")}
    assert usframe_(*data.request(*TWO)).exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in data.out.rglob("masks/*/*.nii.gz")} == masks
    assert (data.out / "sweep.csv").read_bytes() == table
    refused = usframe_(*data.request(*TWO, "seed=3"))
    assert refused.exit_code == 2
    assert "overwrite=true" in refused.output


def test_a_case_that_fails_is_no_end_of_the_sweep(data: DataSet) -> None:
    (data.volumes / "case_1.nii.gz").write_bytes(b"no volume")
    done = usframe_(*data.request("-m", "prompts=box,point", "overlays=false"))
    assert done.exit_code == 1
    assert {row["prompt"] for row in rows(data.out / "sweep.csv")} == {"box", "point"}
    assert {row["n"] for row in rows(data.out / "sweep.csv")} == {"2"}


def test_json_is_one_document(data: DataSet) -> None:
    done = usframe_(*data.request("-m", "prompts=box,point", "overlays=false", "--json"))
    assert done.exit_code == 0, done.output
    assert [row["run"] for row in json.loads(done.stdout)["runs"] if row["slices"] == "all"] == [
        *("prompts=box", "prompts=point")
    ]


def test_a_dry_run_lists_the_combinations_and_writes_nothing(data: DataSet) -> None:
    done = usframe_(*data.request(*TWO, "--dry-run"))
    assert done.exit_code == 0, done.output
    assert [line.rpartition(" -> ")[2] for line in done.output.splitlines()[:-1]] == [
        str(data.out / name) for name in NAMES
    ]
    assert done.output.splitlines()[-1] == "4 runs. Nothing was read or written."
    assert not data.out.exists()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["prompts=box,bx"], "unknown prompt 'bx'"),
        (["box_margin=1,-2"], "box_margin=-2.0 is not possible; it must be at least 0"),
        (["prompts=[box,point]"], "-m wants several values of a key, such as prompts=box,point"),
        (["prompts=box,box"], "prompts=box,box: the same value is there twice"),
        (["box_margin=interval(1,4)"], "box_margin=interval(1,4): an interval has no end of values"),
        (["noise=glob(*)"], "noise=glob(*): glob() is not possible here; write the values"),
        (["shard=1/2,2/2"], "shard=1/2,2/2: -m cannot vary shard"),
        (["lables=1,2"], "task=predict has no key 'lables'"),
        (["compare_prompts", "seeds=1,2"], "-m is for task=predict and finetune, not for task=compare"),
    ],
)
def test_a_bad_sweep_is_one_line_before_anything_runs(words: list[str], problem: str, data: DataSet) -> None:
    done = usframe_(*data.request("-m", *words))
    assert done.exit_code == 2
    (line,) = done.output.splitlines()
    assert problem in line
    assert not data.out.exists()


def test_a_table_of_somebody_else_is_kept(data: DataSet) -> None:
    data.out.mkdir()
    (data.out / "sweep.csv").write_text("mine\n")
    done = usframe_(*data.request("-m", "prompts=box,point"))
    assert done.exit_code == 2
    assert "is no table of a sweep" in done.output
    assert (data.out / "sweep.csv").read_text() == "mine\n"


@pytest.mark.parametrize(
    ("text", "overrides"),
    [
        ("prompts=box,box+point", ["prompts=['box']", "prompts=['box+point']"]),
        ("prompts=[box],[box,point]", ["prompts=['box']", "prompts=['box','point']"]),
        ("prompts=choice(box,point)", ["prompts=['box']", "prompts=['point']"]),
        ("prompts=box,{point: {count: 3}}", ["prompts=['box']", "prompts=[{point:{count:3}}]"]),
        ("box_margin=range(0,10,5)", ["box_margin=0", "box_margin=5"]),
        ("frames=largest,[3,10]", ["frames='largest'", "frames=[3,10]"]),
        ("cases=010,2024_05_01", ["cases=['010']", "cases=['2024_05_01']"]),
        ("noise=none,mild", ["noise='none'", "noise='mild'"]),
        ("overlays=true,false", ["overlays=true", "overlays=false"]),
    ],
)
def test_values_are_written_as_hydra_takes_them(text: str, overrides: list[str]) -> None:
    alone, found, problems = combine(["seed=3", text], Predict)
    assert (alone, problems) == (["seed=3"], [])
    assert [word for one in found for word in one.overrides] == overrides


def test_a_folder_is_called_by_its_values_in_the_order_of_the_alphabet() -> None:
    _, found, _ = combine(["prompts=box,[box,point]", "checkpoint=a/b.pt,'c d.pt'"], Predict)
    assert [one.name for one in found] == [
        "checkpoint=a_b.pt,prompts=box",
        "checkpoint=c_d.pt,prompts=box",
        "checkpoint=a_b.pt,prompts=[box,point]",
        "checkpoint=c_d.pt,prompts=[box,point]",
    ]
    _, _, problems = combine(["checkpoint=a/b.pt,a_b.pt"], Predict)
    assert problems == [
        "checkpoint=a_b.pt: two combinations would have the folder of this name; run one of them by itself"
    ]


def test_the_installed_command_runs_each_as_a_command_of_its_own(data: DataSet) -> None:
    words = data.request("-m", "prompts=box,point", "overlays=false", "cases=[case_1]")
    done = subprocess.run([sys.executable, "-m", "usframe", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"Wrote {data.out / 'sweep.csv'}"
    assert [row["prompt"] for row in rows(data.out / "sweep.csv") if row["slices"] == "all"] == ["box", "point"]


def test_a_sweep_of_trainings_has_the_gains_of_each(data: DataSet) -> None:
    steps = ("train.steps=1", "train.batch_size=1", "train.parameters=decoder", "val=0.34")
    done = usframe_(*data.request("finetune", "-m", "train.learning_rate=1e-4,1e-3", *steps))
    assert done.exit_code == 0, done.output
    table = rows(data.out / "sweep.csv")
    assert {row["train.learning_rate"] for row in table} == {"0.0001", "0.001"}
    assert all(row["dice"] for row in table)
