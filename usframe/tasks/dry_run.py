"""What a run would do and how long, found out by doing all of it but the segmentation: `usframe run --dry-run`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TypedDict

from usframe.arrays import values_of
from usframe.config.schema import Budget, Compare, Predict, support_folder
from usframe.data.case import Case
from usframe.data.patients import note_single_slices
from usframe.environment.pace import Steps, count_steps, time_steps
from usframe.errors import CaseError, RequestError, escape, print_problems
from usframe.inference.tracks import Tracking
from usframe.inference.verbs import with_memory
from usframe.plugins import Plugins
from usframe.plugins.arguments import needs_labels
from usframe.reporting.results import CaseResult
from usframe.reporting.text import about, counted, picture
from usframe.session.loop import Progress, run_cases, stop_if_interrupted
from usframe.session.shards import part_of
from usframe.tasks import Output
from usframe.tasks.compare import draws, possible
from usframe.tasks.experiment import Experiment
from usframe.tasks.predict import choose_cases, load_network
from usframe.tasks.stages import mask_path
from usframe.types import Backbone


class Plan(TypedDict, total=False):
    """Everything known about a case before it is segmented; ``error`` instead of a shape where it cannot be.

    ``steps``: what the network has to do, None where that depends on what it finds. ``picture``: the middle slice,
    in lines for the terminal.
    """

    case: str
    volume: str
    labels: str | None
    error: str
    shape: list[int]
    dtype: str
    spacing_mm: list[float] | None
    label_values: list[int]
    names: dict[str, str]
    slices_without_object: int | None
    prompts: dict[str, int]
    steps: dict[str, int] | None
    masks: list[str]
    notes: list[str]
    picture: list[str]


def dry_run(config: Predict, plugins: Plugins, output: Output) -> int:
    """Print pairs, shapes, spacings, label values, prompts, planned files and how long the network will take; the
    status a run would begin with.

    A network that cannot be had is told before any volume is read. Raises `RequestError` where volumes and labels
    do not pair. Writes nothing.
    """
    compared = isinstance(config, Compare | Budget)
    backbone = _network(config, plugins)
    notes: list[str] = []
    if isinstance(config, Compare) and not isinstance(backbone, RequestError):
        config, notes = possible(config, backbone)
    experiment = Experiment.of(config, plugins, draws(config)[:1] if isinstance(config, Compare) else ())
    plans: list[Plan] = []

    def plan(case: Case, result: CaseResult, progress: Progress) -> None:
        plans.append(plan_case(case, experiment, compared=compared, pictured=not (plans or output.json)))

    cases, _, told = part_of(choose_cases(config, plugins), config)
    results = run_cases(plan, cases, output)
    stop_if_interrupted(results)
    known = {plan["case"]: plan for plan in plans}
    listed = [known.get(case.name) or _failed(case, result) for case, result in zip(cases, results, strict=True)]
    notes += told + note_single_slices((plan["shape"][0] for plan in plans), config.group)
    if isinstance(config, Budget):
        rules = ", ".join(named.label for named in config.rules())
        notes.append(f"up to {max(config.slices)} slices of each object will be prompted, chosen by {rules}")
    seconds = None if isinstance(backbone, RequestError) else _seconds(plans, backbone, notes)
    if output.json:
        problem = str(backbone) if isinstance(backbone, RequestError) else None
        request = {"out": str(config.folder), "backbone": config.backbone, "problem": problem, "seconds": seconds}
        print(json.dumps({**request, "notes": notes, "cases": listed}, indent=2))
    elif not output.quiet:
        _show(listed, notes, config, seconds)
    if isinstance(backbone, RequestError):
        return 2
    return int(any("error" in plan for plan in listed))


def plan_case(case: Case, experiment: Experiment, *, compared: bool, pictured: bool = False) -> Plan:
    """What a run would do with a case. Raises `CaseError` where it cannot be run."""
    config = experiment.config
    reading, extents = experiment.read(case)
    counts: dict[str, int] = {}
    notes, steps = [*reading.notes], []
    tracking = Tracking(config.multimask, config.patience, extents, config.drift, config.fill)
    repeats = len(draws(config)) if isinstance(config, Compare) else 1
    for mode in config.modes:
        sets, found = experiment.prompts(case, reading, extents, mode)
        notes += found
        steps.append(count_steps([*sets.values()] * repeats, mode, len(reading.data), tracking))
        for variant, prompts in sets.items():
            counts[f"{variant.prompt} ({mode})" if len(config.modes) > 1 else variant.prompt] = len(prompts)
    for name in config.labels_of_prompts():
        if not any(told.split(" (")[0] == name for told in counts):  # without labels it is asked on every slice
            counts[name] = len(reading.data)
    volume, labels = reading.volume, reading.labels
    named = [] if compared else [*config.labels_of_prompts(), *config.fallbacks()]
    masks = [mask_path(config.folder, name, case, config.mask_format) for name in named]
    plan: Plan = {
        "case": case.name,
        "volume": str(case.volume),
        "labels": None if case.labels is None else str(case.labels),
        "shape": list(volume.data.shape),
        "dtype": str(volume.data.dtype),
        "spacing_mm": None if volume.spacing_mm is None else [round(float(mm), 6) for mm in volume.spacing_mm],
        "label_values": [] if labels is None else [value for value in values_of(labels) if value],
        "names": {str(value): name for value, name in sorted(reading.names.items())},
        "slices_without_object": reading.empty_slices,
        "prompts": counts,
        "steps": Steps(*map(sum, zip(*steps, strict=True)))._asdict() if _foreseen(experiment) else None,
        "masks": [str(path) for path in masks],
        "notes": list(dict.fromkeys(notes)),
    }
    if pictured:
        plan["picture"] = picture(reading.data[len(reading.data) // 2])
    return plan


def _failed(case: Case, result: CaseResult) -> Plan:
    labels = None if case.labels is None else str(case.labels)
    return {"case": case.name, "volume": str(case.volume), "labels": labels, "error": result.error}


def _show(plans: Sequence[Plan], notes: Sequence[str], config: Predict, seconds: float | None) -> None:
    told = [plan["notes"] for plan in plans if "notes" in plan]
    shared = [note for note in told[0] if all(note in other for other in told)] if len(told) > 1 else []
    for plan in plans:
        for line in describe(plan, shared):
            print(escape(line))
    for note in (*notes, *(f"{note} (all {len(told)} cases)" for note in shared)):
        print(escape(f"note: {note}"))
    broken = sum("error" in plan for plan in plans)
    objects = _ranges(sorted({value for plan in plans for value in plan.get("label_values", ())}))
    print(
        f"{counted(len(plans), 'case')} ({broken} cannot be run), objects {objects}, "
        f"prompts {', '.join(config.labels_of_prompts())}, backbone {config.backbone}. Nothing was written."
    )
    if seconds is not None:
        kept = ", less for slices that cache.embeddings has" if config.cache.embeddings else ""
        print(f"The network will take {about(seconds)} on this machine (one slice timed){kept}.")


def describe(plan: Plan, shared: Sequence[str] = ()) -> list[str]:
    """A plan in a few lines for the terminal, without the notes that are ``shared`` with all others."""
    head = f"{plan['case']}: {plan['volume']}" + (f" + {plan['labels']}" if plan["labels"] else ", no labels")
    if "error" in plan:
        return [head, f"  error: {plan['error']}"]
    spacing = " x ".join(f"{mm:g}" for mm in plan["spacing_mm"] or ()) + " mm" if plan["spacing_mm"] else "unknown"
    labels = "no labels"
    if plan["labels"]:
        empty = plan["slices_without_object"]
        named = f" ({', '.join(' '.join(name) for name in plan['names'].items())})" if plan["names"] else ""
        labels = f"labels {_ranges(plan['label_values'])}{named}; {empty} slices without an object"
    depth, height, width = plan["shape"]
    seen = [f"    {line}".rstrip() for line in plan.get("picture", ())]
    seen[:0] = [f"  slice {depth // 2} as it is read:"] * bool(seen)
    counts = ", ".join(f"{count} {name}" for name, count in plan["prompts"].items())
    return [
        head,
        f"  {depth} slices of {height} x {width} {plan['dtype']}, spacing {spacing}; {labels}",
        f"  prompts: {counts}" + (f" -> {', '.join(plan['masks'])}" if plan["masks"] else ""),
        *(f"  note: {note}" for note in plan["notes"] if note not in shared),
        *seen,
    ]


def _ranges(values: Sequence[int]) -> str:
    """1, 2, 5-9: more than three in a row are written as a range."""
    rows: list[list[int]] = []
    for value in values:
        if rows and value == rows[-1][-1] + 1:
            rows[-1].append(value)
        else:
            rows.append([value])
    parts = [f"{row[0]}-{row[-1]}" if len(row) > 3 else ", ".join(map(str, row)) for row in rows]
    return ", ".join(parts) or "none"


def _network(config: Predict, plugins: Plugins) -> Backbone | RequestError:
    """The network, or what is wrong with it, which is printed."""
    try:
        backbone = load_network(config, plugins, config.device)
        if config.mode == "propagate":
            with_memory(backbone)
        return backbone
    except RequestError as error:
        print_problems(error)
        return error


def _foreseen(experiment: Experiment) -> bool:
    """Whether all prompts are known before the network has seen anything."""
    config = experiment.config
    named = map(needs_labels, experiment.strategies.values())
    return not isinstance(config, Budget) and not support_folder(config.frames) and all(named)


def _seconds(plans: Sequence[Plan], backbone: Backbone, notes: list[str]) -> float | None:
    """What the network will take for all cases on this machine; None where nobody knows."""
    steps = [Steps(**told) for plan in plans if (told := plan["steps"])]
    if len(steps) < len(plans) or not any(one.encode for one in steps):
        return None
    try:
        return time_steps(backbone).seconds(steps)
    except CaseError as error:
        notes.append(f"the network could not be timed: {error}")
        return None
