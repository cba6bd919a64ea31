"""`usframe demo`: simulated volumes and labels, then a run on them."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner

from usframe.cli import main
from usframe.simulation import SCENES


def demo(*arguments: str):
    return CliRunner().invoke(main, ["demo", *arguments])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    result = demo("-o", str(out), "--cases", "3", "--seed", "4", "--data-only")
    assert result.exit_code == 0, result.output
    return out


def test_it_writes_one_scene_after_the_other_with_its_spacing(data):
    volumes = sorted(data.glob("volumes/*.nii.gz"))
    assert [path.name.split("_")[0] for path in volumes] == sorted(SCENES[1:4])
    for path in volumes:
        image, labels = nib.load(path), nib.load(data / "labels" / path.name)
        assert image.shape == labels.shape
        assert image.get_data_dtype() == labels.get_data_dtype() == np.uint8
        np.testing.assert_array_equal(image.affine, labels.affine)
        assert all(0.05 < spacing < 3 for spacing in image.header.get_zooms())


def test_every_label_has_a_name(data):
    names = json.loads((data / "objects.json").read_text())
    for path in data.glob("labels/*.nii.gz"):
        values = set(np.unique(np.asanyarray(nib.load(path).dataobj))) - {0}
        assert {int(value) for value in names[path.name.removesuffix(".nii.gz")]} == values


def test_the_seed_decides_every_voxel(data, tmp_path):
    demo("-o", str(tmp_path / "again"), "--cases", "3", "--seed", "4", "--data-only")
    demo("-o", str(tmp_path / "other"), "--cases", "3", "--seed", "5", "--data-only")
    for path in data.glob("volumes/*.nii.gz"):
        voxels = np.asanyarray(nib.load(path).dataobj)
        np.testing.assert_array_equal(
            voxels, np.asanyarray(nib.load(tmp_path / "again/volumes" / path.name).dataobj)
        )
        other = np.asanyarray(nib.load(tmp_path / "other/volumes" / path.name).dataobj)
        assert not np.array_equal(voxels, other)


def test_a_smaller_demo_replaces_a_larger_one(tmp_path):
    demo("-o", str(tmp_path), "--cases", "2", "--data-only")
    demo("-o", str(tmp_path), "--cases", "1", "--data-only")
    assert len(list(tmp_path.glob("volumes/*"))) == len(list(tmp_path.glob("labels/*"))) == 1


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    refused = demo("-o", str(tmp_path), "--cases", "1")
    assert refused.exit_code == 2
    assert "choose another folder" in refused.output
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_it_segments_with_every_strategy_and_says_what_to_type_next(tmp_path):
    result = demo("-o", str(tmp_path), "--cases", "1")
    assert result.exit_code == 0, result.output
    for prompt in ("mask", "mask+point", "box+point", "box", "point"):
        assert prompt in result.stdout
    assert "usframe run -i VOLUMES -l LABELS" in result.stdout
    assert (tmp_path / "results" / "report.html").is_file()
