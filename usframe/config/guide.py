"""What users of the MedSAM2 ultrasound guide type, and what does the same here (docs/guide.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RUN = "usframe run -i VOLUMES -l LABELS -o OUT"
COMMANDS = {
    "infer": RUN,
    "infer_medsam2_ultrasound": RUN,
    "segment": RUN,
    "predict": RUN,
    "prepare_ultrasound_data": "usframe prepare -i VOLUMES -l LABELS -o OUT",
    "setup_finetune": "usframe run finetune; there is nothing to set up",
    "train_ultrasound": "usframe run finetune -i VOLUMES -l LABELS -o OUT",
    "train": "usframe run finetune -i VOLUMES -l LABELS -o OUT",
    "finetune": "usframe run finetune -i VOLUMES -l LABELS -o OUT",
    "test": "usframe doctor",
    "test_inference": "usframe doctor",
}
OPTIONS = {
    "--gt_dir": "it is -l LABELS here",
    "--prompt_from_gt": "leave it out: with -l LABELS prompts are made from them",
    "--prompt_mode": "it is -p here, such as -p mask+point",
    "--gt_suffix": "it is --label-suffix here",
    "--output": "it is -o OUT here",
    "--split": "leave it out: usframe prepare draws all parts at once (--val, --test)",
}


def command_now(name: str) -> str | None:
    """The line that does what a command of the guide did; None for other names."""
    return COMMANDS.get(name.removesuffix(".py"))


def option_now(name: str) -> str | None:
    """What to do instead of giving an option of the guide, spelt with - or _; None for others."""
    return OPTIONS.get("--" + name.lstrip("-").replace("-", "_"))


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
