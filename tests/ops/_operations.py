"""Every operation, as a function of images and a kernel."""

import jax
import jax.numpy as jnp
import numpy as np

import jaxcnn
from jaxcnn.check import draw
from jaxcnn.ops.convolution.methods import (
    AUTO,
    DEPTHWISE,
    GROUPWISE,
    IM2COL,
    LAX,
    NHWC,
    ONEDNN,
    SIDE_BY_SIDE,
)

N, C = 4, 4


def conv(method, inputs, **options):
    """x and a kernel with `inputs` channels in a group."""

    def operation(x, w):
        return jaxcnn.conv(
            x, w[..., :inputs, :], w[0, 0, 0], groups=C // inputs, method=method, **options
        )

    return operation


def batch_norm(x, w):
    state = jaxcnn.BatchNormState(jnp.zeros(C), jnp.ones(C))
    return jaxcnn.batch_norm(x, w[0, 0, 0], w[1, 0, 0], state, train=True)[0]


def batch_norm_inference(x, w):
    state = jaxcnn.BatchNormState(w[2, 0, 0], jnp.square(w[1, 1, 0]))
    return jaxcnn.batch_norm(x, w[0, 0, 0], w[1, 0, 0], state, train=False)[0]


LABELS = jnp.arange(C)


# Functions of x (N, 6, 6, C) and w (3, 3, C, C).
OPERATIONS = {
    "conv-lax": conv(LAX, C, stride=2, padding=1),
    "conv-nhwc": conv(NHWC, C, stride=2, padding=1),
    "conv-side_by_side": conv(SIDE_BY_SIDE, C, padding=1),
    "conv-im2col": conv(IM2COL, C, stride=2, padding=1),
    "conv-groupwise": conv(GROUPWISE, 2, padding="same"),
    "conv-onednn": conv(ONEDNN, C, padding=((2, 0), (-1, 1))),
    "conv-grouped-onednn": conv(ONEDNN, 2, padding="same"),
    "conv-auto": conv(AUTO, C, padding=((2, 0), (-1, 1))),
    "conv-grouped-lax": conv(LAX, 2, padding="same"),
    "conv-grouped-nhwc": conv(NHWC, 2, padding="same"),
    "conv-depthwise-depthwise": conv(DEPTHWISE, 1, stride=2, padding=1),
    "conv-depthwise-auto": conv(AUTO, 1),
    "conv-general-dilated": lambda x, w: jaxcnn.conv_general_dilated(
        x, w, (1, 2), "SAME", rhs_dilation=(2, 1), dimension_numbers=("NHWC", "HWIO", "NHWC")
    ),
    "max-pool": lambda x, w: jaxcnn.max_pool(x, 3, stride=2, padding=1) * w[0, 0, 0],
    "avg-pool": lambda x, w: (
        jaxcnn.avg_pool(x, 3, stride=2, padding=1, count_include_pad=False) * w[0, 0, 0]
    ),
    "global-max-pool": lambda x, w: jaxcnn.global_max_pool(x) * w[0, 0, 0],
    "global-avg-pool": lambda x, w: jaxcnn.global_avg_pool(x) * w[0, 0, 0],
    "dense": lambda x, w: jaxcnn.dense(x[:, 0], w[0, 0], w[1, 1, 0]),
    "activations": lambda x, w: sum(
        getattr(jaxcnn, name)(x * w[0, 0, 0])
        for name in ("relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid")
    ),
    "batch-norm": batch_norm,
    "batch-norm-inference": batch_norm_inference,
    "layer-norm": lambda x, w: jaxcnn.layer_norm(x, w[0, 0, 0], w[0, 1, 0]),
    "dropout": lambda x, w: jaxcnn.dropout(x * w[0, 0, 0], jax.random.key(0), rate=0.5),
    "softmax-cross-entropy": lambda x, w: jaxcnn.softmax_cross_entropy(
        x[:, 0, 0] * w[0, 0, 0], LABELS, label_smoothing=0.1
    ),
    "binary-cross-entropy": lambda x, w: jaxcnn.sigmoid_binary_cross_entropy(
        x * w[0, 0, 0], jnp.full_like(x, 0.3)
    ),
    "mean-squared-error": lambda x, w: jaxcnn.mean_squared_error(x * w[0, 0, 0], jnp.ones_like(x)),
}


def data():
    rng = np.random.default_rng(0)
    return tuple(
        jnp.asarray(draw.distinct(rng, shape), jnp.float32)
        for shape in ((N, 6, 6, C), (3, 3, C, C))
    )


def loss(y):
    """A weighted sum of squares; the weights differ from place to place and are the
    same for every image."""
    return jnp.sum(
        y**2 * jnp.linspace(-1, 2, max(1, int(np.prod(y.shape[1:])))).reshape(y.shape[1:])
    )


def gradients(operation):
    return jax.grad(lambda x, w: loss(operation(x, w)), argnums=(0, 1))


def close(got, expected):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        a, b = jax.device_get((a, b))
        scale = max(1e-3, np.abs(b).max())
        np.testing.assert_allclose(a / scale, b / scale, atol=2e-6)
