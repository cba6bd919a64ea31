"""Fine-tuning on labelled volumes, with the real command and a tiny network of random weights."""

from __future__ import annotations

import copy
import csv
import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from conftest import DataSet, write_case
from whole_pages import check_whole

import usframe
from usframe.cli import main
from usframe.config.schema.training import TrainLabelled
from usframe.data.cases import pair_cases
from usframe.plugins.load import load_plugins
from usframe.tasks import compose
from usframe.training.labelled import LabelledClips, Volumes, scan_case
from usframe.training.lora import merge_adapters, plain_state
from usframe.training.parameters import count_parameters, set_up
from usframe.training.weights import interpolated

QUICK = ["train.steps=2", "train.batch_size=2", "train.validate_every=1", "train.validation_slices=2"]


def finetune(data: DataSet, *more: str, out: Path | None = None):
    where = ["-i", str(data.volumes), "-l", str(data.labels), "-o", str(out or data.out)]
    network = ["--backbone", "demo", "--checkpoint", "random", "--device", "cpu"]
    return CliRunner().invoke(main, ["run", "finetune", *where, *network, *QUICK, *more])


def weights(out: Path, name: str = "last"):
    return torch.load(out / f"checkpoint_{name}.pt")["model"]


def known_cases(data: DataSet, **keys):
    config = compose("finetune", [f"volumes={data.volumes}", f"labels={data.labels}"])
    read = Volumes(config, load_plugins())
    cases = pair_cases(data.volumes, data.labels, readers=load_plugins().readers)
    return LabelledClips([scan_case(case, read) for case in cases], read, seed=3, **keys)


@pytest.mark.parametrize("recipe", ["slice", "clip", "both"])
def test_a_training_leaves_checkpoints_curves_and_gains(data: DataSet, recipe: str) -> None:
    done = finetune(data, f"train.recipe={recipe}", "train.clip_length=3")
    assert done.exit_code == 0, done.output
    names = {path.name for path in data.out.iterdir()}
    checkpoints = {f"checkpoint_{which}.{kind}" for which in ("best", "last") for kind in ("pt", "safetensors")}
    tables = {"curve.csv", "gains.csv", "splits.json", "run.json", "experiment.yaml"}
    assert names >= checkpoints | tables | {"curve.png", "report.html", "state"}
    page = (data.out / "report.html").read_text(encoding="utf-8")
    check_whole(page, data.out, figures=2, pictures=2 * len(("box", "point", "mask")))
    assert "from box, before the training" in page
    assert "from box, after the training" in page
    usframe.load_backbone("demo", checkpoint=data.out / "checkpoint_best.pt", device="cpu")
    with (data.out / "gains.csv").open() as file:
        gains = list(csv.DictReader(file))
    prompts = {"box", "point", "mask"} | (set() if recipe == "slice" else {"box propagated"})
    assert {row["prompt"] for row in gains} >= prompts
    assert {row["object"] for row in gains} == {"1", "2", "mean"}
    for row in gains:
        assert float(row["gain"]) == pytest.approx(float(row["after"]) - float(row["before"]))
    split = json.loads((data.out / "splits.json").read_text())[0]
    assert (len(split["train"]), len(split["val"])) == (2, 1)
    assert "Mean Dice of the validation cases" in done.output
    assert list((data.out / "tensorboard").glob("events*"))


def test_a_dry_run_says_what_would_be_trained_on_what_and_writes_nothing(data: DataSet) -> None:
    done = finetune(data, "train.parameters=decoder", "--dry-run")
    assert done.exit_code == 0, done.output
    assert re.search(r"train +2 cases of 2 patients: \d+ slices with an object, \d+ without", done.output)
    assert re.search(r"validate +1 case of 1 patient", done.output)
    assert re.search(r"encoder +0 parameters trained, +[\d,]{7,} frozen", done.output)
    assert re.search(r"decoder +[\d,]{7,} parameters trained, +0 frozen", done.output)
    assert not data.out.exists()
    assert "parameters trained" in finetune(data, "train.parameters=decoder").output


@pytest.mark.parametrize("parameters", ["decoder", "decoder+memory", "lora", "all"])
def test_only_what_is_asked_for_is_trained(data: DataSet, parameters: str) -> None:
    done = finetune(data, f"train.parameters={parameters}", "train.recipe=both", "train.clip_length=3")
    assert done.exit_code == 0, done.output
    backbone = usframe.load_backbone("demo", checkpoint=data.out / "checkpoint_last.pt", device="cpu")
    torch.manual_seed(0)
    start = {name: value.clone() for name, value in _first_weights(data).items()}
    changed = {
        backbone.part_of(name)
        for name, value in backbone.module.named_parameters()
        if not torch.equal(value, start[name])
    }
    parts = set(parameters.split("+")) if "decoder" in parameters else {"decoder", "memory", "encoder"}
    assert changed == parts
    counts = json.loads((data.out / "run.json").read_text())["parameters"]
    assert {part for part, count in counts.items() if count["trained"]} == changed


def test_adapters_begin_as_nothing_and_are_a_few_numbers() -> None:
    torch.manual_seed(0)
    backbone = usframe.load_backbone("demo", checkpoint="random", device="cpu")
    before, image = plain_state(backbone.module), torch.rand(1, 3, 256, 256)
    embedding = backbone.encode(image).embedding
    set_up(backbone, TrainLabelled(parameters="lora", lora_rank=2))
    torch.testing.assert_close(backbone.encode(image).embedding, embedding)
    assert set(plain_state(backbone.module)) == set(before)
    counts = count_parameters(backbone)["encoder"]
    assert 0 < counts["trained"] < 0.05 * counts["frozen"]
    for parameter in backbone.module.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.02)
    changed = backbone.encode(image).embedding
    assert not torch.allclose(changed, embedding)
    state = plain_state(backbone.module)
    merge_adapters(backbone.module)
    torch.testing.assert_close(backbone.encode(image).embedding, changed)
    assert all(torch.equal(value, state[name]) for name, value in backbone.module.state_dict().items())


@pytest.mark.parametrize("parameters", ["all", "lora"])
@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_weights_between_the_start_and_the_trained_ones(parameters: str, share: float) -> None:
    """The same share of every weight, where it was trained as an adapter, too."""
    torch.manual_seed(0)
    backbone = usframe.load_backbone("demo", checkpoint="random", device="cpu")
    set_up(backbone, TrainLabelled(parameters=parameters, lora_rank=2))
    start = copy.deepcopy(backbone.module.state_dict())
    first = copy.deepcopy(plain_state(backbone.module))
    for parameter in backbone.module.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.02)
    trained = plain_state(backbone.module)
    between = plain_state(interpolated(backbone.module, start, share))
    assert any(not torch.equal(trained[name], value) for name, value in first.items())
    for name, value in between.items():
        torch.testing.assert_close(value, first[name] + share * (trained[name] - first[name]))


def _first_weights(data: DataSet):
    """Those that the run began with: random ones of its seed."""
    out = data.out.with_name("first")
    done = finetune(data, "train.steps=1", "train.learning_rate=0", "train.weight_decay=0", out=out)
    assert done.exit_code == 0, done.output
    return weights(out)


def test_kept_embeddings_give_the_same_weights_as_new_ones(data: DataSet) -> None:
    more = ["train.parameters=decoder", "augment={}", "train.empty=0", "train.steps=8", "train.validate_every=8"]
    for out, cache in (("new", 0), ("kept", 1)):
        done = finetune(data, *more, f"train.cache={cache}", out=data.out.with_name(out))
        assert done.exit_code == 0, done.output
    new, kept = (weights(data.out.with_name(out)) for out in ("new", "kept"))
    for name, value in new.items():
        torch.testing.assert_close(kept[name], value, atol=1e-5, rtol=1e-4)
    assert list(data.out.with_name("kept").glob("embeddings/*.features"))


def test_kept_embeddings_of_clips_train_memory_too(data: DataSet) -> None:
    more = ["train.parameters=decoder+memory", "train.recipe=both", "train.clip_length=3", "train.steps=6"]
    done = finetune(data, *more, "train.cache=2", "train.validate_every=6")
    assert done.exit_code == 0, done.output


def test_embeddings_of_an_encoder_that_learns_are_refused(data: DataSet) -> None:
    done = finetune(data, "train.cache=2")
    assert done.exit_code == 2
    assert "train.parameters=prompt, decoder or decoder+memory" in done.output


def test_every_slice_with_an_object_is_seen_once_per_epoch(data: DataSet) -> None:
    source = known_cases(data, length=1)
    assert len(source.items) == 3 + 2 + 4
    for epoch in range(2):
        origins = [source(epoch * 9 + n).origin for n in range(9)]
        assert len(set(origins)) == 9
    assert [source(n).origin for n in range(9)] != [source(9 + n).origin for n in range(9)]


def test_a_slice_without_the_object_is_asked_about_its_nearest_one(data: DataSet) -> None:
    source = known_cases(data, length=1, empty=1.0)
    for number in range(9):
        clip = source(number)
        assert clip.absent
        assert clip.labels.any()


def test_clips_hold_the_slice_they_are_made_for(data: DataSet) -> None:
    source = known_cases(data, length=4)
    for number in range(9):
        clip = source(number)
        assert clip.images.shape == clip.labels.shape
        assert len(clip.images) == 4
        assert clip.labels.any()


def test_versions_are_as_many_pictures_as_asked_for(data: DataSet) -> None:
    source = known_cases(data, length=3, versions=2)
    views = [source(number).view for number in range(9 * 6)]
    assert set(views) == set(range(18))
    by_view = {}
    for number in range(9 * 6):
        clip = source(number)
        np.testing.assert_array_equal(by_view.setdefault(clip.view, clip).images, clip.images)


def test_a_cached_volume_is_read_slice_by_slice_and_trains_the_same(data: DataSet, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        main, ["prepare", "-i", str(data.volumes), "-l", str(data.labels), "-o", str(tmp_path / "p"), "--cache"]
    )
    assert done.exit_code == 0, done.output
    cached = DataSet(tmp_path / "p/cache/volumes", tmp_path / "p/cache/labels", tmp_path / "from_cache")
    source = known_cases(cached, length=3)
    assert all(scanned.mapped for scanned, _ in source.items)
    split = f"splits={tmp_path / 'p/splits.json'}"
    for one in (data, cached):
        done = finetune(one, split)
        assert done.exit_code == 0, done.output
    original, mapped = weights(data.out), weights(cached.out)
    assert all(torch.equal(original[name], mapped[name]) for name in original)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["fold=1"], "fold=1 is one of a file"),
        (["val=1"], "val=1 is not possible"),
        (["group='(x)'"], "finds no patient"),
        (["augment.nothing=1"], "unknown augmentation 'nothing'"),
        (["prompt={box: 0}"], "no strategy has a share above 0"),
        (["train.parameters=head"], "train.parameters=head is not possible"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_written(
    data: DataSet, more: list[str], message: str
) -> None:
    done = finetune(data, *more)
    assert done.exit_code == 2
    assert message in done.output
    assert not data.out.exists()


def test_a_case_without_an_object_is_named(data: DataSet) -> None:
    path = data.labels / "case_1.nii.gz"
    image = nib.load(path)
    nib.save(nib.Nifti1Image(np.zeros(image.shape, np.uint8), image.affine), path)
    done = finetune(data)
    assert done.exit_code == 1
    assert re.search(r"case_1\.nii\.gz: no slice shows an object", done.output)


def test_a_patient_stays_on_one_side(data: DataSet) -> None:
    for number in range(3, 6):
        write_case(data, f"case_{number}", seed=number)
    pairs = data.out.with_name("patients.csv")
    pairs.write_text("case,group\n" + "".join(f"case_{n},p{n // 2}\n" for n in range(6)))
    done = finetune(data, f"group={pairs}", "val=0.34")
    assert done.exit_code == 0, done.output
    split = json.loads((data.out / "splits.json").read_text())[0]
    sides = [{int(name[-1]) // 2 for name in split[part]} for part in ("train", "val")]
    assert not sides[0] & sides[1]
    assert sides[0] | sides[1] == {0, 1, 2}
