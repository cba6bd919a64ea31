"""All strategies side by side, in both modes, with clean and with noised prompts: the task `compare`.

A case is read once. In each mode its slices are encoded once for all strategies and all draws of their prompts.
"""

from __future__ import annotations

from dataclasses import replace

from usframe.config.schema import Compare
from usframe.inference.verbs import with_memory
from usframe.plugins import Plugins
from usframe.reporting.comparison import print_comparison, write_comparison
from usframe.tasks import Output
from usframe.tasks.experiment import Draw, Experiment
from usframe.tasks.predict import Report, run, start
from usframe.types import Backbone, MemoryBackbone


def compare(config: Compare, plugins: Plugins, output: Output) -> int:
    """Run a comparison over all its cases; returns the exit status, 1 if some case failed.

    A backbone without memory is compared in slice mode alone, with a note. Raises `RequestError` before any case
    is touched where the request cannot be met.
    """
    cases, accelerator, backbone = start(config, plugins)
    config, notes = possible(config, backbone)
    experiment = Experiment.of(config, plugins, draws(config), compared=True)
    report = replace(report_of(config, plugins), notes=notes)
    return run(experiment, cases, backbone, accelerator, report, output)


def possible(config: Compare, backbone: Backbone) -> tuple[Compare, list[str]]:
    """The comparison that the backbone can do, with a note on what is left out. Raises `RequestError`."""
    if config.mode == "propagate":
        with_memory(backbone)
    if config.mode != "both" or isinstance(backbone, MemoryBackbone):
        return config, []
    left_out = f"propagation is left out: the backbone {config.backbone} has no memory"
    return replace(config, mode="slice"), [left_out]


def report_of(config: Compare, plugins: Plugins) -> Report:
    return Report(write_comparison, print_comparison)


def draws(config: Compare) -> list[Draw]:
    """Clean prompts, then every draw of the noised ones, each with a seed of its own."""
    clean = Draw(config.noise, config.seed)
    return [clean, *(Draw(config.noised, config.seed + n) for n in range(1, config.seeds + 1))]
