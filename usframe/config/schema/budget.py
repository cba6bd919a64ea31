"""The keys of the task that plays annotation on labelled volumes."""

# ruff: noqa: RUF009 - option() is dataclasses.field()

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from usframe.config.named import Named, in_list
from usframe.config.schema.options import option
from usframe.config.schema.predict import Metrics, Predict
from usframe.config.schema.training import LEARNED

LEFT_TO_IT = {
    "frames": "which chooses slices by its selections; leave it out",
    "fill": "which fills in all three ways; leave it out",
    "overlays": "which draws no cases; leave it out",
    "baselines": "which has the shape alone among its ways; leave it out",
    "metrics": "which scores Dice alone; leave it out",
}


@dataclass
class Budget(Predict):
    """What labelled slices buy: Dice on the others from each number of ``slices``, by each rule and way to fill.

    ``selections``: rules that choose the slices of an object; those that leave it to chance choose ``seeds`` times.
    ``target``: the mean Dice that one wants to know the number of slices for.
    """

    task: Literal["budget"] = option("budget")  # type: ignore[assignment]
    prompts: list[Any] = option(["mask"])
    mode: Literal["propagate"] = option("propagate")
    overlays: bool = option(False)
    baselines: bool = option(False)
    slices: list[int] = option([1, 2, 3, 4, 6, 8, 12], least=1)
    selections: list[Any] = option(["largest", "uniform", "random", "next"])
    seeds: int = option(3, least=1)
    target: list[float] = option([0.8, 0.9, 0.95], least=0, most=1)

    def rules(self) -> list[Named]:
        """The selection rules by name. Raises `ValueError` in one line."""
        return in_list("selection", "selections", self.selections)

    def played(self) -> dict[str, Any]:
        """What is played, as run.json has it."""
        return {key: getattr(self, key) for key in ("slices", "selections", "seeds", "target")}

    def named(self) -> Iterator[Named]:
        yield from super().named()
        with suppress(ValueError):  # `problems` tells of it
            yield from self.rules()

    def problems(self) -> list[str]:
        """One strategy, something to choose by and to count, and nothing that is not left to the request."""
        problems = super().problems()
        usual = {"frames": "largest", "fill": "memory", "overlays": False, "baselines": False, "metrics": Metrics()}
        for key, value in usual.items():
            if (given := getattr(self, key)) != value:
                told = key if key == "metrics" else f"{key}={str(given).lower() if given is True else given}"
                problems.append(f"{told} is not for task=budget, {LEFT_TO_IT[key]}")
        if LEARNED in self.prompts:
            problems.append(
                f"prompts={LEARNED} is not for task=budget, which is about labelled slices; take -p mask"
            )
        if len(self.prompts) > 1:
            problems.append(f"prompts names {len(self.prompts)} strategies; task=budget takes one, such as -p mask")
        try:
            labels = [named.label for named in self.rules()]
        except ValueError as error:
            return [*problems, str(error)]
        if not labels:
            problems.append("selections is empty; name at least one, such as selections=[uniform]")
        twice: dict[str, list[Any]] = {"selections": labels, "slices": self.slices, "target": self.target}
        for key, listed in twice.items():
            problems += [f"{key} names {one} twice" for one in dict.fromkeys(listed) if listed.count(one) > 1]
        if not self.slices:
            problems.append("slices is empty; write numbers of slices, such as slices=[1,2,4]")
        return problems
