"""Loops over taps: what `unfold` and `fold` give, under JAX's transformations too."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn
from jaxcnn.check import draw
from jaxcnn.ops import _tap_loops, _windows
from jaxcnn.window import Window
from tests.daily import daily

LOOPED = {
    "stride and pads": Window((3, 2), (2, 3), ((1, 2), (0, 4)), (1, 2), (1, 1)),
    "cropped, base-dilated": Window((2, 3), (1, 2), ((-2, 1), (3, -1)), (2, 1), (2, 3)),
}


@pytest.mark.parametrize("name", LOOPED)
def test_the_loops_are_unfold_and_fold(name):
    """Tap by tap the same slices, and the same sum."""
    window, space = LOOPED[name], (7, 6)
    rng = np.random.default_rng(0)
    x = jnp.asarray(draw.integers(rng, (2, *space, 3)), jnp.float32)
    slices = jnp.stack(list(_windows.unfold(x, window, fill=5)))
    phases, outputs = _tap_loops.in_phases(x, window, 5), window.output_size(space)
    looped = [
        _tap_loops.tap_slice(phases, start, outputs) for start in _tap_loops.tap_starts(window)
    ]
    np.testing.assert_array_equal(jnp.stack(looped), slices)
    folded = _tap_loops.fold_loop(lambda t: slices[t], window, space)
    np.testing.assert_array_equal(folded, _windows.fold(list(slices), window, space))


ALONG = {
    "steps": Window((10,), (4,), ((3, 2),), (1,), (1,)),
    "tiles": Window((9,), (9,), ((0, 0),), (1,), (1,)),
    "gaps": Window((9,), (11,), ((-1, 5),), (1,), (1,)),
    "base-dilated": Window((10,), (4,), ((-3, 2),), (1,), (3,)),
    "dilated": Window((9,), (2,), ((1, 1),), (2,), (1,)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ALONG)
def test_taps_along_an_axis(name):
    """Beside the channels they are what `unfold` gives, and `fold_along` is the
    adjoint."""
    window, n = ALONG[name], 29
    rng = np.random.default_rng(0)
    x = jnp.asarray(draw.integers(rng, (2, n, 3)), jnp.float32)
    p = _windows.unfold_along(x, window, 0)
    np.testing.assert_array_equal(p, jnp.concatenate(list(_windows.unfold(x, window)), axis=-1))
    v = jnp.asarray(draw.integers(rng, p.shape), jnp.float32)
    np.testing.assert_array_equal(
        _windows.fold_along(v, window, 0, n),
        jax.vjp(lambda x: _windows.unfold_along(x, window, 0), x)[1](v)[0],
    )


COMPOSED = {
    "depthwise": lambda x, w: jaxcnn.conv(x, w, groups=2, padding="same"),
    "depthwise with a stride": lambda x, w: jaxcnn.conv(x, w, groups=2, stride=2, padding=4),
    "max pool": lambda x, w: jaxcnn.max_pool(x * w[0, 0, 0], 9, stride=2, padding=4),
    "mean": lambda x, w: jaxcnn.avg_pool(x * w[0, 0, 0], 9, stride=2, padding=4),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", daily(COMPOSED, {"mean"}))
def test_loops_under_transformations(name):
    """vmap, scan, and second derivatives against those of the autodiff twin's kind:
    central differences."""
    rng = np.random.default_rng(0)
    x, w = (
        jnp.asarray(draw.distinct(rng, shape), jnp.float32)
        for shape in ((2, 10, 11, 2), (9, 8, 1, 2))
    )

    def loss(scale, x=x):
        return jnp.sum(COMPOSED[name](x * scale, w) ** 2)

    gradient = jax.grad(loss)
    one = jnp.ones(2)

    @jax.jit
    def transformed(x):
        plain = gradient(one, x)
        mapped = jax.vmap(lambda x: gradient(one, x))(jnp.stack([x, 2 * x]))
        scanned = jax.lax.scan(
            lambda carry, x: (carry, gradient(one, x)), 0, jnp.stack([2 * x, x])
        )[1]
        return plain, mapped, scanned, jax.jacrev(gradient)(one, x), jax.jacfwd(gradient)(one, x)

    plain, mapped, scanned, reverse, forward = transformed(x)
    np.testing.assert_allclose(mapped[0], plain, rtol=1e-5)
    np.testing.assert_allclose(scanned[1], plain, rtol=1e-5)
    np.testing.assert_allclose(forward, reverse, rtol=1e-4, atol=1e-3)
    differences = (
        gradient(one * 1.001) - gradient(one * 0.999)
    ) / 0.002  # the loss is a square: along `one` the slope is g
    np.testing.assert_allclose(reverse @ one, differences, rtol=1e-2)
