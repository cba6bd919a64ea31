"""usframe's engine is MedSAM2: the same logits as its published predictors, for the same weights and images.

`tests/parity/README.md` says where the reference comes from.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import usframe
from usframe import Prompt
from usframe.geometry import to_network

PARITY = Path(__file__).parents[1] / "parity"
SIDE = 512
KINDS = ("point", "box", "box_point", "mask", "mask_point")


@pytest.fixture(scope="module")
def reference():
    return np.load(PARITY / "reference_seed1.npz")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A `MedSAM2_latest.pt` as users have it, with the weights of the reference."""
    from usframe_plugins.backbones.sam2_family import medsam2

    sys.path.insert(0, str(PARITY))
    from weights import fill_weights

    network = medsam2.build()
    fill_weights(network, 1)
    path = tmp_path_factory.mktemp("checkpoints") / "MedSAM2_latest.pt"
    torch.save({"model": network.state_dict()}, path)
    return path


@pytest.fixture(scope="module")
def medsam2(checkpoint):
    return usframe.load_backbone("medsam2", checkpoint=checkpoint, device="cpu", precision="fp32")


def prompt(reference, kind: str, frame: int = 0) -> Prompt:
    parts = kind.split("_")
    return Prompt(
        frame,
        1,
        points=reference["point"].astype(np.float32) if "point" in parts else None,
        point_labels=np.ones(1, np.int64) if "point" in parts else None,
        box=reference["box"].astype(np.float32) if "box" in parts else None,
        mask=reference["mask"] if "mask" in parts else None,
    )


def encoded(backbone, pictures):
    return backbone.encode(torch.from_numpy(to_network(pictures.astype(np.float32) / 255, SIDE)))


@pytest.mark.parametrize("candidates", ["single", "multi"])
def test_logits_of_every_prompt_are_those_of_the_image_predictor(medsam2, reference, candidates):
    with torch.inference_mode():
        features = encoded(medsam2, reference["image"][None])
        decoded = medsam2.decode(
            features, [prompt(reference, kind) for kind in KINDS], [0] * 5, multimask=candidates == "multi"
        )
    for n, kind in enumerate(KINDS):
        expected = reference[f"image/{kind}/{candidates}/low_res_logits"]
        np.testing.assert_allclose(decoded.logits[n].numpy().clip(-32, 32), expected, atol=1e-3)
        np.testing.assert_allclose(decoded.iou[n].numpy(), reference[f"image/{kind}/{candidates}/iou"], atol=1e-3)


def test_segment_keeps_the_same_logits(medsam2, reference):
    volume = usframe.Volume(reference["image"][None])
    answer = usframe.segment(volume, [prompt(reference, "box")], medsam2, keep_logits=True)
    expected = reference["image/box/single/low_res_logits"]
    np.testing.assert_allclose(answer.logits[:, 0].clip(-32, 32), expected, atol=1e-3)
    assert answer.mask.shape == (1, 512, 512)


def test_bfloat16_flips_at_most_one_pixel_in_a_hundred(checkpoint, reference):
    backbone = usframe.load_backbone("medsam2", checkpoint=checkpoint, device="cpu", precision="bf16")
    with torch.inference_mode():
        features = encoded(backbone, reference["image"][None])
        decoded = backbone.decode(features, [prompt(reference, kind) for kind in KINDS], [0] * 5)
    for n, kind in enumerate(KINDS):
        expected = reference[f"image/{kind}/single/low_res_logits"]
        assert np.mean((decoded.logits[n].numpy() > 0) != (expected > 0)) <= 0.01


@pytest.mark.parametrize("kind", ["box", "mask"])
def test_propagation_is_that_of_the_volume_predictor(medsam2, reference, kind):
    """Forwards and backwards from the key slice, within the rounding of the reference's bfloat16 memory."""
    key, volume = int(reference["key_frame"]), usframe.Volume(reference["volume"])
    asked = [prompt(reference, kind, key)]
    answer = usframe.segment(volume, asked, medsam2, mode="propagate", keep_logits=True)
    for frame in range(len(volume.data)):
        direction = "forward" if frame >= key else "reverse"
        expected = reference[f"track/{kind}/{direction}/{frame}/low_res_logits"]
        np.testing.assert_allclose(answer.logits[:, frame].clip(-32, 32), expected, atol=1e-2)
