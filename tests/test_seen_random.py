"""What random functions see, against NaN: operations one after another and side by
side, on one to three axes."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jax import lax

from jaxcnn.seen import fields_of, verify


def weights(random, shape):
    return random.uniform(0.5, 1.5, shape).astype(np.float32)


def window(random, x):
    """A convolution or a pooling with any window that fits."""
    axes = x.ndim - 2
    k, s, d, b = (random.integers(1, high, axes).tolist() for high in (4, 3, 3, 3))
    pads = [tuple(pair) for pair in random.integers(-1, 4, (axes, 2)).tolist()]
    for axis, n in enumerate(x.shape[1:-1]):
        room = b[axis] * (n - 1) + 1 + sum(pads[axis]) - d[axis] * (k[axis] - 1)
        if room < 1:
            pads[axis] = (pads[axis][0], pads[axis][1] + 1 - room)
    if random.integers(2):
        space = "DHW"[3 - axes :]
        w = weights(random, (*k, x.shape[-1], int(random.integers(1, 3))))
        names = (f"N{space}C", f"{space}IO", f"N{space}C")
        return lax.conv_general_dilated(
            x, w, s, pads, lhs_dilation=b, rhs_dilation=d, dimension_numbers=names
        )
    operation, start = [(lax.add, 0.0), (lax.max, -9.0)][random.integers(2)]
    return lax.reduce_window(
        x,
        np.float32(start),
        operation,
        (1, *k, 1),
        (1, *s, 1),
        [(0, 0), *pads, (0, 0)],
        base_dilation=(1, *b, 1),
        window_dilation=(1, *d, 1),
    )


def cut(random, x):
    axis = int(random.integers(1, x.ndim - 1))
    n = x.shape[axis]
    first = int(random.integers(0, n))
    step = int(random.integers(1, 3))
    return lax.slice_in_dim(x, first, int(random.integers(first + 1, n + 1)), step, axis)


def turned(random, x):
    axis = int(random.integers(1, x.ndim - 1))
    return jnp.flip(x, axis) if random.integers(2) else jnp.roll(x, int(random.integers(9)), axis)


def longer(random, x):
    axis = int(random.integers(1, x.ndim - 1))
    return jnp.concatenate([cut(random, x), x] if x.ndim == 3 else [x, jnp.flip(x, axis)], axis)


def gathered(random, x):
    axis = int(random.integers(1, x.ndim - 1))
    n = x.shape[axis]
    return jnp.take(x, random.integers(0, n, int(random.integers(1, n + 2))), axis=axis)


def beside(random, x):
    """A branch of the same size, added, multiplied or as more channels."""
    other = turned(random, x)
    axis = int(random.integers(1, x.ndim - 1))
    if random.integers(2):
        other = jnp.cumsum(other, axis)
    choice = random.integers(4)
    if choice == 0:
        return jnp.concatenate([x, other], -1)[..., : int(random.integers(1, 3))]
    if choice == 1:
        return jnp.where(random.integers(2, size=x.shape).astype(bool), x, other)
    return x + other if choice == 2 else x * jnp.tanh(other)


def folded(random, x):
    """Space into channels or back, as far as the sizes allow."""
    n = x.shape[1]
    if n % 2 == 0:
        y = x.reshape(x.shape[0], n // 2, 2, *x.shape[2:])
        return jnp.moveaxis(y, 2, -1).reshape(x.shape[0], n // 2, *x.shape[2:-1], -1)
    y = x.reshape(x.shape[0], *x.shape[1:], 1)
    return jnp.repeat(y, 2, -1).reshape(*x.shape[:-1], -1)


def tokens(random, x):
    """All positions in one row, moved, and back in space."""
    y = x.reshape(x.shape[0], -1, x.shape[-1])
    return turned(random, y).reshape(x.shape)


OPERATIONS = (window, window, cut, turned, longer, gathered, beside, folded, tokens)


def function_of(seed, depth):
    def function(x):
        random = np.random.default_rng(seed)
        for _ in range(depth):
            if np.prod(x.shape) < 600:
                x = OPERATIONS[random.integers(len(OPERATIONS))](random, x)
        return x

    return function


def check(seed, size, depth):
    x = jnp.zeros((1, *size, 1))
    result = verify(function_of(seed, depth), x)
    assert result.holds, result
    assert not result.seen.exact or result.equal, result
    seen = result.seen
    assert seen.exact
    whole = seen.whole()
    for i in np.ndindex(seen.input_size):
        assert (seen.reached_by(i) == whole[(..., *i)]).all()
    for axis in range(len(size)):
        rest = tuple(other for other in range(len(size)) if other != axis)
        both = whole.any(axis=(*rest, *(len(size) + other for other in rest)))
        assert (seen.along(axis) == both).all()
    return whole


@pytest.mark.parametrize("seed", range(12))
def test_some(seed):
    check(seed, [(7,), (4, 5), (3, 2, 4)][seed % 3], 4)


@pytest.mark.slow
@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    depth=st.integers(1, 7),
)
def test_many(seed, size, depth):
    check(seed, tuple(size), depth)


def test_random_functions_see_parts():
    """The tests above would find nothing in functions that see all or nothing."""
    parts = 0
    for seed in range(30):
        seen = fields_of(function_of(seed, 4), jnp.zeros((1, 5, 4, 1))).whole()
        parts += not seen.all() and seen.any()
    assert parts > 15
