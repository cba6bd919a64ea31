"""`usframe run`: the files it leaves, the numbers in them, and what it does when something is wrong."""

from __future__ import annotations

import csv
import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner

from usframe.cli import main
from usframe.scoring.metrics import COLUMNS


def run(*arguments: str):
    return CliRunner().invoke(main, list(arguments))


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_every_file_the_design_names(data):
    result = run(*data.request("-p", "box", "-p", "mask+point"))
    assert result.exit_code == 0, result.output
    for prompt in ("box", "mask+point"):
        for number in range(3):
            assert (data.out / "masks" / prompt / f"case_{number}.nii.gz").is_file()
            assert (data.out / "overlays" / prompt / f"case_{number}.png").is_file()
    names = {path.name for path in data.out.iterdir() if path.is_file()}
    expected = {"metrics.csv", "summary.json", "failures.csv", "experiment.yaml", "run.json", "report.html"}
    assert names == {*expected, "quality.csv", "measures.csv"}
    assert rows(data.out / "failures.csv") == []
    assert "box" in result.stdout
    assert "report.html" in result.stdout


def test_masks_lie_on_the_source_grid_and_empty_slices_stay_empty(data):
    run(*data.request())
    source = nib.load(data.volumes / "case_0.nii.gz")
    mask = nib.load(data.out / "masks" / "box+point" / "case_0.nii.gz")
    assert mask.shape == source.shape
    assert mask.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(mask.affine, source.affine)
    assert int(mask.header["sform_code"]) == int(source.header["sform_code"])
    voxels = np.asanyarray(mask.dataobj)
    assert set(np.unique(voxels)) <= {0, 1, 2}
    assert not voxels[..., [0, -1]].any()


def test_the_table_agrees_with_the_masks(data):
    run(*data.request("-p", "box", "baselines=false"))
    table = rows(data.out / "metrics.csv")
    assert tuple(table[0]) == COLUMNS
    assert len(table) == 3 * 2 * 3
    mask = np.asanyarray(nib.load(data.out / "masks" / "box" / "case_1.nii.gz").dataobj) == 2
    truth = np.asanyarray(nib.load(data.labels / "case_1.nii.gz").dataobj) == 2
    dice = 2 * (mask & truth).sum() / (mask.sum() + truth.sum())
    (row,) = [r for r in table if (r["case"], r["object"], r["slices"]) == ("case_1", "2", "all")]
    assert float(row["dice"]) == pytest.approx(dice, abs=1e-6)
    assert int(row["n_slices"]) == 4


def test_run_json_and_the_summary_count_what_was_done(data):
    run(*data.request("seed=5"))
    record = json.loads((data.out / "run.json").read_text())
    assert record["slices"] == {"total": 15, "encoded": 9, "without_object": 6}
    assert record["seed"] == 5
    assert record["device"] == "cpu"
    assert record["versions"]["torch"]
    assert {"read", "prompt", "segment", "write", "score"} <= set(record["seconds_per_stage"])
    summary = json.loads((data.out / "summary.json").read_text())
    assert summary["cases"] == {"total": 3, "failed": 0}


def test_the_same_request_gives_the_same_files(data, tmp_path):
    run(*data.request("-p", "box+point", "noise=mild", "seed=3"))
    first = {path.name: path.read_bytes() for path in sorted(data.out.rglob("*.csv"))}
    again = run("run", str(data.out / "experiment.yaml"), "overwrite=true")
    assert again.exit_code == 0, again.output
    assert {path.name: path.read_bytes() for path in sorted(data.out.rglob("*.csv"))} == first


def test_a_damaged_case_fails_alone(data):
    (data.volumes / "case_1.nii.gz").write_bytes(b"not a volume")
    result = run(*data.request())
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    (failure,) = rows(data.out / "failures.csv")
    assert (failure["case"], failure["stage"]) == ("case_1", "read")
    assert "case_1.nii.gz" in failure["error"]
    assert {row["case"] for row in rows(data.out / "metrics.csv")} == {"case_0", "case_2"}


def test_a_name_that_is_no_unicode_is_a_case_like_any_other(data):
    name = os.fsdecode(b"M\xfcller")
    for folder in (data.volumes, data.labels):
        (folder / "case_1.nii.gz").rename(folder / f"{name}.nii.gz")
    result = run(*data.request("-p", "box"))
    assert result.exit_code == 0, result.output
    assert {row["case"] for row in rows(data.out / "metrics.csv")} == {"case_0", "case_2", r"M\udcfcller"}
    assert (data.out / "masks" / "box" / f"{name}.nii.gz").is_file()


def test_objects_that_a_prompt_file_leaves_out_are_in_no_mean_and_are_named(data):
    (data.out.parent / "p.csv").write_text(
        "case,frame,object,box\n" + "".join(f"case_{n},1,1,8 8 20 20\n" for n in range(3))
    )
    result = run(*data.request(f"frames=file:{data.out.parent / 'p.csv'}"))
    assert result.exit_code == 0, result.output
    assert "note: no case has a prompt for object 2: scored, but left out of the mean of objects" in result.output
    found = json.loads((data.out / "summary.json").read_text())["scores"]["file"]
    for score in ("dice", "hd95_mm", "nsd"):
        assert found["macro"]["all"][score] == found["1"]["all"][score]
    assert found["2"]["all"]["dice"]["mean"] == 0
    asked = {(row["object"], row["asked"]) for row in rows(data.out / "metrics.csv")}
    assert asked == {("1", "true"), ("2", "false")}


def test_an_earlier_run_is_not_overwritten_unasked(data):
    run(*data.request())
    before = (data.out / "metrics.csv").read_bytes()
    refused = run(*data.request("-p", "point"))
    assert refused.exit_code == 2
    assert "overwrite=true" in refused.output
    assert (data.out / "metrics.csv").read_bytes() == before
    assert run(*data.request("overwrite=true")).exit_code == 0


def test_a_missing_checkpoint_says_where_to_get_it_and_where_to_put_it(data, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("USFRAME_HOME", raising=False)
    request = ["run", "-i", str(data.volumes), "-l", str(data.labels), "-o", str(data.out)]
    result = run(*request)
    assert result.exit_code == 2
    assert "MedSAM2_latest.pt" in result.output
    assert "huggingface.co/wanglab/MedSAM2" in result.output
    assert "checkpoints/MedSAM2_latest.pt" in result.output
    assert not data.out.exists()


def test_a_dry_run_tells_a_missing_checkpoint_first_and_shows_the_rest(data, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("USFRAME_HOME", raising=False)
    request = ["run", "-i", str(data.volumes), "-l", str(data.labels), "-o", str(data.out), "--dry-run"]
    told = run(*request)
    assert told.exit_code == 2
    first, second, *_ = told.output.splitlines()
    assert first.startswith("Error: checkpoint MedSAM2_latest.pt was not found in checkpoints")
    assert "huggingface.co/wanglab/MedSAM2" in first
    assert second.startswith("case_0: ")
    assert "3 cases (0 cannot be run)" in told.output
    assert told.output.count("Error: ") == 1
    plan = json.loads(run(*request, "--json").stdout)
    assert plan["problem"] == first.removeprefix("Error: ")
    assert plan["seconds"] is None


def test_a_dry_run_shows_the_plan_and_writes_nothing(data):
    result = run(*data.request("--dry-run", "-p", "box"))
    assert result.exit_code == 0, result.output
    assert "5 slices of 36 x 48 float32" in result.stdout
    assert "labels 1, 2; 2 slices without an object" in result.stdout
    assert "prompts: 6 box" in result.stdout
    assert str(data.out / "masks" / "box" / "case_0.nii.gz") in result.stdout
    assert not data.out.exists()
    assert result.stdout.count(" as it is read:\n") == 1
    assert result.stdout.index("  slice 2 as it is read:\n") < result.stdout.index("case_1: ")
    plan = json.loads(run(*data.request("--dry-run", "--json")).stdout)
    assert "picture" not in plan["cases"][0]
    assert [case["shape"] for case in plan["cases"]] == [[5, 36, 48], [4, 36, 48], [6, 36, 48]]


def test_only_the_named_cases_run(data):
    assert run(*data.request("cases=[case_2]")).exit_code == 0
    assert {row["case"] for row in rows(data.out / "metrics.csv")} == {"case_2"}
    unknown = run(*data.request("cases=[case_9]", "overwrite=true"))
    assert unknown.exit_code == 2
    assert "case_9" in unknown.output


def test_json_is_json_and_quiet_is_quiet(data):
    answer = json.loads(run(*data.request("--json")).stdout)
    assert answer["cases"]["total"] == 3
    assert run(*data.request("--quiet", "overwrite=true")).output == ""


STOPPED = """
import sys
sys.path.insert(0, {tests!r})
from toy_backbones import Toy
from usframe import hookimpl


class Stopped(Toy):
    asked = 0

    def encode(self, images):
        self.asked += 1
        if self.asked == 2:
            raise KeyboardInterrupt
        return super().encode(images)


@hookimpl
def usframe_register_backbones(register):
    register("stopped", lambda *, weights, device, precision: Stopped())
"""


def test_ctrl_c_keeps_what_is_done_and_names_what_is_not(data):
    """The network is interrupted at the second case."""
    plugin = data.out.parent / "stopped.py"
    plugin.write_text(STOPPED.format(tests=str(Path(__file__).parents[1])))
    result = run(*data.request("-p", "mask", f"plugins=[{plugin}]", "backbone=stopped"))
    assert result.exit_code == 130
    assert {row["case"] for row in rows(data.out / "metrics.csv")} == {"case_0"}
    assert [row["case"] for row in rows(data.out / "failures.csv")] == ["case_1", "case_2"]
    assert "interrupted, 2 cases not done" in result.output
    assert (data.out / "masks" / "mask" / "case_0.nii.gz").is_file()


def test_propagation_prompts_few_slices_and_scores_the_others_apart(data):
    result = run("run", "propagate", *data.request("-p", "mask")[1:])
    assert result.exit_code == 0, result.output
    counts = {
        (row["case"], row["object"], row["slices"]): int(row["n_slices"]) for row in rows(data.out / "metrics.csv")
    }
    assert counts["case_0", "1", "prompted"] == 1
    assert counts["case_0", "1", "unprompted"] == 4
    prompted = [row for row in rows(data.out / "metrics.csv") if row["slices"] == "prompted"]
    assert all(float(row["dice"]) > 0.9 for row in prompted)  # a mask comes back on its own slice
    assert {row["mode"] for row in prompted} == {"propagate"}
    assert json.loads((data.out / "run.json").read_text())["slices"]["encoded"] == 15


ACCELERATE = files("usframe_configs") / "accelerate"
CONFIGURED = ["accelerate.commands.launch", "--config_file"]
LAUNCHERS = {
    "accelerate": ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port"],
    "one machine": [*CONFIGURED, str(ACCELERATE / "gpus.yaml"), "--num_processes", "2", "--main_process_port"],
    "torchrun": ["torch.distributed.run", "--nproc_per_node", "2", "--master_port"],
}


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_two_processes_write_the_same_files_as_one(data, tmp_path, launcher):
    """`accelerate launch` and `torchrun` on the CPU; without a GPU, accelerate wants to be told --multi_gpu."""
    both = data._replace(out=tmp_path / "both")
    start([], data)
    start(["-m", *LAUNCHERS[launcher], free_port()], both)
    assert json.loads((both.out / "run.json").read_text())["processes"] == 2
    assert results(both.out) == results(data.out)


def test_two_machines_write_the_same_files_as_one(data, tmp_path):
    """Two launchers, as on two machines, with a process each."""
    both, port = data._replace(out=tmp_path / "both"), free_port()
    start([], data)
    where = ["--num_processes", "2", "--main_process_ip", "127.0.0.1", "--main_process_port", port]
    launcher = ["-m", *CONFIGURED, str(ACCELERATE / "nodes.yaml"), *where, "--machine_rank"]
    with ThreadPoolExecutor() as machines:
        list(machines.map(lambda rank: start([*launcher, rank], both), "01"))
    assert json.loads((both.out / "run.json").read_text())["processes"] == 2
    assert results(both.out) == results(data.out)


def start(launcher: list[str], data) -> None:
    """One thread per process: with another number of them, sums differ in their last bits."""
    done = subprocess.run(
        [sys.executable, *launcher, "-m", "usframe", *data.request("-p", "box", "-p", "point")],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr


def results(out: Path) -> dict[Path, bytes]:
    """Masks, overlays and tables by their place in OUT."""
    files = (path for path in out.rglob("*") if path.suffix in {".gz", ".csv", ".png"})
    return {path.relative_to(out): path.read_bytes() for path in files}


def free_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])
