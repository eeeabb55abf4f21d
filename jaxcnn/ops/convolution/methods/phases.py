"""The input gradient of a convolution with a stride, as one convolution without a
stride for each phase of the stride.

On one axis, an input i has the phase (i + p_lo) mod s. Of the taps t, only those with
d t = i + p_lo (mod s) meet it. With f = gcd(d, s) they are t = a + (s / f) v, for one
first tap a, and

    dx[n, i, c] = sum_{v, o} dy[n, (i + p_lo - d a) / s - (d / f) v, o] w[a + (s / f) v,
                  c, o]

This is (1) of `rule.py` for dy and a flipped kernel of every (s / f)-th tap, dilated by
d / f. The arithmetic is that of the definition: a convolution of dy dilated by s would
multiply zeros. The phases are interleaved once, at the end.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from math import gcd
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Num

from jaxcnn.ops._windows import interleave
from jaxcnn.ops.convolution.methods.method import flip_and_exchange, operand_dtype
from jaxcnn.ops.convolution.problem import Problem


class Phase(NamedTuple):
    """Of one axis: the taps first, first + step, ..., and the window of their flipped
    kernel on dy."""

    first: int
    step: int
    taps: int
    pads: tuple[int, int]
    dilation: int


def phases_of(problem: Problem, axis: int) -> list[Phase | None]:
    """The phases of an axis, in the order of its first inputs; None for one that no tap
    meets.

    >>> from jaxcnn.padding import make_window
    >>> window = make_window((3,), (8,), stride=2, padding=1)
    >>> [phase.taps for phase in phases_of(Problem((1, 8, 1), (3, 1, 1), window), 0)]
    [1, 2]
    """
    window, n, m = problem.window, problem.space[axis], problem.out_space[axis]
    k, s, d, (lo, _) = (
        window.size[axis],
        window.stride[axis],
        window.dilation[axis],
        window.pads[axis],
    )
    common, inputs = gcd(d, s), -(-n // s)
    found: list[Phase | None] = []
    for i in range(s):
        first = next((t for t in range(min(k, s)) if (d * t - i - lo) % s == 0), None)
        if first is None:
            found.append(None)
            continue
        step, dilation = s // common, d // common
        taps = -(-(k - first) // step)
        span = dilation * (taps - 1)
        low = span - (i + lo - d * first) // s
        found.append(Phase(first, step, taps, (low, inputs - m - low + span), dilation))
    return found


def input_grad(
    dy: Num[Array, "n *j go"],
    w: Num[Array, "*t c go"],
    problem: Problem,
    forward: Callable[[Array, Array, Problem], Array],
) -> Num[Array, "n *i gc"]:
    """(3) of `rule.py`, with `forward` for the convolutions."""
    axes = range(len(problem.space))
    found: dict[tuple[int, ...], Array] = {}
    for places in itertools.product(*(enumerate(phases_of(problem, axis)) for axis in axes)):
        at, phases = zip(*places, strict=True)
        if None not in phases:
            found[at] = _of_phase(dy, w, problem, phases, forward)
    inputs = [-(-n // s) for n, s in zip(problem.space, problem.window.stride, strict=True)]
    shape = (problem.n, *inputs, problem.x_shape[-1])
    dtype = problem.accumulation_dtype or operand_dtype(dy, w, problem)
    zeros = jnp.zeros(shape, dtype)
    whole = interleave(lambda *at: found.get(at, zeros), problem.window.stride)
    return lax.slice(whole, (0,) * whole.ndim, problem.x_shape)


def _of_phase(
    dy: Array,
    w: Array,
    problem: Problem,
    phases: tuple[Phase, ...],
    forward: Callable[[Array, Array, Problem], Array],
) -> Array:
    firsts, steps, taps, pads, dilations = zip(*phases, strict=True)
    w = lax.slice(w, (*firsts, 0, 0), w.shape, (*steps, 1, 1))
    w = flip_and_exchange(w, problem.groups)
    ones = (1,) * len(phases)
    window = problem.window._replace(
        size=taps, stride=ones, pads=pads, dilation=dilations, base_dilation=ones
    )
    return forward(dy, w, problem.reshaped(dy, w, window))
