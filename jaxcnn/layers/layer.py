"""What a layer is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxcnn.window import Window


class Layer(NamedTuple):
    """A pair of pure functions, a name for the entries of a network and for messages, and what the layer is made of.

    Attributes:
      name: what the layer is, "conv".
      init: (key, input_shape) -> (params, state).
      apply: (params, state, x, *, train=False, key=None) -> (y, new_state). `train` chooses between the two ways in which
        dropout and batch normalisation compute; `key` is for dropout, and needed by nothing else.
      window: spatial size of x -> the window in which an output sees x, for `receptive_field`. None: an output sees its own
        position and no other.
      parts: of a combinator, its layers with the names of their entries in params and state.
      parallel: whether each of `parts` gets x, and what they give is joined position by position, as in `residual`; else each
        gets what the one before it gives, as in `serial`.

    A layer of one's own is a `Layer(...)` of two functions; one without parameters is `activation(function, name)`.
    """

    name: str
    init: Callable[..., tuple[dict, dict]]
    apply: Callable[..., tuple[Array, dict]]
    window: Callable[[tuple[int, ...]], Window] | None = None
    parts: tuple[tuple[str, Layer], ...] = ()
    parallel: bool = False


def abstract_x(shape: Sequence[int]) -> jax.ShapeDtypeStruct:
    """The x that `init` assumes: of the default floating dtype."""
    return jax.ShapeDtypeStruct(tuple(shape), jnp.result_type(float))
