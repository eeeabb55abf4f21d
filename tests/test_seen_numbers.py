"""What functions see that depends on numbers: known zeros are holes, positions that are
not known may be any, and what is not known at all is named."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxcnn.seen import fields_of, verify
from tests._seen_cases import IMAGE, LINE, conv, numbers, pool

RESIZES = {
    "linear, up": ("linear", (1, 9, 10, 2)),
    "linear, down": ("linear", (1, 3, 5, 2)),
    "cubic": ("cubic", (1, 8, 3, 2)),
    "lanczos": ("lanczos3", (1, 6, 11, 2)),
}


@pytest.mark.parametrize(("method", "shape"), RESIZES.values(), ids=RESIZES)
def test_resizing_sees_the_weights_that_are_not_zero(method, shape):
    """NaN goes through the zeros too; other numbers do not."""
    result = verify(lambda x: jax.image.resize(x, shape, method), jnp.zeros(IMAGE))
    assert result.seen.exact
    assert result.holds, result
    assert result.equal, result
    assert not result.seen.whole().all()


def test_a_linear_resizing_by_hand():
    seen = fields_of(lambda x: jax.image.resize(x, (1, 8, 1), "linear"), jnp.zeros((1, 4, 1)))
    sets = [np.flatnonzero(seen.sees(j)).tolist() for j in range(8)]
    assert sets == [[0], [0, 1], [0, 1], [1, 2], [1, 2], [2, 3], [2, 3], [3]]


def test_zeros_of_a_kernel_are_holes():
    """A cross; a kernel that is zero everywhere sees all."""
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.float32)[:, :, None, None]
    x = jnp.zeros((1, 5, 6, 1))
    result = verify(lambda x, w: conv(x, w, padding="SAME"), x, jnp.asarray(cross))
    assert result.equal, result
    assert result.seen.sees((2, 2)).sum() == 5
    masked = fields_of(
        lambda x, w: conv(x, w * cross, padding="SAME"), x, jax.ShapeDtypeStruct((3, 3, 1, 1), "f")
    )
    assert (masked.whole() == result.seen.whole()).all()
    assert fields_of(lambda x: conv(x, 0 * cross, padding="SAME"), x).sees((2, 2)).sum() == 9


def test_each_channel_has_the_taps_of_its_own_kernel():
    """Patches are a convolution with a 1 for each channel."""

    def function(x, channel):
        patches = lax.conv_general_dilated_patches(
            x, (3, 3), (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return patches[..., channel : channel + 1]

    x = jnp.zeros((1, 5, 6, 2))
    for channel in (0, 5, 13):
        result = verify(lambda x, channel=channel: function(x, channel), x)
        assert result.equal, result
        assert result.seen.exact
        assert result.seen.sees((2, 2)).sum() == 1


def test_positions_that_depend_on_numbers_see_all_and_say_so():
    functions = {
        "gather": lambda x: x[:, jnp.argmax(x[0, :, 0])[None]],
        "slice": lambda x: lax.dynamic_slice(x, (0, jnp.argmax(x[0, :, 0]), 0), (2, 4, 3)),
        "update": lambda x: lax.dynamic_update_slice(x, x[:, :2], (0, jnp.argmax(x[0, :, 0]), 0)),
        "scatter": lambda x: x.at[:, jnp.argmax(x[0, :, 0])].set(x[:, 0]),
        "while": lambda x: lax.while_loop(
            lambda y: y.sum() > 1e9, lambda y: jnp.roll(y, 1, 1) / 2, x
        ),
    }
    for name, function in functions.items():
        result = verify(function, jnp.zeros(LINE))
        assert not result.seen.exact, name
        assert result.holds, (name, result)


def test_a_primitive_without_a_rule_sees_all_and_is_named():
    def function(x):
        there = jax.ShapeDtypeStruct(x.shape, x.dtype)
        return jax.pure_callback(lambda a: np.asarray(a), there, x)

    seen = fields_of(function, jnp.zeros(LINE))
    assert seen.whole().all()
    assert seen.notes == ("pure_callback has no rule, so that it counts as seeing everything",)


def test_a_branch_that_is_not_known_sees_both_and_what_chooses():
    def function(x):
        return lax.cond(x[0, 8, 0] > 0, lambda y: y, lambda y: jnp.roll(y, 1, 1), x)

    result = verify(function, jnp.zeros(LINE))
    assert result.holds
    assert np.flatnonzero(result.seen.sees(4)).tolist() == [3, 4, 8]


def test_gradients_are_functions_too():
    """The gradient of a pooling that takes the largest, and of a convolution."""

    def loss(x):
        y = conv(x, numbers((3, 3, 2)), padding="SAME")
        return jnp.sum(pool(y, lax.max, -jnp.inf, (1, 3, 1), (1, 2, 1), "VALID") ** 2)

    result = verify(jax.grad(loss), jnp.zeros((1, 9, 3)))
    assert result.holds, result
    assert result.seen.exact
    assert not result.seen.whole().all()
