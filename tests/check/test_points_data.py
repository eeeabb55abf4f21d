"""The numbers a function is looked at with: near those given, within their range."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from jaxcnn.check import draw
from jaxcnn.check.slopes import walk

LINE = np.linspace(1, 2, 12, dtype=np.float32).reshape(3, 4)


@pytest.mark.parametrize(
    "came",
    [
        LINE,
        -LINE,
        LINE - 1.5,
        np.full((3,), 7.0),
        np.zeros((2, 2)),
        np.float64(3),
        np.zeros((0, 3)),
    ],
)
def test_a_point_nearby(came):
    came = np.asarray(came, np.float64)
    near = draw.near(np.random.default_rng(0), came, 2**-6)
    assert near.shape == came.shape
    assert np.all(np.abs(near - came) <= 2**-6 * np.abs(came))
    assert np.all(np.sign(near) == np.sign(came))
    if np.ptp(came) if came.size else False:
        assert came.min() <= near.min() <= near.max() <= came.max()
    if came.any():
        assert not np.array_equal(near, came)


@pytest.mark.parametrize(
    ("low", "high", "few"),
    [
        (1, 2, 2),
        (-3, 5, 9),
        (1000, 2000, 16),
        (0.1, 0.9, 16),
        (0.75, 0.75, 1),
        (1, 1e6, 16),
        (-0.3, -0.2, 16),
    ],
)
def test_numbers_of_few_digits_within_a_range(low, high, few):
    came = np.linspace(low, high, 5)
    data = draw.within(np.random.default_rng(0), np.resize(came, 200))
    assert data.shape == (200,)
    assert low <= data.min() <= data.max() <= high
    assert len(np.unique(data)) <= few
    if low < high:
        assert len(np.unique(data)) > 1
        step = np.min(np.diff(np.unique(data)))
        assert np.log2(step).is_integer()
        assert np.max(np.abs(data / step)) <= 32


def test_steps_stay_on_one_side_of_zero():
    x = np.array([0.0, 1e-6, 2.0, 3.0])

    def value_and_gradient(args, dy):
        with np.errstate(invalid="ignore"):
            return args[0] ** 1.5, (1.5 * args[0] ** 0.5 * dy,)

    found = walk(
        [x],
        (True,),
        value_and_gradient,
        jax.ShapeDtypeStruct(x.shape, np.float64),
        np.random.default_rng(0),
    )
    assert found is not None
    assert found.kind == "tied"
    for reach, h in found.tries:
        assert reach[0][0] == 0
        assert np.all(h * reach[0] <= 1e-3 * np.abs(x))
