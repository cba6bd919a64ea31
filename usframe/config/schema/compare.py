"""The keys of the task that compares prompt strategies."""

# ruff: noqa: RUF009 - option() is dataclasses.field()

from dataclasses import dataclass
from typing import Any, Literal

from usframe.config.schema.frames import prompt_file, support_folder
from usframe.config.schema.options import option
from usframe.config.schema.predict import Mode, Noised, Predict


@dataclass
class Compare(Predict):
    """Compare strategies, in both modes (or one), on clean prompts and on ``seeds`` draws of ``noised`` ones."""

    task: Literal["compare"] = option("compare")  # type: ignore[assignment]
    prompts: list[Any] = option(["mask", "mask+point", "box+point", "box", "point"])
    mode: Literal["both", "slice", "propagate"] = option("both")  # type: ignore[assignment]
    overlays: bool = option(False)
    noised: Noised = option(Noised)
    seeds: int = option(3, least=0)

    @property
    def modes(self) -> tuple[Mode, ...]:
        return ("slice", "propagate") if self.mode == "both" else (self.mode,)

    def problems(self) -> list[str]:
        """A comparison draws its own prompts, clean and noised."""
        problems = super().problems()
        problems += [
            f"noise.{key}={value} is not for task=compare, which draws clean prompts too; set noised.{key}"
            for key, value in vars(self.noise).items()
            if value
        ]
        if prompt_file(self.frames) or support_folder(self.frames):
            problems.append(f"frames={self.frames} has no strategies to compare; they are drawn from labels")
        if self.fallback != "none":
            problems.append(f"fallback={self.fallback} is not for task=compare")
        if self.mask_format != "auto":
            problems.append(f"mask_format={self.mask_format} is not for task=compare, which writes no masks")
        if self.surface != "none":
            problems.append(f"surface={self.surface} is not for task=compare, which writes no masks")
        return problems
