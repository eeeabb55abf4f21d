"""The type of a way to compute convolutions, and code that several of them share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec
from jax.typing import DTypeLike
from jaxtyping import Array, Num

from jaxcnn.ops._sharding import sharding_of
from jaxcnn.ops.convolution.problem import Problem
from jaxcnn.window import Window


class Method(NamedTuple):
    """Three maps. A method is made once, with its module; a new one at each call would
    defeat JAX's caches."""

    forward: Callable[[Array, Array, Problem], Array]  #      (x, w, problem)  -> y
    input_grad: Callable[[Array, Array, Problem], Array]  #   (dy, w, problem) -> dx
    kernel_grad: Callable[[Array, Array, Problem], Array]  #  (x, dy, problem) -> dw

    @classmethod
    def of(cls, compute: Callable[[str, Array, Array, Problem], Array]) -> Method:
        """The method whose maps are `compute` of their name and arguments."""
        return cls(*(partial(compute, name) for name in cls._fields))


def input_grad_by(forward: Callable[..., Array]) -> Callable[..., Array]:
    """The input gradient as a forward of dy, with the kernel flipped and its inputs and
    outputs exchanged, equation (3) of `rule.py`.

    dx[n, i, (g c)] = sum_{t, o} dy'[n, i + p_lo - d t, (g o)] w[t, c, (g o)], with dy'
    dilated by s.
    """

    def input_grad(
        dy: Num[Array, "n *j go"], w: Num[Array, "*t c go"], problem: Problem
    ) -> Num[Array, "n *i gc"]:
        return forward(dy, flip_and_exchange(w, problem.groups), problem.adjoint)

    return input_grad


def operand_dtype(a: Array, b: Array, problem: Problem) -> DTypeLike:
    """The dtype for two operands. They differ only if one is the cotangent of sums that
    were kept in a wider dtype."""
    return (
        a.dtype
        if a.dtype == b.dtype
        else problem.accumulation_dtype or jnp.promote_types(a.dtype, b.dtype)
    )


def flip(w: Num[Array, "*t c o"], groups: int) -> Num[Array, "*t gc og"]:
    """The kernel of the input gradient: flipped in space, with the groups moved from
    the outputs to the inputs.

    w[t, c, (g o)] -> w[k - 1 - t, (g c), o]
    """
    *taps, c, go = w.shape
    if groups > 1:
        grouped = w.reshape(*taps, c, groups, go // groups)
        w = jnp.moveaxis(grouped, -2, -3).reshape(*taps, groups * c, go // groups)
    # Flipped last: a GPU then lays out the kernels of both directions in one pass.
    return jnp.flip(w, axis=tuple(range(len(taps))))


def flip_and_exchange(w: Num[Array, "*t c o"], groups: int) -> Num[Array, "*t og gc"]:
    """`flip`, with inputs and outputs exchanged: w[t, c, (g o)] -> w[k - 1 - t, o, (g
    c)]"""
    return jnp.swapaxes(flip(w, groups), -1, -2)


def interleaved(window: Window, m: int) -> Window:
    """The window on a last axis of m times the length. Neighbours are m apart, and the
    elements between them are not mixed with them.

    >>> interleaved(Window((3,), (1,), ((1, 0),), (1,), (1,)), 4)
    Window(size=(3,), stride=(1,), pads=((4, 0),), dilation=(4,), base_dilation=(1,))
    """
    lo, hi = window.pads[-1]
    return window._replace(
        pads=(*window.pads[:-1], (lo * m, hi * m)),
        dilation=(*window.dilation[:-1], window.dilation[-1] * m),
    )


def refuse_sharded(name: str, *operands: Array) -> None:
    """Refuse sharded operands, for methods that merge axes. On an Explicit mesh a
    sharded axis cannot be merged."""
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
