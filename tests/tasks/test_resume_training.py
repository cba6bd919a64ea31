"""A training goes on after any death, with the data and the split that it began with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from conftest import DataSet, write_case
from faults.kills import command, kill, outcome

from usframe.cli import main
from usframe.session.folder import close_folder


def finetune(data: DataSet, *more: str) -> Result:
    done = CliRunner().invoke(main, [*command("finetune", data), *more])
    close_folder()
    return done


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    """A training without an interruption."""
    folder = tmp_path_factory.mktemp("trained")
    data = DataSet(folder / "volumes", folder / "labels", folder / "out")
    for number, depth in enumerate((5, 4, 6)):
        write_case(data, f"case_{number}", depth, seed=number)
    done = kill("finetune", data, 10**9)
    assert done.returncode == 0, done.stderr
    return data


@pytest.mark.parametrize("numbers", [(2, 3), (5,), (6,), (7,)])
def test_killed_while_its_state_is_replaced_it_goes_on_to_the_same_bytes(
    trained: DataSet, tmp_path: Path, numbers: tuple[int, ...]
) -> None:
    data = trained._replace(out=tmp_path / "out")
    for number in numbers:
        assert kill("finetune", data, number, match=f"{data.out}/state").returncode == -9
    done = kill("finetune", data, 10**9)
    assert done.returncode == 0, done.stderr
    assert outcome("finetune", data.out) == outcome("finetune", trained.out)
    assert not [path for path in data.out.iterdir() if path.name.startswith((".usframe-", "state."))]


def test_a_damaged_file_of_its_state_is_one_line_and_nothing_is_trained(trained: DataSet, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(trained.out, out)
    data, files = trained._replace(out=out), sorted((out / "state").iterdir())
    assert {".safetensors", ".bin", ".pkl"} <= {path.suffix for path in files}
    for path in files:
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        done = finetune(data)
        assert done.exit_code == 2, path
        (error,) = [line for line in done.output.splitlines() if line.startswith("Error")]
        assert error.startswith(f"Error: {path}: is damaged")
        assert error.endswith(f"remove {out / 'state'} to begin anew")
        assert "Traceback" not in done.output
        path.write_bytes(whole)


def test_other_data_are_named_and_another_spelling_of_the_folder_is_none(data: DataSet) -> None:
    assert finetune(data).exit_code == 0
    words = command("finetune", data)
    words[words.index(str(data.out))] = f"{data.out}/"
    assert CliRunner().invoke(main, words).exit_code == 0
    write_case(data, "case_1", 4, seed=7)
    changed = finetune(data)
    assert changed.exit_code == 2
    assert f"Error: {data.out} holds a run with other data (case case_1 of " in changed.output
    assert "differs); choose another -o, or add overwrite=true" in changed.output
    write_case(data, "case_3", 4)
    assert "case case_3 of " in finetune(data).output
    settings = finetune(data, "train.steps=3")
    assert "train.steps=2" in settings.output
