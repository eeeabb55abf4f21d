"""Operations as one would write them, and shapes."""

import jax
import jax.numpy as jnp
from jax import lax

import jaxcnn


def shape(*dims, dtype="float32"):
    return jax.ShapeDtypeStruct(dims, dtype)


def plain_conv(x, w, *, stride=1, padding="SAME", groups=1):
    return lax.conv_general_dilated(
        x,
        w,
        (stride, stride),
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )


def canonical_conv(x, w, *, padding="SAME"):
    return jaxcnn.conv(x, w, padding=padding, method=jaxcnn.methods.NHWC)


def plain_max_pool(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def in_scan(conv):
    return lambda x, w: lax.scan(lambda carry, _: (conv(carry, w), None), x, None, length=3)[0]


X, W, DEPTHWISE = shape(2, 8, 8, 24), shape(3, 3, 24, 24), shape(3, 3, 1, 24)
N = 2 * 4 * 4 * 3  # entries of an image
