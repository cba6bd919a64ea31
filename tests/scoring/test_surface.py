"""Surface distances by hand, and beside those of MONAI on random and on real masks."""

from inspect import signature
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice
from scipy.ndimage import binary_erosion, gaussian_filter
from scipy.spatial.distance import cdist

import usframe
from usframe.config.schema import Metrics
from usframe.plugins import load_plugins
from usframe.scoring.cropped import ObjectMasks
from usframe.scoring.metrics import RowKey, Scoring, score_case
from usframe.scoring.surface import measure_surfaces
from usframe.types import Segmentation, Surfaces

DATA = Path(__file__).parents[3] / "shared/data"
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


def monai(answer, reference, spacing, tolerance):
    """HD95, ASSD and NSD of MONAI for masks of two or three dimensions."""
    pair = [torch.from_numpy(np.ascontiguousarray(mask))[None, None].float() for mask in (answer, reference)]
    hd95 = compute_hausdorff_distance(*pair, include_background=True, percentile=95, spacing=spacing)
    assd = compute_average_surface_distance(*pair, include_background=True, symmetric=True, spacing=spacing)
    return [float(x) for x in (hd95, assd, compute_surface_dice(*pair, [tolerance], True, spacing=spacing))]


NO_PROMPTS = {"prompted": {}, "oracle": {}}
METRICS = {name: load_plugins().metrics.get(name) for name in ("hd95_mm", "assd_mm", "nsd")}


def scores(surfaces: Surfaces, tolerance: float = 1.0) -> list[float | None]:
    """HD95, ASSD and NSD, which look at nothing but the surfaces."""
    offered = {"spacing_mm": (1, 1, 1), "surfaces": surfaces, "tolerance_mm": tolerance}
    nothing = np.zeros((1, 1, 1), bool)
    return [
        metric(nothing, nothing, **{key: offered[key] for key in offered.keys() & signature(metric).parameters})
        for metric in METRICS.values()
    ]


def ours(answer, reference, spacing, tolerance):
    return scores(measure_surfaces(answer, reference, spacing), tolerance)


def blobs(seed, shape):
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.standard_normal((2, *shape)), (0, *rng.uniform(0.5, 3, 3)))
    masks = field > field.std() * rng.uniform(-0.5, 1.0)
    masks[:, 0, 0, 0] = True
    return masks


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(*[st.integers(2, 18)] * 3),
    st.tuples(*[st.floats(0.2, 5)] * 3),
    st.floats(0.1, 5),
)
def test_random_masks_score_as_in_monai_whatever_the_spacing(seed, shape, spacing, tolerance):
    answer, reference = blobs(seed, shape)
    assert ours(answer, reference, spacing, tolerance) == pytest.approx(
        monai(answer, reference, spacing, tolerance), abs=1e-3
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.tuples(*[st.integers(3, 40)] * 2), st.tuples(*[st.floats(0.2, 5)] * 2))
def test_a_single_slice_is_measured_in_its_plane(seed, shape, spacing):
    answer, reference = blobs(seed, (1, *shape))
    assert ours(answer, reference, (3, *spacing), 1.3) == pytest.approx(
        monai(answer[0], reference[0], spacing, 1.3), abs=1e-3
    )


@pytest.mark.skipif(not DATA.is_dir(), reason="the real recordings are not part of the project")
@pytest.mark.parametrize("name", ["camus", "carotid"])
def test_real_masks_score_as_in_monai(name):
    """Two neighbouring frames, or two shifted copies of a volume, of the first case."""
    path = sorted((DATA / name / "labels").iterdir())[0]
    labels = usframe.read_volume(path).data
    first, second = labels[:-1] == 1, labels[1:] == 1
    spacing = (2.0, 0.31, 0.47)
    assert ours(first, second, spacing, 0.8)[0] > 0
    shown = (first, second) if len(first) > 1 else (first[0], second[0])
    assert ours(first, second, spacing, 0.8) == pytest.approx(
        monai(*shown, spacing[-shown[0].ndim :], 0.8), abs=1e-3
    )


def by_frame(answer, reference, spacing, tolerance):
    """HD95, ASSD and NSD of a clip (D, H, W) by MONAI: means over the frames that both show."""
    frames = [monai(*pair, spacing[1:], tolerance) for pair in zip(answer, reference, strict=True)]
    return np.mean(frames, axis=0)


def of_clip(answer, reference, spacing, tolerance):
    found = Segmentation(answer.astype(np.uint8), (1,), np.full((1, len(answer)), np.nan, np.float32))
    scoring = Scoring.of(Metrics(tolerance_mm=tolerance), load_plugins())
    key = RowKey("clip", "patient", "slice", "box")
    rows = score_case(key, reference.astype(np.uint8), found, spacing, scoring, **NO_PROMPTS, per_frame=True)
    return [rows[0]["scores"][name] for name in METRICS]


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(*[st.integers(2, 14)] * 3),
    st.tuples(*[st.floats(0.2, 5)] * 3),
    st.floats(0.1, 5),
)
def test_random_clips_score_as_in_monai_frame_by_frame(seed, shape, spacing, tolerance):
    answer, reference = blobs(seed, shape)
    answer[:, 0, 0] = reference[:, -1, -1] = True
    assert of_clip(answer, reference, spacing, tolerance) == pytest.approx(
        by_frame(answer, reference, spacing, tolerance), abs=1e-3
    )


@pytest.mark.skipif(not DATA.is_dir(), reason="the real recordings are not part of the project")
@pytest.mark.parametrize("name", ["camus", "carotid"])
def test_real_clips_score_as_in_monai_frame_by_frame(name):
    """The labels of a clip, and the same moved by 3 rows and 5 columns."""
    path = sorted((DATA / name / "labels").iterdir())[0]
    reference = usframe.read_volume(path).data == 1
    answer = np.roll(reference, (3, 5), axis=(1, 2))
    assert of_clip(answer, reference, (1.0, 0.31, 0.47), 0.8) == pytest.approx(
        by_frame(answer, reference, (1.0, 0.31, 0.47), 0.8), abs=1e-3
    )


def square(at, side=4, shape=(1, 12, 12)):
    mask = np.zeros(shape, bool)
    mask[:, at[0] : at[0] + side, at[1] : at[1] + side] = True
    return mask


def test_a_square_three_pixels_to_the_right():
    """Of 12 surface pixels each: 4 are 3 off, the two pairs between at 2 and 1, and the touching column 0."""
    found = measure_surfaces(square((4, 2)), square((4, 5)), (1, 1, 1))
    assert sorted(found.answer) == [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 3, 3]
    assert scores(found, 1) == [3, pytest.approx(18 / 12), pytest.approx(6 / 12)]
    assert scores(found, 0)[2] == pytest.approx(4 / 12)


def test_distances_follow_the_spacing_of_each_axis():
    down = ours(square((2, 4)), square((5, 4)), (7, 2.0, 0.5), 1)
    right = ours(square((4, 2)), square((4, 5)), (7, 2.0, 0.5), 1)
    assert (down[0], right[0]) == (6.0, 1.5)
    ahead = np.zeros((3, 4, 4), bool)
    ahead[0, 1:3, 1:3] = True
    assert ours(ahead, np.roll(ahead, 1, axis=0), (7, 2.0, 0.5), 1)[0] == 7


def test_what_lies_at_the_tolerance_is_within_it():
    assert ours(square((4, 2)), square((4, 5)), (1, 1, 0.1), 0.1 * 3)[2] == 1


def test_the_edge_of_the_image_is_a_surface():
    whole = np.ones((1, 5, 5), bool)
    assert len(measure_surfaces(whole, whole, (1, 1, 1)).answer) == 16


def test_nothing_has_no_distance():
    nothing, something = np.zeros((2, 4, 4), bool), np.ones((2, 4, 4), bool)
    for pair in ((nothing, something), (something, nothing)):
        assert ours(*pair, (1, 1, 1), 2) == [None, None, 0]
    assert ours(nothing, nothing, (1, 1, 1), 2) == [None, None, None]


def as_defined(mask, other, spacing):
    """The mask without its erosion, in the whole volume, and every pair of points."""

    def surface(volume):
        core = binary_erosion(volume[0])[None] if len(volume) == 1 else binary_erosion(volume)
        return np.argwhere(volume & ~core) * np.array(spacing)

    return cdist(surface(mask), surface(other)).min(1, initial=np.inf)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 9), st.integers(2, 12), st.integers(2, 12)),
    st.tuples(*[st.tuples(st.integers(0, 7), st.integers(0, 7))] * 3),
    st.tuples(*[st.floats(0.2, 5)] * 3),
)
def test_what_is_cut_to_both_masks_is_as_far_apart_as_in_the_whole_volume(seed, shape, around, spacing):
    """A few voxels of object 2 in a volume of others and of nothing, at the edge or far from it."""
    answer, reference = (np.pad(mask, around).astype(np.uint8) * 2 for mask in blobs(seed, shape))
    answer[answer == 0] = 1
    masks = ObjectMasks.of(2, reference, answer, whole=False)
    planes = masks.planes(spacing)
    assert len(planes) == len(reference)
    frames = [slice(n, n + 1) for n in range(len(planes))]
    for at, found in zip((slice(None), *frames), (masks.surfaces(spacing), *planes), strict=True):
        for mine, other, distances in ((answer, reference, found.answer), (reference, answer, found.reference)):
            pair = [(labels == 2)[at] for labels in (mine, other)]
            np.testing.assert_allclose(distances, as_defined(*pair, spacing), rtol=0, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(*[st.integers(1, 7)] * 3),
    st.tuples(*[st.floats(0.2, 5)] * 3),
    st.booleans(),
)
def test_points_far_and_near_dense_and_few_find_their_nearest(seed, shape, spacing, dense):
    """Dense points are mapped, few ones in a wide box ask a tree; both as every pair of points says."""
    rng = np.random.default_rng(seed)
    answer = rng.random(shape) < 0.7 if dense else np.zeros(shape, bool)
    answer = np.pad(answer, 0 if dense else 5)
    answer[0, 0, 0] = True
    reference = np.zeros_like(answer)
    reference[tuple(rng.integers(0, answer.shape))] = True
    found = measure_surfaces(answer, reference, spacing)
    np.testing.assert_allclose(found.answer, as_defined(answer, reference, spacing), rtol=1e-9)
    np.testing.assert_allclose(found.reference, as_defined(reference, answer, spacing), rtol=1e-9)
