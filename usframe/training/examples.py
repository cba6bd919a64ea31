"""What a network answers on a few held-out slices, for the page of its training, and what it was before that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict, TypeVar

from accelerate import Accelerator

from usframe.errors import RequestError
from usframe.files import write_json
from usframe.plain import read_json
from usframe.reporting.overlay import draw_slice
from usframe.reporting.page.pictures import most_labelled, thumbnail_size, webp
from usframe.training.validation import HeldOut, Validation, ValidationScore

T = TypeVar("T")
CASES = 4  # that are drawn
BEFORE = "before.json"


class Example(TypedDict):
    """The answer to a prompt on a slice of a case, as WebP in base 64."""

    case: str
    prompt: str
    picture: str


class _Scores(TypedDict):
    scores: list[ValidationScore]


class Answered(_Scores, total=False):
    """What a network answers; that before the first step is what before.json holds."""

    examples: list[Example]


def draw_examples(
    validation: Validation, cases: Sequence[T], read: Callable[[T], Iterable[HeldOut]]
) -> list[Example]:
    """Of the first cases, the answers to each prompt on the slice of which most is labelled."""
    validation.backbone.module.eval()
    found: list[Example] = []
    for case in cases[:CASES]:
        held_out = next(iter(read(case)))
        frame = most_labelled(held_out.labels)
        here = slice(frame, frame + 1)
        one = replace(
            held_out, image=held_out.image[here], labels=held_out.labels[here], mode="slice", ignored=None
        )
        size = thumbnail_size(one.labels.shape[1:])
        for name, (prompts, answer) in validation.answer(one).items():
            picture = draw_slice(one.image[0], one.labels[0], answer.mask[0], prompts, size)
            found.append({"case": one.name, "prompt": name, "picture": webp(picture[..., ::-1])})
    return found


def before_training(out: Path, look: Callable[[], Answered], accelerator: Accelerator) -> Answered:
    """What ``look`` sees before the first step, kept in OUT for a training that goes on. Raises `RequestError`."""
    path = out / BEFORE
    if path.exists():
        try:
            kept: Answered = read_json(path, Answered)
        except (OSError, ValueError) as error:
            raise RequestError(f"{path} cannot be read ({error}); add overwrite=true to begin anew") from error
        return kept
    seen = look()
    if accelerator.is_main_process:
        write_json(path, seen)
    accelerator.wait_for_everyone()
    return seen
