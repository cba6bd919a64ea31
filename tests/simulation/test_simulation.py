"""What the simulator promises: reproducible scans, sound labels, and the physics of a B-mode picture."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest

from usframe.simulation import SCENES, Scan, simulate
from usframe.simulation.acoustics import Scanner, draw_scanner, received, scatterers

SMALL = (1, 96, 112)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


def assert_sound(scan: Scan, shape: tuple[int, int, int]) -> None:
    assert scan.image.shape == scan.labels.shape == shape
    assert scan.image.dtype == np.float32
    assert scan.labels.dtype == np.uint8
    assert np.isfinite(scan.image).all()
    assert 0 <= scan.image.min() < scan.image.max() <= 1
    assert all(length > 0 for length in scan.spacing_mm)
    assert list(scan.names) == list(range(1, len(scan.names) + 1))
    assert set(np.unique(scan.labels)) - {0} == set(scan.names)


def test_the_same_arguments_give_the_same_bits() -> None:
    first, second = (simulate(7, shape=(3, 64, 72)) for _ in range(2))
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.labels, second.labels)
    assert (first.spacing_mm, first.names, first.scene) == (second.spacing_mm, second.names, second.scene)


def test_the_bits_do_not_depend_on_where_in_memory_arrays_lie() -> None:
    """Some vectorised functions round by the alignment of what they are given."""
    first = simulate(5, shape=(3, 64, 72), scene="heart").image
    crowd = []
    for size in range(1, 9):
        crowd.append(np.empty(1000 * size + size, np.uint8))
        np.testing.assert_array_equal(simulate(5, shape=(3, 64, 72), scene="heart").image, first)


def test_different_seeds_give_different_pictures() -> None:
    assert not np.array_equal(simulate(1, shape=SMALL).image, simulate(2, shape=SMALL).image)


@pytest.mark.parametrize("scene", SCENES)
def test_every_scan_shows_each_object_it_names(scene: str) -> None:
    for seed in range(15):
        scan = simulate(seed, shape=SMALL, scene=scene)
        assert scan.scene == scene
        assert scan.names
        assert_sound(scan, SMALL)


@pytest.mark.parametrize(
    ("scene", "organs"),
    [
        ("heart", {"left ventricle", "myocardium", "left atrium"}),
        ("vessel", {"artery"}),
        ("nerve", {"nerve", "vessel"}),
        ("head", {"head"}),
        ("mass", {"mass", "cyst"}),
        ("abdomen", {"kidney", "fluid"}),
        ("generic", {"object"}),
    ],
)
def test_a_scene_shows_its_organs(scene: str, organs: set[str]) -> None:
    seen = {name for seed in range(20) for name in simulate(seed, shape=SMALL, scene=scene).names.values()}
    assert organs <= seen


def test_without_a_scene_one_is_drawn() -> None:
    assert len({simulate(seed, shape=(1, 48, 48)).scene for seed in range(40)}) >= 5


def test_an_unknown_scene_is_refused() -> None:
    with pytest.raises(ValueError, match="heart"):
        simulate(0, scene="teapot")


@pytest.mark.parametrize("scene", SCENES)
def test_neighbouring_slices_belong_to_one_object(scene: str) -> None:
    shape = (8, 96, 112)
    dice = []
    for seed in range(3):
        scan = simulate(seed, shape=shape, scene=scene)
        assert_sound(scan, shape)
        for label in scan.names:
            planes = scan.labels == label
            dice += [overlap(a, b) for a, b in pairwise(planes) if a.any() and b.any()]
    assert np.mean(dice) > 0.5


def labelled_in_the_dark(seed: int, scene: str) -> bool:
    """Are there labels where the probe does not see, more than a fringe?"""
    scan = simulate(seed, shape=SMALL, scene=scene)
    unseen = cv2.dilate(scan.image[0], np.ones((9, 9))) == 0
    return int(((scan.labels[0] > 0) & unseen).sum()) > 50


def test_labels_of_hearts_sometimes_go_on_beyond_the_sector() -> None:
    assert len({labelled_in_the_dark(seed, "heart") for seed in range(20)}) == 2
    assert not any(labelled_in_the_dark(seed, "head") for seed in range(20))


def contrast(scan: Scan) -> float:
    """How far the mean brightness of the objects is from that of a ring round them."""
    inside = scan.labels > 0
    ring = np.stack([cv2.dilate(plane.astype(np.uint8), np.ones((9, 9))) > 0 for plane in inside]) & ~inside
    return float(abs(scan.image[inside].mean() - scan.image[ring].mean()))


def test_faint_objects_are_the_same_and_hardly_differ_from_what_surrounds_them() -> None:
    plain = [simulate(seed, shape=(1, 96, 112), scene="vessel") for seed in range(6)]
    faint = [simulate(seed, shape=(1, 96, 112), scene="vessel", faint=1.0) for seed in range(6)]
    for one, other in zip(plain, faint, strict=True):
        np.testing.assert_array_equal(one.labels, other.labels)
    assert np.mean([contrast(scan) for scan in faint]) < 0.6 * np.mean([contrast(scan) for scan in plain])


def test_clutter_changes_the_picture_of_objects_and_not_what_is_labelled() -> None:
    for seed in range(6):
        plain, other = (simulate(seed, shape=(1, 96, 112), scene="heart", clutter=rate) for rate in (0.0, 1.0))
        np.testing.assert_array_equal(plain.labels, other.labels)
        assert np.abs(plain.image - other.image)[plain.labels > 0].mean() > 0.01


def test_speckle_of_neighbouring_slices_is_correlated() -> None:
    scan = simulate(4, shape=(6, 96, 112), scene="generic")
    assert min(np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairwise(scan.image)) > 0.5


def plain_scanner(samples: int, beams: int) -> Scanner:
    scanner = draw_scanner(np.random.default_rng(0), samples, beams)
    flat = {"tgc": np.zeros(samples, np.float32), "beam_gain": np.zeros(beams, np.float32)}
    return replace(scanner, **flat, speckle=1.0, leak=0.0, haze=-90.0, floor=(-90.0, 0.0))


def echo_of(tissue: np.ndarray) -> np.ndarray:
    samples, beams, _ = tissue.shape
    noise = scatterers(np.random.default_rng(1), (1, samples, beams), 1.0)[0]
    return received(tissue, noise, 1 / samples, plain_scanner(samples, beams))


def test_fully_developed_speckle_has_a_rayleigh_envelope_of_unit_power() -> None:
    envelope = 10 ** (echo_of(np.zeros((300, 300, 3), np.float32)) / 20)
    assert envelope.mean() / envelope.std() == pytest.approx(1.91, abs=0.08)
    assert (envelope**2).mean() == pytest.approx(1.0, abs=0.08)


@pytest.mark.parametrize(("attenuation", "sign"), [(100.0, -1), (-50.0, 1)])
def test_an_attenuator_casts_a_shadow_and_fluid_enhances(attenuation: float, sign: int) -> None:
    tissue = np.zeros((200, 200, 3), np.float32)
    tissue[60:100, 80:120, 2] = attenuation
    echo = echo_of(tissue)
    behind, beside = echo[120:, 85:115].mean(), echo[120:, :60].mean()
    assert sign * (behind - beside) > 0.6 * abs(attenuation) * 0.2


def test_an_interface_outshines_the_tissue_round_it() -> None:
    tissue = np.zeros((200, 200, 3), np.float32)
    tissue[99:102, :, 1] = 30.0
    echo = echo_of(tissue)
    assert echo[100].mean() > echo[:80].mean() + 10
