"""What a run would do, found out by doing all of it but the segmentation: `usframe run --dry-run`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from usframe.config.schema import Compare, Predict, modes_of
from usframe.data.case import Case
from usframe.errors import RequestError, UsframeError
from usframe.inference.checkpoints import load_backbone
from usframe.inference.propagate import check_memory
from usframe.plugins.load import Plugins
from usframe.prompting.frames import find_extents
from usframe.reporting.run import counted
from usframe.tasks.predict import find_cases
from usframe.tasks.stages import mask_path, prompt_case, read_case


def dry_run(config: Predict, plugins: Plugins, *, json_output: bool = False) -> int:
    """Print pairs, shapes, spacings, label values, prompts and planned files; the status a run would begin with.

    Raises `RequestError` where volumes and labels do not pair, and, after printing, where the backbone cannot be
    had. Writes nothing.
    """
    plans = [plan_case(case, config, plugins) for case in find_cases(config, plugins)]
    missing = _backbone_problem(config, plugins)
    if json_output:
        plan = {"out": config.out, "backbone": config.backbone, "problem": missing and str(missing), "cases": plans}
        print(json.dumps(plan, indent=2))
    else:
        for plan in plans:
            print(describe(plan))
        broken = sum("error" in plan for plan in plans)
        objects = _ranges(sorted({value for plan in plans for value in plan.get("label_values", ())}))
        print(
            f"{counted(len(plans), 'case')} ({broken} cannot be run), objects {objects}, "
            f"prompts {', '.join(config.prompts)}, backbone {config.backbone}. Nothing was written."
        )
    if missing:
        raise missing
    return int(any("error" in plan for plan in plans))


def plan_case(case: Case, config: Predict, plugins: Plugins) -> dict[str, Any]:
    """Everything known about a case before it is segmented; ``error`` where it cannot be."""
    labelled = None if case.labels is None else str(case.labels)
    plan: dict[str, Any] = {"case": case.name, "volume": str(case.volume), "labels": labelled}
    notes: list[str] = []
    try:
        volume, labels, _ = read_case(case, config, plugins, notes)
        extents = find_extents(config.z_range, len(volume.data), labels)
        prompts = {
            f"{name} ({mode})" if config.mode == "both" else name: asked
            for mode in modes_of(config)
            for name, asked in prompt_case(
                case, volume, labels, extents, replace(config, mode=mode), plugins, notes
            ).items()
        }
    except UsframeError as error:
        return {**plan, "error": str(error)}
    values = [] if labels is None else [int(value) for value in np.unique(labels) if value]
    return {
        **plan,
        "shape": list(volume.data.shape),
        "dtype": str(volume.data.dtype),
        "spacing_mm": None if volume.spacing_mm is None else [round(float(mm), 6) for mm in volume.spacing_mm],
        "label_values": values,
        "slices_without_object": None if labels is None else int((~labels.any((1, 2))).sum()),
        "prompts": {name: len(asked) for name, asked in prompts.items()},
        "masks": []
        if isinstance(config, Compare)
        else [str(mask_path(Path(config.out or ""), name, case)) for name in config.prompts],
        "notes": list(dict.fromkeys(notes)),
    }


def describe(plan: dict[str, Any]) -> str:
    """A plan in a few lines for the terminal."""
    head = f"{plan['case']}: {plan['volume']}" + (f" + {plan['labels']}" if plan["labels"] else ", no labels")
    if "error" in plan:
        return f"{head}\n  error: {plan['error']}"
    spacing = " x ".join(f"{mm:g}" for mm in plan["spacing_mm"] or ()) + " mm" if plan["spacing_mm"] else "unknown"
    labels = "no labels"
    if plan["labels"]:
        empty = plan["slices_without_object"]
        labels = f"labels {_ranges(plan['label_values'])}; {empty} slices without an object"
    depth, height, width = plan["shape"]
    counts = ", ".join(f"{count} {name}" for name, count in plan["prompts"].items())
    lines = [
        head,
        f"  {depth} slices of {height} x {width} {plan['dtype']}, spacing {spacing}; {labels}",
        f"  prompts: {counts}" + (f" -> {', '.join(plan['masks'])}" if plan["masks"] else ""),
        *(f"  note: {note}" for note in plan["notes"]),
    ]
    return "\n".join(lines)


def _ranges(values: list[int]) -> str:
    """1, 2, 5-9: more than three in a row are written as a range."""
    rows: list[list[int]] = []
    for value in values:
        if rows and value == rows[-1][-1] + 1:
            rows[-1].append(value)
        else:
            rows.append([value])
    parts = [f"{row[0]}-{row[-1]}" if len(row) > 3 else ", ".join(map(str, row)) for row in rows]
    return ", ".join(parts) or "none"


def _backbone_problem(config: Predict, plugins: Plugins) -> RequestError | None:
    try:
        backbone = load_backbone(
            config.backbone,
            checkpoint=config.checkpoint,
            device=config.device,
            precision=config.precision,
            plugins=plugins,
        )
        if config.mode == "propagate":
            check_memory(backbone)
    except RequestError as error:
        return error
    return None
