"""Before any case or step: the processes and device of a run, its folder, and the record of what ran where."""

from __future__ import annotations

import os
import shlex
import shutil
import warnings
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, broadcast_object_list, set_seed
from omegaconf import OmegaConf

from usframe.config.checks import FOLDERS
from usframe.config.overrides import escaped
from usframe.config.schema import Config, Finetune, Networked, Pretrain
from usframe.errors import RequestError
from usframe.inference.checkpoints import resolve_device, resolve_precision

RECORD = "experiment.yaml"
FILES = (
    "metrics.csv",
    "metrics_per_slice.csv",
    "summary.json",
    "failures.csv",
    "run.json",
    "report.html",
    "comparison.csv",
    "tests.csv",
    "comparison.png",
    "curve.csv",
    "augmentations.png",
    "curve.png",
    "gains.csv",
    "before.json",
    "splits.json",
    *(f"checkpoint_{name}.{kind}" for name in ("last", "best") for kind in ("pt", "safetensors")),
    RECORD,
)


def launch(config: Networked, *, training: bool = False) -> Accelerator:
    """Accelerate on the device and with the seed of ``config``, in this process and those beside it.

    Raises `RequestError` for a device or precision that is not there, and for one GPU named for several processes.
    """
    device = resolve_device(config.device)
    precision = resolve_precision(config.precision, device)
    if ":" in device and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise RequestError(f"device={device} is one GPU, but several processes were launched; use device=cuda")
    if ":" in device:
        os.environ["ACCELERATE_TORCH_DEVICE"] = device
    set_seed(config.seed)
    warnings.filterwarnings("ignore", message="Grad strides do not match")  # of 1x1 convolutions, torch's affair
    mixed = precision if training and precision != "fp32" else "no"
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    tracker = config.train.tracker if isinstance(config, Pretrain | Finetune) else "none"
    if tracker != "none" and find_spec(tracker) is None:
        raise RequestError(
            f"train.tracker={tracker} is not installed: pip install {tracker}, or train.tracker=none"
        )
    return Accelerator(
        cpu=device == "cpu",
        mixed_precision=mixed,
        kwargs_handlers=[unused],
        log_with=None if tracker == "none" else tracker,
        project_dir=config.out,
    )


def prepare_output(config: Config, accelerator: Accelerator, *, resume: bool = False) -> Path:
    """Make OUT, with the resolved experiment in it; ``overwrite`` removes what an earlier run left.

    With ``resume`` an earlier run of the same experiment stays, to be gone on with. Raises `RequestError`, in every
    process, where an earlier run would be lost or the folder cannot be written.
    """
    answer = [_prepare(config, resume) if accelerator.is_main_process else ""]
    if problem := broadcast_object_list(answer)[0]:
        accelerator.end_training()
        raise RequestError(problem)
    return Path(config.out or "")


def prepare_folder(config: Config) -> None:
    """`prepare_output` for a task of one process."""
    if problem := _prepare(config, resume=False):
        raise RequestError(problem)


def _prepare(config: Config, resume: bool) -> str:
    """What is wrong with OUT, in one line; nothing, and it is ready."""
    out = Path(config.out or "")
    try:
        if (out / RECORD).exists():
            if resume and not config.overwrite and _is_same(config, out / RECORD):
                return ""
            if not config.overwrite:
                return f"{out} holds an earlier run; choose another -o, or add overwrite=true to replace it"
            for name in FOLDERS:
                if (out / name).exists():
                    shutil.rmtree(out / name)
            for name in FILES:
                (out / name).unlink(missing_ok=True)
        out.mkdir(parents=True, exist_ok=True)
        save_experiment(config, out / RECORD)
    except OSError as error:
        return f"cannot write to {out}: {error.strerror}; choose another -o"
    return ""


def save_experiment(config: Config, path: Path) -> None:
    """Write the `experiment_text` of a run."""
    path.write_text(experiment_text(config, path), encoding="utf-8")


def experiment_text(config: Config, path: Path) -> str:
    """The YAML at ``path`` from which `usframe run` repeats the experiment; its first line is the command.

    Plugin files are part of that command only, since no YAML may name code, and a repeated run replaces an
    earlier one only when asked again.
    """
    content = escaped({key: value for key, value in asdict(config).items() if key != "plugins"})
    content["overwrite"] = False
    plugins = f" plugins=[{','.join(config.plugins)}]" if config.plugins else ""
    return f"# usframe run {shlex.quote(str(path))}{plugins}\n{OmegaConf.to_yaml(OmegaConf.create(content))}"


def _is_same(config: Config, record: Path) -> bool:
    return record.read_text(encoding="utf-8") == experiment_text(config, record)
