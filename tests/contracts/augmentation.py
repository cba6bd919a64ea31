"""An augmentation: the frames of a clip and the masks of its objects, both changed alike."""

from __future__ import annotations

import numpy as np
import pytest

from usframe.types import Augmentation

SHAPES = {  # (T, O, H, W)
    "a clip of two objects": (4, 2, 48, 64),
    "a single slice": (1, 1, 48, 64),
    "a clip without an object": (3, 0, 48, 64),
    "a picture of odd sides": (2, 1, 33, 71),
    "a small picture": (2, 3, 16, 12),
}


def clip(frames: int, objects: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Grey noise with a black corner, and a bright disc in another place for every object."""
    pictures = 0.1 + 0.3 * np.random.default_rng(0).random((frames, height, width), np.float32)
    pictures[:, : height // 4, : width // 4] = 0
    masks = np.zeros((frames, objects, height, width), bool)
    y, x = np.mgrid[:height, :width]
    for row in range(objects):
        disc = np.hypot(y - height / 2, x - width * (row + 1) / (objects + 1)) < min(height, width) / 5
        masks[:, row] = disc & ~masks[:, :row].any(1)
    pictures[masks.any(1)] += 0.5
    return pictures, masks


class AugmentationContract:
    """Override ``augmentation``; its own arguments keep their defaults unless the fixture binds them."""

    seeds = range(5)

    @pytest.fixture
    def augmentation(self) -> Augmentation:
        raise NotImplementedError("override this fixture with the augmentation to test")

    def ask(
        self, augmentation, frames: np.ndarray, masks: np.ndarray, seed: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """As usframe asks: with copies, and chance of its own."""
        changed, moved = augmentation(frames.copy(), masks.copy(), rng=np.random.default_rng(seed))
        return changed, moved

    @pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
    def test_shapes_and_types_are_kept(self, augmentation, shape) -> None:
        frames, masks = clip(*shape)
        for seed in self.seeds:
            changed, moved = self.ask(augmentation, frames, masks, seed)
            assert (changed.shape, changed.dtype) == (frames.shape, np.float32)
            assert (moved.shape, moved.dtype) == (masks.shape, bool)

    @pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
    def test_grey_values_stay_within_0_and_1(self, augmentation, shape) -> None:
        frames, masks = clip(*shape)
        for level in (frames, np.zeros_like(frames), np.ones_like(frames)):
            for seed in self.seeds:
                changed, _ = self.ask(augmentation, level, masks, seed)
                assert np.isfinite(changed).all()
                assert changed.min() >= 0
                assert changed.max() <= 1

    def test_chance_comes_from_the_generator_alone(self, augmentation) -> None:
        frames, masks = clip(4, 2, 48, 64)
        for seed in self.seeds:
            first, second = (self.ask(augmentation, frames, masks, seed) for _ in range(2))
            np.testing.assert_array_equal(first[0], second[0])
            np.testing.assert_array_equal(first[1], second[1])

    def test_the_frames_do_not_depend_on_how_many_objects_there_are(self, augmentation) -> None:
        frames, masks = clip(4, 3, 48, 64)
        for seed in self.seeds:
            expected, _ = self.ask(augmentation, frames, masks, seed)
            for some in (masks[:, :0], masks[:, :1], masks[:, 1:]):
                np.testing.assert_array_equal(self.ask(augmentation, frames, some, seed)[0], expected)

    def test_the_objects_keep_their_rows(self, augmentation) -> None:
        """What becomes of an object does not depend on its row, or on the others."""
        frames, masks = clip(4, 3, 48, 64)
        for seed in self.seeds:
            _, expected = self.ask(augmentation, frames, masks, seed)
            for rows in ([0], [2], [2, 0, 1]):
                _, moved = self.ask(augmentation, frames, masks[:, rows], seed)
                np.testing.assert_array_equal(moved, expected[:, rows])

    def test_no_object_comes_out_of_an_empty_mask(self, augmentation) -> None:
        frames, masks = clip(4, 2, 48, 64)
        masks[:, 1] = False
        for seed in self.seeds:
            _, moved = self.ask(augmentation, frames, masks, seed)
            assert not moved[:, 1].any()
