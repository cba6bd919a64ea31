"""Words that anybody may type after `usframe run`: the answer is a request, or what is wrong with it in lines.

`--hypothesis-profile=soak` tries 2,000 of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from usframe.config import compose
from usframe.config.overrides import parse_overrides, written
from usframe.config.schema import leaves
from usframe.errors import RequestError, shown
from usframe.tasks import TASKS, read

KEYS = sorted({key for task in TASKS.values() for key in leaves(task.schema)})
EXPERIMENTS = ["zero_shot", "finetune", "prepare", "score", "compare_prompts", "budget", "preview_augmentations"]
ASKED = ["volumes=images", "labels=truth"]

plain = st.text("abcXYZ0123456789_.-+/~:%@", min_size=1, max_size=14)
dates = st.dates().flatmap(
    lambda day: st.sampled_from([f"{day:%Y_%m_%d}", f"{day}", f"{day:%d.%m.%Y}", f"{day:%Y%m%d}"])
)
numbers = st.one_of(
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(
        ["007", "1_000", "1e3", "1E-3", ".5", "5.", "+3", "-0", "0x1F", "0b1", "1e999", "inf", "-inf", "nan"]
    ),
)
marks = st.text("[]{}(),:='\"\\$?*!|>&#%@`~ \t\nabc019", max_size=20)
nested = st.recursive(
    st.one_of(plain, numbers, st.sampled_from(["null", "true", "false", "None", "???", "''"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]"),
        st.dictionaries(plain, inner, max_size=3).map(
            lambda items: "{" + ",".join(f"{key}:{item}" for key, item in items.items()) + "}"
        ),
    ),
    max_leaves=6,
)
references = st.sampled_from(
    ["${oc.env:HOME}", "${volumes}", "${out}", "${", "${nothing}", "${oc.create:1}", "\\${x}"]
)
values = st.one_of(plain, dates, numbers, marks, nested, references, st.text(max_size=20))
keys = st.one_of(
    st.sampled_from(KEYS),
    st.tuples(st.sampled_from(KEYS), plain).map(".".join),
    st.sampled_from(
        ["", "+out", "~out", "out@x", "hydra.run.dir", "hydra/launcher", "task", "out.", ".out", "_target_"]
    ),
    st.text(max_size=10),
)


@pytest.fixture(scope="module", autouse=True)
def composed_once() -> Iterator[None]:
    """What the files of usframe say is composed by Hydra once, not for each example."""
    known: dict[str, dict[str, Any]] = {}
    real = compose._compose_yaml

    def once(path: Path, choices: Mapping[str, str]) -> dict[str, Any]:
        key = f"{path} {sorted(choices.items())}"
        if key not in known:
            known[key] = real(path, choices)
        return deepcopy(known[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compose, "_compose_yaml", once)
        yield


def answer(experiment: str, words: list[str]) -> tuple[object, list[str]]:
    """The request as usframe understands it, and what is wrong with it."""
    try:
        config, problems = read(experiment, words)
    except RequestError as error:
        return None, list(error.problems)
    return config, problems


@given(st.sampled_from(EXPERIMENTS), st.lists(st.tuples(keys, values).map("=".join), min_size=1, max_size=3))
@example("zero_shot", ["objects=${oc.env:HOME}"])
@example("finetune", ["augment=${volumes}", "augment.speckle.p=1"])
@example("zero_shot", ["metrics.tolerances_mm=${nothing}", "metrics.tolerances_mm.1=2"])
@example("score", ["objects=\\${x}"])
@example("zero_shot", ["postprocess=[[1], null]"])
@example("zero_shot", ["task=${out}", "augment=0"])
def test_any_words_are_a_request_or_lines(experiment: str, words: list[str]) -> None:
    config, problems = answer(experiment, [*ASKED, *words])
    assert config is not None or problems
    for problem in problems:
        assert problem.strip()
        assert len(shown(problem).splitlines()) == 1


@given(st.text(max_size=30))
def test_any_text_is_a_word_or_a_line(text: str) -> None:
    given, problems = parse_overrides([text])
    assert len(given) + len(problems) == 1


@given(
    st.sampled_from(["out", "label_suffix", "backbone", "group"]),
    st.one_of(plain, dates, numbers).filter(lambda text: not text.startswith("~/")),
)
def test_a_text_stays_as_it_was_typed(key: str, text: str) -> None:
    """Numbers and dates among them, such as out=2024_05_01: kept, or refused with a line."""
    config, problems = answer("zero_shot", [*ASKED, f"{key}={text}"])
    if not problems:
        assert config is not None
        assert getattr(config, key) == text


@pytest.mark.parametrize(
    "text", ["2024_05_01", "2024-05-01", "1e3", "007", "1_000", "0x1F", "1.50", "20240501", "nan", "inf"]
)
def test_dates_and_numbers_are_names(text: str) -> None:
    config, problems = answer("zero_shot", [*ASKED, f"out={text}", f"cases=[{text},b]"])
    assert not problems
    assert config is not None
    assert vars(config)["out"] == text
    assert vars(config)["cases"] == [text, "b"]


@given(st.integers(), st.floats(), st.floats())
def test_a_number_is_that_number_or_refused(seed: int, margin: float, size: float) -> None:
    config, problems = answer("zero_shot", [*ASKED, f"seed={seed}", f"box_margin={margin}", f"noise.box={size}"])
    assert config is not None
    told = asdict(config)  # type: ignore[call-overload]
    wrong = " ".join(problems)
    assert told["seed"] == seed or "seed" in wrong
    assert told["box_margin"] == margin or "box_margin" in wrong
    assert told["noise"]["box"] == size or "noise.box" in wrong
    assert 0 <= told["seed"] < 2**32 or "seed" in wrong


words = st.text("abcxyz", min_size=1, max_size=8)  # those of digits are numbers
json_like = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), plain),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
    max_leaves=8,
)


@given(json_like)
def test_values_survive_being_written(value: object) -> None:
    parsed, problems = parse_overrides([f"key={written(value)}"])
    assert not problems
    assert parsed["key"] == value
