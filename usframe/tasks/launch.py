"""Before any case or step: the processes and device of a run, its folder, and the record of what ran where."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch.distributed
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs, broadcast_object_list, set_seed
from omegaconf import OmegaConf

from usframe.config.compose import VERSION
from usframe.config.overrides import escaped
from usframe.config.schema import Common, Networked, Trained
from usframe.errors import RequestError, WriteError, escape
from usframe.files import Manifest, write_file
from usframe.inference.checkpoints import resolve_device, resolve_precision
from usframe.session import RECORD, watch
from usframe.session.folder import Resume, close_folder, open_folder, reopen_folder
from usframe.tasks import TASKS

DEVICE = "ACCELERATE_TORCH_DEVICE"
PATIENCE = timedelta(days=7)  # for a process whose share takes longer; one that dies ends the others anyway


def launch(config: Networked, *, training: bool = False) -> Accelerator:
    """Accelerate on the device and with the seed of ``config``, in this process and those beside it.

    Raises `RequestError` for a device or precision that is not there, and for one GPU named for several processes.
    """
    device = resolve_device(config.device)
    precision = resolve_precision(config.precision, device)
    if ":" in device and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise RequestError(f"device={device} is one GPU, but several processes were launched; use device=cuda")
    set_seed(config.seed)
    mixed = precision if training and precision != "fp32" else "no"
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    patient = InitProcessGroupKwargs(timeout=PATIENCE)
    tracker = config.train.tracker if isinstance(config, Trained) else "none"
    if tracker != "none" and find_spec(tracker) is None:
        raise RequestError(
            f"train.tracker={tracker} is not installed: pip install {tracker}, or train.tracker=none"
        )
    with _on_device(device):
        return Accelerator(
            cpu=device == "cpu",
            mixed_precision=mixed,
            kwargs_handlers=[unused, patient],
            log_with=None if tracker == "none" else tracker,
            project_dir=config.out,
        )


def leave(accelerator: Accelerator) -> None:
    """End what this process shares with others; from here on none falls or waits with another.

    Its group's end holds Python's lock while it waits for its threads; in torch 2.5 they may be waiting for that
    lock to let go of a tensor. The group's backend, where it is let go of last, waits without it.
    """
    backend = _backend(accelerator.device)
    accelerator.end_training()
    del backend


def _backend(device: torch.device) -> Any:
    """That of the process group, nothing else of which is kept; None where this process is alone."""
    group = torch.distributed.group.WORLD if torch.distributed.is_initialized() else None
    return group._get_backend(device) if group else None


@contextmanager
def _on_device(device: str) -> Iterator[None]:
    """One GPU of several, such as cuda:1, told to Accelerate in the only way that it listens to."""
    before = os.environ.get(DEVICE)
    if ":" in device:
        os.environ[DEVICE] = device
    try:
        yield
    finally:
        os.environ.pop(DEVICE, None)
        if before is not None:
            os.environ[DEVICE] = before


def prepare_output(
    config: Common,
    accelerator: Accelerator,
    *,
    facts: Mapping[str, Any] | None = None,
    files: Iterable[str] = (),
    ready: Callable[[], object] = lambda: None,
) -> Path:
    """`open_folder` of OUT, with the resolved experiment in it, for every process of a run that can go on.

    ``ready``: what the first process does there before any of them goes on. Raises `RequestError`, in every
    process, where it cannot be had.
    """
    answer = [_prepare(config, "same", ready, facts, files) if accelerator.is_main_process else ""]
    if problem := broadcast_object_list(answer)[0]:
        leave(accelerator)
        raise RequestError(problem)
    if not accelerator.is_main_process:
        Manifest(config.folder).start()
    return config.folder


def prepare_folder(config: Common, resume: Resume = "never", ready: Callable[[], object] = lambda: None) -> None:
    """`prepare_output` for a task of one process, which begins anew unless ``resume`` says otherwise."""
    if problem := _prepare(config, resume, ready, None, ()):
        raise RequestError(problem)


def _prepare(
    config: Common,
    resume: Resume,
    ready: Callable[[], object],
    facts: Mapping[str, Any] | None,
    files: Iterable[str],
) -> str:
    """What is wrong with OUT, in one line; nothing, and it is ready."""
    if share := watch.line.before.share:  # it was, for the process that this one is there instead of
        reopen_folder(config.folder, first=share[0] == 0)
        return ""
    try:
        open_folder(config, [*TASKS[config.task].writes, *files], resume=resume, facts=facts)  # type: ignore[attr-defined]
        if not (config.folder / RECORD).exists():
            save_experiment(config, config.folder / RECORD)
        ready()
    except (RequestError, WriteError, OSError) as error:
        close_folder()
        return f"cannot write to {config.folder}: {error}" if isinstance(error, OSError) else str(error)
    return ""


def save_experiment(config: Common, path: Path) -> None:
    """Write the `experiment_text` of a run. Raises `WriteError`."""
    write_file(path, experiment_text(config, path))


def experiment_text(config: Common, path: Path) -> str:
    """The YAML at ``path`` from which `usframe run` repeats the experiment; its first line is the command.

    Plugin files are part of that command only, since no YAML may name code, and a repeated run replaces an
    earlier one only when asked again.
    """
    content = escaped({key: value for key, value in asdict(config).items() if key != "plugins"})
    content = {"version": VERSION, **content, "overwrite": False}
    plugins = f" plugins=[{','.join(config.plugins)}]" if config.plugins else ""
    command = escape(f"usframe run {shlex.quote(str(path))}{plugins}")
    return f"# {command}\n{OmegaConf.to_yaml(OmegaConf.create(content))}"
