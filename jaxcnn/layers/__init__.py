"""Layers: pairs of pure functions that hold an operation's parameters and state.

A layer is `init(key, input_shape) -> (params, state)` and `apply(params, state, x, *,
train, key, ops) -> (y, new_state)`. An optimiser changes the parameters; a forward pass
in training changes the state (the running statistics of a batch normalisation). Both
are nested dicts, {} if there is nothing. `ops` says who differentiates: `EXPLICIT`,
`AUTODIFF`, or an `Ops` of your own; `using` pins it for one layer. `serial` and
`residual` combine layers into a layer. Whole networks are made of nothing else.

The functions have the names of the operations that they wrap: use them as
`layers.conv`. Images stand channels last, (n, *space, c); `input_shape` is the whole
shape, batch axis included. Parameters are drawn in JAX's default floating dtype, and
`init` assumes that x has it too. To compute in another dtype, cast both:
`jax.tree.map(lambda p: p.astype(jnp.bfloat16), params)`.

Arguments are checked when the layer is made; if the check depends on the images, in
`init`. A ValueError says what came and what was needed. `apply` needs the entries of
params and state that `init` made.
"""

from jaxcnn.layers.activations import activation, gelu, leaky_relu, relu, sigmoid, silu, tanh
from jaxcnn.layers.combinators import residual, serial
from jaxcnn.layers.inside import outputs
from jaxcnn.layers.layer import Layer
from jaxcnn.layers.norms import batch_norm, layer_norm
from jaxcnn.layers.pinning import pinned, using
from jaxcnn.layers.pools import avg_pool, global_avg_pool, global_max_pool, max_pool
from jaxcnn.layers.products import HE_NORMAL, LECUN_NORMAL, conv, dense
from jaxcnn.layers.shapes import dropout, flatten, identity

__all__ = [
    "HE_NORMAL",
    "LECUN_NORMAL",
    "Layer",
    "activation",
    "avg_pool",
    "batch_norm",
    "conv",
    "dense",
    "dropout",
    "flatten",
    "gelu",
    "global_avg_pool",
    "global_max_pool",
    "identity",
    "layer_norm",
    "leaky_relu",
    "max_pool",
    "outputs",
    "pinned",
    "relu",
    "residual",
    "serial",
    "sigmoid",
    "silu",
    "tanh",
    "using",
]
