"""The contracts that plugin authors inherit hold for the built-in plugins and for a stranger's."""

from __future__ import annotations

from functools import partial

import cv2
import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import torch
from torch.nn import functional as F
from toy_backbones import Toy, ToyWithMemory
from usframe_contracts import (
    AugmentationContract,
    FreePromptContract,
    LossContract,
    MemoryContract,
    MetricContract,
    NoMemoryContract,
    PostprocessingContract,
    PromptContract,
    ReaderContract,
    RecipeContract,
    SelectionContract,
)
from usframe_plugins.backbones.sam2_family import demo

from usframe.plugins.load import load_plugins

PLUGINS = load_plugins()
RECIPES = ("slice", "clip", "both")
LOSSES = [name for name in PLUGINS.objectives.names() if name not in RECIPES]
CLICKS = ("point", "box+point", "mask+point")


@pytest.fixture(scope="module")
def untrained():
    return demo(weights="random", device="cpu", precision="fp32")


class TestDemo(MemoryContract):
    @pytest.fixture
    def backbone(self, untrained):
        return untrained


class TestStranger(NoMemoryContract):
    @pytest.fixture
    def backbone(self):
        return Toy()


class TestStrangerWithMemory(MemoryContract):
    @pytest.fixture
    def backbone(self):
        return ToyWithMemory()


class TestPrompts(PromptContract):
    @pytest.fixture(params=[name for name in PLUGINS.prompts.names() if name != "learned"])
    def strategy(self, request):
        return PLUGINS.prompts.get(request.param)


class TestPromptsWithoutLabels(FreePromptContract):
    @pytest.fixture(params=["learned"])
    def strategy(self, request):
        return PLUGINS.prompts.get(request.param)


class TestSeveralClicks(PromptContract):
    @pytest.fixture(params=CLICKS)
    def strategy(self, request):
        return PLUGINS.prompts.get(request.param, {"count": 4})


class TestSelections(SelectionContract):
    @pytest.fixture(params=PLUGINS.selections.names())
    def rule(self, request):
        return PLUGINS.selections.get(request.param)


class TestAugmentations(AugmentationContract):
    @pytest.fixture(params=PLUGINS.augmentations.names())
    def augmentation(self, request):
        return PLUGINS.augmentations.get(request.param)


class TestMetrics(MetricContract):
    @pytest.fixture(params=PLUGINS.metrics.names())
    def metric(self, request):
        return PLUGINS.metrics.get(request.param)


class TestPostprocessing(PostprocessingContract):
    @pytest.fixture(params=PLUGINS.postprocessing.names())
    def step(self, request):
        step = PLUGINS.postprocessing.get(request.param)
        return partial(step, ml=0.01) if request.param == "min_volume_ml" else step


class TestLosses(LossContract):
    @pytest.fixture(params=LOSSES)
    def loss(self, request):
        return PLUGINS.objectives.get(request.param)


class TestRecipes(RecipeContract):
    @pytest.fixture(params=RECIPES)
    def recipe(self, request):
        return PLUGINS.objectives.get(request.param)


class Still(Toy):
    """A method that nothing is learned by: its module has no parameters."""

    def __init__(self) -> None:
        super().__init__()
        layer, self.module = self.module, torch.nn.Identity()
        self.weigh = lambda images: F.conv2d(images, layer.weight.detach(), layer.bias.detach())

    def encode(self, images):
        bright = F.avg_pool2d(self.weigh(images), 4)
        return torch.cat([bright, torch.zeros_like(bright)], 1)


class TestStrangerThatCannotBeTrained(NoMemoryContract):
    @pytest.fixture
    def backbone(self):
        return Still()


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
class TestNifti(ReaderContract):
    @pytest.fixture(autouse=True)
    def _suffix(self, suffix):
        self.suffix = suffix

    @pytest.fixture
    def reader(self):
        return PLUGINS.readers.get("nifti")()

    def save(self, path, data, spacing_mm):
        nib.save(nib.Nifti1Image(data.transpose(2, 1, 0), np.diag([*spacing_mm[::-1], 1])), path)


class TestNumpyArray(ReaderContract):
    suffix = ".npy"
    has_spacing = False

    @pytest.fixture
    def reader(self):
        return PLUGINS.readers.get("numpy")()

    def save(self, path, data, spacing_mm):
        np.save(path, data)


class TestNumpyArchive(ReaderContract):
    suffix = ".npz"

    @pytest.fixture
    def reader(self):
        return PLUGINS.readers.get("numpy")()

    def save(self, path, data, spacing_mm):
        np.savez(path, imgs=data, spacing=spacing_mm[::-1])


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".mhd", ".hdr"])
class TestSimpleITK(ReaderContract):
    @pytest.fixture(autouse=True)
    def _suffix(self, suffix):
        self.suffix = suffix

    @pytest.fixture
    def reader(self):
        return PLUGINS.readers.get("simpleitk")()

    def save(self, path, data, spacing_mm):
        image = sitk.GetImageFromArray(data)
        image.SetSpacing(spacing_mm[::-1])
        sitk.WriteImage(image, str(path))


class TestPictures(ReaderContract):
    suffix = ".tif"
    has_spacing = False

    @pytest.fixture
    def reader(self):
        return PLUGINS.readers.get("image")()

    def save(self, path, data, spacing_mm):
        cv2.imwritemulti(str(path), list(data))
