"""DICOM: what was stored is what is read, in the order of its places, and nothing about the patient with it."""

import random
import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from dicom_files import new, palette, region, save, save_series
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate
from pydicom.pixels import convert_color_space
from pydicom.uid import (
    ComprehensiveSRStorage,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    SegmentationStorage,
)
from usframe_plugins.readers.dicom import reader
from usframe_plugins.readers.dicom.reader import DicomReader

from usframe import ReadError, Volume, read_volume
from usframe.data.volumes import check_readers
from usframe.errors import PluginError
from usframe.plugins.load import load_plugins

READER = DicomReader()
CLIP = np.random.default_rng(0).integers(0, 255, (5, 8, 10)).astype(np.uint8)
COLOUR = np.repeat(CLIP[..., None], 3, axis=-1)
WHOLE = (0, 0, 9, 7)
ONE = CLIP[0]


def refused(path: Path, **kwargs: object) -> str:
    with pytest.raises(ReadError) as error:
        READER.read(path, **kwargs)
    line = str(error.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    assert "Doe" not in line
    assert "4711" not in line
    return line


@pytest.mark.parametrize("pixels", [ONE, CLIP], ids=["one frame", "several"])
@pytest.mark.parametrize("kind", ["MONOCHROME2", "MONOCHROME1", "RGB", "YBR_FULL", "palette", "palette of 8 bits"])
def test_every_kind_of_pixels_is_the_grey_that_it_was_made_of(tmp_path, pixels, kind):
    colours = np.repeat(pixels[..., None], 3, axis=-1)
    if kind == "YBR_FULL":
        colours = convert_color_space(colours, "RGB", "YBR_FULL")
        np.testing.assert_array_equal(colours[..., 0], pixels)
    tags = dict(palette(8 if "8" in kind else 16)) if "palette" in kind else {}
    stored = {"MONOCHROME1": 255 - pixels, "RGB": colours, "YBR_FULL": colours}.get(kind, pixels)
    path = save(tmp_path / "a.dcm", stored, "PALETTE COLOR" if tags else kind, **tags)
    volume = READER.read(path)
    np.testing.assert_array_equal(volume.data, pixels.reshape(-1, 8, 10))
    assert "colour was converted to grey" not in volume.notes
    assert READER.shape(path) == volume.data.shape


def test_subsampled_colours_are_their_brightness(tmp_path):
    pairs = np.concatenate([CLIP.reshape(5, -1, 2), np.full((5, 40, 2), 128, np.uint8)], axis=-1)
    path = save(tmp_path / "a.dcm", COLOUR, "YBR_FULL_422", PixelData=pairs.tobytes())
    np.testing.assert_array_equal(READER.read(path).data, CLIP)


def test_planes_of_colour_one_after_the_other_are_read(tmp_path):
    path = save(tmp_path / "a.dcm", COLOUR, "RGB", PlanarConfiguration=1)
    header = dcmread(path)
    header.PixelData = np.ascontiguousarray(np.moveaxis(COLOUR, -1, 1)).tobytes()
    header.save_as(path)
    np.testing.assert_array_equal(READER.read(path).data, CLIP)


def test_colour_is_made_grey_with_a_note_and_is_refused_in_labels(tmp_path):
    path = save(tmp_path / "a.dcm", COLOUR * np.array([1, 0, 0], np.uint8), "RGB")
    volume = READER.read(path)
    np.testing.assert_allclose(volume.data, CLIP * 0.299, atol=0.51)
    assert "colour was converted to grey" in volume.notes
    assert "labels in colour" in refused(path, onto=Volume(CLIP))


def test_deep_signed_and_rescaled_values_are_kept(tmp_path):
    deep = CLIP.astype(np.int16) * 100 - 9000
    np.testing.assert_array_equal(READER.read(save(tmp_path / "a.dcm", deep)).data, deep)
    scaled = save(tmp_path / "b.dcm", CLIP, RescaleSlope=0.5, RescaleIntercept=-3)
    np.testing.assert_allclose(READER.read(scaled).data, CLIP * 0.5 - 3)
    np.testing.assert_array_equal(READER.read(scaled, role="labels").data, CLIP)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, "JPEG lossless"])
@pytest.mark.parametrize("kind", ["MONOCHROME2", "RGB"])
def test_compressed_pixels_are_decoded(tmp_path, syntax, kind):
    smooth = np.add.outer(np.arange(5), np.add.outer(np.arange(32), np.arange(48))).astype(np.uint8) * 2
    path = save(tmp_path / "a.dcm", np.repeat(smooth[..., None], 3, axis=-1) if kind == "RGB" else smooth, kind)
    if syntax == "JPEG lossless":
        writer = sitk.ImageFileWriter()
        writer.SetFileName(str(tmp_path / "b.dcm"))
        writer.SetUseCompression(True)
        writer.SetCompressor("JPEG")
        writer.Execute(sitk.ReadImage(str(path)))
        path = tmp_path / "b.dcm"
        assert dcmread(path).file_meta.TransferSyntaxUID.name.startswith("JPEG Lossless")
    else:
        header = dcmread(path)
        header.compress(syntax)
        header.save_as(path)
    np.testing.assert_array_equal(READER.read(path).data, smooth)
    assert READER.shape(path) == smooth.shape


@pytest.mark.parametrize("kind", ["MONOCHROME2", "YBR_FULL_422", "YBR_RCT"])
def test_jpeg_and_jpeg_2000_are_decoded(tmp_path, kind):
    smooth = np.add.outer(np.arange(5), np.add.outer(np.arange(32), np.arange(48))).astype(np.uint8) * 2
    colour = kind != "MONOCHROME2"
    path = save(tmp_path / "a.dcm", np.repeat(smooth[..., None], 3, axis=-1) if colour else smooth, kind)
    header, frames = dcmread(path), []
    for frame in smooth:
        stream = BytesIO()
        picture = Image.fromarray(np.repeat(frame[..., None], 3, axis=-1) if colour else frame)
        picture.save(stream, "JPEG2000" if kind == "YBR_RCT" else "JPEG")
        frames.append(stream.getvalue())
    header.PixelData = encapsulate(frames)
    header["PixelData"].VR = "OB"
    header.file_meta.TransferSyntaxUID = JPEG2000Lossless if kind == "YBR_RCT" else JPEGBaseline8Bit
    header.save_as(path)
    apart = np.abs(READER.read(path).data.astype(int) - smooth)
    assert apart.max() <= (0 if kind == "YBR_RCT" else 4)


def test_a_syntax_without_a_decoder_is_named_with_the_cure(tmp_path):
    path = save(tmp_path / "a.dcm", CLIP)
    header = dcmread(path)
    header.compress(RLELossless)
    header.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.102"
    header.save_as(path)
    line = refused(path)
    assert "MPEG-4" in line
    assert "export it uncompressed" in line


def test_a_clip_has_the_pixel_size_of_its_region_and_time(tmp_path):
    path = save(tmp_path / "a.dcm", CLIP, SequenceOfUltrasoundRegions=[region(WHOLE)], FrameTime=33.3)
    volume = READER.read(path)
    assert volume.spacing_mm == pytest.approx((1, 0.4, 0.3))
    assert volume.time
    assert volume.grid.affine is None
    assert any("time" in note for note in volume.notes)


@pytest.mark.parametrize(
    ("tags", "size"),
    [
        ({}, None),
        ({"SequenceOfUltrasoundRegions": [region(WHOLE, None)]}, None),
        ({"SequenceOfUltrasoundRegions": [region(WHOLE, None)], "PixelSpacing": [0.2, 0.1]}, (1, 0.2, 0.1)),
        ({"PixelSpacing": [0.2, 0.1]}, (1, 0.2, 0.1)),
        ({"SequenceOfUltrasoundRegions": [region(WHOLE)], "PixelSpacing": [0.2, 0.1]}, (1, 0.4, 0.3)),
        ({"SequenceOfUltrasoundRegions": [region(WHOLE), region(WHOLE, (0.1, 0.1))]}, None),
        (
            {"SequenceOfUltrasoundRegions": [region(WHOLE, (1, 9), RegionSpatialFormat=2), region(WHOLE)]},
            (1, 0.4, 0.3),
        ),
        ({"SequenceOfUltrasoundRegions": [region(WHOLE, (-0.03, -0.04))]}, (1, 0.4, 0.3)),
        ({"PixelSpacing": [0, 0]}, None),
    ],
    ids=[
        "nothing",
        "no unit",
        "no unit but a spacing",
        "a spacing",
        "both",
        "two sizes",
        "M-mode",
        "mirrored",
        "zero",
    ],
)
def test_the_pixel_size_is_what_the_header_knows(tmp_path, tags, size):
    volume = READER.read(save(tmp_path / "a.dcm", ONE, **tags))
    assert volume.spacing_mm == (None if size is None else pytest.approx(size))
    assert volume.flat
    assert any("the region was used" in note for note in volume.notes) == (len(tags) == 2 and size == (1, 0.4, 0.3))


def test_what_lies_outside_the_regions_is_black_because_names_are_written_there(tmp_path):
    def read(**tags: object) -> Volume:
        return READER.read(save(tmp_path / "a.dcm", CLIP + 1, **tags))

    box = {"SequenceOfUltrasoundRegions": [region((2, 3, 7, 6))]}
    inside = np.zeros((8, 10), bool)
    inside[3:7, 2:8] = True
    volume = read(**box)
    np.testing.assert_array_equal(volume.data, (CLIP + 1) * inside)
    assert any("set to black" in note for note in volume.notes)
    np.testing.assert_array_equal(read(**box, BurnedInAnnotation="NO").data, CLIP + 1)
    assert any("text is burned into the picture" in note for note in read(BurnedInAnnotation="YES").notes)
    path = tmp_path / "a.dcm"
    np.testing.assert_array_equal(READER.read(path, role="labels").data, CLIP + 1)


def test_a_series_is_one_volume_in_the_order_of_its_positions(tmp_path):
    numbers = [1, 2, 3, 4, 5]
    random.Random(1).shuffle(numbers)
    save_series(tmp_path / "case", CLIP, numbers)
    volume = read_volume(tmp_path / "case")
    np.testing.assert_array_equal(volume.data, CLIP)
    assert volume.spacing_mm == pytest.approx((0.8, 0.4, 0.3))
    assert not volume.time
    np.testing.assert_allclose(volume.grid.affine @ [4, 0, 0, 1], [10, -5, 3 + 0.8 * 4, 1])
    np.testing.assert_allclose(volume.grid.affine @ [0, 2, 3, 1], [10 - 3 * 0.3, -5 - 2 * 0.4, 3, 1])
    assert volume.notes == ()
    assert READER.shape(tmp_path / "case") == CLIP.shape
    reference = sitk.ImageSeriesReader()
    reference.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path / "case")))
    image = reference.Execute()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), volume.data)
    x, y, z = image.TransformIndexToPhysicalPoint((3, 2, 1))
    np.testing.assert_allclose(volume.grid.affine @ [1, 2, 3, 1], [-x, -y, z, 1])


def test_a_series_without_positions_is_frames_in_the_order_of_its_numbers(tmp_path):
    save_series(tmp_path / "case", CLIP, [10, 9, 3, 2, 1], ImagePositionPatient=None)
    volume = read_volume(tmp_path / "case")
    np.testing.assert_array_equal(volume.data, CLIP[::-1])
    assert volume.time
    assert any("InstanceNumber" in note for note in volume.notes)


def test_uneven_slices_are_a_note_and_repeated_ones_are_refused(tmp_path):
    save_series(tmp_path / "gap", CLIP, [1, 2, 3, 4, 5])
    (tmp_path / "gap" / "IM3.dcm").unlink()
    assert any("0.8 to 1.6 mm apart" in note for note in READER.read(tmp_path / "gap").notes)
    save_series(tmp_path / "twice", CLIP, [1, 2, 3, 4, 5])
    save(
        tmp_path / "twice" / "IM6.dcm",
        ONE,
        **{
            "ImagePositionPatient": [-10, 5, 3],
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "InstanceNumber": 6,
        },
    )
    assert "several volumes" in refused(tmp_path / "twice")


def test_a_folder_holds_the_slices_of_one_series_only(tmp_path):
    save_series(tmp_path / "a", CLIP, [1, 2, 3, 4, 5])
    save(tmp_path / "a" / "IM6.dcm", ONE, SeriesInstanceUID="1.2.3")
    assert "holds files of 2 series" in refused(tmp_path / "a")
    save_series(tmp_path / "b", CLIP, [1, 2, 3, 4, 5])
    save(tmp_path / "b" / "IM6.dcm", ONE[:6])
    assert "IM6.dcm has 10 x 6 and IM1.dcm 10 x 8 pixels" in refused(tmp_path / "b")
    save(tmp_path / "b" / "IM6.dcm", CLIP)
    assert "IM6.dcm holds several frames" in refused(tmp_path / "b")
    (tmp_path / "c").mkdir()
    assert "holds no DICOM file" in refused(tmp_path / "c")


def test_only_slices_of_a_file_that_says_where_they_are_make_a_volume(tmp_path):
    header = dcmread(save(tmp_path / "a.dcm", CLIP[::-1]))
    shared, measures, orientation, frames = Dataset(), Dataset(), Dataset(), []
    measures.PixelSpacing = [0.4, 0.3]
    orientation.ImageOrientationVolume = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationVolumeSequence = [measures], [orientation]
    for k in range(len(CLIP)):
        frame, position = Dataset(), Dataset()
        position.ImagePositionVolume = [0, 0, 0.8 * (len(CLIP) - k)]
        frame.PlanePositionVolumeSequence = [position]
        frames.append(frame)
    header.SharedFunctionalGroupsSequence, header.PerFrameFunctionalGroupsSequence = [shared], frames
    header.save_as(tmp_path / "a.dcm")
    volume = READER.read(tmp_path / "a.dcm")
    np.testing.assert_array_equal(volume.data, CLIP)
    assert volume.spacing_mm == pytest.approx((0.8, 0.4, 0.3))


@pytest.mark.parametrize("layout", ["dhw", "whd", "hwd", "wdh"])
def test_the_axes_can_be_named(tmp_path, layout):
    save_series(tmp_path / "case", CLIP, [1, 2, 3, 4, 5])
    volume = READER.read(tmp_path / "case", layout=layout)
    np.testing.assert_array_equal(volume.data, CLIP.transpose([layout.index(axis) for axis in "dhw"]))
    assert volume.spacing_mm == pytest.approx([(0.8, 0.4, 0.3)[layout.index(axis)] for axis in "dhw"])
    assert np.linalg.norm(volume.grid.affine[:3, :3], axis=0) == pytest.approx(volume.spacing_mm)
    assert READER.shape(tmp_path / "case", layout=layout) == volume.data.shape


def cut(path: Path, part: float) -> Path:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    return path


def report_document(path: Path) -> Path:
    new(path, ComprehensiveSRStorage).save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path, "no such file"),
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_bytes(b"nothing of the kind" * 99), "no DICOM file"),
        (report_document, "holds no pixels .it is Comprehensive SR Storage"),
        (
            lambda path: save(path, CLIP, SOPClassUID=SegmentationStorage, SegmentationType="BINARY"),
            "a DICOM segmentation, which has no picture",
        ),
        (lambda path: cut(save(path, CLIP), 0.2), "holds no pixels .*the file is damaged"),
        (lambda path: cut(save(path, CLIP), 0.7), "damaged"),
        (lambda path: cut(save(path, CLIP), 0.98), "damaged"),
        (lambda path: save(path, CLIP, NumberOfFrames=9), "shorter than its header says"),
        (lambda path: save(path, CLIP, NumberOfFrames=2_000_000_000), "2000000000 frames"),
        (lambda path: save(path, CLIP, NumberOfFrames=-3), "-3 frames"),
        (lambda path: save(path, CLIP, "CMYK"), "CMYK"),
        (lambda path: save(path, CLIP, "PALETTE COLOR"), "damaged"),
        (lambda path: save(path, CLIP, BitsAllocated=7), "damaged|longer than its header"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path, make, message):
    path = tmp_path / "a.dcm"
    make(path)
    assert re.search(message, refused(path))


def test_a_damaged_compressed_frame_is_one_line(tmp_path):
    for syntax in (RLELossless, JPEG2000Lossless, JPEGLosslessSV1):
        path = save(tmp_path / "a.dcm", CLIP)
        header = dcmread(path)
        header.compress(RLELossless)
        header.file_meta.TransferSyntaxUID = syntax
        header.save_as(path)
        content = bytearray(path.read_bytes())
        content[-300:-100] = bytes(200)
        path.write_bytes(content)
        if syntax != RLELossless:
            refused(path)
        cut(path, 0.8)
        refused(path)


def test_without_pydicom_the_cure_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "find_spec", lambda name: None)
    path = save(tmp_path / "a.dcm", CLIP)
    with pytest.raises(PluginError, match=r"pip install 'usframe\[dicom\]'"):
        check_readers([path], load_plugins())


def test_nothing_about_the_patient_is_kept(tmp_path):
    volume = READER.read(save(tmp_path / "a.dcm", CLIP))
    assert "Doe" not in repr(volume)
    assert "4711" not in repr(volume)
    assert repr(volume.grid.native[0]) == "Source(frame=1)"
    assert str(dcmread(tmp_path / "a.dcm").SOPInstanceUID) not in repr(volume)
