"""`conv_general_dilated`: lax's function, argument for argument, with the gradients of
`rule.py`.

It takes the place of `jax.lax.conv_general_dilated` wherever a function can
be passed, as in Flax:

    nnx.Conv(..., conv_general_dilated=jaxcnn.conv_general_dilated)

The arguments that lax has beyond those of `conv` are translated here:

    dimension numbers    transposed to channels last, and back
    lhs dilation         the window's base dilation b: x[n, i, c] stands at b i
    batch groups         feature groups of a rearranged input: with x [(g n), i, c] the
                         outputs of group g come from its images,

                             y[n, j, (g o)] = sum_{t, c} x[(g n), s j + d t - p_lo, c]
                             w[t, c, (g o)]

                         which is the grouped convolution of x rearranged to
                         [n, i, (g c)] with the same w
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.sharding import NamedSharding, PartitionSpec
from jax.typing import ArrayLike, DTypeLike

from jaxcnn.arguments import per_axis
from jaxcnn.ops._arrays import as_array, as_precision
from jaxcnn.ops._operation import reverse_mode_only
from jaxcnn.ops._sharding import align_varying
from jaxcnn.ops.convolution.methods import AUTO
from jaxcnn.ops.convolution.methods.method import permute_sharding
from jaxcnn.ops.convolution.problem import Problem
from jaxcnn.ops.convolution.rule import conv_core
from jaxcnn.padding import PaddingWord, resolve_padding
from jaxcnn.window import Window


@reverse_mode_only
def conv_general_dilated(
    lhs: ArrayLike,
    rhs: ArrayLike,
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: lax.ConvDimensionNumbers | tuple[str, str, str] | None = None,
    feature_group_count: int = 1,
    batch_group_count: int = 1,
    precision: lax.PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
    out_sharding: NamedSharding | PartitionSpec | None = None,
) -> Array:
    """`jax.lax.conv_general_dilated`, with its signature, semantics and errors, and
    explicit gradients.

    Values and gradients differ from lax's only where lax's are wrong: on a CPU, lax
    reads out of bounds for a negative low pad beside a positive high one, in the
    forward or in a gradient. Second derivatives are explicit too. Forward mode raises.

    >>> x, w = jnp.ones((1, 1, 5)), jnp.ones((1, 1, 3))
    >>> conv_general_dilated(x, w, window_strides=(2,), padding="SAME").ravel().tolist()
    [2.0, 3.0, 2.0]
    """
    lhs, rhs, precision = as_array("lhs", lhs), as_array("rhs", rhs), as_precision(precision)
    # lax itself checks the arguments and raises its own errors. Nothing is computed.
    result = jax.eval_shape(
        lambda lhs, rhs: lax.conv_general_dilated(
            lhs,
            rhs,
            window_strides,
            padding,
            lhs_dilation=lhs_dilation,
            rhs_dilation=rhs_dilation,
            dimension_numbers=dimension_numbers,
            feature_group_count=feature_group_count,
            batch_group_count=batch_group_count,
            precision=precision,
            preferred_element_type=preferred_element_type,
            out_sharding=out_sharding,
        ),
        lhs,
        rhs,
    )
    lhs_axes, rhs_axes, out_axes = lax.conv_dimension_numbers(
        lhs.shape, rhs.shape, dimension_numbers
    )
    batch, channel, *space = lhs_axes
    out, into, *taps = rhs_axes
    x = jnp.transpose(lhs, (batch, *space, channel))
    w = jnp.transpose(rhs, (*taps, into, out))

    groups = feature_group_count
    if batch_group_count > 1:
        groups = batch_group_count
        n, *sizes, c = x.shape
        x = jnp.moveaxis(x.reshape(groups, n // groups, *sizes, c), 0, -2).reshape(
            n // groups, *sizes, groups * c
        )

    # Arguments that lax refuses only when it compiles, or misunderstands: a stride of
    # 0, a set, a bool.
    axes = lhs.ndim - 2
    strides = per_axis("window_strides", window_strides, axes)
    dilations = (
        (1,) * axes if rhs_dilation is None else per_axis("rhs_dilation", rhs_dilation, axes)
    )
    base_dilations = (
        (1,) * axes if lhs_dilation is None else per_axis("lhs_dilation", lhs_dilation, axes)
    )
    if isinstance(padding, str):
        padding = resolve_padding(
            cast(PaddingWord, padding), x.shape[1:-1], w.shape[:-2], strides, dilations
        )
    window = Window(
        w.shape[:-2], strides, tuple((lo, hi) for lo, hi in padding), dilations, base_dilations
    )

    # out_axes has the positions of (batch, channel, *space) in the result; y is (batch,
    # *space, channel).
    y_axes = (out_axes[0], *out_axes[2:], out_axes[1])
    dtype = None if preferred_element_type is None else result.dtype
    sharding = permute_sharding(out_sharding, y_axes)
    problem = Problem(x.shape, w.shape, window, groups, precision, dtype, sharding)
    y = conv_core(*align_varying(x, w), problem, AUTO)
    return jnp.transpose(y, [y_axes.index(axis) for axis in range(y.ndim)])
