"""A surface as it is read back from its STL: closed, turned outwards, and where its volume lies in space."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from usframe import Volume
from usframe.data.meshes import space_of, surface_notes, write_surfaces
from usframe.data.volumes import PlacedGrid

RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
LPS = np.diag([-1, -1, 1, 1])


def read_stl(path: Path) -> tuple[str, np.ndarray, np.ndarray]:
    """Header, normals (N, 3) and corners (N, 3, xyz) of a binary STL that is no longer than it says."""
    content = path.read_bytes()
    count = int.from_bytes(content[80:84], "little")
    assert len(content) == 84 + 50 * count
    found = np.frombuffer(content[84:], RECORD)
    return content[:80].decode("ascii").rstrip(), found["normal"].astype(float), found["corners"].astype(float)


def assert_closed(corners: np.ndarray) -> None:
    """Each edge is one of two triangles, which run along it in opposite directions."""
    edges = Counter(
        (start.tobytes(), end.tobytes())
        for triangle in corners
        for start, end in zip(triangle, np.roll(triangle, -1, axis=0), strict=True)
    )
    assert set(edges.values()) == {1}
    assert all((end, start) in edges for start, end in edges)


def enclosed(corners: np.ndarray) -> float:
    """The signed volume: above 0 where all triangles are anticlockwise as seen from outside."""
    first, second, third = (corners - corners.mean((0, 1))).transpose(1, 0, 2)
    return float((first * np.cross(second, third)).sum() / 6)


def surface_of(
    mask: np.ndarray, folder: Path, affine: np.ndarray | None = None
) -> tuple[str, np.ndarray, np.ndarray]:
    spacing = (1.0, 1.0, 1.0) if affine is None else tuple(np.linalg.norm(affine[:3, :3], axis=0))
    grid = None if affine is None else PlacedGrid(affine, spacing)
    volume = Volume(np.zeros(mask.shape, np.uint8), spacing, grid)
    write_surfaces(folder, "a", mask.astype(np.uint8), volume, per_frame=False)
    return read_stl(folder / "a_1.stl")


@given(
    size=st.tuples(*[st.integers(8, 14)] * 3),
    start=st.tuples(*[st.integers(0, 3)] * 3),
    spacing=st.tuples(*[st.floats(0.2, 3)] * 3),
    angles=st.tuples(*[st.floats(0, 360)] * 3),
    origin=st.tuples(*[st.floats(-200, 200)] * 3),
    mirrored=st.booleans(),
)
def test_a_box_is_where_its_affine_places_it_whatever_that_is(
    tmp_path_factory, size, start, spacing, angles, origin, mirrored
):
    turned = Rotation.from_euler("zyx", angles, degrees=True).as_matrix() * (-1 if mirrored else 1)
    affine = np.eye(4)
    affine[:3, :3] = turned * spacing
    affine[:3, 3] = origin
    mask = np.zeros([first + n + 1 for first, n in zip(start, size, strict=True)], bool)
    mask[tuple(slice(first, first + n) for first, n in zip(start, size, strict=True))] = True
    header, normals, corners = surface_of(mask, tmp_path_factory.mktemp("box"), affine)
    assert "SPACE=LPS" in header
    assert_closed(corners)
    assert 0.95 < enclosed(corners) / (mask.sum() * np.prod(spacing)) < 1
    voxels = (np.c_[corners.reshape(-1, 3), np.ones(3 * len(corners))] @ np.linalg.inv(LPS @ affine).T)[:, :3]
    np.testing.assert_allclose(voxels.min(0), np.array(start) - 0.5, atol=1e-3)
    np.testing.assert_allclose(voxels.max(0), np.add(start, size) - 0.5, atol=1e-3)
    middle = corners.mean((0, 1))
    assert ((corners.mean(1) - middle) * normals).sum(1).min() > 0  # a box is convex
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)


def touching() -> np.ndarray:
    """Four voxels with edges in common and no face: Lewiner's marching cubes has four triangles at an edge."""
    mask = np.zeros((3, 2, 3), bool)
    mask[[0, 1, 1, 2], [0, 0, 1, 0], [1, 2, 1, 1]] = True
    return mask


@given(mask=arrays(bool, st.tuples(*[st.integers(2, 6)] * 3), fill=st.nothing()))
@example(mask=touching())
def test_every_mask_has_a_closed_surface_which_is_the_same_made_slice_by_slice(tmp_path_factory, mask):
    if not mask.any():
        mask[0, 0, 0] = True
    folder = tmp_path_factory.mktemp("any")
    _, _, corners = surface_of(mask, folder)
    assert_closed(corners)
    assert 0 < enclosed(corners) < mask.sum()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("usframe.arrays.BLOCK", 1)
        _, _, again = surface_of(mask, folder)
    assert sorted(map(bytes, again)) == sorted(map(bytes, corners))


@pytest.mark.parametrize(
    ("spacing", "told", "reach"),
    [((3.0, 0.5, 0.2), "slices in mm", (0.5, 2.25, 7.5)), (None, "slices in voxels", (2.5, 4.5, 2.5))],
)
def test_without_a_place_in_space_x_y_z_are_columns_rows_and_slices(tmp_path, spacing, told, reach):
    mask = np.zeros((4, 6, 8), np.uint8)
    mask[:3, :5, :3] = 7
    volume = Volume(mask, spacing)
    write_surfaces(tmp_path, "a", mask, volume, per_frame=False)
    header, _, corners = read_stl(tmp_path / "a_7.stl")
    assert header.startswith("usframe")
    assert header.endswith(told)
    assert "SPACE" not in header
    np.testing.assert_allclose(corners.max((0, 1)), reach)
    assert enclosed(corners) > 0
    assert any("in voxels" in note for note in surface_notes(volume, per_frame=False)) == (spacing is None)


@pytest.mark.parametrize("affine", [np.zeros((4, 4)), np.full((4, 4), np.nan)])
def test_an_affine_that_spans_no_space_is_none(affine):
    volume = Volume(np.zeros((2, 2, 2)), (1.0, 1.0, 1.0), PlacedGrid(affine, (1.0, 1.0, 1.0)))
    assert "SPACE" not in space_of(volume).told


@pytest.mark.parametrize(("depth", "per_frame", "note"), [(1, False, "single slice"), (3, True, "axis is time")])
def test_single_slices_and_clips_have_no_surface(tmp_path, depth, per_frame, note):
    mask = np.ones((depth, 4, 4), np.uint8)
    volume = Volume(mask, (1.0, 1.0, 1.0))
    write_surfaces(tmp_path, "a", mask, volume, per_frame=per_frame)
    assert list(tmp_path.iterdir()) == []
    (said,) = surface_notes(volume, per_frame=per_frame)
    assert note in said
