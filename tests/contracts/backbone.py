"""The verbs of a backbone. A network that propagates inherits `MemoryContract`, another `NoMemoryContract`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from usframe_contracts.answers import assert_same, backward, check_decoded, is_trainable, with_presence

import usframe
from usframe import Backbone, Decoded, Memory, Prompt, RequestError, Volume
from usframe.geometry import to_network
from usframe.types import MemoryBackbone


class BackboneContract:
    """`encode` and `decode`. Override ``backbone``; ``atol`` is how far equal logits may be apart.

    A backbone that cannot be trained (a classical method, a network that another library runs) says so by a module
    without a parameter that requires a gradient, and is not asked for any.
    """

    atol = 1e-3

    @pytest.fixture
    def backbone(self) -> Backbone:
        raise NotImplementedError("override this fixture with the backbone to test, on the CPU in fp32")

    @pytest.fixture(autouse=True)
    def _no_gradients(self) -> Iterator[None]:
        with torch.no_grad():
            yield

    @pytest.fixture
    def images(self, backbone: Backbone) -> torch.Tensor:
        """Three noisy slices with a bright square, as networks see them."""
        pictures = 0.3 * np.random.default_rng(0).random((3, 64, 64), np.float32)
        for n, picture in enumerate(pictures):
            picture[16 + 4 * n : 36 + 4 * n, 20:44] += 0.6
        return torch.from_numpy(to_network(pictures, backbone.image_size))

    @pytest.fixture
    def prompts(self, backbone: Backbone) -> list[Prompt]:
        """Every combination of a box, points and a mask, in pixels of the network's input."""
        side = backbone.image_size
        box = np.array([0.3, 0.25, 0.7, 0.6], np.float32) * side
        points = np.array([[0.5, 0.4], [0.1, 0.9]], np.float32) * side
        mask = np.zeros((side, side), bool)
        small = side // 4
        mask[4 * (small // 4) : 4 * (small * 5 // 8), 4 * (small // 3) : 4 * (small * 3 // 4)] = True
        one, two = {"points": points[:1], "point_labels": np.ones(1, np.int64)}, np.array([1, 0])
        return [
            Prompt(0, 1, **one),
            Prompt(0, 1, points=points, point_labels=two),
            Prompt(0, 1, box=box),
            Prompt(0, 1, box=box, **one),
            Prompt(0, 1, mask=mask),
            Prompt(0, 1, mask=mask, **one),
        ]

    @pytest.fixture
    def trainable(self, backbone: Backbone) -> None:
        """Asked for by the tests of gradients, which are skipped where there can be none."""
        if not is_trainable(backbone):
            pytest.skip("it cannot be trained: no parameter of its module requires a gradient")

    def test_it_states_its_input_size_its_module_and_where_that_is_from(self, backbone: Backbone) -> None:
        assert isinstance(backbone, Backbone)
        assert backbone.image_size > 0
        assert backbone.image_size % 4 == 0
        assert isinstance(backbone.module, torch.nn.Module)
        assert backbone.checkpoint is None or isinstance(backbone.checkpoint, Path)

    @pytest.mark.parametrize("multimask", [False, True])
    def test_every_kind_of_prompt_is_decoded_to_one_mask_or_three(
        self, backbone, images, prompts, multimask
    ) -> None:
        features = backbone.encode(images)
        together = backbone.decode(features, prompts, [0] * len(prompts), multimask=multimask)
        check_decoded(backbone, together, len(prompts), 3 if multimask else 1)
        for n, prompt in enumerate(prompts):
            alone = backbone.decode(features, [prompt], [0], multimask=multimask)
            assert_same(alone, together, [n], self.atol)

    def test_the_same_question_has_the_same_answer(self, backbone, images, prompts) -> None:
        index = [0] * len(prompts)
        first, second = (backbone.decode(backbone.encode(images), prompts, index) for _ in range(2))
        assert_same(first, second, range(len(prompts)), 0)

    def test_the_order_of_prompts_does_not_matter(self, backbone, images, prompts) -> None:
        features, index = backbone.encode(images), [0, 1, 2, 2, 1, 0]
        answer = backbone.decode(features, prompts, index)
        turned = backbone.decode(features, prompts[::-1], index[::-1])
        assert_same(turned, answer, range(len(prompts))[::-1], self.atol)

    def test_prompts_are_decoded_on_their_own_image(self, backbone, images, prompts) -> None:
        features = backbone.encode(images)
        answer = backbone.decode(features, [prompts[2]] * 3, [2, 0, 1])
        for n, row in enumerate((2, 0, 1)):
            alone = backbone.decode(backbone.encode(images[row : row + 1]), [prompts[2]], [0])
            assert_same(alone, answer, [n], self.atol)
        assert not torch.equal(answer.logits[0], answer.logits[1])

    def test_features_of_a_batch_can_be_taken_apart(self, backbone, images, prompts) -> None:
        features = backbone.encode(images)
        part = backbone.decode(features[1:3], prompts[2:4], [1, 0])
        assert_same(part, backbone.decode(features, prompts[2:4], [2, 1]), [0, 1], self.atol)

    def test_a_mask_can_be_kept_as_it_is(self, backbone, images, prompts) -> None:
        kept = backbone.decode(backbone.encode(images), [prompts[4]], [0], keep_masks=True)
        check_decoded(backbone, kept, 1, 1)
        small = prompts[4].mask[::4, ::4]
        differ = np.mean((kept.logits[0, 0].cpu().numpy() > 0) != small)
        assert differ < 0.02, f"{differ:.0%} of the pixels changed"
        assert kept.presence[0] > 0

    @pytest.mark.usefixtures("trainable")
    def test_gradients_reach_the_parameters(self, backbone, images, prompts) -> None:
        with torch.enable_grad():
            decoded = backbone.decode(backbone.encode(images), prompts, [0, 1, 2, 0, 1, 2])
            gradients = backward(backbone, decoded)
        assert any(gradient.abs().sum() > 0 for gradient in gradients)

    def test_usframe_can_segment_with_it(self, backbone) -> None:
        volume = Volume(np.random.default_rng(0).random((2, 40, 60), np.float32))
        box = Prompt(1, 7, box=np.array([10, 10, 30, 30], np.float32))
        answer = usframe.segment(volume, [box], backbone)
        assert answer.object_ids == (7,)
        assert np.isfinite(answer.predicted_iou[0, 1])


class NoMemoryContract(BackboneContract):
    """A backbone that cannot propagate has no `memorize` and no `condition`."""

    def test_it_has_no_memory(self, backbone) -> None:
        assert not isinstance(backbone, MemoryBackbone)

    def test_usframe_refuses_to_propagate_with_it(self, backbone) -> None:
        volume = Volume(np.zeros((2, 40, 60), np.float32))
        box = Prompt(0, 1, box=np.array([10, 10, 30, 30], np.float32))
        with pytest.raises(RequestError, match="use mode=slice"):
            usframe.segment(volume, [box], backbone, mode="propagate")


class MemoryContract(BackboneContract):
    """`memorize` and `condition`: slices are carried on with the masks of those before them."""

    def test_it_has_a_memory(self, backbone) -> None:
        assert isinstance(backbone, MemoryBackbone)

    def remember(self, backbone, features, prompts: Sequence[Prompt], frame: int, prompted: bool = True) -> Memory:
        decoded = with_presence(backbone.decode(features, prompts, [0] * len(prompts)), 5)
        return Memory(frame, prompted, backbone.memorize(features, decoded))

    def track(self, backbone, features, memories: Sequence[Memory], objects: int, **where: Any) -> Decoded:
        place = {"frame": 2, "length": 3, **where}
        fused = backbone.condition(features, memories, **place)
        return backbone.decode(fused, [None] * objects, range(objects), multimask=True)

    def test_several_objects_are_carried_on_together(self, backbone, images, prompts) -> None:
        features = backbone.encode(images)
        asked = [prompts[2], prompts[4], prompts[0]]
        together = self.track(backbone, features[2:3], [self.remember(backbone, features[1:2], asked, 1)], 3)
        check_decoded(backbone, together, 3, 3)
        for n, prompt in enumerate(asked):
            alone = self.track(backbone, features[2:3], [self.remember(backbone, features[1:2], [prompt], 1)], 1)
            assert_same(alone, together, [n], self.atol)

    def test_the_same_memories_have_the_same_answer(self, backbone, images, prompts) -> None:
        features = backbone.encode(images)
        memories = [self.remember(backbone, features[1:2], prompts[2:3], 1)]
        first, second = (self.track(backbone, features[2:3], memories, 1) for _ in range(2))
        assert_same(first, second, [0], 0)

    def test_another_memory_has_another_answer(self, backbone, images, prompts) -> None:
        features = backbone.encode(images)
        answers = [
            self.track(backbone, features[2:3], [self.remember(backbone, features[1:2], [prompt], 1)], 1)
            for prompt in (prompts[0], prompts[4])
        ]
        assert not torch.equal(answers[0].logits, answers[1].logits)

    @pytest.mark.parametrize("reverse", [False, True])
    def test_prompted_and_other_slices_are_remembered_in_both_directions(
        self, backbone, images, prompts, reverse
    ) -> None:
        """Nearest slices first or last, more of them than a network may use."""
        features = backbone.encode(images[:1])
        near = [Memory(n, False, self.remember(backbone, features, prompts[2:4], n).content) for n in range(20, 40)]
        memories = [self.remember(backbone, features, prompts[2:4], 41 if reverse else 19), *near]
        frame = 19 if reverse else 40
        answer = self.track(backbone, features, memories, 2, frame=frame, length=60, reverse=reverse)
        check_decoded(backbone, answer, 2, 3)

    def test_an_object_that_is_not_seen_can_be_remembered(self, backbone, images, prompts) -> None:
        features = backbone.encode(images)
        gone = with_presence(backbone.decode(features[:1], prompts[2:3], [0]), -5)
        memories = [self.remember(backbone, features[:1], prompts[2:3], 0)]
        memories.append(Memory(1, False, backbone.memorize(features[1:2], gone)))
        check_decoded(backbone, self.track(backbone, features[2:3], memories, 1), 1, 3)

    @pytest.mark.usefixtures("trainable")
    def test_gradients_go_through_the_memory(self, backbone, images, prompts) -> None:
        """From the mask of one slice, remembered, to that of the next: what training on clips relies on."""
        with torch.enable_grad():
            features = backbone.encode(images)
            decoded = backbone.decode(features[1:2], prompts[2:3], [0])
            decoded.logits.retain_grad()
            memory = Memory(1, True, backbone.memorize(features[1:2], with_presence(decoded, 5)))
            gradients = backward(backbone, self.track(backbone, features[2:3], [memory], 1))
        assert any(gradient.abs().sum() > 0 for gradient in gradients)
        assert decoded.logits.grad.abs().sum() > 0

    def test_usframe_can_propagate_with_it(self, backbone) -> None:
        volume = Volume(np.random.default_rng(0).random((4, 40, 60), np.float32))
        boxes = [Prompt(frame, one, box=np.array([10, 10, 30, 30], np.float32)) for frame, one in ((1, 1), (2, 3))]
        answer = usframe.segment(volume, boxes, backbone, mode="propagate", keep_logits=True)
        assert answer.object_ids == (1, 3)
        assert np.isfinite(answer.predicted_iou).all()
        assert np.isfinite(answer.logits).all()
