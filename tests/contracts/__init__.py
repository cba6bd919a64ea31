"""What usframe expects of plugins, as tests to inherit: installed with usframe as ``usframe_contracts``.

A test class of a plugin inherits the contract of its kind and overrides its fixture; pytest does the rest.
"""

import pytest

MODULES = (
    *("answers", "augmentation", "backbone", "loss", "metric", "postprocessing", "prompt"),
    *("reader", "recipe", "selection"),
)
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in MODULES))

from usframe_contracts.augmentation import AugmentationContract  # noqa: E402
from usframe_contracts.backbone import BackboneContract, MemoryContract, NoMemoryContract  # noqa: E402
from usframe_contracts.loss import LossContract  # noqa: E402
from usframe_contracts.metric import MetricContract  # noqa: E402
from usframe_contracts.postprocessing import PostprocessingContract  # noqa: E402
from usframe_contracts.prompt import FreePromptContract, PromptContract  # noqa: E402
from usframe_contracts.reader import ReaderContract  # noqa: E402
from usframe_contracts.recipe import RecipeContract  # noqa: E402
from usframe_contracts.selection import SelectionContract  # noqa: E402

__all__ = [
    "AugmentationContract",
    "BackboneContract",
    "FreePromptContract",
    "LossContract",
    "MemoryContract",
    "MetricContract",
    "NoMemoryContract",
    "PostprocessingContract",
    "PromptContract",
    "ReaderContract",
    "RecipeContract",
    "SelectionContract",
]
