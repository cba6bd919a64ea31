"""The built-in augmentations: what they keep, what they change, and that a seed repeats them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from usframe.cli import main
from usframe.errors import CaseError
from usframe.plugins.load import load_plugins
from usframe.simulation import simulate
from usframe.training.augmentation import Augment

REGISTRY = load_plugins().augmentations
GEOMETRY = ("rotate", "scale", "translate", "flip", "elastic", "motion")
PIXELS = tuple(name for name in REGISTRY.names() if name not in (*GEOMETRY, "sector"))


def clip(frames: int = 3):
    scan = simulate(5, shape=(frames, 64, 72), scene="heart")
    return scan.image, scan.labels[:, None] == np.arange(1, 4)[:, None, None]


def apply(name: str, seed: int, frames: int = 3):
    return REGISTRY.get(name)(*clip(frames), rng=np.random.default_rng(seed))


@pytest.mark.parametrize("name", REGISTRY.names())
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), frames=st.integers(1, 4))
def test_shape_type_and_range_are_kept_and_the_seed_repeats(name: str, seed: int, frames: int) -> None:
    before, kept = clip(frames), clip(frames)
    images, masks = REGISTRY.get(name)(*before, rng=np.random.default_rng(seed))
    assert (images.shape, images.dtype) == (kept[0].shape, np.float32)
    assert (masks.shape, masks.dtype) == (kept[1].shape, bool)
    assert images.min() >= 0
    assert images.max() <= 1
    np.testing.assert_array_equal(before[0], kept[0])
    again = apply(name, seed, frames)
    np.testing.assert_array_equal(images, again[0])
    np.testing.assert_array_equal(masks, again[1])


@pytest.mark.parametrize("name", PIXELS)
def test_what_changes_pixels_leaves_masks_alone(name: str) -> None:
    changes = []
    for seed in range(5):
        images, masks = apply(name, seed)
        np.testing.assert_array_equal(masks, clip()[1])
        changes.append(np.abs(images - clip()[0]).max())
    assert max(changes) > 0.05


@pytest.mark.parametrize("name", GEOMETRY)
def test_what_moves_the_picture_moves_the_masks_with_it(name: str) -> None:
    """A picture of the masks themselves stays a picture of the masks, but for the pixels on their edges."""
    masks = clip()[1]
    drawn = masks[:, :1].any(1).astype(np.float32)
    images, moved = REGISTRY.get(name)(drawn, masks, rng=np.random.default_rng(3))
    assert (moved != masks).any()
    assert ((images > 0.5) != moved[:, 0]).mean() < 0.01


@pytest.mark.parametrize(
    "name", ["rotate", "scale", "translate", "flip", "elastic", "shadow", "haze", "dropout", "gain"]
)
def test_all_slices_of_a_clip_share_one_draw(name: str) -> None:
    image, mask = clip(1)
    images, masks = (np.repeat(part, 3, axis=0) for part in (image, mask))
    images, masks = REGISTRY.get(name)(images, masks, rng=np.random.default_rng(2))
    assert all(np.array_equal(images[0], one) for one in images[1:])
    assert all(np.array_equal(masks[0], one) for one in masks[1:])


@pytest.mark.parametrize("name", ["speckle", "noise"])
def test_noise_is_drawn_for_every_slice(name: str) -> None:
    images, masks = (np.repeat(part, 2, axis=0) for part in clip(1))
    images, _ = REGISTRY.get(name)(images, masks, rng=np.random.default_rng(2))
    assert not np.array_equal(images[0], images[1])


def test_rotation_and_scale_stay_within_their_limits() -> None:
    """A disc keeps its area when turned; scaled, it has 0.64 to 1.44 times of it."""
    y, x = np.mgrid[:101, :101]
    disc = ((x - 50) ** 2 + (y - 50) ** 2 < 20**2)[None, None]
    images = np.zeros((1, 101, 101), np.float32)
    for seed in range(20):
        areas = {
            name: REGISTRY.get(name)(images, disc, rng=np.random.default_rng(seed))[1].sum() / disc.sum()
            for name in ("rotate", "scale")
        }
        assert areas["rotate"] == pytest.approx(1, abs=0.02)
        assert 0.62 < areas["scale"] < 1.46


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("rotate", {"degrees": 0.0}),
        ("scale", {"least": 1.0, "most": 1.0}),
        ("translate", {"share": 0.0}),
        ("elastic", {"least": 0.0, "most": 0.0}),
        ("motion", {"shift": 0.0, "size": 0.0, "degrees": 0.0, "bend": 0.0}),
        ("brightness_contrast", {"brightness": 0.0, "contrast": 0.0}),
        ("gamma", {"spread": 0.0}),
        ("noise", {"deviation": 0.0}),
        ("speckle", {"least": 0.0, "most": 0.0}),
        ("gain", {"tilt": 0.0, "wave": 0.0}),
        ("shadow", {"least": 1.0, "most": 1.0}),
        ("haze", {"least": 0.0, "most": 0.0}),
        ("dropout", {"least": 0.0, "most": 0.0}),
    ],
)
def test_arguments_are_how_far_each_goes_and_at_nothing_it_does_nothing(name: str, arguments) -> None:
    images, masks = REGISTRY.get(name, arguments)(*clip(), rng=np.random.default_rng(0))
    np.testing.assert_allclose(images, clip()[0], atol=2e-3)
    np.testing.assert_array_equal(masks, clip()[1])


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("scale", {"least": 1.2, "most": 0.8}, "above most"),
        ("scale", {"least": 0.0}, "factors above 0"),
        ("rotate", {"degrees": -5.0}, "degrees=-5 is below 0"),
        ("haze", {"least": 0.5}, "least=0.5 is above most=0.35"),
        ("noise", {"deviation": -0.1}, "deviation=-0.1 is below 0"),
        ("motion", {"bend": -0.1}, "bend=-0.1 is below 0"),
        ("gain", {"wave": -0.1}, "wave=-0.1 is below 0"),
        ("speckle", {"grain": 0.0}, "grain=0"),
        ("shadow", {"stripes": 0}, "stripes=0"),
    ],
)
def test_limits_that_cannot_be_are_told(name: str, arguments, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        REGISTRY.get(name, arguments)(*clip(), rng=np.random.default_rng(0))


def test_nothing_outside_the_sector_is_shown_or_asked_for() -> None:
    images, masks = apply("sector", 4)
    assert (images == 0).mean() > 0.1
    assert not (masks.any(1) & (images == 0) & (clip()[0] > 0)).any()


def test_rates_decide_how_often_each_is_applied() -> None:
    calls = {"often": 0, "never": 0}

    def counting(name):
        def augment(frames, masks, *, rng):
            calls[name] += 1
            return frames, masks

        return augment

    augment = Augment({"often": (counting("often"), 0.75), "never": (counting("never"), 0.0)})
    for seed in range(200):
        augment(*clip(1), rng=np.random.default_rng(seed))
    assert 130 < calls["often"] < 170
    assert calls["never"] == 0


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda f, m: (f > 0.5, m), "returned bool"),
        (lambda f, m: (f, m[:, :1]), "for masks"),
        (lambda f, m: (f + 2, m), "beyond 0-1"),
        (lambda f, m: f / 0 if f is None else [][1], "failed: IndexError"),
    ],
)
def test_an_augmentation_of_a_plugin_that_answers_wrongly_is_named(answer, message: str) -> None:
    augment = Augment({"mine": (lambda frames, masks, *, rng: answer(frames, masks), 1.0)})
    with pytest.raises(CaseError, match=f"augmentation mine.*{message}"):
        augment(*clip(1), rng=np.random.default_rng(0))


def test_every_augmentation_is_on_its_page_with_its_arguments() -> None:
    page = (Path(__file__).parents[2] / "docs/augmentations.md").read_text(encoding="utf-8")
    for name in REGISTRY.names():
        told = ", ".join(f"`{key}: {value:g}`" for key, value in REGISTRY.arguments(name).items())
        assert any(
            line.startswith(f"| `{name}` |") and line.endswith(f"| {told or '-'} |") for line in page.splitlines()
        )


def test_the_preview_is_a_picture_with_a_column_for_each(tmp_path: Path, data) -> None:
    words = ["run", "preview_augmentations", "-i", str(data.volumes), "-l", str(data.labels), "-o", str(data.out)]
    done = CliRunner().invoke(main, [*words, "names=[flip, haze]", "draws=2"])
    assert done.exit_code == 0, done.output
    assert "2 augmentations, 2 draws of each" in done.output
    sheet = cv2.imread(str(data.out / "augmentations.png"))
    assert sheet.shape[0] < sheet.shape[1]
    assert len(np.unique(sheet)) > 50
    wrong = CliRunner().invoke(main, [*words, "names=[flipp]"])
    assert wrong.exit_code == 2
    assert "did you mean 'flip'" in wrong.output
