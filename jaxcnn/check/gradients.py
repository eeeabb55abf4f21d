"""The value of a function and the gradients of its floating arguments, for all checks
and measurements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxcnn.check._arguments import among

Evaluate = Callable[
    [Sequence[Any], Any], tuple[Any, tuple[Any, ...]]
]  # (args, dy) -> (value, gradients)


def value_and_gradients(function: Callable, numbers: Sequence[int] | None = None) -> Evaluate:
    """The function (args, dy) -> (value, gradients), ready to be compiled or timed.

    Labels, keys and other arguments that are not differentiated are passed on with the
    rest, so that `jax.jit` does not fold them as constants.

    Args:
      function: of arrays; its value is an array or a pytree of arrays.
      numbers: of the arguments to differentiate; by default all floating ones.

    Returns:
      A function of the sequence of all arguments and of dy, the cotangent of the value.
      The gradients are a tuple, in the order of `numbers`.

    >>> evaluate = jax.jit(value_and_gradients(lambda x, n: n * x * x))
    >>> x, dy = jnp.array([1.0, 3.0]), jnp.array([1.0, 0.5])
    >>> value, (dx,) = evaluate([x, jnp.array(2)], dy)
    >>> value.tolist(), dx.tolist()
    ([2.0, 18.0], [4.0, 6.0])
    """

    def evaluate(args, dy):
        chosen = _floating(args) if numbers is None else numbers
        value, pull = jax.vjp(among(function, args, chosen), *(args[i] for i in chosen))
        return value, pull(dy)

    evaluate.__name__ = "value_and_gradients"  # in jaxprs and compiled programs
    return evaluate


def _floating(args: Sequence[Any]) -> list[int]:
    return [i for i, a in enumerate(args) if jnp.issubdtype(jnp.result_type(a), jnp.floating)]
