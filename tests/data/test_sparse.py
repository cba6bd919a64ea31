"""Volumes of which only some slices have labels, and voxels that nobody has judged."""

import csv
import json

import nibabel as nib
import numpy as np
import pytest
import torch
from conftest import AFFINE, DataSet, usframe_

from usframe.data.case import Case
from usframe.data.meaning import Meaning
from usframe.data.reading import judged, read_case
from usframe.plugins import load_plugins
from usframe.tasks import compose
from usframe.training.labelled import Volumes, scan_case
from usframe.training.losses import weigh_losses
from usframe.types import Decoded


def relabel(data: DataSet, change) -> None:
    """Change the labels (H, W, D) of every case."""
    for path in data.labels.iterdir():
        labels = np.asanyarray(nib.load(path).dataobj).astype(np.uint8)
        change(labels)
        nib.save(nib.Nifti1Image(labels, AFFINE), path)


def rows(data: DataSet) -> list[dict[str, str]]:
    with (data.out / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def only_slice_two(labels) -> None:
    labels[..., [n for n in range(labels.shape[2]) if n != 2]] = 0


def test_slices_without_a_label_are_unknown_and_in_no_score(data):
    relabel(data, only_slice_two)
    words = data.request("-p", "mask", "sparse=true", "frames=every:1")
    done = usframe_(words[0], "propagate", *words[1:])
    assert done.exit_code == 0, done.output
    assert "1 of 5 slices have labels (sparse=true): only these prompt and count" in done.output
    counted = {(row["slices"], row["n_slices"]) for row in rows(data)}
    assert counted == {("all", "1"), ("prompted", "1"), ("unprompted", "0")}
    assert {row["measured"] for row in rows(data)} == {"2D per frame"}
    assert {row["reference_volume_ml"] for row in rows(data)} == {""}
    assert all(
        float(row["volume_ml"]) > 0 for row in rows(data) if row["slices"] == "all" and row["prompt"] == "mask"
    )
    assert json.loads((data.out / "run.json").read_text())["slices"]["without_object"] == 0
    filled = np.asanyarray(nib.load(data.out / "masks" / "mask" / "case_0.nii.gz").dataobj)
    assert filled.shape[2] == 5


def test_without_the_key_the_same_slices_are_empty(data):
    relabel(data, only_slice_two)
    usframe_(*data.request("-p", "mask"))
    assert {row["n_slices"] for row in rows(data) if row["slices"] == "all"} == {"5", "4", "6"}


def test_masks_that_are_there_are_scored_on_labelled_slices_only(data):
    everything = data.labels.with_name("everything")
    data.labels.rename(everything)
    data.labels.mkdir()
    for path in everything.iterdir():
        labels = np.asanyarray(nib.load(path).dataobj).astype(np.uint8)
        only_slice_two(labels)
        nib.save(nib.Nifti1Image(labels, AFFINE), data.labels / path.name)
    words = ["report", "--masks", everything, "-l", data.labels, "-o", data.out]
    assert usframe_(*words, "sparse=true").exit_code == 0
    assert {row["dice"] for row in rows(data) if row["slices"] == "all"} == {"1.0"}


def test_voxels_that_nobody_has_judged_count_for_nothing(data):
    """The right half is ignored, and object 1 reaches into it."""
    everything = data.labels.with_name("everything")
    everything.mkdir()
    for path in data.labels.iterdir():
        (everything / path.name).write_bytes(path.read_bytes())

    def half(labels) -> None:
        labels[14:] = 255

    relabel(data, half)
    words = ["report", "--masks", everything, "-l", data.labels, "-o", data.out]
    done = usframe_(*words, "ignore=255")
    assert done.exit_code == 0, done.output
    assert "of the voxels are ignored (ignore=255): they count for nothing" in done.output
    assert {(row["object"], row["dice"]) for row in rows(data) if row["slices"] == "all"} == {
        ("1", "1.0"),
        ("2", ""),
    }
    wrong = usframe_(*words, "overwrite=true")
    assert "255" in {row["object"] for row in rows(data)}, wrong.output


@pytest.mark.parametrize(("ignore", "objects"), [(None, {1}), (255, set())])
def test_black_and_white_labels_have_an_object_unless_white_is_ignored(ignore, objects):
    white = np.zeros((2, 4, 4), np.uint8)
    white[:, 1] = 255
    meaning = Meaning.of_one(white, "labels", ignore)
    data, _, notes = meaning.apply("a", white, {}, "labels")
    labels, ignored, known, _ = judged(data, ignore, sparse=True)
    assert {*np.unique(labels)} - {0} == objects
    assert bool(notes) == bool(objects)
    assert (ignored is None) == bool(objects)
    assert known is None  # every slice tells something


def test_the_ignored_value_is_no_object_with_a_name():
    labels = np.full((1, 2, 2), 3, np.uint8)
    with pytest.raises(Exception, match="ignore=3 is the value of an object that has a name"):
        Meaning.of_one(labels, "labels", 3).apply("a.seg.nrrd", labels, {3: "lumen"}, "labels")


# training


def test_a_sparsely_labelled_volume_is_one_of_its_labelled_slices(data):
    def every_other(labels) -> None:
        labels[..., ::2] = 0

    relabel(data, every_other)
    case = Case("case_2", data.volumes / "case_2.nii.gz", data.labels / "case_2.nii.gz")
    settings = compose(
        "finetune", [f"volumes={data.volumes}", f"labels={data.labels}", f"out={data.out}", "sparse=true"]
    )
    read = Volumes(settings, load_plugins())
    images, labels = read(case)
    assert len(images) == len(labels) == 2  # slices 1 and 3 of 6
    assert scan_case(case, read).empty == ()
    whole = read_case(case, settings, load_plugins())
    np.testing.assert_array_equal(images[1], whole.data[3])


def test_nothing_is_learned_where_nobody_has_judged():
    logits = torch.zeros(1, 3, 8, 8, requires_grad=True)
    truth = torch.zeros(1, 16, 16)
    truth[:, :8] = 1
    truth[:, :, 8:] = float("nan")
    plugins = load_plugins().objectives
    losses = {name: (plugins.get(name), 1.0) for name in ("focal", "dice", "iou", "presence")}
    decoded = Decoded(logits, torch.full((1, 3), 0.5), torch.zeros(1))
    total = weigh_losses(decoded, truth, losses)["total"]
    total.backward()
    assert torch.isfinite(total)
    assert not logits.grad[..., 5:].any()
    assert logits.grad[..., :3].abs().sum() > 0


def test_fine_tuning_on_sparse_and_partly_judged_labels(data):
    def some(labels) -> None:
        labels[..., 1::2] = 0
        labels[40:, :10, labels.any((0, 1))] = 255

    relabel(data, some)
    more = [
        "train.steps=2",
        "train.batch_size=2",
        "train.validate_every=1",
        "train.tracker=none",
        "train.corrections=1",
    ]
    words = data.request("sparse=true", "ignore=255", "train.recipe=both", "train.clip_length=2", *more)
    done = usframe_(words[0], "finetune", *words[1:])
    assert done.exit_code == 0, done.output
    assert "0 without" in done.output
    scores = json.loads((data.out / "before.json").read_text())["scores"]
    assert {score["object"] for score in scores} <= {1, 2}
    assert (data.out / "checkpoint_best.pt").exists()
