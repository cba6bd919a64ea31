"""The settings file of the MedSAM2 ultrasound guide, said in ours (docs/guide.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def translated(content: Mapping[str, Any]) -> str | None:
    """The command that an ``ultrasound_finetune.yaml`` stands for; None where ``content`` is none."""
    dataset = content.get("dataset")
    if not isinstance(dataset, Mapping) or not {"train_root", "prompt_type"} & {str(key) for key in dataset}:
        return None
    roots = [str(dataset[key]) for key in ("train_root", "val_root") if dataset.get(key)]
    prompt = f" 'prompt={{{dataset['prompt_type']}: 1}}'" if dataset.get("prompt_type") else ""
    where = f", VOLUMES and LABELS being folders of what {' and '.join(roots)} hold" if roots else ""
    return (
        f"usframe run finetune -i VOLUMES -l LABELS -o OUT{prompt}{where}; "
        "`usframe prepare` draws the parts by patient, splits=FILE names them"
    )
