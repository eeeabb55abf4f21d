"""Layers made of layers: one after another, side by side; and what each of them
gives."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import jax
from jax import Array

from jaxcnn.arguments import described
from jaxcnn.layers._arguments import as_input_shape, as_train, check_entries, check_key
from jaxcnn.layers.layer import Layer, abstract_x, as_layer
from jaxcnn.layers.without_parameters import identity
from jaxcnn.ops._common import as_array


def serial(*layers: Layer) -> Layer:
    """The layers one after another.

    The entries of params and state are called f"{index}_{name}"; layers that have none
    have no entry. Each layer gets a key of its own. `init` finds the shape that each
    layer is given by evaluating those before it abstractly, with an x in the default
    floating dtype, so a layer that does not fit raises there. An exception carries a
    note that names the layer it came from.

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
    entries = {f"{index}_{layer.name}": layer for index, layer in enumerate(layers)}

    def init(key, input_shape):
        params, state = {}, {}
        x = _abstract_start(key, input_shape)
        for index, (entry, layer) in enumerate(entries.items()):
            x, params[entry], state[entry] = _init_entry(entry, layer, _fold(key, index), x)
        return _without_empty(params), _without_empty(state)

    def apply(params, state, x, *, train=False, key=None):
        x, train, new_state = *_start(params, state, x, train, key), {}
        for index, (entry, layer) in enumerate(entries.items()):
            x, new_state[entry] = _apply_entry(
                entry, layer, params, state, x, train=train, key=_fold(key, index)
            )
        return x, _without_empty(new_state)

    return Layer("serial", init, apply, parts=tuple(entries.items()))


def residual(inner: Layer, shortcut: Layer | None = None) -> Layer:
    """inner(x) + shortcut(x) (He et al. 2016); the shortcut is x itself, or a layer
    such as `conv(features, 1, stride=2)`.

    Both must give one shape: nothing is broadcast. The entries of params and state are
    "inner" and "shortcut".

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

    def init(key, input_shape):
        params, state, outputs = {}, {}, []
        x = _abstract_start(key, input_shape)
        for index, (entry, layer) in enumerate(entries.items()):
            y, params[entry], state[entry] = _init_entry(entry, layer, _fold(key, index), x)
            outputs.append(y)
        jax.eval_shape(_add, *outputs)
        return _without_empty(params), _without_empty(state)

    def apply(params, state, x, *, train=False, key=None):
        x, train, new_state, outputs = *_start(params, state, x, train, key), {}, []
        for index, (entry, layer) in enumerate(entries.items()):
            y, new_state[entry] = _apply_entry(
                entry, layer, params, state, x, train=train, key=_fold(key, index)
            )
            outputs.append(y)
        return _add(*outputs), _without_empty(new_state)

    return Layer("residual", init, apply, parts=tuple(entries.items()), parallel=True)


def outputs(
    layer: Layer,
    params: dict,
    state: dict,
    x: Array,
    *,
    train: bool = False,
    key: Array | None = None,
) -> OrderedDict[str, Array]:
    """What every layer inside `layer` gives for x, by its path, in the order of
    computation; the last is the whole layer's y.

    A path is the names of the entries from the outside in, "2_residual/inner/0_conv".
    Parts that stand side by side are followed by what they give together, under the
    path of their combinator. `jax.eval_shape` of this function finds shapes only.

    >>> import jax.numpy as jnp
    >>> from jaxcnn.layers import conv, flatten
    >>> model = serial(conv(2, 3), residual(conv(2, 3)), flatten())
    >>> params, state = model.init(jax.random.key(0), (1, 4, 4, 1))
    >>> for path, y in outputs(model, params, state, jnp.ones((1, 4, 4, 1))).items():
    ...     print(path, y.shape)
    0_conv (1, 4, 4, 2)
    1_residual/inner (1, 4, 4, 2)
    1_residual/shortcut (1, 4, 4, 2)
    1_residual (1, 4, 4, 2)
    2_flatten (1, 32)
    """
    layer, train = as_layer("layer", layer), as_train(train)
    if layer.parts:
        x, train = _start(params, state, x, train, key)
    given: OrderedDict[str, Array] = OrderedDict()
    y = x
    for index, (entry, part) in enumerate(layer.parts):
        with _noted(entry, y):
            inside = outputs(
                part,
                params.get(entry, {}),
                state.get(entry, {}),
                y,
                train=train,
                key=_fold(key, index),
            )
        for path, value in inside.items():
            given["/".join(filter(None, (entry, path)))] = value
        if not layer.parallel:
            y = next(reversed(inside.values()))
    if layer.parallel or not layer.parts:
        given[""] = layer.apply(params, state, x, train=train, key=key)[0]
    return given


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
            " which JAX is told not to mix"
        ) from error


def _fold(key: Array | None, index: int) -> Array | None:
    return None if key is None else jax.random.fold_in(key, index)


def _without_empty(entries: dict[str, Any]) -> dict[str, Any]:
    return {entry: value for entry, value in entries.items() if not _is_empty(value)}


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, Mapping | list | tuple) and not value)


def _abstract_start(key: Any, input_shape: Any) -> jax.ShapeDtypeStruct:
    """What `init` was given, looked at: the x to begin with."""
    check_key(key)
    return abstract_x(as_input_shape(input_shape))


def _start(params: Any, state: Any, x: Any, train: Any, key: Any) -> tuple[Array, bool]:
    """What `apply` was given, looked at. Which entries there must be, the layers
    know."""
    check_entries("params", params, (), only=False)
    check_entries("state", state, (), only=False)
    check_key(key)
    return as_array("x", x), as_train(train)


def _init_entry(
    entry: str, layer: Layer, key: Any, x: jax.ShapeDtypeStruct
) -> tuple[jax.ShapeDtypeStruct, dict, dict]:
    """The layer's abstract y for x, its params and its state."""
    with _noted(entry, x):
        x = _one_array("x, what the layer before gives,", x)
        params, state = _pair("init", "(params, state)", layer.init(key, x.shape))
        y, _ = _pair("apply", "(y, new_state)", jax.eval_shape(layer.apply, params, state, x))
    return y, params, state


def _apply_entry(
    entry: str, layer: Layer, params: dict, state: dict, x: Array, *, train: bool, key: Array | None
):
    """The layer's y and new state, with its own part of the network's params and
    state."""
    with _noted(entry, x):
        x = _one_array("x, what the layer before gives,", x)
        result = layer.apply(params.get(entry, {}), state.get(entry, {}), x, train=train, key=key)
        return _pair("apply", "(y, new_state)", result)


def _one_array(name: str, y: Any) -> Any:
    """What a layer gave, which may be a person's own: an array, abstract or not, or a
    number."""
    if isinstance(y, int | float):
        return as_array(name, y)
    if not hasattr(y, "shape") or not hasattr(y, "dtype"):
        raise ValueError(f"{name} must be one array, got {described(y)}")
    return y


def _pair(function: str, needed: str, given: Any) -> tuple[Any, Any]:
    """What a function of a layer gave, which may be a person's own."""
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise ValueError(f"{function} must give {needed}, got {described(given)}")
    first, second = given
    return first, second


@contextmanager
def _noted(entry: str, x: Any) -> Iterator[None]:
    """Whatever is raised inside says which layer raised it; from nested layers, the
    innermost first."""
    try:
        yield
    except Exception as error:
        error.add_note(f"in layer {entry!r}, given x of shape {getattr(x, 'shape', None)}")
        raise
