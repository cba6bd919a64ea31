"""Weights that are published for the built-in backbones, where they are had from, and where they are looked for.

Sources: the repositories on the Hugging Face Hub, whose licences are given as published there. A file holds its
parameters in single precision, so its size follows from how many they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from usframe.errors import CheckpointError, RequestError
from usframe.inference.checkpoints import checkpoint_folders
from usframe.plugins.messages import nearest

MEDSAM2 = ("wanglab/MedSAM2", "CC BY-SA 4.0", "medsam2", 38_962_498)


@dataclass(frozen=True)
class Published:
    """``file`` in the ``repository`` on the Hub: ``parameters`` for ``backbone``, under ``licence``."""

    file: str
    about: str
    repository: str
    licence: str
    backbone: str
    parameters: int

    @property
    def name(self) -> str:
        return self.file.removesuffix(".pt")

    @property
    def megabytes(self) -> int:
        return round(self.parameters * 4 / 1e6)

    @property
    def found(self) -> Path | None:
        """The file that usframe would load; None where it is not there."""
        return next((folder / self.file for folder in checkpoint_folders() if (folder / self.file).is_file()), None)


def _sam21(size: str, parameters: int) -> Published:
    repository = f"facebook/sam2.1-hiera-{size.replace('_', '-')}"
    backbone = f"sam2.1-{size.replace('_plus', '+')}"
    about = "photographs and videos, at 1024 pixels"
    return Published(f"sam2.1_hiera_{size}.pt", about, repository, "Apache-2.0", backbone, parameters)


PUBLISHED = (
    Published("MedSAM2_latest.pt", "medical images and videos, at 512 pixels", *MEDSAM2),
    Published("MedSAM2_2411.pt", "the base model of November 2024", *MEDSAM2),
    Published("MedSAM2_US_Heart.pt", "fine-tuned on ultrasound of the heart", *MEDSAM2),
    Published("MedSAM2_CTLesion.pt", "fine-tuned on lesions in CT", *MEDSAM2),
    Published("MedSAM2_MRI_LiverLesion.pt", "fine-tuned on lesions of the liver in MRI", *MEDSAM2),
    _sam21("tiny", 38_962_498),
    _sam21("small", 46_060_354),
    _sam21("base_plus", 80_850_178),
    _sam21("large", 224_446_642),
)


def published(name: str) -> Published:
    """The weights of this name, or of this file. Raises `RequestError` for others."""
    known = {one.name: one for one in PUBLISHED}
    try:
        return known[name.removesuffix(".pt")]
    except KeyError:
        hint = nearest(name, list(known)) or f"; known are {', '.join(known)}"
        raise RequestError(f"no published weights are named {name!r}{hint}") from None


def backbones_for(file: Path) -> list[str]:
    """The backbones that load a file of this name unless told otherwise; none for other names."""
    known = {one.file: one.backbone for one in PUBLISHED} | {"demo.safetensors": "demo"}
    return [known[file.name]] if file.name in known else []


def fetch(wanted: Published, folder: Path) -> Path:
    """Download into ``folder``; what was begun there goes on. Raises `CheckpointError` where it cannot be had."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(wanted.repository, wanted.file, local_dir=folder))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        cause = str(error).strip().partition("\n")[0]
        raise CheckpointError(
            f"{wanted.file} could not be had from {wanted.repository} on the Hugging Face Hub ({cause}); without "
            f"access to it, copy the file by hand into {folder}"
        ) from error
