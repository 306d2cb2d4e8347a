"""Densities in the plane: what their descriptions say of them."""

import numpy as np
import pytest

from tfdgm import data
from tfdgm.data import planes

POINTS = 100_000


@pytest.mark.parametrize('name', planes.PLANES)
def test_a_seed_decides_the_points(name):
    plane = planes.PLANES[name]
    assert plane(10).shape == (10, 2) and plane(10).dtype == np.float32
    np.testing.assert_array_equal(plane(10), plane(10, seed=0))
    assert (plane(10) != plane(10, seed=1)).any()


@pytest.mark.parametrize('name', planes.PLANES)
def test_they_are_data_like_tables(name):
    splits = [data.as_arrays(data.load(name, split)) for split in data.SPLITS]
    assert [split.shape for split in splits] == [(40_000, 2), (5_000, 2), (5_000, 2)]
    np.testing.assert_array_equal(data.as_arrays(data.load(name, 'test', columns=['y'])), splits[2][:, 1:])
    assert data.columns_of(name) == ['x', 'y']
    with pytest.raises(ValueError, match='is a table'):
        data.load(name, labels=True)


def test_eight_gaussians_lie_on_a_circle():
    points = planes.eight_gaussians(POINTS)
    angles = np.arange(8) * np.pi / 4
    away = np.linalg.norm(points[:, None] - 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1), axis=2)
    np.testing.assert_allclose(np.bincount(away.argmin(1)) / POINTS, 1 / 8, atol=0.01)
    np.testing.assert_allclose(np.mean(away.min(1) ** 2), 2 * 0.2 ** 2, rtol=0.02)


def test_half_of_the_checkerboard_is_filled_evenly():
    counts, *_ = np.histogram2d(*planes.checkerboard(POINTS).T, bins=8, range=[[-4, 4]] * 2)
    filled = (np.arange(8)[:, None] // 2 + np.arange(8) // 2) % 2 == 0
    assert (counts[~filled] == 0).all()
    np.testing.assert_allclose(counts[filled] / POINTS, 1 / 32, rtol=0.1)


def test_a_fifth_of_a_turn_leaves_the_pinwheel():
    points = planes.pinwheel(POINTS)
    angle = 2 * np.pi / 5
    turned = points @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    counts, others = (np.histogram2d(*side.T, bins=6, range=[[-4, 4]] * 2)[0] for side in (points, turned))
    np.testing.assert_allclose(counts / POINTS, others / POINTS, atol=0.01)
    assert abs(np.percentile(np.linalg.norm(points, axis=1), 50) - 2) < 0.05


def test_the_moons_are_half_circles_turned_into_each_other():
    points = planes.moons(POINTS)
    upper = np.linalg.norm(points, axis=1), points[:, 1]
    lower = np.linalg.norm(points - [1, 0.5], axis=1), 0.5 - points[:, 1]
    on_a_moon = [(abs(radius - 1) < 0.4) & (height > -0.4) for radius, height in (upper, lower)]
    assert np.mean(on_a_moon[0] | on_a_moon[1]) > 0.999
    assert abs(np.mean(on_a_moon[0] & ~on_a_moon[1]) - np.mean(on_a_moon[1] & ~on_a_moon[0])) < 0.02
