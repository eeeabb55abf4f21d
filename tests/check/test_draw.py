"""The checker's data is what it says."""

import numpy as np
import pytest

from jaxcnn.check import draw


@pytest.mark.parametrize("shape", [(), (1,), (7,), (4, 5), (0, 3)])
def test_distinct_data(shape):
    data = draw.distinct(np.random.default_rng(0), shape)
    assert data.shape == shape
    size = data.size
    assert np.all(np.abs(data) < 1)
    assert np.all(np.abs(data) > 0.4 / max(size, 1))
    assert np.all(np.diff(np.sort(data.ravel())) > 0.9 / max(size, 1))
    if size > 4:
        assert abs(np.sum(data)) > 1e-3


def test_whole_numbers():
    data = draw.integers(np.random.default_rng(0), (1000,), largest=3)
    assert set(np.unique(data)) == set(range(-3, 4))
