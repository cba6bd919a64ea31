"""How a run is told on its page: its settings in words, and how to cite it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from usframe.reporting.record import RunRecord
from usframe.reporting.text import lasting

PAPERS: dict[str | tuple[str, ...], str] = {  # of networks, by how their names begin
    "medsam2": "Ma et al., MedSAM2: Segment Anything in 3D Medical Images and Videos, arXiv:2504.03600 (2025).",
    ("medsam2", "sam2"): "Ravi et al., SAM 2: Segment Anything in Images and Videos, arXiv:2408.00714 (2024).",
}
SAID = {  # what is told as it is, by what the page calls it
    **{
        "volumes": "Volumes",
        "labels": "Labels",
        "masks": "Masks",
        "prompts": "Prompts",
        "box_margin": "Box margin",
    },
    **{"components": "Components", "multimask": "Several masks", "layout": "Layout", "intensity": "Intensities"},
    **{"z_range": "Slices within", "noise": "Noise", "noised": "Noised prompts", "seeds": "Draws", "seed": "Seed"},
    **{"postprocess": "After the network", "budget": "Played", "split": "Cases"},
}
BOTH = {"both": "slice and propagate"}  # what a mode that is two is made of
PROPAGATES = {"frames": "Prompted slices", "fill": "Filled from", "drift": "Remembered", "patience": "Patience"}
ELSEWHERE = {  # on the page, or in a line with others
    *("command", "notes", "slices", "oracle_prompts", "parameters", "date", "seconds", "seconds_per_stage"),
    "idle_share",
    *("slices_per_second", "backbone", "checkpoint", "checkpoint_sha256", "device", "device_name", "precision"),
    *("processes", "shards", "peak_memory", "mode", "versions", "platform", "loader_share", *PROPAGATES),
}


def facts(run: RunRecord) -> dict[str, str]:
    """What was run, in words: what is off or none is left out."""
    told = {"Date": run.get("date", "").replace("T", " ").replace("+00:00", " UTC"), "Time": _time(run)}
    told |= {"Network": _network(run), "Computed on": _device(run), "Memory": _memory(run.get("peak_memory", {}))}
    if mode := run.get("mode"):
        told["Mode"] = BOTH.get(mode, mode)
    if "loader_share" in run:
        told["Waited for data"] = f"{run['loader_share']:.0%} of the time"
    shown = SAID if run.get("mode") == "slice" else SAID | PROPAGATES
    for key, value in run.items():
        if key not in ELSEWHERE or key in shown:
            told[shown.get(key, key.replace("_", " ").capitalize())] = (
                str(value) if key == "seed" else in_words(value)
            )
    packages = " ".join(f"{name} {number}," for name, number in run.get("versions", {}).items())
    told["Software"] = f"{packages} {run.get('platform', '')}".strip(" ,")
    return {name: words for name, words in told.items() if name and words}


def cited(run: RunRecord, did: str, prompts: Sequence[str]) -> list[str]:
    """A sentence for a paper that says what was ``did``, and what else to cite."""
    backbone, version = run.get("backbone", ""), run.get("versions", {}).get("usframe", "")
    words = f"{did} with usframe {version}".rstrip()
    if backbone:
        weights = (run.get("checkpoint_sha256") or "")[:16]
        words += f", network {backbone}" + (f" (SHA-256 of its weights {weights}\u2026)" if weights else "")
        words += f", prompts {', '.join(prompts)}" * bool(prompts)
        words += _modes(run["mode"]) if "mode" in run else ""
    words += f", seed {run['seed']}" if "seed" in run else ""
    return [f"{words}.", *(PAPERS[name] for name in PAPERS if backbone.startswith(name))]


def _modes(mode: str) -> str:
    return f", modes {BOTH[mode]}" if mode in BOTH else f", mode {mode}"


def in_words(value: Any) -> str:
    """A value as text, without what is zero, empty or none in it."""
    if isinstance(value, Mapping):
        said = {name.replace("_", " "): in_words(item) for name, item in value.items()}
        return ", ".join(f"{name} {words}" for name, words in said.items() if words)
    if isinstance(value, list | tuple):
        return ", ".join(filter(None, map(in_words, value)))
    if value is None or value == 0:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _time(run: RunRecord) -> str:
    if "seconds" not in run:
        return ""
    stages = {name: spent for name, spent in run.get("seconds_per_stage", {}).items() if spent >= 0.05}
    parts = ", ".join(f"{name} {lasting(spent)}" for name, spent in stages.items())
    speed = f"; {run['slices_per_second']:.3g} slices a second" if run.get("slices_per_second") else ""
    return lasting(run["seconds"]) + f" ({parts})" * bool(parts) + speed


def _network(run: RunRecord) -> str:
    if "backbone" not in run:
        return ""
    weights = run.get("checkpoint")
    digest = run.get("checkpoint_sha256")
    words = f"weights {Path(weights).name}" if weights else "fresh weights" if "checkpoint" in run else ""
    return ", ".join(filter(None, [run["backbone"], words, f"SHA-256 {digest}" if digest else ""]))


def _device(run: RunRecord) -> str:
    name, device = run.get("device_name", ""), run.get("device", "")
    words = [f"{device} ({name})" if device and name else device or name, run.get("precision", "")]
    processes, shards = run.get("processes", 0), run.get("shards", 0)
    words += [f"{processes} process{'' if processes == 1 else 'es'}"] * bool(processes)
    words += [f"{shards} shards"] * bool(shards)
    return ", ".join(filter(None, words))


def _memory(peak: Mapping[str, int]) -> str:
    said = {"host_mb": "at most {:,} MiB", "device_mb": "at most {:,} MiB of the device"}
    return ", ".join(said[name].format(most) for name, most in peak.items() if name in said)
