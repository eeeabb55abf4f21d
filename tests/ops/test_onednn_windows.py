"""Which windows oneDNN is certain to compute rightly."""

import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn
from jaxcnn.check import draw
from jaxcnn.ops._onednn.certain import certain_dtypes
from jaxcnn.ops.convolution.methods import LAX, ONEDNN, Problem, onednn

pytestmark = pytest.mark.skipif(
    "float32" not in certain_dtypes(), reason="oneDNN is not certain to compute float32 here"
)
NOT_ORDINARY = {  # with AVX-512, oneDNN 3.7 never returned, died or was wrong
    "on padding alone": ((3, 2, 8), (1, 4, 32), {"padding": ((3, 0),), "groups": 2}),
    "no tap inside": ((1, 1, 3, 1, 4), (3, 3, 3, 4, 1), {"dilation": (3, 1, 1), "padding": 3}),
    "hangs far over": ((8, 4, 32), (5, 8, 16), {"stride": 2, "padding": ((0, 3),), "groups": 4}),
    "strided and dilated": (
        (8, 9, 12, 8),
        (3, 5, 1, 8),
        {"stride": (3, 4), "dilation": (1, 2), "padding": ((0, 0), (1, 4)), "groups": 8},
    ),
    "groups of a short image": ((1, 3, 16), (5, 4, 16), {"padding": ((3, 0),), "groups": 4}),
    "longer than the image": ((8, 4, 32), (5, 8, 16), {"stride": 2, "padding": 2, "groups": 4}),
    "one channel, one output": (
        (1, 8, 1, 1),
        (4, 2, 1, 1),
        {"stride": (1, 4), "padding": ((1, 0), (0, 1)), "dilation": (2, 1)},
    ),
}
ORDINARY = {
    "full": ((2, 2, 2, 8), (5, 5, 8, 4), {"padding": 4}),
    "causal": ((2, 40, 8), (3, 8, 4), {"padding": "causal", "dilation": 8}),
    "strided same": ((2, 8, 8, 1), (4, 4, 1, 4), {"padding": "same", "stride": 2}),
}


@pytest.mark.parametrize("name", NOT_ORDINARY)
def test_windows_that_it_is_wrong_for(name):
    """They are left to the portable methods, with its name too."""
    x_shape, w_shape, options = NOT_ORDINARY[name]
    assert not onednn.takes(Problem.of(x_shape, w_shape, **options), jnp.float32)
    rng = np.random.default_rng(0)
    x, w = (jnp.asarray(draw.integers(rng, s, 1), jnp.float32) for s in (x_shape, w_shape))
    one, other = (jaxcnn.conv(x, w, method=m, **options) for m in (ONEDNN, LAX))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", ORDINARY)
def test_windows_that_it_takes(name):
    x_shape, w_shape, options = ORDINARY[name]
    assert onednn.takes(Problem.of(x_shape, w_shape, **options), jnp.float32)
