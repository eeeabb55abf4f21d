"""A layer of a function, without parameters and state."""

from __future__ import annotations

from collections.abc import Callable

from jax import Array

from jaxcnn.layers.calling import checked
from jaxcnn.layers.layer import Layer
from jaxcnn.ops import Ops
from jaxcnn.padding import make_window
from jaxcnn.window import Window


def layer_of(
    name: str,
    function: Callable[[Ops, Array], Array],
    window: Callable[[tuple[int, ...]], Window] | None = None,
    check_shape: Callable[[tuple[int, ...]], None] | None = None,
) -> Layer:
    """A layer of a function (ops, x) -> y. `check_shape` raises an error for an input
    shape that does not fit."""

    def init(key, input_shape):
        if check_shape is not None:
            check_shape(input_shape)
        return {}, {}

    def apply(params, state, x, *, train, key, ops):
        return function(ops, x), state

    return checked(name, init, apply, window)


def all_of(space: tuple[int, ...]) -> Window:
    """One output that sees all of x."""
    return make_window(space, space)
