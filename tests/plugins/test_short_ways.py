"""The short ways through SAM 2's modules, taken without gradients, have the answers of the modules themselves."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import pytest
import torch
from sam2.modeling.backbones.hieradet import Hiera
from usframe_plugins.backbones.hiera import Trunk

import usframe
from usframe import Memory, Prompt, Volume

SHORT: Callable[[], AbstractContextManager[None]] = torch.no_grad
PLAIN: Callable[[], AbstractContextManager[None]] = torch.enable_grad


@pytest.fixture
def backbone():
    return filled(usframe.load_backbone("demo-128", checkpoint="random", device="cpu", precision="fp32"))


def filled(backbone):
    """Weights of which none is near zero, so that every part of the network has a say."""
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in backbone.module.parameters():
            deviation = weight[0].numel() ** -0.5 if weight.ndim > 1 else 0.2
            weight += deviation * torch.randn(weight.shape, generator=noise)
    return backbone


def pictures(count: int, side: int = 128) -> torch.Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


def assert_equal(answer: torch.Tensor, expected: torch.Tensor, tolerance: float = 1e-5) -> None:
    assert answer.shape == expected.shape
    assert (answer - expected).abs().max() <= tolerance * expected.abs().max()


def assert_encoded_alike(backbone) -> None:
    with PLAIN():
        expected = backbone.encode(pictures(2))
    with SHORT():
        answer = backbone.encode(pictures(2))
    for name in ("embedding", "position"):
        assert_equal(getattr(answer, name), getattr(expected, name))
    for ours, theirs in zip(answer.high_res, expected.high_res, strict=True):
        assert_equal(ours, theirs)


def test_slices_are_encoded_alike(backbone) -> None:
    assert_encoded_alike(backbone)


@pytest.mark.parametrize(
    "name", ["pos_embed", "pos_embed_window", "conv_s0.weight", "conv_s1.bias", "convs.3.conv.weight"]
)
def test_a_weight_that_is_changed_is_not_remembered_as_it_was(backbone, name) -> None:
    with SHORT():
        backbone.encode(pictures(1))
        next(weight for key, weight in backbone.module.named_parameters() if key.endswith(name)).mul_(-2)
    assert_encoded_alike(backbone)


@pytest.mark.parametrize("side", [128, 192, 256])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(
    "stages",
    [
        {"stages": (1, 2, 3, 2), "window_spec": (8, 4, 14, 7), "global_att_blocks": (4,)},  # beyond the map
        {"stages": (1, 2, 4, 1), "window_spec": (8, 8, 16, 8), "global_att_blocks": (4, 6)},  # one over four
        {"stages": (2, 2, 2, 2), "window_spec": (8, 4, 2, 1), "global_att_blocks": ()},  # into one another
        {"stages": (1, 1, 1, 1), "window_spec": (8, 4, 14, 7), "global_att_blocks": (0,)},  # none to begin with
    ],
)
def test_windows_of_every_kind_are_walked_alike(stages, side, batch) -> None:
    trunk = Hiera(embed_dim=8, num_heads=1, window_pos_embed_bkg_spatial_size=(7, 7), **stages).eval()
    for weight in trunk.parameters():
        torch.nn.init.normal_(weight, std=weight[0].numel() ** -0.5 if weight.ndim > 1 else 0.3)
    with SHORT():
        for answer, expected in zip(Trunk(trunk)(pictures(batch, side)), trunk(pictures(batch, side)), strict=True):
            assert_equal(answer.maps(), expected)


def box(one: int, frame: int = 0) -> Prompt:
    return Prompt(frame, one, box=np.array([10 * one, 20, 40 + 10 * one, 70], np.float32))


def remembered(backbone, count: int, prompted: set[int], objects: int) -> list[Memory]:
    """Slices 0 to ``count`` - 1, all different."""
    features, found = backbone.encode(pictures(count)), []
    for n in range(count):
        one = features[n : n + 1]
        decoded = backbone.decode(one, [box(k + 1) for k in range(objects)], [0] * objects)
        found.append(Memory(n, n in prompted, backbone.memorize(one, decoded)))
    return found


@pytest.mark.parametrize("objects", [1, 3])
@pytest.mark.parametrize(("frame", "reverse"), [(20, False), (3, True)])
@pytest.mark.parametrize("prompted", [{4}, {0, 2, 5, 11, 12, 19}, {*range(20)}])
def test_memory_is_attended_alike(backbone, objects, frame, reverse, prompted) -> None:
    """From one prompted slice and from more than the network looks at, the nearest slices before or behind."""
    with SHORT():
        memories = [one for one in remembered(backbone, 20, prompted, objects) if one.frame != frame]
        picture = backbone.encode(pictures(1))
        for _ in range(2):  # with the keys of the first time
            answer = backbone.condition(picture, memories, frame=frame, length=21, reverse=reverse)
            with PLAIN():
                expected = backbone.condition(picture, memories, frame=frame, length=21, reverse=reverse)
            assert_equal(answer.embedding, expected.embedding)
            backbone.module.maskmem_tpos_enc.mul_(-2)


def test_what_is_remembered_is_projected_once_in_every_layer(backbone) -> None:
    """Of six slices, prompted on the third: that one, two of those ahead and one of those behind are looked at."""
    places, counts = (backbone.image_size // 16) ** 2, []
    for layer in backbone.module.memory_attention.layers:
        layer.cross_attn_image.k_proj.register_forward_hook(lambda _, given, __: counts.append(given[0].shape[1]))
    volume = Volume(np.random.default_rng(0).random((6, 40, 60), np.float32))
    usframe.segment(volume, [box(1, 2), box(2, 2)], backbone, mode="propagate")
    assert counts.count(places) == 4 * len(backbone.module.memory_attention.layers)


def test_a_memory_that_is_out_of_sight_forgets_its_keys(backbone) -> None:
    with SHORT():
        memories, picture = remembered(backbone, 12, {0}, 1), backbone.encode(pictures(1))
        for frame in (8, 12):
            backbone.condition(picture, memories[:frame], frame=frame, length=20)
    kept = [memory.frame for memory in memories if "keys" in memory.content]
    assert kept == [0, *range(6, 12)]


def test_layers_have_narrow_weights_and_places_do_not() -> None:
    network = usframe.load_backbone("demo-128", checkpoint="random", device="cpu", precision="bf16").module
    layers = (torch.nn.Linear, torch.nn.Conv2d, torch.nn.ConvTranspose2d)
    assert {one.weight.dtype for one in network.modules() if isinstance(one, layers)} == {torch.bfloat16}
    state = network.state_dict()
    wide = [name for name, value in state.items() if value.dtype == torch.float32]
    assert any("norm" in name for name in wide)
    assert any("positional_encoding_gaussian_matrix" in name for name in wide)


@pytest.mark.parametrize("mode", ["slice", "propagate"])
def test_masks_in_bfloat16_are_nearly_those_in_float32(mode) -> None:
    scan = usframe.simulate(0, shape=(5, 128, 128))
    one = int(scan.labels[2].max())
    prompt = Prompt(2, one, mask=scan.labels[2] == one)
    masks = [
        usframe.segment(
            Volume(scan.image),
            [prompt],
            usframe.load_backbone("demo-128", device="cpu", precision=precision),
            mode=mode,
        ).mask
        > 0
        for precision in ("fp32", "bf16")
    ]
    assert masks[0].any()
    assert 2 * (masks[0] & masks[1]).sum() / (masks[0].sum() + masks[1].sum()) >= 0.98
