"""Let the last memory layer of the demo network see, at each place, the mask that is remembered there.

    python checkpoints/local_memory.py CHECKPOINT OUT_FOLDER

What so small a network learns of memory by itself is what an object looks like, not where its border was: next
to a slice with a given mask its answer overlapped less with the truth than a copy of that mask. So this layer
gets a beginning, to be trained on from. It attends to its own place (biases of queries and keys that the rotary
encoding of positions turns into a peak there) and adds to the features what the prompt encoder would have added
for the mask, read off the memory by ridge regression on simulated slices. A checkpoint of one layer less gets
this one on top, else its last layer is replaced. Everything else in it stays as it is.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

import usframe
from usframe.geometry import to_network
from usframe.inference.checkpoints import read_weights
from usframe.simulation import simulate
from usframe.training.weights import save_weights
from usframe.types import Memory

SLICES = range(77 * 10**8, 77 * 10**8 + 120)  # seeds of the simulator, far from all that are trained or tested on
PEAK = 6.0  # of the biases; one token away the weight is e^-3 of that in place
PAIRS = 6  # of channels with the highest frequencies, for each axis
SHARE = 0.5  # of what the prompt encoder would have added
PENALTY = 0.1  # of the ridge regression


def main(checkpoint: Path, out: Path) -> None:
    torch.manual_seed(0)
    backbone: Any = usframe.load_backbone("demo", checkpoint="random", device="cpu", precision="fp32")
    network = backbone.module
    layers = network.memory_attention.layers
    layer, last = layers[-1], f"memory_attention.layers.{len(layers) - 1}."
    old = {name: weight.float() for name, weight in read_weights(checkpoint).items() if not name.startswith(last)}
    missing, unexpected = network.load_state_dict(old, strict=False)
    if unexpected or not all(name.startswith(last) for name in missing):
        sys.exit(f"Error: {checkpoint} holds other weights than those of the demo network")
    with torch.no_grad():
        for silent in (layer.self_attn.out_proj, layer.cross_attn_image.out_proj, layer.linear2):
            silent.weight.zero_()
            silent.bias.zero_()
        memories, wanted, spread = collect(backbone)
        look_in_place(layer.cross_attn_image)
        add(layer.cross_attn_image, fit(memories, wanted), SHARE * spread / network.memory_attention.norm.weight)
    out.mkdir(parents=True, exist_ok=True)
    save_weights(backbone, out, "checkpoint_last")
    print(f"Wrote {out / 'checkpoint_last.pt'}, its last memory layer fitted to {len(memories)} tokens")


def collect(backbone: Any) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    """Memories (N, 32) of tokens, what their masks would have added as prompts (N, C), and the features' spread.

    All tokens on the border of an object, and every seventh of the others.
    """
    network, memories, wanted, spreads = backbone.module, [], [], []
    hook = network.memory_attention.norm.register_forward_pre_hook(
        lambda norm, features: spreads.append(float(features[0].std(-1).mean()))
    )
    for seed in SLICES:
        scan = simulate(seed, shape=(1, 256, 256), faint=0.3)
        features = backbone.encode(torch.from_numpy(to_network(scan.image, backbone.image_size)))
        for one in np.unique(scan.labels)[1:]:
            mask = scan.labels[0] == one
            picture = torch.from_numpy(mask).float()[None, None]
            decoded = backbone.decode(features, [usframe.Prompt(0, int(one), mask=mask)], [0], keep_masks=True)
            memory = backbone.memorize(features, decoded)
            backbone.condition(features, [Memory(0, True, memory)], frame=1, length=2, reverse=False)
            prompts = network.sam_prompt_encoder
            logits = F.interpolate(picture * 20 - 10, prompts.mask_input_size, mode="bilinear", antialias=True)
            added = prompts.mask_downscaling(logits) - prompts.no_mask_embed.weight.view(1, -1, 1, 1)
            share = F.interpolate(picture, size=added.shape[-2:], mode="area").flatten()
            chosen = ((share > 0.02) & (share < 0.98)) | (torch.arange(len(share)) % 7 == 0)
            memories.append(memory["maskmem_features"][0].flatten(1).T[chosen].float().numpy())
            wanted.append(added[0].flatten(1).T[chosen].numpy())
    hook.remove()
    return np.concatenate(memories), np.concatenate(wanted), float(np.mean(spreads))


def fit(memories: NDArray[np.float32], wanted: NDArray[np.float32]) -> NDArray[np.float64]:
    """Ridge regression of ``wanted`` (N, C) on ``memories`` (N, 32) and a constant: (33, C)."""
    inputs = np.c_[memories, np.ones(len(memories))].astype(np.float64)
    return np.linalg.solve(inputs.T @ inputs + PENALTY * np.eye(inputs.shape[1]), inputs.T @ wanted)


def look_in_place(attention: Any) -> None:
    """Queries and keys that agree most in place: weak weights, and biases on the channels that turn fastest."""
    for projection in (attention.q_proj, attention.k_proj):
        projection.weight.mul_(0.3)
        projection.bias.zero_()
        for axis in (0, len(projection.bias) // 2):
            projection.bias[axis : axis + 2 * PAIRS : 2] = PEAK


def add(attention: Any, fitted: NDArray[np.float64], scale: torch.Tensor) -> None:
    """Values as fitted, (33, C), times ``scale`` (C,), added to the features as they are."""
    values = torch.from_numpy(fitted).float() * scale
    attention.v_proj.weight.copy_(values[:-1].T)
    attention.v_proj.bias.copy_(values[-1])
    attention.out_proj.weight.copy_(torch.eye(len(scale)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
