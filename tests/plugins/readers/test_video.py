"""A video is a clip: its frames in order, grey, without a pixel size; it holds no labels."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from usframe_plugins.readers import streams
from usframe_plugins.readers.video import VideoReader

from usframe import ReadError, Volume, WriteError, read_volume

READER = VideoReader()
SMOOTH = [
    cv2.GaussianBlur(np.random.default_rng(k).integers(0, 255, (48, 64)).astype(np.uint8), (9, 9), 0)
    for k in range(9)
]
CLIP = np.stack(SMOOTH)
CODECS = {".avi": "FFV1", ".mkv": "FFV1", ".mp4": "mp4v", ".mov": "mp4v"}


def save(path: Path, frames: np.ndarray, codec: str | None = None) -> Path:
    code = cv2.VideoWriter_fourcc(*(codec or CODECS[path.suffix]))
    writer = cv2.VideoWriter(str(path), code, 20, (frames.shape[2], frames.shape[1]))
    assert writer.isOpened()
    for frame in frames:
        writer.write(frame if frame.ndim == 3 else cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))
    writer.release()
    return path


def refused(path: Path, **kwargs: object) -> str:
    with pytest.raises(ReadError) as error:
        READER.read(path, **kwargs)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("suffix", CODECS)
def test_frames_are_slices_in_time(tmp_path, suffix):
    volume = read_volume(save(tmp_path / f"a{suffix}", CLIP))
    assert volume.data.shape == CLIP.shape
    assert volume.data.dtype == np.uint8
    assert np.abs(volume.data.astype(int) - CLIP).mean() < (1 if CODECS[suffix] == "FFV1" else 4)
    assert volume.time
    assert volume.spacing_mm is None
    assert READER.shape(tmp_path / f"a{suffix}") == CLIP.shape


def test_colour_is_made_grey_with_a_note(tmp_path):
    colour = np.stack([CLIP, CLIP // 4, CLIP // 2], axis=-1)
    volume = READER.read(save(tmp_path / "a.avi", colour))
    assert volume.notes == ("colour was converted to grey",)
    expected = CLIP * 0.114 + CLIP // 4 * 0.587 + CLIP // 2 * 0.299
    assert np.abs(volume.data - expected).mean() < 2


def test_the_axes_can_be_named(tmp_path):
    path = save(tmp_path / "a.avi", CLIP)
    np.testing.assert_array_equal(READER.read(path, layout="whd").data, READER.read(path).data.transpose(2, 1, 0))
    assert READER.shape(path, layout="whd") == CLIP.shape[::-1]


def test_labels_and_masks_are_no_videos(tmp_path):
    path = save(tmp_path / "a.avi", CLIP)
    assert "changes label values" in refused(path, onto=Volume(CLIP))
    with pytest.raises(WriteError, match=r"as \.tif"):
        READER.write(path, CLIP, READER.read(path).grid)


def test_a_clip_that_memory_cannot_hold_is_refused_with_its_size(tmp_path, monkeypatch):
    path = save(tmp_path / "a.avi", CLIP)
    monkeypatch.setattr(streams, "_memory", lambda: 5 * 48 * 64)
    line = refused(path)
    assert "its frames of 64 x 48 pixels, 6 and more" in line
    assert "more than this machine's" in line


@pytest.mark.parametrize("suffix", CODECS)
@pytest.mark.parametrize("part", [0.02, 0.3, 0.7])
def test_a_truncated_video_is_one_line(tmp_path, suffix, part):
    path = save(tmp_path / f"a{suffix}", CLIP)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    refused(path)


@pytest.mark.parametrize("content", [b"", b"nothing of the kind" * 99, b"#EXTM3U\n#EXTINF:1,\nother.mp4\n", None])
def test_what_is_no_video_is_one_line(tmp_path, content):
    path = tmp_path / "a.mp4"
    if content is not None:
        path.write_bytes(content)
    refused(path)
