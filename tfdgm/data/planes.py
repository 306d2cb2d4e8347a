"""Densities in the plane that are known for what is hard about them: several pieces, holes, bends and sharp edges.

They are the ones by which flows are usually compared, as in FFJORD, https://arxiv.org/abs/1810.01367.
"""

import numpy as np
from sklearn.datasets import make_moons

POINTS = 50_000


def moons(points: int, seed: int = 0) -> np.ndarray:
    """Two half circles of radius 1, one turned over and into the other, with normal noise of deviation 0.1."""
    return make_moons(points, noise=0.1, random_state=seed)[0].astype('float32')


def eight_gaussians(points: int, seed: int = 0) -> np.ndarray:
    """Normal points of deviation 0.2 about eight places on a circle of radius 2."""
    generator = np.random.RandomState(seed)
    angle = generator.randint(8, size=points) * np.pi / 4
    centres = 2 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return (centres + 0.2 * generator.normal(size=(points, 2))).astype('float32')


def pinwheel(points: int, seed: int = 0) -> np.ndarray:
    """Five arms, each a long normal distribution that winds the more the further out it is."""
    generator = np.random.RandomState(seed)
    arm = generator.randint(5, size=points)
    along, across = generator.normal((1, 0), (0.3, 0.1), size=(points, 2)).T
    angle = 2 * np.pi * arm / 5 + 0.25 * np.exp(along)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (2 * np.einsum('ijn,jn->ni', rotation, np.stack([along, across]))).astype('float32')


def checkerboard(points: int, seed: int = 0) -> np.ndarray:
    """Uniform over eight of the sixteen squares of side 2 in [-4, 4] x [-4, 4]; its entropy is log(32) nats."""
    generator = np.random.RandomState(seed)
    column = generator.randint(4, size=points)
    row = 2 * generator.randint(2, size=points) + column % 2
    corners = 2 * np.stack([column, row], axis=1) - 4
    return (corners + 2 * generator.uniform(size=(points, 2))).astype('float32')


PLANES = {plane.__name__: plane for plane in (moons, eight_gaussians, pinwheel, checkerboard)}
