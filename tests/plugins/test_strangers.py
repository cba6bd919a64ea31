"""What others add, a package of at most twenty lines each: used by the real command, and held to the contracts.

The packages are laid out as pip leaves them, in a folder of their own, and tested from outside the checkout.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import DataSet

METRIC = '''
import numpy as np
from usframe import hookimpl


def area_error(reference, mask, *, spacing_mm):
    """Difference of the areas as a share of the reference's."""
    wanted = np.count_nonzero(reference)
    return abs(np.count_nonzero(mask) - wanted) / wanted if wanted else None


@hookimpl
def usframe_register_metrics(register):
    register("area_error", area_error)
'''

STEP = '''
from scipy import ndimage
from usframe import hookimpl


def opened(mask, *, spacing_mm, times: int = 1):
    """Thin bridges are cut, slice by slice."""
    for plane in mask:
        kept = ndimage.binary_opening(plane > 0, iterations=times)
        plane[~kept] = 0
    return mask


@hookimpl
def usframe_register_postprocessing(register):
    register("opened", opened)
'''

LOSS = '''
import torch
from usframe import hookimpl


def tversky(decoded, truth, *, alpha: float = 0.3):
    """Tversky loss (Salehi et al., 2017): false positives weigh alpha, false negatives the rest."""
    p, t = decoded.logits.sigmoid(), truth[:, None]
    both, extra, missing = (x.sum((-2, -1)) for x in (p * t, p * (1 - t), (1 - p) * t))
    return 1 - (both + 1) / (both + alpha * extra + (1 - alpha) * missing + 1)


@hookimpl
def usframe_register_objectives(register):
    register("tversky", tversky)
'''

AUGMENTATION = '''
import numpy as np
from usframe import hookimpl


def lost_lines(frames, masks, *, rng, share: float = 0.1):
    """Scan lines without any signal, a share of them."""
    frames[..., rng.random(frames.shape[-1]) < share] = 0
    return frames, masks


@hookimpl
def usframe_register_augmentations(register):
    register("lost_lines", lost_lines)
'''

RECIPE = '''
from usframe import hookimpl


def boxes_twice(backbone, losses, *, encode, corrections):
    """The recipe slice with one more correction than was asked for."""
    from usframe import load_plugins
    return load_plugins().objectives.get("slice")(backbone, losses, encode=encode, corrections=corrections + 1)


@hookimpl
def usframe_register_objectives(register):
    register("boxes_twice", boxes_twice)
'''

SELECTION = '''
import numpy as np
from usframe import hookimpl


def ends(area, count, *, chosen=(), inset: int = 0):
    """The first and the last slice of the object, then the second, and so on."""
    shown = [int(one) for one in np.flatnonzero(area)][inset:]
    order = [one for pair in zip(shown, reversed(shown)) for one in pair]
    return [one for one in dict.fromkeys(order) if one not in chosen][:count]


@hookimpl
def usframe_register_selections(register):
    register("ends", ends)
'''

CONTRACTS = """
import pytest
from usframe_contracts import (
    AugmentationContract, LossContract, MetricContract, PostprocessingContract, SelectionContract
)
from stranger_augmentation import lost_lines
from stranger_loss import tversky
from stranger_metric import area_error
from stranger_selection import ends
from stranger_step import opened


class TestMetric(MetricContract):
    @pytest.fixture
    def metric(self):
        return area_error


class TestStep(PostprocessingContract):
    @pytest.fixture
    def step(self):
        return opened


class TestLoss(LossContract):
    @pytest.fixture
    def loss(self):
        return tversky


class TestSelection(SelectionContract):
    @pytest.fixture
    def rule(self):
        return ends


class TestAugmentation(AugmentationContract):
    @pytest.fixture
    def augmentation(self):
        return lost_lines
"""

PACKAGES = {
    **{"metric": METRIC, "step": STEP, "loss": LOSS},
    **{"augmentation": AUGMENTATION, "recipe": RECIPE, "selection": SELECTION},
}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """All of them, installed."""
    folder = tmp_path / "site"
    for name, code in PACKAGES.items():
        assert len(code.strip().splitlines()) <= 20
        about = folder / f"stranger_{name}-1.0.dist-info"
        about.mkdir(parents=True)
        (folder / f"stranger_{name}.py").write_text(code.lstrip(), encoding="utf-8")
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: stranger-{name}\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[usframe]\n{name} = stranger_{name}\n")
    return folder


def python(site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    return subprocess.run(
        [sys.executable, *words], env=environment, cwd=site.parent, capture_output=True, text=True
    )


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_metric_is_a_column_of_every_table_and_a_step_changes_the_masks(site: Path, data: DataSet) -> None:
    words = ["-m", "usframe", *data.request("-p", "box", "metrics.per_slice=true")]
    done = python(site, *words, "postprocess=[{opened: {times: 2}}]")
    assert done.returncode == 0, done.stderr
    for name in ("metrics.csv", "metrics_per_slice.csv"):
        row = rows_of(data.out / name)[0]
        assert list(row)[-1] == "area_error"
        assert float(row["area_error"]) >= 0
    summary = json.loads((data.out / "summary.json").read_text())
    assert summary["scores"]["box"]["macro"]["all"]["area_error"]["n"] == 3
    assert "area_error" in done.stdout.splitlines()[1]
    assert "area_error" in (data.out / "report.html").read_text(encoding="utf-8")
    assert json.loads((data.out / "run.json").read_text())["postprocess"] == {"opened": {"times": 2}}
    aside = data._replace(out=data.out.with_name("plain"))
    plain = python(site, "-m", "usframe", *aside.request("-p", "box", "metrics.per_slice=true"))
    assert plain.returncode == 0, plain.stderr
    masks = [(out / "masks/box/case_0.nii.gz").read_bytes() for out in (data.out, data.out.with_name("plain"))]
    assert masks[0] != masks[1]


def test_a_loss_a_recipe_and_an_augmentation_train_with_their_arguments(site: Path, data: DataSet) -> None:
    quick = ("train.steps=2", "train.batch_size=2", "train.validate_every=2", "seed=3")
    weights = []
    for out, rate in (("first", 0.2), ("second", 0.9)):
        more = ["train.losses.tversky.weight=2", f"train.losses.tversky.alpha={rate}", "train.recipe=boxes_twice"]
        more += [f"augment={{lost_lines: {{p: 1, share: {rate}}}}}"]
        first, *words = data._replace(out=data.out.with_name(out)).request(*quick)
        done = python(site, "-m", "usframe", first, "finetune", *words, *more)
        assert done.returncode == 0, done.stderr
        assert "tversky" in rows_of(data.out.with_name(out) / "curve.csv")[0]
        weights.append(torch.load(data.out.with_name(out) / "checkpoint_last.pt")["model"])
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_selection_chooses_the_prompted_slices_and_is_played_with_its_arguments(
    site: Path, data: DataSet
) -> None:
    words = data.request("-p", "mask", "--mode", "propagate", "frames=ends:2", "--backbone", "demo-128")
    done = python(site, "-m", "usframe", *words)
    assert done.returncode == 0, done.stderr
    prompted = {(row["case"], row["frame"]) for row in rows_of(data.out / "quality.csv") if row["distance"] == "0"}
    assert prompted == {(f"case_{n}", frame) for n, last in enumerate("324") for frame in ("1", last)}
    first, *words = data._replace(out=data.out.with_name("played")).request("--backbone", "demo-128")
    quick = ("cases=[case_2]", "slices=[1,2]", "selections=[{ends: {inset: 1}}, next]")
    done = python(site, "-m", "usframe", first, "budget", *words, *quick)
    assert done.returncode == 0, done.stderr
    assert {row["rule"] for row in rows_of(data.out.with_name("played") / "budget.csv")} == {
        "ends(inset=1)",
        "next",
    }


def test_arguments_that_a_plugin_does_not_take_are_told_all_at_once(site: Path, data: DataSet) -> None:
    first, *words = data.request("train.losses.tversky.alfa=2", "augment={lost_lines: {p: 1, share: half}}")
    done = python(site, "-m", "usframe", first, "finetune", *words)
    assert done.returncode == 2
    augmentation, loss = done.stderr.splitlines()
    assert augmentation.startswith("Error: augment.lost_lines: ")
    assert "share" in augmentation
    assert loss.startswith("Error: train.losses.tversky: ")
    assert "did you mean 'alpha'?" in loss
    assert not data.out.exists()


def test_they_pass_the_contracts_from_outside_the_checkout(site: Path) -> None:
    (site / "test_strangers.py").write_text(CONTRACTS, encoding="utf-8")
    done = python(site, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(site / "test_strangers.py"))
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
