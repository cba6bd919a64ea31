"""Arguments of a plugin's own are bound where they fit, and all that does not is said at once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest

from usframe.plugins.entry import Entry, Origin
from usframe.plugins.kinds import KINDS
from usframe.plugins.registry import Registry


def registered(kind: str, target: Callable[..., Any] | str) -> Registry[Any]:
    registry: Registry[Any] = Registry(kind)
    registry.add(Entry("it", target, Origin("mine.py")))
    return registry


def rotate(frames, masks, *, rng, degrees=15.0, turns=1, mode="cubic", wrap=False, band=(0.1, 0.9), seed=None):
    return degrees


def problems(target: Callable[..., Any], kind: str = "augmentation", **arguments: Any) -> list[str]:
    return registered(kind, target).check("it", arguments, "augment.it")


def test_arguments_are_bound_and_without_any_the_target_is_returned_itself() -> None:
    registry = registered("augmentation", rotate)
    assert registry.get("it") is rotate
    assert registry.get("it", {}) is rotate
    assert registry.get("it", {"degrees": 30})(None, None, rng=None) == 30


def test_own_arguments_are_those_that_usframe_does_not_pass_with_their_defaults() -> None:
    def volume(mask, *, spacing_mm, ml, strict=False):
        return mask

    assert registered("augmentation", rotate).arguments("it") == {
        "degrees": 15.0,
        "turns": 1,
        "mode": "cubic",
        "wrap": False,
        "band": (0.1, 0.9),
        "seed": None,
    }
    assert registered("postprocessing", volume).arguments("it") == {"ml": inspect.Parameter.empty, "strict": False}


class Smooth:
    """A step with a setting."""

    def __init__(self, sigma: float = 1.0) -> None:
        self.sigma = sigma

    def __call__(self, mask, *, spacing_mm, rounds: int = 1):
        return mask


@pytest.mark.parametrize(
    ("kind", "target", "expected"),
    [
        ("reader", Smooth, {"sigma": 1.0}),
        ("postprocessing", Smooth(), {"rounds": 1}),
        ("postprocessing", partial(Smooth(), rounds=3), {"rounds": 3}),
        ("reader", dict, {}),
    ],
)
def test_targets_are_functions_classes_objects_or_partials(
    kind: str, target: Callable[..., Any], expected: Mapping[str, Any]
) -> None:
    assert registered(kind, target).arguments("it") == expected


@pytest.mark.parametrize("kind", KINDS)
def test_what_usframe_passes_is_no_argument_of_a_request(kind: str) -> None:
    given = KINDS[kind].given
    parts = ["a", "b"][: KINDS[kind].positional]
    target = eval(f"lambda {', '.join([*parts, '*', *given, 'own=1'])}: None")
    assert registered(kind, target).arguments("it") == {"own": 1}
    assert problems(target, kind, **dict.fromkeys(given)) == [
        f"augment.it: it gets its argument {name!r} from usframe; leave it out" for name in given
    ]


def test_an_unknown_argument_is_answered_with_the_nearest_and_all_with_their_defaults() -> None:
    def point(mask, *, frame, object_id, rng, count: int = 1, size: float):
        return None

    def plain(mask, *, frame, object_id, rng):
        return None

    assert problems(point, "prompt", cuont=3, size=1) == [
        "augment.it: it has no argument 'cuont' (did you mean 'count'?); it takes count=1, size"
    ]
    assert problems(plain, "prompt", x=3) == ["augment.it: it has no argument 'x'; it takes none"]


def test_an_argument_without_a_default_must_be_given() -> None:
    def volume(mask, *, spacing_mm, ml: float):
        return mask

    assert problems(volume, "postprocessing") == ["augment.it: it needs its argument 'ml', which has no default"]
    assert problems(volume, "postprocessing", ml=2) == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("degrees", "30", "a number"),
        ("degrees", True, "a number"),
        ("degrees", None, "a number"),
        ("turns", 1.5, "a whole number"),
        ("mode", 3, "text"),
        ("wrap", 1, "true or false"),
        ("band", 0.5, "a list"),
    ],
)
def test_a_value_of_another_type_than_the_default_is_refused(name: str, value: Any, words: str) -> None:
    line = f"augment.it: {name}={value} of it is not possible; it must be {words}"
    assert problems(rotate, **{name: value}) == [line]


def test_a_whole_number_is_a_number_and_a_list_stands_for_a_tuple() -> None:
    assert problems(rotate, degrees=30, turns=2, mode="linear", wrap=True, band=[0, 1], seed="any") == []


def quoted(frames, masks, *, rng, a: int | None = None, b: list[float] = [], c: Callable[[], int] = int):  # noqa: B006
    return frames


def real(frames, masks, *, rng, a=None, b=(), c=int):
    return frames


real.__annotations__ = {"a": int | None, "b": list[float], "c": Callable[[], int]}


@pytest.mark.parametrize("target", [quoted, real])
def test_a_plain_annotation_says_the_type_and_any_other_says_nothing(target: Callable[..., Any]) -> None:
    assert problems(target, a=None, b=[1], c="anything") == []
    assert problems(target, a=2) == []
    assert problems(target, a=2.5, b=1) == [
        "augment.it: a=2.5 of it is not possible; it must be a whole number or null",
        "augment.it: b=1 of it is not possible; it must be a list",
    ]


def test_a_target_with_double_starred_keywords_takes_anything_but_what_usframe_passes() -> None:
    def free(frames, masks, *, rng, **more):
        return frames

    assert problems(free, anything=1) == []
    assert problems(free, rng=1) == ["augment.it: it gets its argument 'rng' from usframe; leave it out"]


def test_every_problem_is_said_at_once_and_begins_with_where_the_name_stands() -> None:
    found = problems(rotate, degree=1, rng=2, turns="x")
    assert len(found) == 3
    assert all(line.startswith("augment.it: ") for line in found)


def test_names_that_are_unknown_or_do_not_import_are_problems_too() -> None:
    registry = registered("prompt", "no_such_module:thing")
    assert registry.check("itt", {}, "prompts") == [f"prompts: {registry.unknown('itt')}"]
    (line,) = registry.check("it", {}, "prompts")
    assert line.startswith("prompts: mine.py: cannot import no_such_module:thing: ModuleNotFoundError: ")
