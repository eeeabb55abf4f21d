"""The operations that mix no positions, in JAX's strict modes, and in the forward mode
that their rules do not have."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn
from jaxcnn.ops import AUTODIFF, EXPLICIT

STATE = jaxcnn.BatchNormState(jnp.array([0.1, -0.2, 0.0]), jnp.array([0.5, 1.0, 2.0]))
OPERATIONS = {  # functions of x (4, 5, 3) and w (3,)
    "dense": lambda x, w, ops=EXPLICIT: ops.dense(x, w[:, None] * w[None], w),
    **{
        name: lambda x, w, ops=EXPLICIT, name=name: getattr(ops, name)(x * w[None, None])
        for name in ("relu", "leaky_relu", "sigmoid", "tanh", "silu", "gelu")
    },
    "gelu, exact": lambda x, w, ops=EXPLICIT: ops.gelu(x * w[None, None], False),
    "batch_norm": lambda x, w, ops=EXPLICIT: ops.batch_norm(x, w, w, STATE, train=True)[0],
    "batch_norm, inference": lambda x, w, ops=EXPLICIT: ops.batch_norm(x, w, w, STATE, train=False)[
        0
    ],
    "layer_norm": lambda x, w, ops=EXPLICIT: ops.layer_norm(x, w, w),
    "dropout": lambda x, w, ops=EXPLICIT: ops.dropout(
        x * w[None, None], jax.random.key(0, impl="rbg"), rate=0.5
    ),
    "softmax_cross_entropy": lambda x, w, ops=EXPLICIT: ops.softmax_cross_entropy(
        x * w[None, None], np.ones(x.shape[:-1], int), label_smoothing=0.1
    ),
    "sigmoid_binary_cross_entropy": lambda x, w, ops=EXPLICIT: ops.sigmoid_binary_cross_entropy(
        x * w[None, None], x * x
    ),
    "mean_squared_error": lambda x, w, ops=EXPLICIT: ops.mean_squared_error(x * w[None, None], x),
}
X, W = (
    jnp.asarray(np.random.default_rng(0).uniform(0.1, 0.9, shape), jnp.float32)
    for shape in ((4, 5, 3), (3,))
)

each_operation = pytest.mark.parametrize("name", OPERATIONS)


def gradients(name, ops=EXPLICIT):
    return jax.grad(lambda x, w: jnp.sum(OPERATIONS[name](x, w, ops)), (0, 1))


@pytest.mark.parametrize("ops", [EXPLICIT, AUTODIFF], ids=["explicit", "autodiff"])
@each_operation
def test_no_rank_is_promoted(name, ops):
    """Found while tracing: nothing needs to be compiled. With gradients, and under
    vmap."""
    with jax.numpy_rank_promotion("raise"):
        dx, dw = jax.eval_shape(gradients(name, ops), X, W)
        jax.eval_shape(jax.vmap(gradients(name, ops), (0, None)), X[None], W)
    assert (dx.shape, dw.shape) == (X.shape, W.shape)


@each_operation
def test_no_nan_and_no_infinity_on_the_way(name):
    """Operation by operation, as JAX's debugging modes look at what they call."""
    with jax.debug_nans(True), jax.debug_infs(True):
        y, vjp = jax.vjp(OPERATIONS[name], X * jnp.array([1.0, -1000.0, 1000.0])[None, None], W)
        assert all(np.isfinite(g).all() for g in vjp(jnp.ones_like(y)))


@each_operation
def test_forward_mode_names_the_operation(name):
    with pytest.raises(
        TypeError, match=rf"^{name.split(',')[0]} is differentiated by .* jaxcnn.AUTODIFF"
    ):
        jax.jvp(partial(OPERATIONS[name], w=W), (X,), (X,))
    jax.eval_shape(lambda x: jax.jvp(partial(OPERATIONS[name], w=W, ops=AUTODIFF), (x,), (x,)), X)


@each_operation
def test_forward_over_reverse(name):
    """The rules are plain JAX: a gradient has a forward mode."""
    x, w = X[:2, :2], W
    hessian = jax.eval_shape(jax.jacfwd(gradients(name)), x, w)
    assert hessian[0].shape == x.shape * 2
    pushed = jax.eval_shape(lambda x: jax.linearize(lambda x: gradients(name)(x, w)[0], x)[1](x), x)
    assert pushed.shape == x.shape
