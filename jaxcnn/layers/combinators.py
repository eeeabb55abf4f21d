"""Layers made of layers: one after another, and side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
from jax import Array

from jaxcnn.arguments import described
from jaxcnn.layers._arguments import as_ops
from jaxcnn.layers._checks import as_input_shape, as_train, check_entries, check_key
from jaxcnn.layers.calling import abstract_x, apply_layer
from jaxcnn.layers.layer import Layer, as_layer
from jaxcnn.layers.shapes import identity
from jaxcnn.ops import EXPLICIT, Ops
from jaxcnn.ops._arrays import as_array
from jaxcnn.parts import noted


def serial(*layers: Layer) -> Layer:
    """The layers one after another.

    The entries of params and state are called f"{index}_{name}". A layer without
    parameters or state has no entry. Each layer gets a key of its own. `init` finds the
    input shape of each layer by abstract evaluation of the layers before it, with an x
    in the default floating dtype, so a layer that does not fit raises there. An
    exception carries a note that names the layer it came from.

    >>> import jax.numpy as jnp
    >>> from jaxcnn.layers import conv, dense, flatten, max_pool, relu
    >>> model = serial(conv(8, 3), relu(), max_pool(2), flatten(), dense(10))
    >>> params, state = model.init(jax.random.key(0), (1, 28, 28, 1))
    >>> jax.tree.map(jnp.shape, params)
    {'0_conv': {'b': (8,), 'w': (3, 3, 1, 8)}, '4_dense': {'b': (10,), 'w': (1568, 10)}}
    >>> model.apply(params, state, jnp.ones((5, 28, 28, 1)))[0].shape
    (5, 10)
    """
    for index, layer in enumerate(layers):
        as_layer(f"layer {index} of serial", layer)
    return _combined(
        "serial", {f"{index}_{layer.name}": layer for index, layer in enumerate(layers)}
    )


def residual(inner: Layer, shortcut: Layer | None = None) -> Layer:
    """inner(x) + shortcut(x) (He et al. 2016); the shortcut is x itself, or a layer
    such as `conv(features, 1, stride=2)`.

    Both outputs must have the same shape, because nothing is broadcast. The entries of
    params and state are "inner" and "shortcut".

    >>> import jax.numpy as jnp
    >>> from jaxcnn.layers import conv, relu
    >>> block = residual(serial(conv(3, 3), relu(), conv(3, 3)))
    >>> params, state = block.init(jax.random.key(0), (1, 8, 8, 3))
    >>> block.apply(params, state, jnp.ones((5, 8, 8, 3)))[0].shape
    (5, 8, 8, 3)
    """
    entries = {
        "inner": as_layer("inner", inner),
        "shortcut": identity() if shortcut is None else as_layer("shortcut", shortcut),
    }

    return _combined("residual", entries, join=_add)


def _combined(
    name: str, entries: dict[str, Layer], join: Callable[..., Array] | None = None
) -> Layer:
    """A layer whose parts each get the output of the part before; or, with `join`, each
    get the layer's input, and have their outputs joined."""

    def init(key, input_shape):
        check_key(key)
        params, state, ends = {}, {}, []
        x = abstract_x(as_input_shape(input_shape))
        for place, (entry, layer) in enumerate(entries.items()):
            y, params[entry], state[entry] = _init_entry(entry, layer, fold(key, place), x)
            if join:
                ends.append(y)
            else:
                x = y
        if join:
            jax.eval_shape(join, *ends)
        return _without_empty(params), _without_empty(state)

    def apply(params, state, x, *, train=False, key=None, ops=EXPLICIT):
        x, train, ops = start(params, state, x, train, key, ops)
        new_state, ends = {}, []
        for place, (entry, layer) in enumerate(entries.items()):
            options = {"train": train, "key": fold(key, place), "ops": ops}
            y, new_state[entry] = _apply_entry(entry, layer, params, state, x, **options)
            if join:
                ends.append(y)
            else:
                x = y
        return join(*ends) if join else x, _without_empty(new_state)

    return Layer(name, init, apply, parts=tuple(entries.items()), parallel=join is not None)


def _add(inner: Array, shortcut: Array) -> Array:
    inner, shortcut = (
        _one_array("what inner gives", inner),
        _one_array("what shortcut gives", shortcut),
    )
    if inner.shape != shortcut.shape:
        raise ValueError(
            f"residual adds what inner and shortcut give, got shapes {inner.shape} and"
            f" {shortcut.shape}: shortcut=conv(features, 1, stride=...) makes them one"
        )
    try:
        return inner + shortcut
    except ValueError as error:
        if inner.dtype == shortcut.dtype:
            raise
        raise ValueError(
            f"residual adds what inner and shortcut give, got {inner.dtype} and {shortcut.dtype},"
            " and jax_numpy_dtype_promotion forbids mixing them"
        ) from error


def fold(key: Array | None, place: int) -> Array | None:
    """The key of the part at this place."""
    return None if key is None else jax.random.fold_in(key, place)


def _without_empty(entries: dict[str, Any]) -> dict[str, Any]:
    return {entry: value for entry, value in entries.items() if not _is_empty(value)}


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, Mapping | list | tuple) and not value)


def start(
    params: Any, state: Any, x: Any, train: Any, key: Any, ops: Any
) -> tuple[Array, bool, Ops]:
    """The arguments of `apply`, checked. The layers inside check the entries of params
    and state."""
    check_entries("params", params, (), only=False)
    check_entries("state", state, (), only=False)
    check_key(key)
    return as_array("x", x), as_train(train), as_ops(ops)


def _init_entry(
    entry: str, layer: Layer, key: Any, x: jax.ShapeDtypeStruct
) -> tuple[jax.ShapeDtypeStruct, dict, dict]:
    """The layer's abstract y for x, its params and its state."""
    with noted(entry, x):
        x = _one_array("x, what the layer before gives,", x)
        params, state = _pair("init", "(params, state)", layer.init(key, x.shape))
        y, _ = _pair("apply", "(y, new_state)", jax.eval_shape(layer.apply, params, state, x))
    return y, params, state


def _apply_entry(
    entry: str, layer: Layer, params: dict, state: dict, x: Array, **options: Any
) -> tuple[Array, dict]:
    """The layer's y and new state, with its own part of the network's params and
    state."""
    with noted(entry, x):
        x = _one_array("x, what the layer before gives,", x)
        result = apply_layer(
            layer, params.get(entry, {}), state.get(entry, {}), x, entry=entry, **options
        )
        return _pair("apply", "(y, new_state)", result)


def _one_array(name: str, y: Any) -> Any:
    """The output of a layer, which may be a person's own: an array, abstract or not, or
    a number."""
    if isinstance(y, int | float):
        return as_array(name, y)
    if not hasattr(y, "shape") or not hasattr(y, "dtype"):
        raise ValueError(f"{name} must be one array, got {described(y)}")
    return y


def _pair(function: str, needed: str, given: Any) -> tuple[Any, Any]:
    """The result of a layer's function, which may be a person's own."""
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise ValueError(f"{function} must give {needed}, got {described(given)}")
    first, second = given
    return first, second
