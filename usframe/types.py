"""The nouns of usframe: what readers return, strategies make, backbones exchange and users get back.

Array axes come first in every docstring. ``D`` counts slices (or frames of a clip), ``H`` rows and ``W`` columns
as the image is looked at; points are ``(x, y)`` = (column, row) with pixel centres at whole numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from usframe.quality import Quality
from usframe.volume import Grid, Role, Volume
from usframe.volume import Spacing as Spacing

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Prompt:
    """What one object on one slice is pointed out with, in pixels of the original slice.

    ``points``: (N, 2) xy; ``point_labels``: (N,) 1 inside the object, 0 outside; ``box``: (4,) xyxy, the first
    and last column and row that belong to the object; ``mask``: (H, W) bool. ``learned``: none of these, but what
    the backbone has learned of the object. ``score``: how sure the detector was that drew it.
    """

    frame: int
    object_id: int
    points: NDArray[np.float32] | None = None
    point_labels: NDArray[np.int64] | None = None
    box: NDArray[np.float32] | None = None
    mask: NDArray[np.bool_] | None = None
    learned: bool = False
    score: float | None = None

    def __post_init__(self) -> None:
        drawn = not (self.points is None and self.box is None and self.mask is None)
        if not drawn and not self.learned:
            raise ValueError("a Prompt needs points, a box or a mask")
        if drawn and self.learned:
            raise ValueError("a learned Prompt stands alone, without points, box and mask")
        if (self.points is None) != (self.point_labels is None):
            raise ValueError("a Prompt with points needs point_labels, and the other way round")


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What a backbone answered for one volume.

    ``mask``: (D, H, W) uint8, 0 background, else the object id. ``object_ids``: (O,) ascending.
    ``predicted_iou``: (O, D) float32, NaN where nothing was predicted. ``logits``: (O, D, S/4, S/4) float32 at
    the backbone's decoder resolution, NaN where nothing was predicted; None unless asked for. ``notes``: what was
    assumed about the volume, one sentence each. ``quality``: of every object on every slice.
    """

    mask: NDArray[np.uint8]
    object_ids: tuple[int, ...]
    predicted_iou: NDArray[np.float32]
    logits: NDArray[np.float32] | None = None
    notes: tuple[str, ...] = ()
    quality: Quality | None = None


@dataclass(frozen=True, eq=False)
class Decoded:
    """The decoder's answer for N prompts with M candidate masks each, tensors on the backbone's device.

    ``logits``: (N, M, S/4, S/4); ``iou``: (N, M) predicted IoU of each candidate; ``presence``: (N,) logit that
    the object is on this slice; ``tokens``: (N, M, C) output tokens that a memory is made from, or None.
    ``sketch``: (N, 1, S/4, S/4), the logits that learned prompts began with, which are trained, too, or None.
    """

    logits: torch.Tensor
    iou: torch.Tensor
    presence: torch.Tensor
    tokens: torch.Tensor | None = None
    sketch: torch.Tensor | None = None


Features: TypeAlias = Any


@dataclass(frozen=True, eq=False)
class Memory:
    """One slice as it is remembered: ``prompted`` or only propagated to. ``content`` is the backbone's own."""

    frame: int
    prompted: bool
    content: Any


@runtime_checkable
class Backbone(Protocol):
    """A promptable network as verbs, shared by inference and training; with memory it is a `MemoryBackbone`.

    ``image_size`` is S, the side of the square network input in pixels; ``module`` holds the parameters, which
    came from the file ``checkpoint`` (None for fresh weights).
    Prompts passed to `decode` are in pixels of that S x S input (see `usframe.geometry.to_model`).

    Optional, for fine-tuning in part: ``part_of(name) -> "encoder" | "memory" | "decoder" | "prompt"`` and
    ``depth_of(name) -> 0.0 (input) to 1.0`` of a parameter's name, ``checkpoint_encoder()`` to save memory.
    Optional, for learned prompts: ``learned``, the object ids that it has them of, and ``learn(object_ids)``, which
    adds fresh ones, in parameters of the part ``prompt``.
    """

    image_size: int
    module: torch.nn.Module
    checkpoint: Path | None

    def encode(self, images: torch.Tensor) -> Features:
        """Embed ``images`` (B, 3, S, S), normalised with the ImageNet mean and standard deviation.

        ``features[a:b]`` are those of images a to b - 1.
        """

    def decode(
        self,
        features: Features,
        prompts: Sequence[Prompt | None],
        index: Sequence[int],
        *,
        multimask: bool = False,
        keep_masks: bool = False,
    ) -> Decoded:
        """Decode ``prompts[n]`` on image ``index[n]`` of the encoded batch; several may share one image.

        None is no prompt: the features were conditioned on memories. ``multimask`` asks for three candidates.
        ``keep_masks`` returns mask prompts as they are instead of refining them.
        """


@runtime_checkable
class MemoryBackbone(Backbone, Protocol):
    """A backbone that carries objects from slice to slice. One that cannot does not have these two verbs."""

    def memorize(self, features: Features, decoded: Decoded) -> Any:
        """The content of a `Memory`: one slice (B = 1) with the decoded masks of its O objects (M = 1)."""

    def condition(
        self, features: Features, memories: Sequence[Memory], *, frame: int, length: int, reverse: bool = False
    ) -> Features:
        """Features of slice ``frame`` (B = 1) of ``length``, fused with memories of O objects: B = O.

        ``reverse``: slices are visited in descending order, so the past lies above.
        """


class Reader(Protocol):
    """One file format (or family of formats): how its files become a `Volume` and a mask goes back.

    ``layout`` names the axes of the stored array in the order the file has them, as a permutation of ``d``
    (slices), ``h`` (rows) and ``w`` (columns); ``auto`` is the format's own meaning.

    Optional, for formats whose headers name other files: ``files(path) -> list[Path]``, all that `read` opens.
    Optional, for formats of which a folder of files can be one case: ``folders = True``. All that takes a path gets
    that of the folder then, and ``files`` is what it holds.
    Optional, for files that hold several volumes: ``time_point`` of `read`, which of them from 0, if any.
    Optional, for formats that keep the names of objects: ``names`` of `write`, by value.
    """

    def read(
        self, path: Path, *, layout: str = "auto", onto: Volume | None = None, role: Role | None = None
    ) -> Volume:
        """Read ``path``. ``onto``: the volume that labels belong to, for formats that store them cropped.

        ``role``: what a file that holds several things is asked for, a ``mask`` being somebody's answer; None is
        ``labels`` with ``onto`` and ``volume`` without. A reader without this argument is not told.
        Raises `ReadError` in one line for a file that is damaged or has no three axes.
        """

    def shape(self, path: Path, *, layout: str = "auto") -> tuple[int, int, int]:
        """(D, H, W) from the header, without reading the voxels where the format allows it."""

    def write(self, path: Path, mask: NDArray[np.uint8], grid: Grid) -> None:
        """Write ``mask`` (D, H, W) on ``grid``: a `Volume.grid` of this reader, or any other `Grid`."""


class PromptStrategy(Protocol):
    """From the mask (H, W) of an object on a slice, a copy, to a prompt; None for no prompt.

    One without this argument needs no labels, see `usframe.hookspecs.usframe_register_prompts`.
    """

    def __call__(
        self, mask: NDArray[np.bool_], /, *, frame: int, object_id: int, rng: np.random.Generator
    ) -> Prompt | None: ...


class Augmentation(Protocol):
    """Frames (T, H, W) float32 in 0-1 and masks (T, O, H, W) bool, both copies, to the same two, changed."""

    def __call__(
        self, frames: NDArray[np.float32], masks: NDArray[np.bool_], /, *, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]: ...


@dataclass(frozen=True, eq=False)
class Surfaces:
    """How far the surface voxels of two masks are from the other mask's surface.

    ``answer`` (N,) and ``reference`` (M,): distances in the unit of the spacing, infinite where the other mask is
    empty.
    """

    answer: NDArray[np.float64]
    reference: NDArray[np.float64]


# A choice of slices, a score, a step after the network and a training loss; `usframe.hookspecs` says what they get
# and give.
Selection: TypeAlias = Callable[..., "Iterable[int]"]
Metric: TypeAlias = Callable[..., "float | None"]
Postprocessing: TypeAlias = Callable[..., NDArray[np.uint8]]
Objective: TypeAlias = Callable[..., Any]
Weights: TypeAlias = "Path | Literal['pretrained', 'random']"
