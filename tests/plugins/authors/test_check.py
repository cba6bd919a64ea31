"""`usframe plugins check`: a fault of every kind is found, and told with its place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import usframe_

FAULTS = """
import numpy as np
from usframe import Decoded, Prompt, Volume, hookimpl


def absent(mask, *, frame, object_id, rng):
    return None


def outside(mask, *, frame, object_id, rng):
    return Prompt(frame, object_id, points=np.array([[-5, 3]], np.float32), point_labels=np.ones(1, np.int64))


def crashing(mask, *, frame, object_id, rng):
    return {}["no such key"]


def double(area, count):
    return [int(np.flatnonzero(area)[0])] * count


def loud(frames, masks, *, rng):
    return frames * 3, masks


def endless(reference, mask, *, spacing_mm):
    return float("inf")


def inventive(mask, *, spacing_mm):
    mask[0, 0, 0] = 9
    return mask


def unfinished(mask, *, spacing_mm, ml):
    return mask


def mean(decoded, truth):
    return decoded.logits.mean()


def deaf(backbone, losses, *, encode, corrections):
    return None


class Turned:
    def read(self, path, *, layout="auto", onto=None):
        return Volume(np.load(path.open("rb")).transpose(0, 2, 1))

    def shape(self, path, *, layout="auto"):
        return self.read(path).data.shape

    def write(self, path, mask, grid):
        np.save(path.open("wb"), mask)


def short(*, weights, device, precision):
    import torch

    class Short:
        image_size, checkpoint, module = 64, None, torch.nn.Identity()

        def encode(self, images):
            return images[:, :1, ::4, ::4]

        def decode(self, features, prompts, index, *, multimask=False, keep_masks=False):
            return Decoded(features[list(index)], torch.zeros(1), torch.zeros(len(prompts)))

    return Short()


@hookimpl
def usframe_register_prompts(register):
    register("absent", absent)
    register("outside", outside)
    register("crashing", crashing)
    register("lost", "no_such_module:strategy")


@hookimpl
def usframe_register_selections(register):
    register("double", double)


@hookimpl
def usframe_register_augmentations(register):
    register("loud", loud)


@hookimpl
def usframe_register_metrics(register):
    register("endless", endless)


@hookimpl
def usframe_register_postprocessing(register):
    register("inventive", inventive)
    register("unfinished", unfinished)


@hookimpl
def usframe_register_objectives(register):
    register("mean", mean)
    register("deaf", deaf)


@hookimpl
def usframe_register_readers(register):
    register("turned", Turned, suffixes=(".turned",))


@hookimpl
def usframe_register_backbones(register):
    register("short", short)
"""


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    folder = tmp_path_factory.mktemp("faults")
    (folder / "faults.py").write_text(FAULTS.lstrip(), encoding="utf-8")
    words = ["-m", "usframe", "plugins", "check", "faults.py"]
    return subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize(
    "check",
    [
        "prompt absent: it has a prompt for at least one of several plain objects",
        "prompt outside: points and boxes lie within the slice",
        "prompt lost: it imports",
        "selection double: it answers slices that show the object and no more than it is asked for",
        "augmentation loud: grey values stay within 0 and 1",
        "metric endless: it is a finite number or none",
        "postprocessing inventive: no object is made up",
        "objective mean: it is one value per candidate or per prompt",
        "objective deaf: it makes a module that holds the parameters of the network",
        "reader turned (.turned): slices come first then rows then columns",
        "backbone short: every kind of prompt is decoded to one mask or three",
    ],
)
def test_a_fault_of_every_kind_is_found(check: str, checked: subprocess.CompletedProcess[str]) -> None:
    lines = checked.stdout.splitlines()
    assert f"failed   {check}" in lines, checked.stdout + checked.stderr
    assert lines[lines.index(f"failed   {check}") + 1].startswith("         -> ")


def test_what_holds_is_told_too_and_the_status_says_that_something_does_not(
    checked: subprocess.CompletedProcess[str],
) -> None:
    assert checked.returncode == 1
    assert "ok       prompt absent: it imports" in checked.stdout
    assert "ok       selection double: the areas it gets are left alone" in checked.stdout
    assert checked.stdout.splitlines()[-1].endswith(" failed")
    assert checked.stderr == ""


def test_an_error_is_told_with_its_case_and_its_line(checked: subprocess.CompletedProcess[str]) -> None:
    line = FAULTS.lstrip().splitlines().index('    return {}["no such key"]') + 1
    wrong = f"         -> square: KeyError: 'no such key' (faults.py:{line})"
    assert wrong in checked.stdout.splitlines()


def test_what_only_its_author_can_test_is_skipped_with_the_reason(
    checked: subprocess.CompletedProcess[str],
) -> None:
    skipped = "skipped  postprocessing unfinished: it keeps its contract (usframe has no ml to give; "
    assert skipped in checked.stdout


@pytest.mark.parametrize(
    ("owner", "message"),
    [
        ("usfram", "no plugin package is called 'usfram' (did you mean 'usframe'?); installed: usframe"),
        ("no.py", "no.py: there is no such plugin file"),
        ("empty.py", "empty.py: no hook found; decorate its functions with @usframe.hookimpl"),
    ],
)
def test_what_cannot_be_checked_is_one_line(
    owner: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.py").touch()
    done = usframe_("plugins", "check", owner)
    assert done.exit_code == 2
    assert done.output.startswith(f"Error: {message}")
    assert len(done.output.splitlines()) == 1


def test_without_pytest_it_lists_what_is_registered_and_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("faults.py").write_text(FAULTS, encoding="utf-8")
    monkeypatch.setattr("usframe.plugins.check.find_spec", lambda name: None)
    done = usframe_("plugins", "check", "faults.py")
    assert done.exit_code == 1
    assert "faults.py registers prompt absent\n" in done.output
    assert done.output.endswith("Error: the contracts are pytest tests: pip install pytest\n")
