"""Learned prompts beside boxes, points and a U-Net that was trained for the same time on the same cases.

    python benchmarks/learned.py DATA OUT [SET]... [KEY=VALUE]...

DATA holds camus/, carotid/, nerve/ and fetal_head/, each with volumes/ and labels/; SET names some of them. Of each
set the first cases are trained on, those before ``validated`` choose the best step, and those from ``scored`` on
are scored. The KEY=VALUE pairs go to `usframe run finetune`. MONAI's U-Net (Kerfoot et al., 2018) then gets as many
seconds of processor time as all of that command took, the same pictures, augmentations and choice of the best step.
Prints mean Dice over scored cases.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.losses import DiceCELoss
from monai.networks.nets import UNet
from torch.nn import functional as F

from usframe.config.schema import Finetune
from usframe.data.reading import read_case
from usframe.data.writers import mask_suffix, write_mask
from usframe.geometry import resize_mask, resize_slice
from usframe.inference.trust import dice
from usframe.plugins import load_plugins
from usframe.tasks import compose
from usframe.tasks.finetune import find_split, make_source
from usframe.tasks.recipe import make_samples
from usframe.training.clips import Clips
from usframe.training.labelled import Volumes, scan_case

SIDE, BATCH = 256, 8
# Set -> the first case that validates, the first that is scored, and whose a case is.
SETS = {
    "camus": ("patient0057", "patient0066", r"group='^(patient\d+)'"),
    "carotid": ("seq06", "seq07", r"group='^(seq\d+)'"),
    "nerve": ("0038", "0045", "group=null"),
    "fetal_head": ("018", "022", "group=null"),
}


def main(data: Path, out: Path, *words: str) -> None:
    given = [word for word in words if "=" in word]
    columns = ("set", "object", "learned", "U-Net", "box", "point", "CPU seconds", "steps of the U-Net")
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for name in [word for word in words if "=" not in word] or SETS:
        measure(name, data / name, out / name, given)


def measure(name: str, data: Path, out: Path, given: list[str]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    validated, scored, group = SETS[name]
    names = sorted(path.name.split(".")[0] for path in (data / "volumes").iterdir())
    parts = {"train": [one for one in names if one < validated]}
    parts["val"] = [one for one in names if validated <= one < scored]
    (out / "splits.json").write_text(json.dumps([parts]), encoding="utf-8")
    test = [one for one in names if one >= scored]
    files = ["-i", data / "volumes", "-l", data / "labels", "-o", out / "prepared", group]
    usframe("prepare", *files, "cache=true", "overwrite=true", "--quiet")
    cache = out / "prepared" / "cache"
    places = [f"volumes={cache / 'volumes'}", f"labels={cache / 'labels'}", group, "device=cpu"]
    keys = [*places, f"splits={out / 'splits.json'}", f"out={out / 'trained'}", "train.parameters=prompt", *given]
    before = spent_by_children()
    usframe("run", "finetune", *keys, "overwrite=true", "--quiet")
    seconds = spent_by_children() - before
    config = compose("finetune", keys)
    checkpoint = f"checkpoint={out / 'trained' / 'checkpoint_best.pt'}"
    some = [*places, f"cases=[{','.join(map(repr, test))}]", f"backbone={config.backbone}", "overlays=false"]
    prompts = "prompts=[learned, box, point]"
    usframe("run", *some, checkpoint, prompts, f"out={out / 'run'}", "overwrite=true", "--quiet")
    steps = train_unet(config, seconds, out / "unet", test)
    report = ["--masks", out / "unet", "-l", cache / "labels", "-o", out / "unet_scored", group]
    usframe("report", *report, "overwrite=true", "--quiet")
    ours, theirs = (json.loads((out / one / "summary.json").read_text()) for one in ("run", "unet_scored"))
    scores = {**ours["scores"], "U-Net": next(iter(theirs["scores"].values()))}
    for one in [key for key in scores["learned"] if key != "macro"]:
        row = (f"{mean(scores[prompt], one):.3f}" for prompt in ("learned", "U-Net", "box", "point"))
        print(f"| {name} | {one} |", " | ".join(row), f"| {seconds:.0f} | {steps} |", flush=True)


def train_unet(config: Finetune, seconds: float, out: Path, test: list[str]) -> int:
    """Train for so many seconds, write the masks of the scored cases, and tell how many steps that were."""
    torch.manual_seed(0)
    plugins = load_plugins()
    cases, split = find_split(config, plugins)
    read = Volumes(config, plugins)
    train = [scan_case(cases[name], read) for name in split.train]
    objects = sorted({one for scanned in train for one in scanned.objects})
    source: Any = type("Source", (), {})()
    source.config, source.split, source.read, source.part = config, split, read, lambda names: train
    samples = make_samples(config, make_source(source), plugins, objects=objects, smallest=1)
    network = UNet(2, 1, len(objects) + 1, (16, 32, 64, 128, 256), (2, 2, 2, 2), num_res_units=2)
    optimizer, loss = torch.optim.AdamW(network.parameters(), 1e-3), DiceCELoss(softmax=True, to_onehot_y=True)
    held_out = [read(cases[name]) for name in split.val]
    best, kept, step, begun, checked = -1.0, network.state_dict(), 0, time.process_time(), 0.0
    views: dict[int, tuple[Any, Any]] = {}
    while (spent := time.process_time() - begun) < seconds:
        optimizer.param_groups[0]["lr"] = 1e-3 * 0.5 * (1 + np.cos(np.pi * spent / seconds))
        images, truth = batch(samples, step, views)
        network.train()
        optimizer.zero_grad()
        loss(network(images), truth).backward()
        optimizer.step()
        step += 1
        if time.process_time() - checked > seconds / 12:
            checked = time.process_time()
            found = float(np.mean([score(predict(network, image, objects), labels) for image, labels in held_out]))
            if found > best:
                best, kept = found, {key: value.clone() for key, value in network.state_dict().items()}
    network.load_state_dict(kept)
    for name in test:
        reading = read_case(cases[name], config, plugins)
        path = out / f"{name}{mask_suffix(cases[name].suffix)}"
        write_mask(path, predict(network, reading.data, objects), reading.volume, plugins=plugins)
    return step


def batch(samples: Clips, step: int, views: dict[int, tuple[Any, Any]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (B, 1, S, S) and their classes; ``views`` keeps those that come again."""
    chosen = []
    for number in range(step * BATCH, (step + 1) * BATCH):
        view = samples.source(number).view
        if view not in views:
            sample = samples[number]
            truth = np.zeros((SIDE, SIDE), np.int64)
            for row, one in enumerate(sample.masks[0], 1):
                truth[resize_mask(one, SIDE)] = row
            views[view] = (resize_slice(sample.images[0], SIDE, SIDE), truth)
        chosen.append(views[view])
    images, truths = (torch.from_numpy(np.stack(part))[:, None] for part in zip(*chosen, strict=True))
    return images, truths


@torch.inference_mode()
def predict(network: UNet, data: Any, objects: list[int]) -> np.ndarray:
    """(D, H, W) uint8, the probabilities interpolated to the slice."""
    network.eval()
    ids, planes = np.array([0, *objects], np.uint8), []
    for image in data:
        logits = network(torch.from_numpy(resize_slice(image, SIDE, SIDE))[None, None])
        full = F.interpolate(logits, size=image.shape, mode="bilinear")[0].argmax(0)
        planes.append(ids[full.numpy()])
    return np.stack(planes)


def score(mask: np.ndarray, labels: np.ndarray) -> float:
    """Mean Dice over the objects of the labels."""
    ids = [one for one in np.unique(labels) if one]
    return float(np.mean([dice(mask == one, labels == one) for one in ids]))


def spent_by_children() -> float:
    """Seconds of processor time."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def mean(objects: dict[str, Any], object_id: str) -> float:
    return float(objects[object_id]["all"]["dice"]["mean"])


def usframe(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "usframe", *map(str, words)], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
