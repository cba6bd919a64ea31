"""`checkpoints/training/`: the trainings of the demo checkpoint, each readable alone, run by `make checkpoint`."""

import re
from pathlib import Path

import pytest
import yaml

from usframe.config.compose import read
from usframe.config.schema import Pretrain

ROOT = Path(__file__).parents[2]
TRAININGS = sorted((ROOT / "checkpoints/training").iterdir())
RECIPE = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ncheckpoint:")[2].partition("\n\n")[0]
TRAINED = RECIPE.partition("weights mix")[0]


def name_of(path: Path) -> str:
    return path.stem.partition("_")[2]


@pytest.mark.parametrize("path", TRAININGS, ids=name_of)
def test_it_composes_and_is_a_pretraining(path: Path) -> None:
    config, problems = read(str(path), [], {"pretrain": Pretrain})
    assert problems == []
    assert isinstance(config, Pretrain)


@pytest.mark.parametrize("path", TRAININGS, ids=name_of)
def test_it_says_all_itself(path: Path) -> None:
    assert yaml.safe_load(path.read_text(encoding="utf-8")).get("defaults", ["_self_"]) == ["_self_"]


@pytest.mark.parametrize("path", TRAININGS, ids=name_of)
def test_it_begins_with_the_command_that_runs_it(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith(f"# usframe run {path.relative_to(ROOT)} -o OUT")


def test_no_two_have_the_same_seed() -> None:
    seeds = [yaml.safe_load(path.read_text(encoding="utf-8"))["seed"] for path in TRAININGS]
    assert len(set(seeds)) == len(seeds)


def test_make_checkpoint_runs_each_once_and_in_order() -> None:
    assert re.findall(r"\$\(TRAINING\)/(\S+)", RECIPE) == [path.name for path in TRAININGS]


def test_each_begins_with_what_the_command_before_it_made() -> None:
    made = re.findall(r"(?:-o|checkpoint_last\.pt) (pretrained/\w+)", TRAINED)
    used = re.findall(r"(pretrained/\w+)/checkpoint_last\.pt", TRAINED)
    assert len(made) == len(TRAININGS) + 1
    assert used == made[:-1]


def test_the_model_card_has_a_row_for_each() -> None:
    card = (ROOT / "checkpoints/README.md").read_text(encoding="utf-8")
    assert re.findall(r"\]\(training/(\w+\.yaml)\)", card) == [path.name for path in TRAININGS]


def test_none_is_among_the_experiments_that_users_are_offered() -> None:
    offered = {path.name for path in (ROOT / "configs/experiment").iterdir()}
    assert not offered & {path.name for path in TRAININGS}
