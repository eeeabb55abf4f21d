"""What a way to compute convolutions must offer, and the one rearrangement of a kernel
that several of them share."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jax.sharding import NamedSharding, PartitionSpec
from jax.typing import DTypeLike
from jaxtyping import Array, Num

from jaxcnn.ops._common import sharding_of
from jaxcnn.window import Window


class ConvSpec(NamedTuple):
    """All that is static about a convolution: hashable, one argument.

    `accumulation_dtype` is lax's `preferred_element_type`: partial sums are kept in it,
    and results have it. `out_sharding` is the sharding of the result of whichever map
    is called, channels last; None leaves it to lax.
    """

    window: Window
    groups: int = 1
    precision: lax.PrecisionLike = None
    accumulation_dtype: DTypeLike | None = None
    out_sharding: NamedSharding | PartitionSpec | None = None


class Method(NamedTuple):
    """Three maps, from module-level functions (a lambda would defeat JAX's caches)."""

    forward: Callable  #      (x, w, spec)            -> y
    input_grad: Callable  #   (dy, w, spec, x_shape)  -> dx
    kernel_grad: Callable  #  (x, dy, spec, w_shape)  -> dw


def operand_dtype(a: Array, b: Array, spec: ConvSpec) -> DTypeLike:
    """The dtype in which two operands meet. They differ only where one is the cotangent
    of sums kept in a wider dtype."""
    return (
        a.dtype
        if a.dtype == b.dtype
        else spec.accumulation_dtype or jnp.promote_types(a.dtype, b.dtype)
    )


def flip(w: Num[Array, "*t c o"], groups: int) -> Num[Array, "*t gc og"]:
    """The kernel of the input gradient: flipped in space, the group moved from its
    outputs to its inputs.

    w[t, c, (g o)] -> w[k - 1 - t, (g c), o]
    """
    *taps, c, go = w.shape
    flipped = jnp.flip(w, axis=tuple(range(len(taps))))
    if groups == 1:
        return flipped
    grouped = flipped.reshape(*taps, c, groups, go // groups)
    return jnp.moveaxis(grouped, -2, -3).reshape(*taps, groups * c, go // groups)


def flip_and_exchange(w: Num[Array, "*t c o"], groups: int) -> Num[Array, "*t og gc"]:
    """`flip`, with what were outputs in the place of the inputs: w[t, c, (g o)] -> w[k
    - 1 - t, o, (g c)]"""
    return jnp.swapaxes(flip(w, groups), -1, -2)


def interleaved(window: Window, m: int) -> Window:
    """The window on a last axis of m times the length, where neighbours stand m apart
    and what is between them is not mixed.

    >>> interleaved(Window((3,), (1,), ((1, 0),), (1,), (1,)), 4)
    Window(size=(3,), stride=(1,), pads=((4, 0),), dilation=(4,), base_dilation=(1,))
    """
    lo, hi = window.pads[-1]
    return window._replace(
        pads=(*window.pads[:-1], (lo * m, hi * m)),
        dilation=(*window.dilation[:-1], window.dilation[-1] * m),
    )


def refuse_sharded(name: str, *operands: Array) -> None:
    """For methods that merge axes, which an Explicit mesh does not let be merged when
    one of them is sharded."""
    if any(sharding_of(a) is not None for a in operands):
        raise ValueError(
            f"method {name} merges axes, and on a mesh with Explicit axes a sharded one cannot be:"
            " leave method out, pass NHWC or LAX, or call conv inside jax.shard_map"
        )


def permute_sharding(
    sharding: NamedSharding | PartitionSpec | None, axes: tuple[int, ...]
) -> NamedSharding | PartitionSpec | None:
    """The sharding of `jnp.transpose(a, axes)` when `a` has `sharding`."""
    if sharding is None:
        return None
    spec = sharding.spec if isinstance(sharding, NamedSharding) else sharding
    entries = tuple(spec) + (None,) * (len(axes) - len(spec))
    permuted = PartitionSpec(*(entries[axis] for axis in axes))
    return sharding.update(spec=permuted) if isinstance(sharding, NamedSharding) else permuted
