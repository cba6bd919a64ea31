"""Every key that an experiment can have, with its default and its limits: a class per task."""

from usframe.config.schema.budget import Budget
from usframe.config.schema.compare import Compare
from usframe.config.schema.frames import (
    Detections,
    chooses_several,
    frames_problems,
    prompt_file,
    selection_in,
    support_folder,
    z_range_problems,
)
from usframe.config.schema.options import Common, Intensity, Layout, Networked, Noise, Paired, Precision, leaves
from usframe.config.schema.predict import (
    FROM_FILE,
    SUPPORT,
    Components,
    Crop,
    Drift,
    Fill,
    Metrics,
    Mode,
    Multimask,
    Predict,
)
from usframe.config.schema.prepare import Prepare
from usframe.config.schema.score import Score
from usframe.config.schema.scored import Scored
from usframe.config.schema.shard import SHARDS, Shard
from usframe.config.schema.training import LEARNED, Finetune, Pretrain, Preview, Train, Trained

__all__ = [
    "FROM_FILE",
    "LEARNED",
    "SHARDS",
    "SUPPORT",
    "Budget",
    "Common",
    "Compare",
    "Components",
    "Crop",
    "Detections",
    "Drift",
    "Fill",
    "Finetune",
    "Intensity",
    "Layout",
    "Metrics",
    "Mode",
    "Multimask",
    "Networked",
    "Noise",
    "Paired",
    "Precision",
    "Predict",
    "Prepare",
    "Pretrain",
    "Preview",
    "Score",
    "Scored",
    "Shard",
    "Train",
    "Trained",
    "chooses_several",
    "frames_problems",
    "leaves",
    "prompt_file",
    "selection_in",
    "support_folder",
    "z_range_problems",
]
