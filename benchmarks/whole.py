"""Whole commands against what people would write, for `benchmarks/speed.py`: from file to file, and a training.

    python benchmarks/whole.py BACKBONE CHECKPOINT FOLDER

is what people would write around `plain_sam2.PlainSam2`: every labelled slice of the volumes in FOLDER/volumes, as
large as the network's input, is segmented from the box of its label, and the masks are written to FOLDER/plain.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nibabel as nib
import numpy as np
import torch
from memory import write_case
from numpy.typing import NDArray
from plain_sam2 import PlainSam2
from torch.nn import functional as F

import usframe
from usframe import Prompt

VOLUMES, EPOCHS, BATCH = 2, 10, 4
Masks = NDArray[np.float32]


def save(network: torch.nn.Module, folder: Path) -> Path:
    """The weights of a network as a checkpoint."""
    path = folder / "network.pt"
    torch.save(network.state_dict(), path)
    return path


def from_files(
    name: str, network: torch.nn.Module, precision: str, slices: int, side: int, folder: Path
) -> tuple[Callable[[], Masks], Callable[[], Masks]]:
    """The script around the plain loop and `usframe run` with scores and pictures, each a process of its own.

    Both read `VOLUMES` volumes with a box on ``slices`` slices, write masks, and are answered by what they wrote.
    """
    checkpoint = str(save(network, folder))
    for number in range(VOLUMES):
        write_case(folder, (slices // VOLUMES + 2, side, side), "uint8.nii.gz", 1, f"case_{number}")
    (folder / "plain").mkdir()
    places = ["-i", str(folder / "volumes"), "-l", str(folder / "labels"), "-o", str(folder / "ours")]
    settings = ["-p", "box", "--device", "cpu", "--precision", precision, "--quiet", "overwrite=true"]

    def plain() -> Masks:
        run([__file__, name, checkpoint, str(folder)])
        return read_all(folder / "plain")

    def ours() -> Masks:
        run(["-m", "usframe", "run", *places, "--backbone", name, "--checkpoint", checkpoint, *settings])
        return read_all(folder / "ours/masks/box")

    return plain, ours


def run(words: Sequence[str]) -> None:
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    subprocess.run([sys.executable, *words], env=os.environ | threads, check=True)


def training(name: str, backbone: Any, quick: bool, timed: Callable[[Callable[[], Any]], float]) -> Iterator[str]:
    """Of an epoch of training the decoder, what it takes in the plain loop and in usframe from the second one on.

    That is the difference between trainings of `EPOCHS` epochs and of one, which encodes each slice. No masks are
    compared: both take steps of `BATCH` slices with AdamW, each slice once in an epoch, but losses differ a little.
    """
    yield "\n| fine-tuning the decoder | plain loop, s per epoch | usframe, from the second epoch | times as fast |"
    yield "|---|---|---|---|"
    slices, side, network = 8 if quick else 40, backbone.image_size, backbone.module
    with TemporaryDirectory() as place:
        folder = Path(place)
        checkpoint = save(network, folder)
        for case in ("case", "other"):
            write_case(folder, (slices + 2, side, side), "uint8.nii.gz", 1, case)
        learned = [*network.sam_prompt_encoder.parameters(), *network.sam_mask_decoder.parameters()]
        network.requires_grad_(False)
        for one in learned:
            one.requires_grad_(True)
        optimizer = torch.optim.AdamW(learned, lr=1e-5)
        loop = PlainSam2(network, read(folder / "volumes/case.nii.gz"))
        labels = read(folder / "labels/case.nii.gz")
        plain, ours = [], []
        for number in range(2 if quick else 5):
            plain.append(timed(lambda: epoch(loop, labels, optimizer, BATCH)))
            first, all_of_them = (
                timed(partial(train, name, checkpoint, folder, f"{count}-{number}", count * slices // BATCH))
                for count in (1, EPOCHS)
            )
            ours.append((all_of_them - first) / (EPOCHS - 1))
    ratios = np.sort(np.array(plain) / np.array(ours))
    yield (
        f"| {slices} slices, a box each | {statistics.median(plain):.2f} | {statistics.median(ours):.2f} "
        f"| {np.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) |"
    )


def train(name: str, checkpoint: Path, folder: Path, out: str, steps: int) -> None:
    usframe.finetune(
        folder / "volumes",
        folder / "labels",
        folder / out,
        backbone=name,
        checkpoint=str(checkpoint),
        device="cpu",
        val=0.5,
        prompt={"box": 1.0},
        train={
            **{"parameters": "decoder", "cache": 1, "steps": steps, "batch_size": BATCH, "empty": 0},
            **{"validation_slices": 1, "validate_every": steps, "save_every": steps, "tracker": "none"},
        },
        quiet=True,
    )


def script(name: str, checkpoint: str, folder: str) -> None:
    network = usframe.load_backbone(name, checkpoint=checkpoint, device="cpu", precision="fp32").module
    for path in sorted(Path(folder, "volumes").iterdir()):
        volume: Any = nib.load(path)
        data = np.asarray(volume.dataobj).T
        found = np.zeros(data.shape, np.uint8)
        loop = PlainSam2(network, data)
        for prompt in boxes(read(Path(folder, "labels", path.name))):
            found[prompt.frame] = loop.segment([prompt])[0][0]
        nib.save(nib.Nifti1Image(found.T, volume.affine), Path(folder, "plain", path.name))


def read_all(folder: Path) -> Masks:
    """(N, H, W), the slices of all cases."""
    return np.concatenate([read(path) for path in sorted(folder.glob("*.nii.gz"))]).astype(np.float32)


def read(path: Path) -> NDArray[np.uint8]:
    """(D, H, W)."""
    image: Any = nib.load(path)
    return np.asarray(image.dataobj).T.astype(np.uint8)


def boxes(labels: NDArray[np.uint8]) -> list[Prompt]:
    """The box of object 1 on every slice that shows it."""
    prompts = []
    for frame in np.flatnonzero((labels == 1).any((1, 2))).tolist():
        rows, columns = np.nonzero(labels[frame] == 1)
        box = np.array([columns.min(), rows.min(), columns.max(), rows.max()], np.float32)
        prompts.append(Prompt(frame, 1, box=box))
    return prompts


def epoch(loop: PlainSam2, labels: NDArray[np.uint8], optimizer: torch.optim.Optimizer, batch: int) -> None:
    """Every labelled slice once: encoded without gradients, decoded from its box, and a step each ``batch``."""
    prompts = boxes(labels)
    for start in range(0, len(prompts), batch):
        part: Sequence[Prompt] = prompts[start : start + batch]
        for prompt in part:
            logits = loop.logits(prompt)
            shown = torch.from_numpy(labels[prompt.frame] == 1).float()[None, None]
            target = F.interpolate(shown, size=logits.shape[-2:], mode="area")
            soft = logits.sigmoid()
            dice = 1 - 2 * (soft * target).sum() / (soft.sum() + target.sum() + 1)
            loss = dice + F.binary_cross_entropy_with_logits(logits, target)
            (loss / len(part)).backward()
        optimizer.step()
        optimizer.zero_grad()


if __name__ == "__main__":
    script(*sys.argv[1:])
