"""`compare_costs`: the costs of a gradient by a hand-written rule and by another, side
by side. Nothing is computed or timed.

One program is examined: the value and all cotangents, as a function of the arguments
and the value's cotangent dy. Its counts are read from the program that the compiler
makes for this device. The bytes kept between forward and backward are read from the
closure that `jax.vjp` returns.

Limits
    Counts are of instructions in the compiled text. The body of a loop counts once,
    however often it runs, even in XLA's `flops`; `loops` says whether there is a loop.
    `flops` are those of the compiled program. For each map of a dense convolution they
    are the hand count, 2 per multiply-add and tap. If the compiler turns a depthwise
    kernel gradient into a dense one, they are those of the dense one. Taps on padding
    and transcendental functions do not count; an operation that a fusion computes twice
    counts twice. `temp_bytes` are those that XLA plans, without the buffers that a
    library's kernel allocates itself, as Eigen's convolution on a CPU does for its
    patches (im2col). `residual_bytes` are those that the backward needs if it runs
    apart from the forward, as in a `scan` or over many layers. In one program XLA may
    compute a residual again instead. A reshaped or broadcast copy of an argument counts
    as an array of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax

from jaxcnn.check._arguments import (
    among,
    check_differentiable,
    check_same_structure,
    floating,
    strong,
)
from jaxcnn.check.gradients import value_and_gradients
from jaxcnn.check.hlo import count, excerpt, without_locations
from jaxcnn.check.residuals import kept_bytes


class Cost(NamedTuple):
    """The costs of the value and all cotangents of a function. `._asdict()` can be
    written as JSON."""

    convolutions: int
    """Convolutions in the compiled program, also inside fusions and calls of a library
    (cuDNN)."""
    dots: int
    """Matrix products in the compiled program, also inside fusions and calls of a
    library (cuBLAS)."""
    fusions: int
    """Groups of instructions that the compiler turned into one kernel."""
    custom_calls: int
    """Calls of a library or of host code."""
    loops: int
    """`while` loops. The body of a loop counts once."""
    scatters: int
    """Scatters, select-and-scatters included."""
    flops: float | None
    """Floating-point operations of the compiled program by XLA's count, a loop's body
    once; None if it does not say."""
    residual_bytes: int
    """Bytes of the arrays that the forward computes and keeps for the backward, the
    value too if it is kept."""
    argument_bytes_kept: int
    """Bytes of the arguments that are kept for the backward. They exist already, but
    cannot be freed meanwhile."""
    temp_bytes: int | None
    """Bytes that XLA plans for beside arguments and results, without a library's own
    buffers; None if it does not say."""
    output_bytes: int | None
    """Bytes of the results, value and cotangents, as XLA lays them out; None if it does
    not say."""
    excerpt: str
    """The most important lines of `hlo`, shortened, by computation."""
    hlo: str
    """The compiled program's text, without the tables of source lines."""
    jaxpr: str
    """The program before compilation."""


class Comparison(NamedTuple):
    """The costs of two functions for the same arguments."""

    explicit: Cost
    reference: Cost


def compare_costs(
    explicit: Callable,
    reference: Callable,
    args: Sequence[Any],
    *,
    differentiate: Sequence[int] | None = None,
) -> Comparison:
    """The costs of the gradients of two functions, on this device.

    Args:
      explicit, reference: functions of `args` that return an array or a pytree of
        arrays, of one structure.
      args: arrays, numbers, or `jax.ShapeDtypeStruct`s in their place; typed PRNG keys
        and integer labels are passed on.
      differentiate: the numbers of the arguments whose cotangents are wanted; by
        default all floating ones.

    Returns:
      A `Comparison` of two `Cost`s.

    Raises:
      ValueError: if an argument is no array, if no argument or not every result is
        floating, or if the results differ in structure.

    >>> from jaxcnn.ops.max_pooling import max_pool
    >>> from jax import lax, numpy as jnp
    >>> def plain(x):
    ...     size = (1, 2, 2, 1)
    ...     return lax.reduce_window(x, -jnp.inf, lax.max, size, size, "VALID")
    >>> x = jax.ShapeDtypeStruct((1, 8, 8, 3), "float32")
    >>> explicit, reference = compare_costs(lambda x: max_pool(x, 2), plain, [x])
    >>> explicit.residual_bytes, explicit.argument_bytes_kept  # three bytes per output
    (144, 768)
    >>> reference.residual_bytes, reference.argument_bytes_kept  # all of x
    (0, 768)
    """
    structs = _structs(args)
    check_same_structure(jax.eval_shape(explicit, *structs), jax.eval_shape(reference, *structs))
    return Comparison(
        cost(explicit, structs, differentiate=differentiate),
        cost(reference, structs, differentiate=differentiate),
    )


def cost(
    function: Callable, args: Sequence[Any], *, differentiate: Sequence[int] | None = None
) -> Cost:
    """The costs of the value and all cotangents of one function, on this device.
    Arguments and errors as in `compare_costs`.

    >>> x = jax.ShapeDtypeStruct((8, 64), "float32")
    >>> w = jax.ShapeDtypeStruct((64, 32), "float32")
    >>> result = cost(lambda x, w: x @ w, [x, w])
    >>> result.dots, result.convolutions, result.residual_bytes
    (3, 0, 0)
    >>> result.flops == 3 * 2 * 8 * 64 * 32
    True
    """
    structs = _structs(args)
    numbers = _numbers(structs, differentiate)
    out = jax.eval_shape(function, *structs)
    check_differentiable(out, "the function")
    dy = jax.tree.map(lambda a: a.update(weak_type=False), out)

    def pull(args):
        return jax.vjp(among(function, args, numbers), *(args[i] for i in numbers))[1]

    traced = jax.jit(value_and_gradients(function, numbers)).trace(structs, dy)
    compiled = traced.lower().compile()
    hlo = without_locations(compiled.as_text() or "")
    residual_bytes, argument_bytes_kept = kept_bytes(pull, structs)
    memory = compiled.memory_analysis()
    return Cost(
        **count(hlo),
        flops=_flops(compiled.cost_analysis()),
        residual_bytes=residual_bytes,
        argument_bytes_kept=argument_bytes_kept,
        temp_bytes=None if memory is None else memory.temp_size_in_bytes,
        output_bytes=None if memory is None else memory.output_size_in_bytes,
        excerpt=excerpt(hlo),
        hlo=hlo,
        jaxpr=str(traced.jaxpr),
    )


def _structs(args: Sequence[Any]) -> tuple[jax.ShapeDtypeStruct, ...]:
    return tuple(
        (
            a
            if isinstance(a, jax.ShapeDtypeStruct)
            else jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=_sharding(a))
        )
        for a in strong(args)
    )


def _sharding(a: jax.Array) -> jax.sharding.Sharding | None:
    """The sharding of an array that was placed on devices. The program of arrays on
    several devices differs."""
    return a.sharding if len(a.sharding.device_set) > 1 else None


def _numbers(
    structs: Sequence[jax.ShapeDtypeStruct], differentiate: Sequence[int] | None
) -> tuple[int, ...]:
    possible = floating(structs)
    if differentiate is None:
        return possible
    for i in differentiate:
        if i not in possible:
            raise ValueError(
                f"differentiate must hold numbers of floating arguments, which are {possible},"
                f" got {i}"
            )
    if len(set(differentiate)) != len(differentiate) or not differentiate:
        raise ValueError(
            "differentiate must hold at least one number and none twice, got"
            f" {tuple(differentiate)}"
        )
    return tuple(differentiate)


def _flops(analysis: Any) -> float | None:
    figure = (analysis or {}).get("flops", -1.0)
    return figure if figure >= 0 else None  # XLA's sign for "unknown" is -1
