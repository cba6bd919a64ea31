"""What `usframe doctor` looks at: each check says what it found and, where that is a problem, the cure."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from usframe.errors import UsframeError, shown
from usframe.plugins.load import Plugins

Standing = Literal["ok", "note", "problem"]
PACKAGES = ("torch", "sam2", "accelerate", "numpy", "nibabel", "SimpleITK", "omegaconf", "pluggy", "click")
EXTRAS = {"serve": ("starlette", "uvicorn", "blosc2"), "surface": ("skimage",), "dicom": ("pydicom", "highdicom")}
ROOM = 5  # GB that a run with pictures can well need


@dataclass(frozen=True)
class Finding:
    """``cure``: what to do about it, empty where there is nothing to do. A ``problem`` keeps runs from working."""

    check: str
    standing: Standing
    found: str
    cure: str = ""


def examine(plugins: Plugins, backbone: str, checkpoint: str | None, device: str) -> Iterator[Finding]:
    """Every finding, in the order in which a run would meet it. A check that fails is one."""
    checks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("versions", versions),
        ("torchvision", torchvision),
        ("opencv", opencv),
        ("extras", extras),
        ("devices", devices),
        ("disk", disk),
        ("plugins", lambda: broken_plugins(plugins)),
        ("weights", lambda: weights(plugins)),
        ("network", lambda: network(plugins, backbone, checkpoint, device)),
    ]
    for name, check in checks:
        try:
            yield from check()
        except Exception as error:
            cause = str(error) if isinstance(error, UsframeError) else f"{type(error).__name__}: {error}"
            yield Finding(name, "problem", shown(cause), "see the line itself, or report it with this output")


def versions() -> Iterator[Finding]:
    """usframe, Python and the packages that it stands on."""
    for package in ("usframe", *PACKAGES):
        try:
            yield Finding(package, "ok", version(package))
        except PackageNotFoundError:
            yield Finding(package, "problem", "not installed", f"pip install {package}")
    yield Finding("python", "ok", f"{platform.python_version()} on {platform.platform()}")


def torchvision() -> Iterator[Finding]:
    """Whether a torchvision that is there fits torch. usframe imports none; others do."""
    if find_spec("torchvision") is None:
        return
    cause = _import_fails("torchvision")
    if cause:
        cure = "usframe works without it; for other programs install the torchvision that belongs to this torch"
        yield Finding("torchvision", "note", f"{version('torchvision')} does not import: {cause}", cure)
    else:
        yield Finding("torchvision", "ok", version("torchvision"))


def opencv() -> Iterator[Finding]:
    """OpenCV's wheel for desktops needs libGL, which servers lack."""
    if cause := _import_fails("cv2"):
        cure = "pip install --force-reinstall opencv-python"
        if "libGL" in cause or "libgthread" in cause:
            cure = "apt-get install libgl1 libglib2.0-0, or pip install opencv-python-headless in its place"
        yield Finding("opencv", "problem", f"does not import: {cause}", cure)
    else:
        import cv2

        yield Finding("opencv", "ok", str(cv2.__version__))


def extras() -> Iterator[Finding]:
    """The optional parts."""
    for extra, modules in EXTRAS.items():
        missing = [module for module in modules if find_spec(module) is None]
        if missing:
            yield Finding(
                f"usframe[{extra}]", "note", "not installed", f"if wanted: pip install 'usframe[{extra}]'"
            )
        else:
            yield Finding(f"usframe[{extra}]", "ok", "installed")


def devices() -> Iterator[Finding]:
    """Processor, memory and accelerators as torch sees them."""
    import torch

    yield Finding("cpu", "ok", f"{os.cpu_count()} cores, torch uses {torch.get_num_threads()} threads{_memory()}")
    for number in range(torch.cuda.device_count()):
        it = torch.cuda.get_device_properties(number)
        bf16 = "bf16" if torch.cuda.is_bf16_supported() else "no bf16"
        yield Finding(f"cuda:{number}", "ok", f"{it.name}, {it.total_memory / 2**30:.0f} GiB, {bf16}")
    if torch.backends.mps.is_available():
        yield Finding("mps", "ok", "available")
    elif not torch.cuda.is_available():
        why = "this torch was built without CUDA" if torch.version.cuda is None else "torch sees no CUDA device"
        cure = (
            "for an NVIDIA GPU install the torch built for its driver (pytorch.org/get-started); else nothing to do"
        )
        yield Finding("gpu", "note", why, cure)


def disk() -> Iterator[Finding]:
    """Room where one is."""
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    if free < ROOM:
        yield Finding("disk", "note", f"{free:.1f} GB free here", "make room, or run with overlays=false")
    else:
        yield Finding("disk", "ok", f"{free:.0f} GB free here")


def broken_plugins(plugins: Plugins) -> Iterator[Finding]:
    """Packages and single plugins that fail."""
    count = 0
    for owner, cause in plugins.broken:
        yield Finding("plugins", "problem", f"{owner}: {cause}", f"mend or uninstall it, or block={owner}")
    for registry in plugins.by_kind().values():
        for entry in registry:
            try:
                entry.load()
                count += 1
            except UsframeError as error:
                yield Finding("plugins", "problem", str(error), f"mend or uninstall it, or block={entry.owner}")
    yield Finding("plugins", "ok", f"{count} import")


def weights(plugins: Plugins) -> Iterator[Finding]:
    """Every file where checkpoints are looked for: does it load, and into what."""
    from usframe.environment.catalogue import backbones_for
    from usframe.environment.weight_files import FORMS, inspect
    from usframe.inference.checkpoints import checkpoint_folders

    main = "MedSAM2_latest.pt"
    folders = {folder.resolve(): folder for folder in reversed(checkpoint_folders()) if folder.is_dir()}
    files = [file for folder in folders.values() for file in sorted(folder.iterdir())]
    for file in (file for file in files if file.suffix in FORMS):
        try:
            it = inspect(file, plugins, backbones_for(file))
        except UsframeError as error:
            yield Finding(
                "weights", "problem", str(error), f"remove it, or get it again: usframe weights get {file.stem}"
            )
            continue
        if it.problem:
            yield Finding(
                "weights", "note", it.problem, "name its backbone's package with --plugin, or move it away"
            )
        else:
            yield Finding("weights", "ok", f"{file}: fits {', '.join(it.fits)}; sha256 {it.sha256[:12]}…")
    if main not in {file.name for file in files}:
        yield Finding("weights", "note", f"{main} is not here", "usframe weights get MedSAM2_latest")


def network(plugins: Plugins, backbone: str, checkpoint: str | None, device: str) -> Iterator[Finding]:
    """One slice through the network, timed."""
    from usframe.environment.pace import time_steps
    from usframe.inference.checkpoints import load_backbone, resolve_device

    net = load_backbone(backbone, checkpoint=checkpoint, device=device, plugins=plugins)
    pace = time_steps(net)
    what = f"{backbone}, {net.checkpoint or 'random weights'}, on {resolve_device(device)}"
    yield Finding("network", "ok", f"{what}: one slice from a box in {pace.encode + pace.prompt:.2f} s")


def _import_fails(module: str) -> str:
    """The last line of what importing a module says, in a process of its own; empty where it works."""
    done = subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, text=True, check=False)
    lines = done.stderr.strip().splitlines()
    return (lines[-1] if lines else f"exit status {done.returncode}") if done.returncode else ""


def _memory() -> str:
    try:
        return f", {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    except (AttributeError, OSError, ValueError):
        return ""
