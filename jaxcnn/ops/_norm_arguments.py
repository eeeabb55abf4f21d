"""The arguments of the normalisations: parameters are brought to the rank of x, and
wrong options raise an error that names them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array

from jaxcnn.arguments import as_int, as_ints, as_number, described, is_several
from jaxcnn.ops._arrays import as_array, check_floating
from jaxcnn.ops._layout import Layout


def parameter(
    name: str,
    value: ArrayLike | None,
    x: Array,
    axes: tuple[int, ...],
    layout: Layout | None = None,
) -> Array | None:
    """A parameter or statistic with the shape of x along `axes`, brought to x's
    rank."""
    if value is None:
        return None
    array = as_array(name, value)
    check_floating(name, array)
    shape = tuple(x.shape[axis] for axis in axes)
    if array.shape != shape:
        hint = ""
        if layout is not None and array.shape == (x.shape[1 if layout == "channels_last" else -1],):
            other = "channels_first" if layout == "channels_last" else "channels_last"
            hint = f"; it fits the other layout: pass layout={other!r}?"
        elif array.size == math.prod(shape):
            hint = f"; {name}.reshape({shape}) has it"
        raise ValueError(
            f"{name} must have the shape of x along axes {axes}, {shape} for x of {x.shape}, got"
            f" {array.shape}{hint}"
        )
    return jnp.expand_dims(array, tuple(axis for axis in range(x.ndim) if axis not in axes))


def check_state(state: Any, x: Array, channel: int, layout: Layout) -> tuple[Array, Array]:
    """Mean and var, brought to x's rank."""
    start = "start from BatchNormState(jnp.zeros(c), jnp.ones(c))"
    if not (isinstance(state, tuple | list) and len(state) == 2):
        raise ValueError(
            f"state must be a BatchNormState, a mean and a var, got {described(state)}: {start}"
        )
    mean = parameter("state.mean", state[0], x, (channel,), layout)
    var = parameter("state.var", state[1], x, (channel,), layout)
    if mean is None or var is None:
        raise ValueError(f"state must have a mean and a var: {start}")
    if not isinstance(var, jax.core.Tracer) and var.is_fully_addressable:
        least = np.min(jax.device_get(var), initial=np.inf)
        if least < 0:
            raise ValueError(
                f"state.var must not be negative, got {least}: are mean and var exchanged?"
            )
    return mean, var


def check_momentum(momentum: float) -> float:
    momentum = as_number(
        "momentum", momentum, "the weight of the old statistics, a number in [0, 1]"
    )
    if not 0 <= momentum <= 1:
        raise ValueError(
            f"momentum is the weight of the old statistics and must be in [0, 1], got {momentum}"
        )
    return momentum


def check_epsilon(epsilon: float) -> float:
    epsilon = as_number("epsilon", epsilon, "a number that is not negative")
    if not 0 <= epsilon < math.inf:
        raise ValueError(f"epsilon must not be negative, nor infinite, got {epsilon}")
    return epsilon


def check_axes(axes: int | Sequence[int], x: Array) -> tuple[int, ...]:
    given = as_ints("axes", axes, "an int or ints") if is_several(axes) else (as_int("axes", axes),)
    if not given or not all(-x.ndim <= axis < x.ndim for axis in given):
        raise ValueError(f"axes must be one or more axes of x, which has {x.ndim}, got {axes}")
    positive = tuple(axis % x.ndim for axis in given)
    if list(positive) != sorted(set(positive)):
        raise ValueError(
            "axes must be distinct and in increasing order, that of the axes of scale and bias,"
            f" got {axes}"
        )
    return positive
