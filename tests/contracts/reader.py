"""A file format: read as (D, H, W), and masks written back on the same grid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from usframe import ReadError, Volume
from usframe.data.volumes import takes_role
from usframe.types import Grid, Reader, Spacing

RECORDING = np.random.default_rng(0).integers(0, 255, (4, 6, 7)).astype(np.uint8)
SPACING = (0.9, 0.4, 0.3)
MASK = (RECORDING > 100).astype(np.uint8) * 3


@dataclass(frozen=True, eq=False)
class ForeignGrid:
    """A `usframe.types.Grid` that somebody else's reader made, without anything that only that reader knows."""

    affine: np.ndarray | None
    spacing_mm: Spacing | None


OBLIQUE = np.array([[0.1, 0.02, 0.3, -9], [0, 0.4, -0.01, 5], [0.9, 0, 0.02, 2], [0, 0, 0, 1]])
FOREIGN = {
    "with an affine": ForeignGrid(OBLIQUE, tuple(np.linalg.norm(OBLIQUE[:3, :3], axis=0).tolist())),
    "with only a spacing": ForeignGrid(None, SPACING),
    "that knows nothing": ForeignGrid(None, None),
}


class ReaderContract:
    """Override ``reader`` and ``save``; ``suffix`` is that of the files, ``has_spacing`` whether they state it."""

    suffix = ""
    has_spacing = True

    @pytest.fixture
    def reader(self) -> Reader:
        raise NotImplementedError("override this fixture with the reader to test")

    def save(self, path: Path, data: np.ndarray, spacing_mm: tuple[float, float, float]) -> None:
        """Store ``data`` (D, H, W) at ``path`` as the usual tool for this format does."""
        raise NotImplementedError("override this method")

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / f"case{self.suffix}"
        self.save(path, RECORDING, SPACING)
        return path

    def test_slices_come_first_then_rows_then_columns(self, reader, path) -> None:
        volume = reader.read(path)
        assert isinstance(volume, Volume)
        np.testing.assert_array_equal(volume.data, RECORDING)

    def test_the_shape_is_known_without_reading_everything(self, reader, path) -> None:
        assert tuple(reader.shape(path)) == RECORDING.shape

    def test_the_spacing_has_the_order_of_the_axes(self, reader, path) -> None:
        spacing = reader.read(path).spacing_mm
        assert spacing == (pytest.approx(SPACING) if self.has_spacing else None)

    def test_its_grid_says_where_the_voxels_lie(self, reader, path) -> None:
        volume = reader.read(path)
        assert isinstance(volume.grid, Grid)
        assert volume.grid.spacing_mm == volume.spacing_mm
        if volume.grid.affine is not None:
            sizes = np.linalg.norm(volume.grid.affine[:3, :3], axis=0)
            assert sizes.tolist() == pytest.approx(volume.spacing_mm)

    def test_a_mask_comes_back_on_the_grid_of_its_volume(self, reader, path, tmp_path) -> None:
        volume = reader.read(path)
        target = tmp_path / f"mask{self.suffix}"
        reader.write(target, MASK, volume.grid)
        again = reader.read(target, onto=volume)
        np.testing.assert_array_equal(again.data, MASK)
        assert again.spacing_mm == (pytest.approx(volume.spacing_mm) if volume.spacing_mm else None)

    @pytest.mark.parametrize("grid", FOREIGN.values(), ids=FOREIGN)
    def test_a_mask_can_be_written_on_the_grid_of_another_reader(self, reader, tmp_path, grid) -> None:
        target = tmp_path / f"mask{self.suffix}"
        reader.write(target, MASK, grid)
        again = reader.read(target, onto=Volume(RECORDING, grid.spacing_mm, grid))
        np.testing.assert_array_equal(again.data, MASK)
        if self.has_spacing and grid.spacing_mm:
            assert again.spacing_mm == pytest.approx(grid.spacing_mm)

    def test_another_order_of_axes_can_be_named(self, reader, path) -> None:
        shapes = {tuple(reader.shape(path, layout=layout)) for layout in ("dhw", "whd", "hdw")}
        assert shapes <= {tuple(np.array(RECORDING.shape)[list(order)]) for order in np.ndindex(3, 3, 3)}
        for layout in ("dhw", "whd", "hdw"):
            assert reader.read(path, layout=layout).data.shape == tuple(reader.shape(path, layout=layout))

    def test_what_is_wanted_of_a_file_can_be_said(self, reader, path, tmp_path) -> None:
        if not takes_role(reader):
            pytest.skip("this reader is not told what is wanted")
        volume = reader.read(path, role="volume")
        np.testing.assert_array_equal(volume.data, RECORDING)
        target = tmp_path / f"mask{self.suffix}"
        reader.write(target, MASK, volume.grid)
        for role in ("labels", "mask"):
            for onto in (volume, None):
                np.testing.assert_array_equal(reader.read(target, onto=onto, role=role).data, MASK)

    def test_the_files_that_it_opens_are_those_that_it_names(self, reader, path) -> None:
        named = getattr(reader, "files", None)
        if named is None:
            pytest.skip("this format has no headers that name other files")
        assert all(Path(file).exists() for file in named(path))

    def test_a_damaged_file_is_one_clear_line(self, reader, tmp_path) -> None:
        broken = tmp_path / f"broken{self.suffix}"
        broken.write_bytes(b"nothing of the kind")
        with pytest.raises(ReadError) as caught:
            reader.read(broken)
        assert str(broken) in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1
