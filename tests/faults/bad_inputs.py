"""How many bad inputs, each among two good cases and all of them among thirty, end as they should.

    python tests/faults/bad_inputs.py FOLDER [NAME...]

FOLDER is new; without names all recipes are tried. As it should be: exit status 1 (2 where the request is refused),
one line that names the file and the cause, no traceback, no hang, no mask for the bad case, every table written,
and the masks of the good cases to the byte those of a run without the bad one.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from conftest import DataSet, write_case  # noqa: E402
from forks import fork  # noqa: E402
from recipes import Place, Recipe, arrays, itk, labelling, nifti, pictures, places, prompting  # noqa: E402

RECIPES = [one for kind in (nifti, itk, arrays, pictures, labelling, places, prompting) for one in kind.RECIPES]
TABLES = ("metrics.csv", "failures.csv", "summary.json", "run.json", "report.html")
SECONDS = 60
ODD = ("good a b", "good M\udcfcller", "good\nline", "=good", "good" + "x" * 240)


class Ended(NamedTuple):
    """What a command left: ``status`` None where it had to be ended, and negative where a signal ended it."""

    status: int | None
    stdout: str
    stderr: str


def data_in(folder: Path, good: Sequence[str]) -> DataSet:
    data = DataSet(folder / "volumes", folder / "labels", folder / "out")
    for number, name in enumerate(good):
        write_case(data, name, 4, seed=number)
    return data


def usframe(
    words: Sequence[str], folder: Path, recipes: Iterable[Recipe] = (), place: Place | None = None
) -> Ended:
    """The command in a child of this process, in which ``recipes`` are followed first."""

    def work() -> None:
        for recipe in recipes:
            assert place
            recipe.make(place._replace(case=case_of(recipe)))
        from usframe.cli import main

        main(words, "usframe")

    printed = [folder / str(number) for number in (1, 2)]
    child = fork(work, printed)
    until = time.monotonic() + SECONDS * (10 if place is None else 1)
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return Ended(None, "", "")
        time.sleep(0.01)
    said = [path.read_text(encoding="utf-8", errors="replace") for path in printed]
    return Ended(os.waitstatus_to_exitcode(ended[1]), *said)


def case_of(recipe: Recipe) -> str:
    return recipe.case or f"bad_{recipe.name}"


def masks(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "masks").rglob("*") if path.is_file()}


def request(data: DataSet, options: Sequence[str] = ()) -> list[str]:
    words = [word.replace("PLACE", str(data.out.parent)) for word in options]
    return data.request("--quiet", *([] if words else ["-p", "box"]), *words)


def check(recipe: Recipe, folder: Path, wanted: dict[str, bytes]) -> list[str]:
    """What is wrong with how one bad input among two good cases ended."""
    data = data_in(folder, ("good_0", "good_1"))
    place = Place(data.volumes, data.labels, "")
    ended = usframe(request(data, recipe.options), folder, [recipe], place)
    problems = [] if ended.status == recipe.status else [f"status {ended.status} instead of {recipe.status}"]
    problems += wrong_words(recipe, ended)
    if recipe.status == 2:
        return problems + ["masks of a refused run"] * bool(masks(data.out))
    if recipe.status == 0:
        return problems + wrong_notes(recipe, data.out)
    return problems + wrong_files(data.out, wanted, [recipe])


def wrong_words(recipe: Recipe, ended: Ended) -> list[str]:
    """Exactly one line, that of the recipe; none at all for what is accepted with a note."""
    lines = ended.stderr.splitlines()
    problems = ["said something: " + ended.stdout[:300]] * bool(ended.stdout)
    if recipe.status == 0:
        return problems + ["complained: " + ended.stderr[-500:]] * bool(lines)
    if len(lines) != 1 or not ended.stderr.endswith("\n"):
        return [*problems, f"{len(lines)} lines: {ended.stderr[-900:]}"]
    return problems + wrong_line(recipe, lines[0])


def wrong_line(recipe: Recipe, line: str) -> list[str]:
    shown = case_of(recipe).encode("unicode_escape").decode() if not case_of(recipe).isascii() else case_of(recipe)
    shown = re.sub("[\x00-\x1f]", lambda found: found[0].encode("unicode_escape").decode(), shown)
    named = shown in line or bool(recipe.status == 2 and re.search(r"prompts\.(csv|json)|volumes\.csv", line))
    problems = ["the line names no case: " + line] * (not named)
    problems += ["the line is no error: " + line] * (not line.startswith("Error: "))
    problems += ["the line says no cause: " + line] * (not re.search(recipe.says, line))
    return problems + ["the line is long: " + line[:900]] * (len(line) > 900)


def wrong_notes(recipe: Recipe, out: Path) -> list[str]:
    notes = json.loads((out / "run.json").read_text())["notes"] if (out / "run.json").exists() else []
    return [f"no such note: {notes}"] * (not any(re.search(recipe.says, note) for note in notes))


def wrong_files(out: Path, wanted: dict[str, bytes], recipes: Sequence[Recipe]) -> list[str]:
    """Masks that are not those of the good cases, and tables that are missing or incomplete."""
    found = masks(out)
    problems = [f"mask of {name} is there" for name in found.keys() - wanted.keys()]
    problems += [f"mask of {name} differs" for name in wanted if found.get(name) != wanted[name]]
    return problems + wrong_tables(out, len(wanted), len(recipes))


def wrong_tables(out: Path, good: int, bad: int) -> list[str]:
    if missing := [f"{name} is missing" for name in TABLES if not (out / name).exists()]:
        return missing
    tables = [(out / name).open(newline="") for name in ("failures.csv", "metrics.csv")]
    failed, scored = ({row["case"] for row in csv.DictReader(table)} for table in tables)
    problems = [f"{len(failed)} cases in failures.csv"] * (len(failed) != bad)
    return problems + [f"{len(scored)} cases in metrics.csv"] * (len(scored) != good)


def together(recipes: Sequence[Recipe], folder: Path, count: int) -> list[str]:
    """All that fail their case, in one folder with ``count`` good cases, some of which have odd names."""
    good = [*(f"good_{n}" for n in range(count - len(ODD))), *ODD]
    alone = data_in(folder / "alone", good)
    usframe(request(alone), folder)
    wanted = masks(alone.out)
    problems = [f"{len(wanted)} of {count} good cases without a bad one"] * (len(wanted) != count)
    data = data_in(folder / "all", good)
    ended = usframe(request(data), folder, recipes, Place(data.volumes, data.labels, ""))
    lines = ended.stderr.splitlines()
    problems += [f"status {ended.status} instead of 1"] * (ended.status != 1)
    problems += [f"{len(lines)} lines for {len(recipes)} bad inputs"] * (len(lines) != len(recipes))
    for recipe in recipes:
        if all(wrong_line(recipe, line) for line in lines):
            problems.append(f"{recipe.name} has no line")
    return problems + wrong_files(data.out, wanted, recipes)


def check_report(recipes: Sequence[Recipe], folder: Path) -> list[str]:
    """The bad labels as masks that `usframe report` scores, all at once among two good ones."""
    data = data_in(folder, ("good_0", "good_1"))
    place, true = Place(folder / "unused", folder / "masks", ""), Place(data.volumes, data.labels, "")
    place.volumes.mkdir()
    shutil.copytree(data.labels, place.labels)
    for recipe in recipes:
        labelling.holding(labelling.labels())(true._replace(case=case_of(recipe)))
    words = ["report", "--masks", str(place.labels), "-l", str(data.labels), "-o", str(data.out), "--quiet"]
    ended = usframe(words, folder, recipes, place)
    lines = ended.stderr.splitlines()
    problems = [f"report: status {ended.status} instead of 1"] * (ended.status != 1)
    problems += [f"report: {len(lines)} lines for {len(recipes)} bad masks"] * (len(lines) != len(recipes))
    problems += [
        f"report: {one.name} has no line" for one in recipes if all(wrong_line(one, line) for line in lines)
    ]
    return problems + [f"report: {problem}" for problem in wrong_tables(data.out, 2, len(recipes))]


def references(folder: Path) -> dict[bool, dict[str, bytes]]:
    """The masks of the good cases alone, drawn from labels and (True) from a file of prompts."""
    found = {}
    for filed in (False, True):
        data = data_in(folder / f"reference_{filed}", ("good_0", "good_1"))
        (data.out.parent / "prompts.csv").write_text(prompting.HEAD + prompting.GOOD)
        usframe(request(data, prompting.file() if filed else ()), data.out.parent)
        found[filed] = masks(data.out)
        assert len(found[filed]) == 2, (data.out.parent / "2").read_text()
    return found


def main(folder: Path, names: Sequence[str]) -> int:
    import usframe.tasks.predict  # noqa: F401 (once for all children)

    recipes = [recipe for recipe in RECIPES if not names or recipe.name in names]
    assert len({case_of(recipe) for recipe in RECIPES}) == len(RECIPES)
    folder = folder.absolute()
    wanted = references(folder)
    failed: dict[str, list[str]] = {}
    for recipe in recipes:
        if problems := check(recipe, folder / "one", wanted[bool(recipe.options)]):
            failed[recipe.name] = problems
            print(f"{recipe.name}: {'; '.join(problems)}", flush=True)
        shutil.rmtree(folder / "one")
    for kind, chosen in (
        ("bad", [r for r in recipes if r.status]),
        ("suspicious", [r for r in recipes if not r.status]),
    ):
        well = sum(recipe.name not in failed for recipe in chosen)
        print(f"{kind} inputs: {well} of {len(chosen)} as wanted", flush=True)
    failing = [recipe for recipe in recipes if recipe.status == 1 and not recipe.options]
    good = 7 if names else 30
    problems = together(failing, folder / "together", good)
    end = "".join(f"\n{problem}" for problem in problems) or " as wanted"
    print(f"{len(failing)} of them at once among {good} good cases:{end}")
    masked = [recipe for recipe in labelling.RECIPES if recipe in recipes and not recipe.name.startswith("slicer")]
    unscored = check_report(masked, folder / "report") if masked else []
    print(f"{len(masked)} of them as masks to be scored: " + ("; ".join(unscored) or "as wanted"))
    return int(bool(failed or problems or unscored))


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), sys.argv[2:]))
