"""Slices of a labelled support volume prompt other volumes: frames=support:DIR."""

import csv

import nibabel as nib
import numpy as np
import pytest
from conftest import DataSet, usframe_, write_case

import usframe
from usframe.encoding.features import look_of
from usframe.inference.support import Support


@pytest.fixture
def support(data: DataSet, tmp_path):
    folder = tmp_path / "support"
    write_case(DataSet(folder / "volumes", folder / "labels", data.out), "known", seed=9)
    return folder


def rows(data: DataSet, name: str = "metrics.csv") -> list[dict[str, str]]:
    with (data.out / name).open(newline="") as file:
        return list(csv.DictReader(file))


def run(data: DataSet, support, *more: str, checkpoint: str | None = "random"):
    words = ["-i", data.volumes, "-o", data.out, "--backbone", "demo", "--device", "cpu"]
    weights = ["--checkpoint", checkpoint] if checkpoint else []
    return usframe_("run", *words, *weights, f"frames=support:{support}", *more)


@pytest.mark.parametrize("mode", ["slice", "propagate"])
def test_volumes_are_segmented_without_a_label_of_their_own(data, support, mode):
    done = run(data, support, f"mode={mode}")
    assert done.exit_code == 0, done.output
    mask = np.asanyarray(nib.load(data.out / "masks" / "support" / "case_0.nii.gz").dataobj)
    assert mask.shape == nib.load(data.volumes / "case_0.nii.gz").shape
    assert set(np.unique(mask)) <= {0, 1, 2}
    assert not rows(data)


def test_labels_only_score_it(data, support):
    plain = run(data, support)
    before = (data.out / "masks" / "support" / "case_0.nii.gz").read_bytes()
    scored = run(data, support, f"labels={data.labels}", "overwrite=true")
    assert (plain.exit_code, scored.exit_code) == (0, 0), scored.output
    assert (data.out / "masks" / "support" / "case_0.nii.gz").read_bytes() == before
    assert {row["oracle"] for row in rows(data) if row["prompt"] == "support"} == {"false"}


def test_nobody_knows_how_far_its_word_holds(data, support):
    run(data, support)
    assert {row["expected_dice"] for row in rows(data, "quality.csv")} == {""}


def test_a_volume_that_is_its_own_support_is_found_again(data, support):
    """The trained demo network on the very slices that it remembers."""
    backbone = usframe.load_backbone("demo", device="cpu")
    scan = usframe.simulate(1, shape=(4, 128, 128), scene="vessel")
    image, labels = scan.image, scan.labels
    known = Support(backbone)
    known.remember(image, labels)
    found = known.segment(image).mask
    assert 2 * ((found > 0) & (labels > 0)).sum() / ((found > 0).sum() + (labels > 0).sum()) > 0.8


def test_slices_are_most_like_themselves():
    backbone = usframe.load_backbone("demo-128", checkpoint="random", device="cpu")
    import torch

    looks = look_of(backbone.encode(torch.randn(3, 3, 128, 128)))
    assert looks.shape[0] == 3
    assert ((looks @ looks.T).argmax(1) == torch.arange(3)).all()


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("nowhere", "nowhere"),
    ],
)
def test_a_support_that_is_not_there_is_one_line(data, place, line):
    done = run(data, place)
    assert (done.exit_code, done.output.count("\n")) == (2, 1), done.output
    assert line in done.output


def test_a_support_that_cannot_be_read_is_told_before_any_case(data, support):
    (support / "labels" / "known.nii.gz").write_bytes(b"nothing")
    done = run(data, support)
    assert (done.exit_code, done.output.count("\n")) == (2, 1), done.output
    assert done.output.startswith("Error: support known: ")
    assert not (data.out / "masks").exists()


def test_prompts_beside_a_support_are_one_line(data, support):
    done = run(data, support, "prompts=[box]")
    assert "takes the place of prompts; leave -p out" in done.output


def test_an_object_that_the_support_does_not_show_is_one_line(data, support):
    path = data.labels / "case_0.nii.gz"
    image = nib.load(path)
    labels = np.asanyarray(image.dataobj).astype(np.uint8)
    labels[:4, :4, 2] = 7
    nib.save(nib.Nifti1Image(labels, image.affine), path)
    done = run(data, support, f"labels={data.labels}")
    assert "object 7 of the labels has no slice in the support; there are those of 1, 2" in done.output


def test_another_support_is_another_run(data, support):
    run(data, support)
    write_case(DataSet(support / "volumes", support / "labels", data.out), "known", seed=10)
    done = run(data, support)
    assert done.exit_code == 2
    assert "other data (case known of support differs)" in done.output
