"""Negative pads, which XLA's CPU backend gets wrong: none reaches lax."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn
from jaxcnn.check import draw
from jaxcnn.padding import make_window
from tests import naive
from tests.ops._convolutions import CASES_AND_METHODS, METHODS


def test_where_plain_autodiff_reads_out_of_bounds():
    """Pads (2, 0) with a 2x2 kernel: dx needs pads (-1, 1), which XLA's CPU backend
    gets wrong in float32 (openxla/xla#48713).

    The explicit gradient is exact, and so is the autodiff of our forward, which leaves
    lax no pad that would turn negative. What autodiff of a bare lax call gives is not
    asserted: it changes from run to run.
    """
    rng = np.random.default_rng(0)
    pads = ((2, 0), (2, 0))
    for size in (4, 9, 16):
        x, w = draw.integers(rng, (2, size, size, 3)), draw.integers(rng, (2, 2, 3, 4))
        window = make_window((2, 2), (size, size), padding=pads)
        dy = draw.integers(rng, (2, *window.output_size((size, size)), 4))
        _, dx, dw, _ = naive.conv_and_gradients(x, w, dy, window, 1)
        for conv in (jaxcnn.conv, jaxcnn.AUTODIFF.conv):
            _, vjp = jax.vjp(
                partial(conv, padding=pads), *(jnp.asarray(a, jnp.float32) for a in (x, w))
            )
            for got, want in zip(vjp(jnp.asarray(dy, jnp.float32)), (dx, dw), strict=True):
                np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(("case", "method"), CASES_AND_METHODS)
def test_no_negative_pad_reaches_lax(case, method):
    """In the forward, both gradients, and the gradients of those."""

    def second(x, w):
        y, vjp = jax.vjp(
            lambda x, w: jaxcnn.conv(x, w, method=METHODS[method], **case.options), x, w
        )
        return sum(jnp.sum(g**2) for g in vjp(y))

    jaxpr = jax.make_jaxpr(jax.grad(second, argnums=(0, 1)))(jnp.ones(case.x), jnp.ones(case.w))
    pads = [
        p
        for eqn in all_equations(jaxpr.jaxpr)
        if eqn.primitive.name == "conv_general_dilated"
        for p in eqn.params["padding"]
    ]
    assert all(lo >= 0 and hi >= 0 for lo, hi in pads)
    assert (
        pads
        or method in ("depthwise", "im2col", "portable", "onednn", "auto")
        or 0 in case.x
        or case.id == "1d-crop-all"
    )


def all_equations(jaxpr):
    for eqn in jaxpr.eqns:
        yield eqn
        for parameter in jax.tree.leaves(
            eqn.params, is_leaf=lambda p: hasattr(p, "jaxpr") or hasattr(p, "eqns")
        ):
            inner = getattr(parameter, "jaxpr", parameter)
            if hasattr(inner, "eqns"):
                yield from all_equations(inner)
