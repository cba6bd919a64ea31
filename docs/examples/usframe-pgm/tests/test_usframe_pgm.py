"""What usframe expects of every plugin of its kind, and what is expected of this one."""

import cv2
import numpy as np
import pytest
from usframe_contracts import ReaderContract
from usframe_pgm import Pgm

from usframe import ReadError


class TestPgmReader(ReaderContract):
    suffix = ".pgm"
    has_spacing = False

    @pytest.fixture
    def reader(self):
        return Pgm()

    def save(self, path, data, spacing_mm):
        """One picture after the other, each as OpenCV writes it."""
        path.write_bytes(b"".join(cv2.imencode(".pgm", picture)[1].tobytes() for picture in data))


def test_16_bits_and_comments_are_read(tmp_path):
    path = tmp_path / "case.pgm"
    path.write_bytes(b"P5 # made by hand\n3 1\n65535\n" + np.array([1, 256, 40000], ">u2").tobytes())
    assert Pgm().read(path).data.tolist() == [[[1, 256, 40000]]]


@pytest.mark.parametrize("stored", [b"", b"P2 1 1 255\n7", b"P5 4 4 255\n123", b"P5 1 1 255\n7P5 1 2 255\n77"])
def test_what_is_no_clip_is_told(tmp_path, stored):
    path = tmp_path / "case.pgm"
    path.write_bytes(stored)
    with pytest.raises(ReadError, match=r"case\.pgm"):
        Pgm().read(path)
