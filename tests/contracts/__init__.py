"""What usframe expects of plugins, as tests to inherit: installed with usframe as ``usframe_contracts``.

A test class of a plugin inherits the contract of its kind and overrides its fixture; pytest does the rest.
"""

import pytest

pytest.register_assert_rewrite(f"{__name__}.backbone", f"{__name__}.reader", f"{__name__}.prompt")

from usframe_contracts.backbone import BackboneContract, MemoryContract, NoMemoryContract  # noqa: E402
from usframe_contracts.prompt import PromptContract  # noqa: E402
from usframe_contracts.reader import ReaderContract  # noqa: E402

__all__ = ["BackboneContract", "MemoryContract", "NoMemoryContract", "PromptContract", "ReaderContract"]
