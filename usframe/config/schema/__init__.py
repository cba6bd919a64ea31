"""Every key that an experiment can have, with its default and its limits."""

from usframe.config.schema.options import LAYOUTS, Common, Networked, Noise, leaves
from usframe.config.schema.predict import (
    FRAMES,
    FROM_FILE,
    PROMPT_FILES,
    Compare,
    Metrics,
    Noised,
    Postprocess,
    Predict,
    Score,
    modes_of,
    prompt_file,
)
from usframe.config.schema.training import (
    Finetune,
    Losses,
    Pretrain,
    Preview,
    Simulate,
    Train,
    TrainLabelled,
    TrainSimulated,
)

__all__ = [
    "FRAMES",
    "FROM_FILE",
    "LAYOUTS",
    "PROMPT_FILES",
    "TASKS",
    "Common",
    "Compare",
    "Config",
    "Finetune",
    "Losses",
    "Metrics",
    "Networked",
    "Noise",
    "Noised",
    "Postprocess",
    "Predict",
    "Pretrain",
    "Preview",
    "Score",
    "Simulate",
    "Train",
    "TrainLabelled",
    "TrainSimulated",
    "leaves",
    "modes_of",
    "prompt_file",
]

Config = Predict | Pretrain | Finetune | Score | Preview
TASKS: dict[str, type[Config]] = {
    "predict": Predict,
    "compare": Compare,
    "score": Score,
    "pretrain": Pretrain,
    "finetune": Finetune,
    "preview": Preview,
}
