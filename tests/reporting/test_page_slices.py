"""What a case leaves for the page: outlines that are those of its masks, small pictures, numbers of slices."""

import base64
import io
import json

import cv2
import numpy as np
import pytest
from PIL import Image

from usframe.quality import Quality
from usframe.reporting.page.distance import Distances
from usframe.reporting.page.outlines import DIGITS, outline, outlines
from usframe.reporting.page.pictures import encode_slices
from usframe.reporting.page.slices import CaseSlices, head_of, read_slices, slices_path
from usframe.types import Prompt, Segmentation


def read(text):
    """Outlines as the page reads them."""
    rings = []
    for ring in text.split():
        numbers, value, shift = [], 0, 0
        for digit in map(DIGITS.index, ring):
            value, shift = value + ((digit & 31) << shift), shift + 5
            if digit < 32:
                numbers.append(-(value >> 1) if value & 1 else value >> 1)
                value = shift = 0
        rings.append(np.cumsum(np.reshape(numbers, (-1, 2)), 0).astype(np.int32))
    return rings


def disc(centre, radius, shape=(60, 80)):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


@pytest.mark.parametrize("mask", [disc((30, 40), 20), disc((30, 40), 20) & ~disc((30, 40), 8), disc((0, 79), 9)])
def test_an_outline_is_that_of_its_mask_to_half_a_pixel(mask):
    drawn = np.zeros(mask.shape, np.uint8)
    cv2.fillPoly(drawn, read(outline(mask, 0.5)), 1)
    border = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3))) != cv2.erode(mask.astype(np.uint8), np.ones((3, 3)))
    assert (drawn.astype(bool) == mask)[~border].all()
    assert (drawn.astype(bool) != mask).sum() < 0.1 * mask.sum()


def test_every_slice_of_every_object_has_its_outlines_and_a_single_pixel_is_a_point():
    planes = np.zeros((3, 40, 50), np.uint8)
    planes[1, 5, 49] = 2
    planes[2, 10:20, 10:20] = planes[2, 30:35, 30:35] = 11
    found = outlines(planes, 0.5)
    assert [read(text) for text in found["2"]][::2] == [[], []]
    assert [ring.tolist() for ring in read(found["2"][1])] == [[[49, 5]]]
    assert [*found] == ["2", "11"]
    assert len(read(found["11"][2])) == 2


@pytest.mark.parametrize(("shape", "size"), [((3, 60, 80), (80, 60)), ((2, 1024, 700), (350, 512))])
def test_pictures_are_those_of_the_slices_and_512_pixels_at_most(shape, size):
    ramp = np.broadcast_to(np.linspace(0, 1, shape[2], dtype=np.float32), shape)
    for text in encode_slices(ramp):
        with Image.open(io.BytesIO(base64.b64decode(text))) as picture:
            assert picture.size == size
            grey = np.asarray(picture.convert("L")).mean(0) / 255
    np.testing.assert_allclose(grey, np.linspace(0, 1, size[0]), atol=0.03)


def speckled(depth, height, width):
    noise = np.random.default_rng(0).random((depth, height, width), np.float32)
    return np.stack([cv2.GaussianBlur(plane, (0, 0), 1.5) for plane in noise])


def test_many_slices_get_smaller_pictures():
    many = speckled(60, 400, 500)
    few, all_of_them = (np.mean([len(one) for one in encode_slices(part)]) for part in (many[:2], many))
    assert all_of_them <= 8_800 < few


def test_80_cases_of_60_slices_with_three_objects_and_five_prompts_fit_50_megabytes(tmp_path):
    labels = np.zeros((60, 384, 512), np.uint8)
    for one, column in ((1, 120), (2, 260), (3, 400)):
        labels[:, disc((190, column), 60, labels.shape[1:])] = one
    seen = CaseSlices("a", labels.shape, labels)
    for number in range(5):
        seen.add(f"prompt {number}", answered(labels, shift=number), [])
    seen.write(tmp_path / "a.js", speckled(*labels.shape))
    assert 80 * (tmp_path / "a.js").stat().st_size < 50_000_000


def answered(labels, shift=1, quality=None):
    mask = np.roll(labels, shift, 2)
    objects = tuple(int(one) for one in np.unique(mask) if one)
    return Segmentation(mask, objects, np.full((len(objects), len(mask)), 0.5, np.float32), quality=quality)


@pytest.fixture
def labels():
    made = np.zeros((5, 60, 80), np.uint8)
    made[1:4] = disc((30, 40), 12)
    return made


def test_a_case_says_how_far_its_answers_agree_slice_by_slice_and_where_it_was_prompted(labels, tmp_path):
    labels[3] = 0
    seen = CaseSlices("a", labels.shape, labels, (3.0, 0.5, 0.25), known=np.array([1, 1, 1, 1, 0], bool))
    box = Prompt(1, 1, box=np.array([28, 18, 52.04, 42], np.float32))
    point = Prompt(2, 1, points=np.array([[40, 30]], np.float32), point_labels=np.array([1]))
    answer = answered(labels, shift=0)
    answer.mask[3, :2, :5] = 1
    seen.add("both", answer, [point, box, Prompt(1, 1, mask=labels[1] == 1)])
    seen.write(slices_path(tmp_path, "a"), np.zeros(labels.shape, np.float32))
    head, body = json.loads(read_slices(tmp_path / "report" / "a.js"))
    assert head == head_of(read_slices(tmp_path / "report" / "a.js"))
    assert head["pixel"] == [0.25, 0.5]
    assert head["known"] == [0, 1, 2, 3]
    told = head["answers"]["both"]
    assert told["prompted"] == {"1": [1, 2]}
    assert told["dice"] == {"1": [None, 1.0, 1.0, 0.0, None]}
    assert (told["own"], told["expected"]) == ("predicted IoU", {"1": [0.5] * 5})
    given = body["answers"]["both"]["prompts"]
    assert given["1"] == [{"object": 1, "box": [28, 18, 52, 42]}, {"object": 1, "mask": True}]
    assert given["2"] == [{"object": 1, "points": [[40, 30, 1]]}]
    assert len(body["pictures"]) == 5
    far = Distances()
    far.add(head)
    assert far.curves() == {"both": {"1": [[0, 1.0, 1], [1, 0.0, 1]]}}


def test_pixels_that_are_ignored_count_for_nothing(labels):
    ignored = np.zeros(labels.shape, bool)
    ignored[:, :, 41:] = True
    labels[ignored] = 0
    seen = CaseSlices("a", labels.shape, labels, ignored=ignored)
    answer = answered(labels, shift=0)
    answer.mask[1:4, 30, 41:60] = 1
    seen.add("box", answer, [])
    assert seen.head["answers"]["box"]["dice"]["1"] == [None, 1.0, 1.0, 1.0, None]


def test_without_labels_what_is_expected_takes_the_place_of_dice(labels):
    error = np.array([[np.nan, 0.1, 0.25, 0.4, np.nan]], np.float32)
    quality = Quality(presence=error, agreement=error, error=error)
    seen = CaseSlices("a", labels.shape)
    seen.add("box", answered(labels, quality=quality), [])
    told = seen.head["answers"]["box"]
    assert "dice" not in told
    assert told["expected"] == {"1": [None, 0.9, 0.75, 0.6, None]}


@pytest.mark.parametrize("change", [lambda text: text[:-1], lambda text: text + "</script>", lambda text: ""])
def test_a_file_that_no_run_wrote_is_not_put_into_the_page(labels, tmp_path, change):
    seen = CaseSlices("</script>", labels.shape, labels)
    path = tmp_path / "a.js"
    seen.write(path)
    assert json.loads(read_slices(path))[0]["case"] == "</script>"
    path.write_text(change(path.read_text()))
    assert read_slices(path) is None
