"""Prompts that a network has learned: trained on labels, and used where there are none."""

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from conftest import DataSet, usframe_

import usframe
from usframe.prompting.frames import choose_surest

QUICK = ["train.steps=3", "train.batch_size=2", "train.validate_every=3", "train.validation_slices=2"]
PLUGIN = """
import numpy as np
from usframe import Prompt, hookimpl


def whole(*, frame, object_id, rng):
    return Prompt(frame, object_id, box=np.array([0, 0, 20, 20], np.float32))


@hookimpl
def usframe_register_prompts(register):
    register("whole", whole)
"""


def finetune(data: DataSet, *more: str):
    where = ["-i", data.volumes, "-l", data.labels, "-o", data.out.with_name("trained")]
    network = ["--backbone", "demo", "--device", "cpu"]
    return usframe_("run", "finetune", *where, *network, "--checkpoint", "random", *QUICK, *more)


@pytest.fixture
def tuned(data: DataSet) -> Path:
    """A checkpoint with learned prompts for the objects 1 and 2."""
    done = finetune(data, "train.parameters=prompt", "train.cache=1")
    assert done.exit_code == 0, done.output
    return data.out.with_name("trained") / "checkpoint_best.pt"


def rows(data: DataSet, name: str = "metrics.csv") -> list[dict[str, str]]:
    with (data.out / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_only_what_takes_the_place_of_the_prompt_is_trained(data, tuned):
    parameters = json.loads((tuned.parent / "run.json").read_text())["parameters"]
    assert [part for part, count in parameters.items() if count["trained"]] == ["prompt"]
    prompts = {row["prompt"] for row in csv.DictReader((tuned.parent / "gains.csv").open())}
    assert prompts == {"learned"}
    backbone = usframe.load_backbone("demo", checkpoint=tuned, device="cpu")
    assert backbone.learned == (1, 2)
    half = usframe.load_backbone("demo", checkpoint=tuned.with_suffix(".safetensors"), device="cpu")
    assert half.learned == (1, 2)


def test_volumes_without_labels_are_segmented(data, tuned):
    words = ["-i", data.volumes, "-o", data.out, "--backbone", "demo", "--device", "cpu", "--checkpoint", tuned]
    assert usframe_("run", *words, "-p", "learned").exit_code == 0
    mask = np.asanyarray(nib.load(data.out / "masks" / "learned" / "case_0.nii.gz").dataobj)
    assert mask.shape == nib.load(data.volumes / "case_0.nii.gz").shape
    assert set(np.unique(mask)) <= {0, 1, 2}
    assert {row["distance"] for row in rows(data, "quality.csv")} == {""}


@pytest.mark.parametrize("more", [["frames=largest"], ["frames=uniform:2", "fill=both"]])
def test_propagation_begins_where_it_is_surest(data, tuned, more):
    request = ["propagate", *data.request("-p", "learned", "-p", "mask", "--checkpoint", str(tuned), *more)[1:]]
    done = usframe_("run", *request)
    assert done.exit_code == 0, done.output
    assert {row["prompt"] for row in rows(data)} >= {"learned", "mask", "copied label"}
    begun = [row for row in rows(data) if row["prompt"] == "learned" and row["slices"] == "prompted"]
    assert all(int(row["n_slices"]) <= 2 for row in begun)
    assert {row["oracle"] for row in begun} == {"false"}


def test_labels_have_no_part_in_it(data, tuned):
    answers = []
    for labels in (["-l", str(data.labels)], []):
        words = ["-i", data.volumes, *labels, "-o", data.out, "--checkpoint", tuned, "overwrite=true"]
        assert usframe_("run", *words, "--backbone", "demo", "--device", "cpu", "-p", "learned").exit_code == 0
        answers.append((data.out / "masks" / "learned" / "case_1.nii.gz").read_bytes())
    assert answers[0] == answers[1]


def test_the_row_of_learned_prompts_leaves_those_without_a_network_as_they_are(data, tuned):
    copied = []
    for prompts in (["-p", "mask"], ["-p", "mask", "-p", "learned"]):
        words = data.request(*prompts, "--checkpoint", str(tuned), "overwrite=true")
        assert usframe_("run", "propagate", *words[1:]).exit_code == 0
        copied.append([row for row in rows(data) if row["prompt"] == "copied label"])
    assert copied[0] == copied[1]


def test_a_plugin_brings_another_prompt_without_labels(data, tmp_path):
    plugin = tmp_path / "mine.py"
    plugin.write_text(PLUGIN)
    words = ["-i", data.volumes, "-o", data.out, "--backbone", "demo", "--device", "cpu", "--checkpoint", "random"]
    assert usframe_("run", *words, "-p", "whole", "--plugin", plugin).exit_code == 0
    assert {row["object"] for row in rows(data, "quality.csv")} == {"1"}


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (["train.parameters=prompt+decoder", "prompt={box: 1}"], "so give prompt.learned a share"),
        (["train.parameters=decoder", "prompt={learned: 1}"], "not trained with train.parameters=decoder"),
        (["train.parameters=prompt", "prompt={learned: 1, box: 1}"], "prompt.box has nothing to train"),
    ],
)
def test_a_training_that_would_teach_nothing_is_one_line(data, more, line):
    done = finetune(data, *more)
    assert (done.exit_code, done.output.count("\n")) == (2, 1), done.output
    assert line in done.output


def test_a_checkpoint_that_has_learned_none_is_one_line(data):
    done = usframe_(*data.request("-p", "learned"))
    assert done.exit_code == 2
    assert "has learned no prompts; usframe run finetune train.parameters=prompt" in done.output


def test_labels_are_asked_for_where_prompts_are_made_from_them(data):
    words = ["-i", data.volumes, "-o", data.out, "--backbone", "demo", "--checkpoint", "random"]
    done = usframe_("run", *words, "-p", "learned", "-p", "box")
    told = "labels is required, because box prompts are made from labels: -l LABELS, or have them in a file"
    assert done.output == f"Error: {told}: frames=file:FILE.csv\n"


def test_an_object_that_was_not_learned_is_one_line(data, tuned):
    path = data.labels / "case_0.nii.gz"
    image = nib.load(path)
    labels = np.asanyarray(image.dataobj).astype(np.uint8)
    labels[:4, :4, 2] = 7
    nib.save(nib.Nifti1Image(labels, image.affine), path)
    done = usframe_(*data.request("-p", "learned", "--checkpoint", str(tuned)))
    assert done.exit_code == 1
    assert "object 7 of the labels has no learned prompt; there are those of 1, 2" in done.output


def test_training_goes_on_from_learned_prompts_and_adds_those_of_other_objects(data, tuned):
    before = torch.load(tuned)["model"]
    backbone = usframe.load_backbone("demo", checkpoint=tuned, device="cpu")
    backbone.learn([2, 5])
    assert backbone.learned == (1, 2, 5)
    after = backbone.module.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_the_surest_slices_are_spread_where_several_are_asked_for():
    sure = {1: np.array([0, 0.9, 0.8, 0, 0.5, 0.7]), 2: np.zeros(6)}
    assert choose_surest(sure, "largest") == {1: (1,), 2: ()}
    assert choose_surest(sure, "uniform:2") == {1: (1, 5), 2: ()}
    assert choose_surest(sure, "every:2") == {1: (1, 5), 2: ()}
    assert choose_surest(sure, "uniform:9")[1] == (1, 2, 4, 5)
    assert choose_surest(sure, [0, 4]) == {1: (4,), 2: ()}
