"""Grids of images, and spectrograms."""

import matplotlib.image
import numpy as np
import pytest

from tfdgm.evaluation import pictures

GAP = 128  # half of 255, rounded


def test_images_fill_the_rows_from_the_left_with_gaps_between_them(rng):
    images = rng.uniform(size=[5, 2, 3, 1])
    images[0, 0, 0], images[0, 0, 1] = 0, 1
    grid = pictures.grid(images, columns=3, zoom=1)
    assert grid.shape == (1 + 2 * (2 + 1), 1 + 3 * (3 + 1), 3)
    assert grid.dtype == np.uint8
    expected = np.full(grid.shape, GAP)
    for index, (row, column) in enumerate([(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]):
        top, left = 1 + 3 * row, 1 + 4 * column
        expected[top:top + 2, left:left + 3] = (images[index] * 255).round()
    np.testing.assert_array_equal(grid, expected)


@pytest.mark.parametrize('count, columns, rows', [(1, 1, 1), (4, 2, 2), (5, 3, 2), (64, 8, 8)])
def test_a_grid_is_about_square_by_default(count, columns, rows):
    assert pictures.grid(np.zeros([count, 4, 6, 1]), zoom=1).shape == (1 + rows * 5, 1 + columns * 7, 3)


def test_the_gap_is_an_option():
    assert pictures.grid(np.zeros([4, 4, 4, 1]), gap=0, zoom=1).shape == (8, 8, 3)
    assert pictures.grid(np.zeros([4, 4, 4, 1]), gap=3, zoom=1).shape == (17, 17, 3)


def test_zoom_repeats_each_value(rng):
    images = rng.uniform(size=[1, 4, 4, 1])
    plain, zoomed = (pictures.grid(images, gap=0, zoom=zoom) for zoom in (1, 3))
    np.testing.assert_array_equal(zoomed, plain.repeat(3, axis=0).repeat(3, axis=1))


@pytest.mark.parametrize('size, zoom', [(8, 7), (28, 2), (56, 1), (200, 1)])
def test_small_images_are_zoomed_by_default(size, zoom):
    assert pictures.grid(np.zeros([1, size, size, 1]), gap=0).shape == (size * zoom, size * zoom, 3)


def test_the_highest_value_is_white_and_the_lowest_black_over_all_images():
    images = np.stack([np.full([2, 2, 1], value) for value in (-3., 0., 3.)])
    grid = pictures.grid(images, columns=3, gap=0, zoom=1)
    assert [grid[0, left, 0] for left in (0, 2, 4)] == [0, GAP, 255]


def test_colours_are_kept():
    red = np.zeros([1, 2, 2, 3])
    red[..., 0] = 255
    np.testing.assert_array_equal(pictures.grid(red, gap=0, zoom=1), red[0])


@pytest.mark.parametrize('value', [0, 1, -7.5, 255])
def test_constant_images_are_black(value):
    np.testing.assert_array_equal(pictures.grid(np.full([2, 4, 4, 1], value), gap=0, zoom=1), 0)


@pytest.mark.parametrize('shape', [(8, 8), (8, 8, 1), (4, 8, 8), (4, 8, 8, 2), (0, 8, 8, 1), (4, 64)])
def test_what_is_no_images_is_refused(tmp_path, shape):
    with pytest.raises(ValueError, match=r'A grid needs images, \[n, height, width, 1 or 3 channels\].*got an array'):
        pictures.save_grid(tmp_path / 'grid.png', np.zeros(shape))
    assert not list(tmp_path.iterdir())


def test_a_saved_grid_is_a_png_of_the_same_pixels(tmp_path, rng):
    images = rng.integers(0, 17, [6, 8, 8, 1])
    pictures.save_grid(tmp_path / 'grid.png', images, columns=2)
    read = matplotlib.image.imread(tmp_path / 'grid.png')
    np.testing.assert_array_equal((read[..., :3] * 255).round(), pictures.grid(images, columns=2))


def test_a_spectrogram_is_bright_where_the_sound_is(tmp_path):
    """A tone in the lower half of the frequencies, then one in the upper half."""
    time = np.arange(8000) / 8000
    tone = np.where(time < 0.5, np.sin(2 * np.pi * 1000 * time), np.sin(2 * np.pi * 3000 * time))
    pictures.save_spectrograms(tmp_path / 'tone.png', [tone], 8000, ['tone'])
    # The panel is what has the colours of the map: more green and blue than any grey of the frame.
    picture = matplotlib.image.imread(tmp_path / 'tone.png')[..., :3]
    rows, columns = np.nonzero(np.ptp(picture, axis=-1) > 0.1)
    panel = picture[rows.min():rows.max(), columns.min():columns.max(), 1]
    quarters = [[half.mean() for half in np.array_split(part, 2, axis=1)] for part in np.array_split(panel, 2)]
    assert quarters[1][0] > quarters[0][0] + 0.05
    assert quarters[0][1] > quarters[1][1] + 0.05


def test_a_sound_shorter_than_a_window_has_a_spectrogram(tmp_path):
    pictures.save_spectrograms(tmp_path / 'click.png', np.ones([1, 3]), 8000)
    assert matplotlib.image.imread(tmp_path / 'click.png').size


@pytest.mark.parametrize('shape', [(8000,), (0, 8000), (2, 4000, 1)])
def test_what_is_no_sound_is_refused(tmp_path, shape):
    with pytest.raises(ValueError, match=r'Spectrograms need waveforms \[n, steps\], got an array'):
        pictures.save_spectrograms(tmp_path / 'sound.png', np.zeros(shape), 8000)
    assert not list(tmp_path.iterdir())
