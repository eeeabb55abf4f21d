"""How layers are called: with the rules that hold for them, and with checked
arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxcnn.layers._arguments import as_ops
from jaxcnn.layers._checks import as_input_shape, as_train, check_entries, check_key
from jaxcnn.layers.layer import Layer
from jaxcnn.ops import EXPLICIT, Ops
from jaxcnn.parts import outermost
from jaxcnn.window import Window

PINNED = "pinned:"
"""Prefix of a pinned layer's entry in the name scopes of a traced function."""


def apply_layer(
    layer: Layer,
    params: Any,
    state: Any,
    x: Any,
    *,
    train: bool,
    key: Any,
    ops: Ops,
    entry: str | None = None,
) -> Any:
    """The layer's (y, new_state), by its own rules if it is pinned, else by `ops`."""
    options: dict[str, Any] = {"train": train, "key": key}
    if takes_ops(layer.apply):
        options["ops"] = layer.ops or ops
    if not any(True for _ in pinned_paths(layer)):
        return layer.apply(params, state, x, **options)
    name = entry or layer.name
    with jax.named_scope(f"{PINNED}{name}" if layer.ops else name):
        return layer.apply(params, state, x, **options)


def pinned_paths(layer: Layer) -> Iterator[str]:
    """The paths of the pinned layers inside `layer`, the outer one of two."""
    return outermost(layer, lambda inner: inner.ops is not None)


def takes_ops(apply: Callable[..., Any]) -> bool:
    """Whether a layer's `apply`, which may be a person's own, takes `ops`."""
    try:
        parameters = inspect.signature(apply).parameters
    except (TypeError, ValueError):
        return False
    return "ops" in parameters or any(
        parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()
    )


def abstract_x(shape: Sequence[int]) -> jax.ShapeDtypeStruct:
    """The x that `init` assumes: of the default floating dtype."""
    return jax.ShapeDtypeStruct(tuple(shape), jnp.result_type(float))


def checked(
    name: str,
    init: Callable[..., Any],
    apply: Callable[..., Any],
    window: Callable[[tuple[int, ...]], Window] | None = None,
    *,
    entries: Sequence[str] = (),
    state_entries: Sequence[str] = (),
) -> Layer:
    """A layer whose two functions check their arguments before they compute. `entries`
    and `state_entries` are those of its params and state."""

    def checked_init(key, input_shape):
        check_key(key)
        return init(key, as_input_shape(input_shape))

    def checked_apply(params, state, x, *, train=False, key=None, ops=EXPLICIT):
        check_entries("params", params, entries, only=True)
        check_entries("state", state, state_entries, only=False)
        check_key(key)
        return apply(params, state, x, train=as_train(train), key=key, ops=as_ops(ops))

    return Layer(name, checked_init, checked_apply, window)
