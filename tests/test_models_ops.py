"""Networks compute with the operations that `apply` is given, and the same by both
kinds of derivatives."""

from __future__ import annotations

from collections import Counter
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.models import MODELS, mobilenet, resnet, vgg
from jaxcnn.ops import AUTODIFF, EXPLICIT
from tests._models import KEY, abstract_init
from tests.daily import daily

# What each model calls in a forward pass, counted by hand.

CALLS = {
    "cnn_basics": {"conv": 2, "relu": 2, "max_pool": 2, "dense": 1},
    "lenet": {"conv": 2, "relu": 4, "max_pool": 2, "dropout": 2, "dense": 3},
    "vgg": {"conv": 6, "batch_norm": 6, "relu": 7, "max_pool": 3, "dense": 2, "dropout": 1},
    "vgg16": {"conv": 13, "relu": 15, "max_pool": 5, "dense": 3, "dropout": 2},
    "resnet20": {"conv": 21, "batch_norm": 21, "relu": 19, "global_avg_pool": 1, "dense": 1},
    "identity_cnn": {
        "conv": 7,
        "batch_norm": 6,
        "gelu": 7,
        "max_pool": 3,
        "global_max_pool": 1,
        "dense": 1,
    },
    "mobilenet": {"conv": 11, "batch_norm": 11, "relu": 11, "global_avg_pool": 1, "dense": 1},
    "mobilenet_v1": {"conv": 27, "batch_norm": 27, "relu": 27, "global_avg_pool": 1, "dense": 1},
}


@pytest.mark.parametrize("name", daily(MODELS, {"cnn_basics", "lenet", "mobilenet"}))
def test_models_hand_their_ops_to_every_layer(name):
    def refuse(*args, **kwargs):
        raise AssertionError("an operation that was not given")

    calls = Counter()

    def counting(name):
        def operation(*args, **kwargs):
            calls[name] += 1
            return getattr(EXPLICIT, name)(*args, **kwargs)

        return operation

    ops = EXPLICIT._replace(
        **dict.fromkeys(EXPLICIT._fields, refuse) | {name: counting(name) for name in CALLS[name]}
    )
    model = MODELS[name](7)
    params, state = abstract_init(model, (1, 32, 32, 1))
    calls.clear()
    x = jax.ShapeDtypeStruct((1, 32, 32, 1), jnp.float32)
    logits, _ = jax.eval_shape(partial(model.apply, ops=ops), params, state, x)
    assert logits.shape == (1, 7)
    assert calls == CALLS[name]


# Training: tiny networks, since each is compiled with both kinds of gradient.

SMALL = {
    "vgg": partial(vgg, 3, features=((3, 4), (5,)), hidden=(6,)),
    "vgg without norms": partial(vgg, 3, features=((3,), (4,)), hidden=(), with_batch_norm=False),
    "resnet": partial(resnet, 3, features=(3, 4), blocks=1),
    "mobilenet": partial(mobilenet, 3, stem=(3, 1), blocks=((4, 2),)),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    daily([pytest.param(make, id=name) for name, make in SMALL.items()], {"vgg without norms"}),
)
def test_explicit_and_autodiff_gradients_agree_in_training(make):
    rng = np.random.default_rng(0)
    x, labels = jnp.asarray(rng.normal(size=(8, 6, 4, 2)), jnp.float32), jnp.arange(8) % 3
    params, state = jax.jit(lambda key: make().init(key, x.shape))(KEY)
    params = jax.tree.map(
        lambda p: p + 0.1, params
    )  # while biases are 0, a norm makes the scale of the one before it ineffective

    @partial(jax.jit, static_argnames="ops")
    def train(params, ops):
        def loss(params):
            logits, new_state = make().apply(params, state, x, train=True, key=KEY, ops=ops)
            return jnp.mean(ops.softmax_cross_entropy(logits, labels)), new_state

        return jax.value_and_grad(loss, has_aux=True)(params)

    explicit, autodiff = train(params, EXPLICIT), train(params, AUTODIFF)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-5), explicit, autodiff)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(explicit))
    largest = jax.tree.map(lambda leaf: np.max(np.abs(leaf)), explicit[1])
    assert all(value > 1e-3 for value in jax.tree.leaves(largest)), (
        largest
    )  # nothing agrees by being 0
