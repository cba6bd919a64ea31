"""Propagation on a tiny real network with random weights: what is visited, remembered and shared."""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from toy_backbones import ToyWithMemory

import usframe
from usframe import CaseError, Prompt, RequestError, Volume
from usframe.cli import main
from usframe.inference.propagate import propagate_slices
from usframe.inference.tracks import Tracking


@pytest.fixture(scope="module")
def backbone():
    return usframe.load_backbone("demo", checkpoint="random", device="cpu", precision="fp32")


@pytest.fixture
def volume():
    return Volume(np.random.default_rng(0).random((6, 60, 90), np.float32))


def box(frame: int, object_id: int = 1, edges=(20, 10, 60, 40)) -> Prompt:
    return Prompt(frame, object_id, box=np.array(edges, np.float32))


def propagate(volume, prompts, backbone):
    return usframe.segment(volume, prompts, backbone, mode="propagate", keep_logits=True)


def test_one_prompt_reaches_every_slice_before_and_after_it(backbone, volume):
    answer = propagate(volume, [box(2)], backbone)
    assert answer.mask.shape == volume.data.shape
    assert np.isfinite(answer.predicted_iou).all()
    assert answer.logits.shape == (1, 6, 64, 64)
    assert np.isfinite(answer.logits).all()


def test_a_mask_prompt_comes_back_unchanged_on_its_own_slice(backbone, volume):
    mask = np.zeros((60, 90), bool)
    mask[16:44, 24:68] = True
    answer = propagate(volume, [Prompt(3, 1, mask=mask)], backbone)
    assert np.mean((answer.mask[3] > 0) != mask) < 0.02


def test_a_mask_with_a_point_is_refined_as_in_slice_mode(backbone, volume):
    """The mask is the previous prediction, the point corrects it."""
    mask = np.zeros((60, 90), bool)
    mask[16:44, 24:68] = True
    asked = [Prompt(3, 1, np.array([[40, 30]], np.float32), np.ones(1, np.int64), mask=mask)]
    answer = propagate(volume, asked, backbone)
    alone = usframe.segment(volume, asked, backbone, keep_logits=True)
    seen = answer.logits[:, 3] > -32
    np.testing.assert_allclose(answer.logits[:, 3][seen], alone.logits[:, 3][seen], atol=1e-4)
    np.testing.assert_allclose(answer.predicted_iou[:, 3], alone.predicted_iou[:, 3], atol=1e-5)


def test_every_slice_is_encoded_once_whatever_is_asked(backbone, volume, monkeypatch):
    encoded = []
    encode = backbone.encode
    monkeypatch.setattr(backbone, "encode", lambda images: encoded.append(len(images)) or encode(images))
    sets = {"a": [box(1), box(4, 2), box(5, 2)], "b": [box(3), box(0, 2, (5, 5, 30, 30))]}
    seen = []
    propagate_slices(volume.data, sets, backbone, progress=seen.append)
    assert encoded == seen == [1] * 6


def test_objects_and_strategies_do_not_disturb_each_other(backbone, volume):
    sets = {"a": [box(1), box(4, 2, (5, 5, 40, 50))], "b": [box(4, 2, (5, 5, 40, 50))]}
    together = propagate_slices(volume.data, sets, backbone, keep_logits=True)
    alone = propagate(volume, sets["b"], backbone)
    np.testing.assert_allclose(together["b"].logits, alone.logits, atol=1e-4)
    np.testing.assert_allclose(together["a"].logits[1], alone.logits[0], atol=1e-4)


def test_objects_prompted_on_the_same_slices_are_tracked_as_one_batch(backbone, volume):
    prompts = [box(2, 1), box(2, 9, (5, 5, 40, 50))]
    batch = propagate(volume, prompts, backbone)
    assert batch.object_ids == (1, 9)
    for row, prompt in enumerate(prompts):
        np.testing.assert_allclose(batch.logits[row], propagate(volume, [prompt], backbone).logits[0], atol=1e-3)


def test_a_prompted_slice_keeps_the_answer_to_its_own_prompt(backbone, volume):
    prompts = [box(1), box(4, 1, (30, 10, 70, 40))]
    answer = propagate(volume, prompts, backbone)
    slices = usframe.segment(volume, prompts, backbone, keep_logits=True)
    np.testing.assert_allclose(answer.predicted_iou[:, [1, 4]], slices.predicted_iou[:, [1, 4]], atol=1e-4)


def test_no_prompt_at_all_is_an_empty_mask(backbone, volume):
    answer = propagate(volume, [], backbone)
    assert not answer.mask.any()
    assert answer.object_ids == ()


def test_a_backbone_without_memory_says_so(backbone, volume, monkeypatch):
    monkeypatch.setattr(backbone, "memorize", None)
    with pytest.raises(RequestError, match="has no memory to propagate with; use mode=slice"):
        propagate(volume, [box(0)], backbone)


def test_an_unknown_mode_names_the_known_ones(backbone, volume):
    with pytest.raises(RequestError, match="mode=track is not possible; choose one of slice, propagate"):
        usframe.segment(volume, [], backbone, mode="track")


# stopping, on a backbone that sees bright squares and nothing else


SQUARES = {1: np.s_[5:25, 5:25], 2: np.s_[35:55, 35:55]}


def recording(shown: dict[int, str]) -> Volume:
    """Slices of 60 x 60 with a bright square for each object where its line has an x."""
    data = np.zeros((len(shown[1]), 60, 60), np.float32)
    for one, line in shown.items():
        for frame, mark in enumerate(line):
            data[frame][SQUARES[one]] = mark == "x"
    return Volume(data)


def square(frame: int, one: int) -> Prompt:
    (rows, columns) = SQUARES[one]
    return Prompt(
        frame, one, box=np.array([columns.start, rows.start, columns.stop - 1, rows.stop - 1], np.float32)
    )


def lines(answer, one: int) -> tuple[str, str]:
    """Where the object is found, and where it was looked for."""
    found = "".join("x" if (plane == one).any() else "." for plane in answer.mask)
    row = answer.object_ids.index(one)
    return found, "".join("x" if np.isfinite(iou) else "." for iou in answer.predicted_iou[row])


SHOWN = {1: "x...xxx.xx...xx", 2: "xxxxxxxxxxxxxxx"}


@pytest.mark.parametrize(
    ("patience", "found", "sought"),
    [
        (0, "x...xxx.xx...xx", "xxxxxxxxxxxxxxx"),
        (1, "....xxx........", "...xxxxx......."),
        (2, "....xxx.xx.....", "..xxxxxxxxxx..."),
        (4, "x...xxx.xx...xx", "xxxxxxxxxxxxxxx"),
    ],
)
def test_an_object_is_given_up_after_so_many_slices_without_it(patience, found, sought):
    prompts = [square(5, 1), square(5, 2)]
    answer = usframe.segment(recording(SHOWN), prompts, ToyWithMemory(), mode="propagate", patience=patience)
    assert lines(answer, 1) == (found, sought)
    assert lines(answer, 2) == ("x" * 15, "x" * 15)


def test_a_prompt_further_on_brings_it_back():
    prompts = [square(5, 1), square(13, 1)]
    answer = usframe.segment(recording(SHOWN), prompts, ToyWithMemory(), mode="propagate", patience=1)
    assert lines(answer, 1) == ("....xxx......xx", "...xxxxx.....xx")


def test_slices_where_nothing_is_looked_for_are_not_encoded():
    volume, seen = recording(SHOWN), []
    tracking = Tracking(patience=1, extents={2: (4, 6)})
    sets = {"": [square(5, 1), square(5, 2)]}
    answer = propagate_slices(volume.data, sets, ToyWithMemory(), tracking, progress=seen.append)[""]
    assert sum(seen) == 5
    assert lines(answer, 2) == ("....xxx........", "....xxx........")


def test_objects_are_looked_for_within_z_range_only():
    prompts = [square(5, 1), square(6, 2)]
    answer = usframe.segment(recording(SHOWN), prompts, ToyWithMemory(), mode="propagate", z_range=(3, 8))
    assert lines(answer, 1) == ("....xxx.x......", "...xxxxxx......")
    assert lines(answer, 2) == ("...xxxxxx......", "...xxxxxx......")
    with pytest.raises(RequestError, match="a prompt names slice 5, but its object's z_range is 6 to 9"):
        usframe.segment(recording(SHOWN), prompts, ToyWithMemory(), mode="propagate", z_range=(6, 9))


# memory


def test_memory_does_not_grow_with_the_number_of_slices():
    """Arrays of usframe (tracemalloc sees NumPy's, not torch's), beyond the masks that are the answer."""

    def peak(slices: int) -> int:
        data = np.zeros((slices, 32, 32), np.float32)
        prompts = [Prompt(slices * part // 4, part, box=np.array([5, 5, 20, 20], np.float32)) for part in (1, 2, 3)]
        gc.collect()
        tracemalloc.start()
        answer = propagate_slices(data, {"": prompts}, ToyWithMemory())[""]
        rest = tracemalloc.get_traced_memory()[1] - answer.mask.nbytes - answer.predicted_iou.nbytes
        tracemalloc.stop()
        return rest

    peak(8)
    assert peak(400) < 1.2 * peak(40) + 400 * 3 * 150  # lists of slices and the like: 150 bytes for each


def test_a_full_temporary_folder_is_one_clear_line(backbone, volume, monkeypatch):
    def full(*arguments):
        raise RuntimeError("PytorchStreamWriter failed writing file data/3: file write failed")

    monkeypatch.setattr("torch.save", full)
    with pytest.raises(CaseError, match=r"temporary folder .*: no room for the encodings of the slices; TMPDIR"):
        propagate(volume, [box(2)], backbone)


# a backbone without memory, on the command line


STRANGER = """
import sys
sys.path.insert(0, {tests!r})
from usframe import hookimpl
from toy_backbones import Toy

@hookimpl
def usframe_register_backbones(register):
    register("toy", lambda *, weights, device, precision: Toy())
"""


@pytest.mark.parametrize("word", ["--dry-run", "overlays=false"])
def test_a_run_with_a_backbone_that_cannot_propagate_ends_before_any_case(data, word):
    plugin = data.out.parent / "stranger.py"
    plugin.write_text(STRANGER.format(tests=str(Path(__file__).parents[1])))
    words = [*data.request("--backbone", "toy", "--mode", "propagate"), f"plugins=[{plugin}]", word]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "Error: backbone Toy (toy_backbones.py) has no memory to propagate with; use mode=slice" in result.output
    assert not data.out.exists()
    words[words.index("propagate")] = "slice"
    assert CliRunner().invoke(main, words).exit_code == 0
