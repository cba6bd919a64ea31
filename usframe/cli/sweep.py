"""`usframe run -m`: every combination of keys that have several values, one run after the other, and one table."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from usframe.cli.options import OWN_PROCESS
from usframe.config.overrides import override
from usframe.config.sweeps import Combination, combine
from usframe.errors import ConfigError, RequestError, escape
from usframe.files import write_csv
from usframe.plain import read_json
from usframe.reporting.results import NO_NETWORK
from usframe.reporting.text import columns, counted
from usframe.scoring.summary import MACRO
from usframe.session.watch import beside
from usframe.tasks import TASKS, Output, execute, load, read

TABLE = "sweep.csv"
SCORES = ("dice", "dice_sd", "dice_ci95_low", "dice_ci95_high", "hd95", "unit", "n", "note")
STOPS = 2  # this exit status and those above it: the request is wrong, or the run was interrupted
Row = dict[str, Any]


@dataclass(frozen=True)
class Sweep:
    """A request with keys of several values. ``alone``: overrides of all runs; ``out``: the place of their OUT."""

    experiment: str
    alone: Sequence[str]
    combinations: Sequence[Combination]
    out: Path
    task: str
    files: Sequence[str]

    def words(self, one: Combination) -> list[str]:
        """The overrides of one run."""
        return [*self.alone, *one.overrides, override("out", str(self.folder(one)))]

    def folder(self, one: Combination) -> Path:
        return self.out / one.name

    @property
    def keys(self) -> list[str]:
        return list(self.combinations[0].values)


def find_sweep(experiment: str, overrides: Sequence[str], files: Sequence[str]) -> Sweep:
    """The sweep of a request, every combination of it checked as `usframe run` would.

    Raises `RequestError` with all that is wrong.
    """
    config, _ = read(experiment, overrides)
    if config.task not in RESULTS:
        raise RequestError(f"-m is for task={' and '.join(RESULTS)}, not for task={config.task}")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise RequestError("-m runs in one process; launch several for each combination by itself")
    alone, combinations, problems = combine(overrides, TASKS[config.task].schema)
    if not combinations and not problems:
        problems = ["-m wants several values of a key, such as prompts=box,point"]
    sweep = Sweep(experiment, alone, combinations, Path(config.out), config.task, files)
    if problems:
        raise ConfigError(*problems)
    for one in combinations:
        composed, wrong = read(experiment, sweep.words(one))
        composed.plugins = [*files, *composed.plugins]
        try:
            load(composed, wrong)
        except RequestError as error:
            problems += error.problems
    if problems:
        raise ConfigError(*dict.fromkeys(problems))
    if (path := sweep.out / TABLE).exists() and not path.read_text(errors="replace").startswith("run,"):
        raise RequestError(f"{path} is no table of a sweep, and would be replaced; remove it, or choose another -o")
    return sweep


def run_all(sweep: Sweep, output: Output) -> int:
    """Run every combination and tell the table; the exit status is the highest of all.

    A run whose request is wrong, or that was interrupted, is the last: the same command goes on.
    """
    status, count = 0, len(sweep.combinations)
    for number, one in enumerate(sweep.combinations, 1):
        if not (output.quiet or output.json):
            print(escape(f"[{number}/{count}] {_told(one)} -> {sweep.folder(one)}"), flush=True)
        status = max(status, run_one(sweep, one, quiet=output.quiet or output.json))
        if status >= STOPS:
            print(f"Error: run {number} of {count} ended the sweep; the same command goes on", file=sys.stderr)
            break
    rows = [row for one in sweep.combinations for row in rows_of(sweep, one)]
    if rows:
        write_csv(sweep.out / TABLE, ["run", *sweep.keys, "prompt", "slices", *SCORES], rows)
    if output.json:
        print(json.dumps({"out": str(sweep.out), "runs": rows}, indent=2))
    elif not output.quiet and rows:
        print(f"{table(sweep, rows)}\n{escape(f'Wrote {sweep.out / TABLE}')}")
    elif not output.quiet and status < STOPS:
        print("There are no scores to compare")
    return status


def run_one(sweep: Sweep, one: Combination, *, quiet: bool) -> int:
    """The exit status of one run, a command of its own where the sweep is one."""
    if click.get_current_context().find_root().obj is not OWN_PROCESS:
        return execute(sweep.experiment, sweep.words(one), Output(quiet=quiet), files=sweep.files)
    plugins = [word for file in sweep.files for word in ("--plugin", file)]
    command = [sys.executable, "-m", "usframe", "run", sweep.experiment, *sweep.words(one), *plugins]
    return beside([*command, *["--quiet"] * quiet])


def show_plan(sweep: Sweep, output: Output) -> int:
    """Print what would be run."""
    if output.json:
        runs = [{**one.values, "out": str(sweep.folder(one))} for one in sweep.combinations]
        print(json.dumps({"out": str(sweep.out), "runs": runs}, indent=2))
    elif not output.quiet:
        for number, one in enumerate(sweep.combinations, 1):
            print(escape(f"[{number}/{len(sweep.combinations)}] {_told(one)} -> {sweep.folder(one)}"))
        print(f"{counted(len(sweep.combinations), 'run')}. Nothing was read or written.")
    return 0


def table(sweep: Sweep, rows: Sequence[Row]) -> str:
    """A line per run and prompt: means over cases, over all slices and, where these are told apart, unprompted."""
    apart = {(row["run"], row["prompt"]): row for row in rows if row["slices"] == "unprompted"}
    shown = [row for row in rows if row["slices"] == "all"]
    split, named = bool(apart), [key for key in sweep.keys if key != "prompts"]
    unit = " or ".join(dict.fromkeys(row["unit"] for row in shown if row["unit"]))
    noted = any(row["note"] for row in shown)
    head = [*named, "prompt", "Dice", *["unprompted"] * split, *[f"HD95 {unit}"] * bool(unit), "n"]
    lines = [[*head, *["note"] * noted]]
    for row in shown:
        spread = "" if row["dice_sd"] is None else f" ± {row['dice_sd']:.3f}"
        cells = [*(row[key] for key in named), row["prompt"], _number(row["dice"], 3) + spread]
        other = apart.get((row["run"], row["prompt"]))
        cells += [_number(other["dice"] if other else None, 3)] * split + [_number(row["hd95"], 1)] * bool(unit)
        lines.append([*cells, str(row["n"]), *[row["note"]] * noted])
    left = {*range(len(named) + 1), *range(len(head), len(head) + noted)}
    return f"Dice over all slices: mean of n cases, ± sd\n{columns(lines, left=left)}"


def rows_of(sweep: Sweep, one: Combination) -> Iterator[Row]:
    """What a run scored, a row for each prompt and set of slices; nothing where it has not come to that."""
    try:
        for row in RESULTS[sweep.task](sweep.folder(one)):
            yield {"run": one.name, **one.values, **dict.fromkeys(SCORES), "unit": "", "note": "", **row}
    except (OSError, ValueError, KeyError):
        return


def _segmented(folder: Path) -> Iterator[Row]:
    """Of summary.json, see `usframe.reporting.run_page.RunSummary`."""
    summary = read_json(folder / "summary.json")
    for prompt, objects in summary["scores"].items():
        note = summary["marks"].get(prompt, "")
        for slices, scores in objects[MACRO].items() if note != NO_NETWORK else ():
            dice, low_high = scores["dice"], scores["dice"]["ci95"] or (None, None)
            if not dice["n"] and slices != "all":
                continue
            yield {
                **{"prompt": prompt, "slices": slices, "dice": dice["mean"], "dice_sd": dice["sd"]},
                **{"dice_ci95_low": low_high[0], "dice_ci95_high": low_high[1]},
                **{"hd95": scores["hd95_mm"]["mean"], "unit": summary["unit"], "n": dice["n"], "note": note},
            }


def _trained(folder: Path) -> Iterator[Row]:
    """Of gains.csv, see `usframe.reporting.training.Gain`: the validation cases with the best weights."""
    with (folder / "gains.csv").open(encoding="utf-8", newline="") as file:
        gains = list(csv.DictReader(file))
    for prompt in dict.fromkeys(row["prompt"] for row in gains):
        last = [row for row in gains if row["prompt"] == prompt][-1]  # the mean, or the only object
        yield {
            "prompt": prompt,
            "slices": "all",
            "dice": float(last["after"]),
            "unit": "",
            "n": last["n"],
            "note": "",
        }


RESULTS = {"predict": _segmented, "finetune": _trained}


def _told(one: Combination) -> str:
    return " ".join(f"{key}={value}" for key, value in one.values.items())


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
