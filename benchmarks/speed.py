"""How much faster slices and propagation are than SAM 2 as published scripts drive it (`benchmarks/plain_sam2.py`).

    python benchmarks/speed.py [quick] [busy] [fp32] [bf16] [TABLE ...] [BACKBONE]

TABLE: ``slices`` from one prompt and from five, ``propagation`` of one object, of three ``objects``, ``files``
(`usframe run` with scores and pictures against a script around the loop), ``training`` (an epoch of the decoder),
``work`` (seconds and memory by slices and objects; `demo` where no network is named). Without one all but the last.

The full-size network, or BACKBONE, on slices of its input size; random weights; five alternating runs, or with
``quick`` three, of fewer slices. In fp32, and in bf16 where the processor has it, always against the loop in fp32.
A time counts where the masks agree: Dice of at least 0.999 in fp32, 0.99 in bf16. "of the limit" is what our matrix
products and convolutions would take at the speed of one large product on this machine, as a share of the whole; on
a GPU and in other processes they are not counted. ``busy``: one thread, and its time on the processor.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from plain_sam2 import PlainSam2
from torch.utils.flop_counter import FlopCounterMode

import usframe
from usframe import Prompt, Volume
from usframe.inference.slices import segment_slices

PROCESSOR = Path("/proc/cpuinfo")
STRATEGIES = ("point", "box", "box+point", "mask", "mask+point")
AGREE = {"fp32": 0.999, "bf16": 0.99}
KINDS = ("slices", "propagation", "objects", "files")
BATCH = {"cpu": 8, "cuda": 32}
Logits = NDArray[np.float32]
Clock = Callable[[], float]


@dataclass(frozen=True)
class Case:
    """The same question to the plain loop and to usframe, on ``slices`` of them; both give logits, or masks."""

    name: str
    slices: int
    plain: Callable[[], Logits]
    ours: Callable[[], Logits]


def main(*words: str) -> None:
    known = {"quick", "busy", "training", "work", *AGREE, *KINDS}
    if "busy" in words:
        torch.set_num_threads(1)
    names = [word for word in words if word not in known]
    if "work" in words:
        from gpu import cost

        cost(*names, *({"quick"} & {*words}))
        return
    name, clock = [*names, "medsam2"][0], spent if "busy" in words else time.perf_counter
    precisions = [word for word in words if word in AGREE] or ["fp32", "bf16"][: 1 + has_bf16()]
    kinds = [word for word in words if word in (*KINDS, "training")] or [*KINDS, "training"]
    print(describe(name), flush=True)
    for precision in precisions if kinds != ["training"] else ():
        peak = measure_peak(precision, clock)
        print(f"\n{precision} against fp32; one large matrix product: {peak / 1e9:.0f} GFLOP/s\n")
        print("| case | plain loop, s per slice | usframe | times as fast | of the limit | Dice |")
        print("|---|---|---|---|---|---|", flush=True)
        for case in cases(name, precision, "quick" in words, kinds):
            print(row(case, peak, AGREE[precision], 3 if "quick" in words else 5, clock), flush=True)
    if "training" in kinds:
        from whole import training

        for line in training(name, load(name, "fp32"), "quick" in words, partial(timed, clock=clock)):
            print(line, flush=True)


def cases(name: str, precision: str, quick: bool, kinds: list[str], device: str = "cpu") -> Iterator[Case]:
    network, backbone = load(name, "fp32", device).module, load(name, precision, device)
    side, many = backbone.image_size, 14 if quick else 40
    few = many if device == "cuda" else 4 if quick else 8
    data = recording(many, side)
    loop = PlainSam2(network, data)

    def on_slices(strategies: tuple[str, ...]) -> Case:
        sets = {one: [draw(one, frame, 1, side) for frame in range(few)] for one in strategies}

        def ours() -> Logits:
            answers = segment_slices(
                data[:few] / np.float32(255), sets, backbone, keep_logits=True, batch_size=BATCH[device]
            )
            return np.concatenate([kept(answer) for answer in answers.values()])

        def plain() -> Logits:
            return np.stack([loop.segment(prompts)[1] for prompts in sets.values()])

        what = "one prompt" if len(sets) == 1 else f"{len(sets)} prompts in one run"
        return Case(f"slices, {what}", few, plain, ours)

    def through(objects: int) -> Case:
        prompts = [draw("box", many // 2, one + 1, side) for one in range(objects)]

        def ours() -> Logits:
            return kept(usframe.segment(Volume(data), prompts, backbone, mode="propagate", keep_logits=True))

        what = "1 object" if objects == 1 else f"{objects} objects"
        return Case(f"propagation both ways, {what}", many, lambda: loop.propagate(prompts)[1], ours)

    if "slices" in kinds:
        yield on_slices(("box",))
        yield on_slices(STRATEGIES)
    if "propagation" in kinds:
        yield through(1)
    if "objects" in kinds:
        yield through(3)
    if "files" in kinds:
        from whole import from_files

        with TemporaryDirectory() as folder:
            yield Case("from file to file", many, *from_files(name, network, precision, many, side, Path(folder)))


def kept(answer: usframe.Segmentation) -> Logits:
    assert answer.logits is not None
    return answer.logits


def row(case: Case, peak: float, least: float, runs: int, clock: Clock) -> str:
    """A line of the table, after a first run of both that is compared and not timed."""
    counter = FlopCounterMode(display=False, custom_mapping=ATTENTION)
    with counter:
        answer = case.ours() > 0
    expected = case.plain() > 0
    dice = 2 * (answer & expected).sum() / max(answer.sum() + expected.sum(), 1)
    share = expected.mean()
    if dice < least or not 0.01 < share < 0.99:
        return f"| {case.name} | no time: masks agree to a Dice of {dice:.4f}, {share:.0%} of them object | | | | |"
    plain, ours = np.array([[timed(case.plain, clock), timed(case.ours, clock)] for _ in range(runs)]).T
    ratios, median = sorted(plain / ours), statistics.median(ours)
    flops = 0 if torch.cuda.is_available() else counter.get_total_flops()
    limit = f"{flops / peak / median:.0%}" if flops else "not counted"
    return (
        f"| {case.name} | {statistics.median(plain) / case.slices:.2f} | {median / case.slices:.2f} "
        f"| {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) | {limit} | {dice:.4f} |"
    )


def timed(run: Callable[[], Any], clock: Clock) -> float:
    settle()
    started = clock()
    run()
    settle()
    return clock() - started


def spent() -> float:
    """Seconds on the processor of this process and of those that it started and that have ended."""
    return sum(os.times()[:4])


def settle() -> None:
    """Wait for what a GPU still computes."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def attention_flops(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    """Of what torch's counter does not know: fused attention on a CPU, shapes (B, heads, tokens, channels)."""
    batch, heads, queries, channels = query
    return int(2 * batch * heads * queries * key[2] * (channels + value[3]))


ATTENTION = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: attention_flops}


def measure_peak(precision: str, clock: Clock, device: str = "cpu") -> float:
    """The most operations per second of five products of large square matrices."""
    dtype, side = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision], {"cpu": 2048, "cuda": 8192}[device]
    left, right = torch.randn(2, side, side, device=device).to(dtype)
    with torch.inference_mode():
        return 2 * side**3 / min(timed(lambda: left @ right, clock) for _ in range(5))


def load(name: str, precision: str, device: str = "cpu") -> Any:
    """The network with the same random weights each time, which believe that objects are there."""
    backbone: Any = usframe.load_backbone(name, checkpoint="random", device=device, precision=precision)
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for key, value in sorted(backbone.module.state_dict().items()):
            drawn = torch.randn(value.shape, generator=noise)
            if value.ndim > 1:
                value.copy_(drawn * value[0].numel() ** -0.5)
            else:
                value.copy_(0.05 * drawn + float("norm" in key and key.endswith("weight")))
        backbone.module.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.fill_(5)
    return backbone


def recording(count: int, side: int) -> NDArray[np.uint8]:
    """Slices (D, S, S) of smooth noise with three discs that drift."""
    rng, (y, x) = np.random.default_rng(0), np.ogrid[:side, :side]
    data = np.empty((count, side, side), np.uint8)
    for n in range(count):
        grey = np.kron(rng.random((side // 8, side // 8)), np.ones((8, 8)))
        for one in (1, 2, 3):
            grey[np.hypot(y - side / 2, x - side * one / 4 - n) < side / 10] += 1
        data[n] = 127 * grey
    return data


def draw(strategy: str, frame: int, one: int, side: int) -> Prompt:
    """A prompt at one of the discs."""
    x, y, radius, parts = side * one / 4 + frame, side / 2, side / 10, strategy.split("+")
    rows, columns = np.ogrid[:side, :side]
    return Prompt(
        frame,
        one,
        points=np.array([[x, y]], np.float32) if "point" in parts else None,
        point_labels=np.ones(1, np.int64) if "point" in parts else None,
        box=np.array([x - radius, y - radius, x + radius, y + radius], np.float32) if "box" in parts else None,
        mask=np.hypot(rows - y, columns - x) < radius if "mask" in parts else None,
    )


def has_bf16() -> bool:
    """Whether the processor multiplies bfloat16; others do it in float32, and slower."""
    flags = PROCESSOR.read_text().split() if PROCESSOR.exists() else []
    return "avx512_bf16" in flags or "amx_bf16" in flags


def describe(name: str) -> str:
    lines = PROCESSOR.read_text().splitlines() if PROCESSOR.exists() else []
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    return (
        f"{name}, {torch.get_num_threads()} threads of {model}, bf16 {'there' if has_bf16() else 'not there'}; "
        f"torch {torch.__version__}, Python {platform.python_version()}, usframe {usframe.__version__}"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
