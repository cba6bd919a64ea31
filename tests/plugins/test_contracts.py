"""The contracts that plugin authors inherit hold for the built-in plugins and for a stranger's."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from toy_backbones import Toy, ToyWithMemory
from usframe_contracts import MemoryContract, NoMemoryContract, PromptContract, ReaderContract

import usframe
from usframe.plugins.load import load_plugins

PLUGINS = load_plugins()


@pytest.fixture(scope="module")
def demo():
    return usframe.load_backbone("demo", checkpoint="random", device="cpu", precision="fp32")


class TestDemo(MemoryContract):
    @pytest.fixture
    def backbone(self, demo):
        return demo


class TestStranger(NoMemoryContract):
    @pytest.fixture
    def backbone(self):
        return Toy()


class TestStrangerWithMemory(MemoryContract):
    @pytest.fixture
    def backbone(self):
        return ToyWithMemory()


class TestPrompts(PromptContract):
    @pytest.fixture(params=PLUGINS.prompts.names())
    def strategy(self, request):
        return PLUGINS.prompts.get(request.param)


class TestNifti(ReaderContract):
    suffix = ".nii.gz"

    @pytest.fixture
    def reader(self):
        return PLUGINS.readers.get("nifti")()

    def save(self, path, data, spacing_mm):
        nib.save(nib.Nifti1Image(data.transpose(2, 1, 0), np.diag([*spacing_mm[::-1], 1])), path)


class TestNumpy(ReaderContract):
    suffix = ".npy"
    has_spacing = False

    @pytest.fixture
    def reader(self):
        return PLUGINS.readers.get("numpy")()

    def save(self, path, data, spacing_mm):
        np.save(path, data)
