"""Normalisations by their definitions: NumPy in float64, one set after the other."""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
import numpy as np

from jaxcnn.ops import EXPLICIT
from jaxcnn.ops.batch_normalization import BatchNormState
from jaxcnn.ops.layer_normalization import layer_norm
from tests.ops.naive_elementwise import twin

EPSILON = 0.1  # large enough to show where it is forgotten


def naive_layer_norm(x, scale=1.0, bias=0.0, *, axes):
    """One set after the other."""
    y = np.zeros_like(x)
    others = [axis for axis in range(x.ndim) if axis not in axes]
    for index in np.ndindex(*(x.shape[axis] for axis in others)):
        place = [slice(None)] * x.ndim
        for axis, i in zip(others, index, strict=True):
            place[axis] = i
        values = x[tuple(place)]
        mean = sum(values.ravel()) / values.size
        var = sum((values.ravel() - mean) ** 2) / values.size
        y[tuple(place)] = scale * (values - mean) / np.sqrt(var + EPSILON) + bias
    return y


def naive_batch_norm(x, scale=None, bias=None, mean=None, var=None, *, channel):
    """One channel after the other, by its own statistics or those given."""
    y = np.zeros_like(x)
    for c in range(x.shape[channel]):
        place = (slice(None),) * channel + (c,)
        values = x[place]
        m = np.mean(values) if mean is None else mean[c]
        v = np.mean((values - m) ** 2) if var is None else var[c]
        y[place] = (values - m) / np.sqrt(v + EPSILON)
        y[place] = (1 if scale is None else scale[c]) * y[place] + (0 if bias is None else bias[c])
    return y


def trained(x, scale=None, bias=None, ops=EXPLICIT, **options):
    """batch_norm in training, without the new state."""
    c = x.shape[1 if options.get("layout") == "channels_first" else -1]
    state = BatchNormState(jnp.zeros(c, x.dtype), jnp.ones(c, x.dtype))
    return ops.batch_norm(x, scale, bias, state, train=True, epsilon=EPSILON, **options)[0]


def inferred(x, mean, var, scale=None, bias=None, ops=EXPLICIT, **options):
    state = BatchNormState(mean, var)
    return ops.batch_norm(x, scale, bias, state, train=False, epsilon=EPSILON, **options)[0]


def data(*shapes):
    """Normal numbers around 2; the parameters, of which variances are among them, in
    [0.5, 1.5]."""
    rng = np.random.default_rng(0)
    first, *parameters = shapes
    return [2 + rng.normal(size=first), *(rng.uniform(0.5, 1.5, shape) for shape in parameters)]


def bias_only(operation, x, bias, ops=EXPLICIT):
    return (operation if ops is EXPLICIT else twin(operation))(x, None, bias)


norm = partial(layer_norm, epsilon=EPSILON)


CASES: dict[str, tuple] = {  # operation, definition, arguments
    "train": (trained, partial(naive_batch_norm, channel=1), data((4, 3), (3,), (3,))),
    "train_images": (trained, partial(naive_batch_norm, channel=3), data((2, 3, 2, 3), (3,), (3,))),
    "train_channels_first": (
        partial(trained, layout="channels_first"),
        partial(naive_batch_norm, channel=1),
        data((2, 2, 3, 2, 1), (2,), (2,)),
    ),
    "train_bare": (trained, partial(naive_batch_norm, channel=2), data((2, 3, 2))),
    "train_scale": (trained, partial(naive_batch_norm, channel=2), data((2, 3, 2), (2,))),
    "train_bias": (
        partial(bias_only, trained),
        lambda x, bias: naive_batch_norm(x, None, bias, channel=2),
        data((2, 3, 2), (2,)),
    ),
    "infer": (
        inferred,
        lambda x, mean, var, scale, bias: naive_batch_norm(x, scale, bias, mean, var, channel=1),
        data((3, 2), (2,), (2,), (2,), (2,)),
    ),
    "infer_channels_first": (
        partial(inferred, layout="channels_first"),
        lambda x, mean, var, scale, bias: naive_batch_norm(x, scale, bias, mean, var, channel=1),
        data((2, 3, 2), (3,), (3,), (3,), (3,)),
    ),
    "infer_bare": (
        inferred,
        lambda x, mean, var: naive_batch_norm(x, None, None, mean, var, channel=3),
        data((1, 1, 2, 2), (2,), (2,)),
    ),
    "layer": (norm, partial(naive_layer_norm, axes=(1,)), data((3, 4), (4,), (4,))),
    "layer_vector_bare": (
        partial(norm, scale=None, bias=None),
        partial(naive_layer_norm, axes=(0,)),
        data((5,)),
    ),
    "layer_images": (
        partial(norm, axes=(1, 2, -1)),
        partial(naive_layer_norm, axes=(1, 2, 3)),
        data((2, 2, 3, 2), (2, 3, 2), (2, 3, 2)),
    ),
    "layer_middle_axis": (
        partial(norm, axes=1),
        lambda x, scale, bias: naive_layer_norm(x, scale, bias, axes=(1,)),
        data((2, 4, 3), (4,), (4,)),
    ),
    "layer_bias": (
        partial(bias_only, norm),
        lambda x, bias: naive_layer_norm(x, 1.0, bias, axes=(1,)),
        data((3, 4), (4,)),
    ),
}
