"""`usframe run compare_prompts`: all strategies, both modes, clean and noised prompts, in one table."""

import csv
import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from conftest import DataSet, write_case
from whole_pages import check_whole

from usframe.cli import main
from usframe.config.compose import CONFIGS
from usframe.config.schema import Compare
from usframe.scoring.metrics import COLUMNS

STRATEGIES = {"mask", "mask+point", "box+point", "box", "point"}


def request(data: DataSet, *more: str) -> list[str]:
    first, *words = data.request(*more)
    return [first, "compare_prompts", *words]


def run(*words: str):
    return CliRunner().invoke(main, list(words))


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[DataSet, str]:
    """A comparison of two strategies on two cases with two draws, and what it printed."""
    folder = tmp_path_factory.mktemp("compared")
    data = DataSet(folder / "volumes", folder / "labels", folder / "out")
    for number, depth in enumerate((5, 4)):
        write_case(data, f"case_{number}", depth, seed=number)
    done = run(*request(data, "-p", "mask", "-p", "box", "seeds=2"))
    assert done.exit_code == 0, done.output
    return data, done.output


def test_the_experiment_names_all_strategies_and_the_noise_of_mild():
    experiment = yaml.safe_load((CONFIGS / "experiment/compare_prompts.yaml").read_text())
    mild = yaml.safe_load((CONFIGS / "noise/mild.yaml").read_text())
    assert set(experiment["prompts"]) == STRATEGIES == set(Compare().prompts)
    assert experiment["noised"] == mild == vars(Compare().noised)
    assert experiment["seeds"] == 3


def test_every_file_is_there_and_no_mask(finished):
    data, _ = finished
    assert {path.name for path in data.out.iterdir() if not path.name.startswith(".")} == {
        *("metrics.csv", "comparison.csv", "tests.csv", "failures.csv", "quality.csv", "next.csv"),
        *("comparison.png", "report.html", "summary.json", "run.json", "experiment.yaml"),
    }
    assert (data.out / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_each_slice_is_encoded_once_per_mode_for_all_strategies_and_draws(finished):
    data, _ = finished
    record = json.loads((data.out / "run.json").read_text())
    assert record["slices"] == {"total": 9, "encoded": 3 + 2 + 9, "without_object": 4}
    assert record["noised"] == {"box": 0.1, "point": 0.25, "mask": 2}
    assert (record["seeds"], record["mode"]) == (2, "both")


def test_metrics_have_their_usual_columns_and_name_the_draw_in_the_prompt(finished):
    data, _ = finished
    rows = rows_of(data.out / "metrics.csv")
    assert tuple(rows[0]) == COLUMNS
    prompts = {row["prompt"] for row in rows if row["mode"] == "slice"}
    assert prompts == {
        name + draw
        for name in ("mask", "box", "filled box", "ellipse")
        for draw in ("", " (noised 1)", " (noised 2)")
    }
    assert {row["prompt"] for row in rows if row["mode"] == "propagate"} > {"copied label", "box (noised 2)"}


def test_a_draw_is_that_of_a_run_with_its_seed(finished, tmp_path):
    data, _ = finished
    alone = DataSet(data.volumes, data.labels, tmp_path / "out")
    assert run(*alone.request("-p", "box", "noise=mild", "seed=1", "overlays=false")).exit_code == 0
    compared = {
        (row["case"], row["object"], row["slices"]): (row["dice"], row["iou"])
        for row in rows_of(data.out / "metrics.csv")
        if (row["prompt"], row["mode"]) == ("filled box (noised 1)", "slice")
    }
    own = {
        (row["case"], row["object"], row["slices"]): (row["dice"], row["iou"])
        for row in rows_of(alone.out / "metrics.csv")
        if row["prompt"] == "filled box"
    }
    assert compared == own


def test_the_comparison_has_every_part_and_averages_the_draws(finished):
    data, _ = finished
    cells = rows_of(data.out / "comparison.csv")
    judged = [c for c in cells if (c["object"], c["slices"], c["score"]) == ("macro", "all", "dice")]
    assert {(c["mode"], c["condition"]) for c in judged} == {
        (mode, condition) for mode in ("slice", "propagate") for condition in ("clean", "noised")
    }
    assert {c["prompt"] for c in judged if c["network"] == "false"} == {"filled box", "ellipse", "copied label"}
    boxes = [
        float(row["dice"])
        for row in rows_of(data.out / "metrics.csv")
        if row["prompt"].startswith("filled box (") and row["slices"] == "all"
    ]
    (cell,) = [c for c in judged if (c["prompt"], c["condition"]) == ("filled box", "noised")]
    assert float(cell["mean"]) == pytest.approx(sum(boxes) / len(boxes))
    assert cell["n"] == "2"


def test_a_mask_prompt_is_an_oracle_on_the_slices_it_was_given(finished):
    data, _ = finished
    marked = {
        (cell["mode"], cell["prompt"], cell["slices"])
        for cell in rows_of(data.out / "comparison.csv")
        if cell["oracle"] == "true"
    }
    assert marked == {
        *(("slice", "mask", slices) for slices in ("all", "prompted")),
        *(("propagate", name, slices) for name in ("mask", "copied label") for slices in ("all", "prompted")),
    }


def test_the_table_is_printed_and_is_that_of_the_page(finished):
    data, output = finished
    assert "slice, clean" in output
    assert "propagate, noised" in output
    assert "copied label (no network)" in output
    page = (data.out / "report.html").read_text()
    assert "comparison.png" in page
    assert "no network" in page
    check_whole(page, data.out, figures=2)


def test_too_few_patients_have_tests_without_p_and_with_the_reason(finished):
    data, output = finished
    tests = rows_of(data.out / "tests.csv")
    assert {test["p"] for test in tests} == {""}
    assert all("patient" in test["undefined"] for test in tests)
    assert {(test["first"], test["second"]) for test in tests if test["family"] == "strategies"} == {
        ("mask", "box")
    }
    few = "cannot be decided with n = 2 patients (1 test needs at least 6, 4 tests need at least 8)"
    assert f"slice, clean: {few}" in output
    assert f"slice, clean: {few}" in (data.out / "report.html").read_text()


def test_a_repeated_comparison_gives_the_same_tables(finished, tmp_path):
    data, _ = finished
    words = (f"out={tmp_path / 'again'}", "cases=[case_1]", "--json")
    again = run("run", str(data.out / "experiment.yaml"), *words)
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["cases"] == {"total": 1, "failed": 0}
    before = [row for row in rows_of(data.out / "metrics.csv") if row["case"] == "case_1"]
    assert rows_of(tmp_path / "again" / "metrics.csv") == before


def test_a_dry_run_counts_the_prompts_of_both_modes_and_writes_nothing(data):
    done = run(*request(data, "--dry-run", "-p", "box"))
    assert done.exit_code == 0, done.output
    assert "prompts: 6 box (slice), 2 box (propagate)\n" in done.output
    assert not data.out.exists()


def test_a_backbone_without_memory_is_compared_in_slice_mode_with_a_note(data, tmp_path):
    plugin = tmp_path / "forgetful.py"
    plugin.write_text(
        "import usframe\n"
        "class Forgetful:\n"
        "    def __init__(self, own):\n"
        "        self.own, self.image_size, self.module, self.checkpoint = own, own.image_size, own.module, None\n"
        "        self.encode, self.decode = own.encode, own.decode\n"
        "def make(*, weights, device, precision):\n"
        "    return Forgetful(usframe.load_backbone('demo', checkpoint=weights, device=device))\n"
        "@usframe.hookimpl\n"
        "def usframe_register_backbones(register):\n"
        "    register('forgetful', make)\n"
    )
    words = request(data, "-p", "box", "seeds=0", f"plugins=[{plugin}]", "backbone=forgetful", "cases=[case_0]")
    done = run(*words)
    assert done.exit_code == 0, done.output
    assert "note: propagation is left out: the backbone forgetful has no memory" in done.output
    assert {row["mode"] for row in rows_of(data.out / "metrics.csv")} == {"slice"}
    refused = run(*words, "mode=propagate", "overwrite=true")
    assert refused.exit_code == 2
    assert "no memory" in refused.output


def test_a_damaged_case_fails_alone(data):
    (data.volumes / "case_1.nii.gz").write_bytes(b"not a volume")
    done = run(*request(data, "-p", "box", "seeds=0", "mode=slice"))
    assert done.exit_code == 1
    assert "Traceback" not in done.output
    assert [row["case"] for row in rows_of(data.out / "failures.csv")] == ["case_1"]
    assert {row["case"] for row in rows_of(data.out / "metrics.csv")} == {"case_0", "case_2"}


def test_prompts_of_its_own_are_all_it_takes(data):
    done = run(*request(data, "noise=mild"))
    assert done.exit_code == 2
    assert "set noised.box" in done.output
