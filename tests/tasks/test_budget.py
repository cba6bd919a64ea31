"""`usframe run budget`: annotation played on labelled volumes, and what labelled slices buy."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import yaml
from conftest import DataSet, usframe_, write_case
from whole_pages import check_whole

from usframe.config.compose import CONFIGS
from usframe.config.schema import Budget
from usframe.scoring.budget import Spent
from usframe.scoring.metrics import COLUMNS

TOY = """
from toy_backbones import ToyWithMemory
from usframe import hookimpl
def toy(*, weights, device, precision):
    return ToyWithMemory()
@hookimpl
def usframe_register_backbones(register):
    register("toy", toy)
"""
QUICK = ("slices=[1,2,5]", "seeds=2")
RULES = ("largest", "uniform", "random", "next")


def with_toy(data: DataSet, *more: str) -> list[str]:
    """`usframe run` with a network of one layer, so that it is quick."""
    plugin = data.volumes.with_name("toy.py")
    plugin.write_text(TOY)
    return data.request("--backbone", "toy", "--plugin", str(plugin), *more)


def request(data: DataSet, *more: str) -> list[str]:
    first, *words = with_toy(data, *QUICK, *more)
    return [first, "budget", *words]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def tables(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in ("metrics.csv", "budget.csv", "summary.json", "budget.png")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[DataSet, str]:
    """Two cases of two objects, on seven and on five slices, and what the run printed."""
    folder = tmp_path_factory.mktemp("played")
    data = DataSet(folder / "volumes", folder / "labels", folder / "out")
    for number, depth in enumerate((9, 7)):
        write_case(data, f"case_{number}", depth, seed=number)
    done = usframe_(*request(data))
    assert done.exit_code == 0, done.output
    return data, done.output


def test_the_experiment_has_the_defaults_of_the_task():
    experiment = yaml.safe_load((CONFIGS / "experiment/budget.yaml").read_text())
    assert {key: experiment[key] for key in (*Budget().played(), "prompts", "mode")} == {
        **Budget().played(),
        "prompts": ["mask"],
        "mode": "propagate",
    }


def test_every_file_is_there_and_no_mask(finished):
    data, output = finished
    assert {path.name for path in data.out.iterdir() if not path.name.startswith(".")} == {
        *("budget.csv", "budget.png", "report.html", "summary.json", "run.json"),
        *("metrics.csv", "failures.csv", "experiment.yaml"),
    }
    assert (data.out / "budget.png").read_bytes().startswith(b"\x89PNG")
    assert output.splitlines()[-1].endswith("budget.png, budget.csv, metrics.csv, summary.json, report.html")


def test_every_rule_is_played_with_every_number_of_slices_in_every_way(finished):
    data, _ = finished
    cells = rows_of(data.out / "budget.csv")
    assert [*cells[0]] == [
        *("rule", "fill", "slices", "object", "mean", "ci95_low", "ci95_high"),
        *("n", "n_groups", "n_undefined", "name"),
    ]
    assert {(cell["rule"], cell["fill"], cell["slices"]) for cell in cells} == {
        (rule, fill, slices) for rule in RULES for fill in ("memory", "shape", "both") for slices in "125"
    }
    assert {cell["object"] for cell in cells} == {"1", "2", "macro"}


def test_a_rule_that_draws_does_so_as_often_as_seeds_says_and_counts_once(finished):
    data, _ = finished
    rows = rows_of(data.out / "metrics.csv")
    assert tuple(rows[0]) == COLUMNS
    assert {row["slices"] for row in rows} == {"unprompted"}
    prompts = {row["prompt"] for row in rows}
    assert {"random:2 both", "random:2 both (draw 1)"} < prompts
    assert not any("draw 2" in prompt or ("draw" in prompt and "random" not in prompt) for prompt in prompts)
    drawn = [
        float(row["dice"])
        for row in rows
        if row["prompt"].startswith("random:2 both") and (row["object"], row["case"]) == ("1", "case_0")
    ]
    other = [
        float(row["dice"])
        for row in rows
        if row["prompt"].startswith("random:2 both") and (row["object"], row["case"]) == ("1", "case_1")
    ]
    (cell,) = [
        cell
        for cell in rows_of(data.out / "budget.csv")
        if [cell[key] for key in ("rule", "slices", "fill", "object")] == ["random", "2", "both", "1"]
    ]
    assert float(cell["mean"]) == pytest.approx((sum(drawn) / 2 + sum(other) / 2) / 2)
    assert (cell["n"], cell["n_undefined"]) == ("2", "0")


def test_an_object_with_nothing_left_to_score_is_undefined_and_noted(finished):
    data, output = finished
    dice = {
        row["case"]: row["dice"]
        for row in rows_of(data.out / "metrics.csv")
        if (row["prompt"], row["object"]) == ("uniform:5 both", "1")
    }
    assert dice["case_1"] == ""
    assert float(dice["case_0"]) >= 0
    counts = {
        (cell["n"], cell["n_undefined"]) for cell in rows_of(data.out / "budget.csv") if cell["slices"] == "5"
    }
    assert counts == {("1", "1")}
    assert "note: object 1 is shown on 5 slices, so its Dice is undefined from so many prompted ones on" in output


@pytest.mark.parametrize("fill", ["memory", "shape", "both"])
def test_a_number_is_that_of_a_run_with_these_prompts(finished, tmp_path, fill):
    data, _ = finished
    alone = data._replace(out=tmp_path / "out")
    words = ("-p", "mask", "--mode", "propagate", f"fill={fill}", "frames=uniform:2", "overlays=false")
    assert usframe_(*with_toy(alone, *words)).exit_code == 0
    wanted = {
        (row["case"], row["object"]): row["dice"]
        for row in rows_of(alone.out / "metrics.csv")
        if (row["prompt"], row["slices"]) == ("mask", "unprompted")
    }
    played = {
        (row["case"], row["object"]): row["dice"]
        for row in rows_of(data.out / "metrics.csv")
        if row["prompt"] == f"uniform:2 {fill}"
    }
    assert played == wanted


def test_a_draw_is_that_of_a_run_with_its_seed(finished, tmp_path):
    data, _ = finished
    alone = data._replace(out=tmp_path / "out")
    words = ("-p", "mask", "--mode", "propagate", "frames=random:2", "seed=1", "fill=shape", "overlays=false")
    assert usframe_(*with_toy(alone, *words)).exit_code == 0
    wanted = [
        row["dice"]
        for row in rows_of(alone.out / "metrics.csv")
        if (row["prompt"], row["slices"]) == ("mask", "unprompted")
    ]
    played = [
        row["dice"] for row in rows_of(data.out / "metrics.csv") if row["prompt"] == "random:2 shape (draw 1)"
    ]
    assert played == wanted


def test_the_next_rule_begins_with_the_largest_slice(finished):
    data, _ = finished
    dice = {
        name: [row["dice"] for row in rows_of(data.out / "metrics.csv") if row["prompt"] == f"{name}:1 memory"]
        for name in ("largest", "next")
    }
    assert dice["largest"] == dice["next"]


def test_a_rule_that_is_played_needs_no_single_slice_among_the_numbers(data):
    assert usframe_(*request(data, "slices=[2]", "selections=[next]", "cases=[case_2]")).exit_code == 0
    assert {(cell["rule"], cell["slices"]) for cell in rows_of(data.out / "budget.csv")} == {("next", "2")}
    assert all(cell["n"] == "1" for cell in rows_of(data.out / "budget.csv"))


def test_sentences_are_in_the_terminal_the_summary_and_the_report(finished):
    data, output = finished
    summary = json.loads((data.out / "summary.json").read_text())
    page = (data.out / "report.html").read_text(encoding="utf-8")
    assert [one["target"] for one in summary["targets"]] == [0.8, 0.9, 0.95]
    assert len(summary["sentences"]) == 3 + 3 + 1
    for sentence in summary["sentences"]:
        assert sentence in output
        assert sentence in page
    assert "Whether next beats uniform cannot be decided with n = 2" in output
    assert {test["other"] for test in summary["tests"]} == {"largest", "uniform", "random"}
    assert json.loads((data.out / "run.json").read_text())["budget"]["slices"] == [1, 2, 5]


def test_the_report_is_one_file_with_a_figure_per_rule(finished):
    data, _ = finished
    page = (data.out / "report.html").read_text(encoding="utf-8")
    check_whole(page, data.out, figures=len(RULES))
    assert all(f"rule {rule}" in page for rule in RULES)


def test_what_is_done_is_not_done_again_and_the_end_is_the_same(data):
    words = request(data, "slices=[1,2]", "selections=[random,next]")
    assert usframe_(*words).exit_code == 0
    before = tables(data.out)
    (data.out / ".usframe/cases/case_1.json").unlink()
    (data.out / "budget.csv").unlink()
    assert usframe_(*words).exit_code == 0
    assert tables(data.out) == before
    assert {row["case"] for row in rows_of(data.out / "metrics.csv")} == {"case_0", "case_1", "case_2"}


def test_a_damaged_case_fails_alone(data):
    (data.volumes / "case_1.nii.gz").write_bytes(b"not a volume")
    done = usframe_(*request(data, "slices=[1]", "selections=[uniform]"))
    assert done.exit_code == 1
    assert "Traceback" not in done.output
    assert [row["case"] for row in rows_of(data.out / "failures.csv")] == ["case_1"]
    assert {row["case"] for row in rows_of(data.out / "metrics.csv")} == {"case_0", "case_2"}


def test_a_rule_of_a_plugin_that_answers_nonsense_costs_its_case(data, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from usframe import hookimpl\n"
        "def far(area, count, *, expected):\n"
        "    return [len(area)]\n"
        "@hookimpl\n"
        "def usframe_register_selections(register):\n"
        "    register('far', far)\n"
    )
    done = usframe_(*request(data, "selections=[far]", "cases=[case_2]", "--plugin", str(tmp_path / "mine.py")))
    assert done.exit_code == 1
    assert (
        "Error: case case_2 (prompt): selection far cannot be used for object 1: it answered slice 6, and the last "
        "slice is 5" in done.output
    )
    assert "No case was scored" in (data.out / "report.html").read_text(encoding="utf-8")


def test_a_dry_run_says_what_would_be_played_and_writes_nothing(data):
    done = usframe_(*request(data, "--dry-run"))
    assert done.exit_code == 0, done.output
    assert "up to 5 slices of each object will be prompted, chosen by largest, uniform, random, next" in done.output
    assert not data.out.exists()


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("frames=uniform:2", "frames=uniform:2 is not for task=budget, which chooses slices by its selections"),
        ("fill=both", "fill=both is not for task=budget, which fills in all three ways"),
        ("mode=slice", "mode=slice is not possible; choose one of propagate"),
        ("overlays=true", "overlays=true is not for task=budget, which draws no cases"),
        ("baselines=true", "baselines=true is not for task=budget"),
        ("metrics.per_slice=true", "metrics is not for task=budget, which scores Dice alone"),
        ("prompts=[mask,box]", "prompts names 2 strategies; task=budget takes one, such as -p mask"),
        ("prompts=[{mask: 3}]", "prompts={'mask': 3} is not possible; write [{mask: {ARGUMENT: VALUE}}]"),
        ("slices=[]", "slices is empty; write numbers of slices, such as slices=[1,2,4]"),
        ("slices=[0]", "slices=0 is not possible; it must be at least 1"),
        ("slices=[2,2]", "slices names 2 twice"),
        ("selections=[]", "selections is empty; name at least one"),
        ("selections=[unifrom]", "selections: unknown selection 'unifrom' (did you mean 'uniform'?)"),
        ("selections=[{uniform: {x: 1}}]", "selections: uniform has no argument 'x'; it takes none"),
        (
            "selections=[{uniform: 3}]",
            "selections={'uniform': 3} is not possible; write [{uniform: {ARGUMENT:",
        ),
        ("target=[1.2]", "target=1.2 is not possible; it must be at least 0 and at most 1"),
        ("target=high", "target=high is not possible; it must be a list such as [0.8, 0.9]"),
    ],
)
def test_what_cannot_be_played_is_told_in_one_line(data, word, line):
    first, *words = data.request(word)
    refused = usframe_(first, "budget", *words)
    assert refused.exit_code == 2
    assert line in refused.output
    assert len(refused.output.splitlines()) == 1
    assert not data.out.exists()


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (
            "larges:3",
            "frames=larges:3: unknown selection 'larges' (did you mean 'largest'?); known: largest,",
        ),
        ("next:4", "frames=next:4: next asks for the expected Dice of an earlier answer; label the slices in its"),
    ],
)
def test_a_rule_that_a_run_cannot_choose_by_is_one_line(data, rule, line):
    refused = usframe_(*data.request("-p", "mask", "--mode", "propagate", f"frames={rule}"))
    assert refused.exit_code == 2
    assert line in refused.output
    assert len(refused.output.splitlines()) == 1


def test_a_label_tells_what_it_was_made_of():
    for spent in (Spent("uniform", 4, "both"), Spent("mine(x=1:2 a)", 12, "shape")):
        assert Spent.of(spent.label) == spent
