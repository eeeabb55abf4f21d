"""Layers made of layers: one after another, side by side; and what each of them gives."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import jax
import jax.numpy as jnp
from jax import Array

from jaxcnn.layers.layer import Layer, abstract_x
from jaxcnn.layers.operations import identity


def serial(*layers: Layer) -> Layer:
    """The layers one after another.

    The entries of params and state are called f"{index}_{name}"; layers that have none have no entry. Each layer gets a key of
    its own. `init` finds the shape that each layer is given by evaluating those before it abstractly, with an x in the default
    floating dtype, so a layer that does not fit raises there. An exception carries a note that names the layer it came from.

    >>> from jaxcnn.layers import conv, dense, flatten, max_pool, relu
    >>> model = serial(conv(8, 3), relu(), max_pool(2), flatten(), dense(10))
    >>> params, state = model.init(jax.random.key(0), (1, 28, 28, 1))
    >>> jax.tree.map(jnp.shape, params)
    {'0_conv': {'b': (8,), 'w': (3, 3, 1, 8)}, '4_dense': {'b': (10,), 'w': (1568, 10)}}
    >>> model.apply(params, state, jnp.ones((5, 28, 28, 1)))[0].shape
    (5, 10)
    """
    entries = {f"{index}_{layer.name}": layer for index, layer in enumerate(layers)}

    def init(key, input_shape):
        params, state = {}, {}
        x = abstract_x(input_shape)
        for index, (entry, layer) in enumerate(entries.items()):
            x, params[entry], state[entry] = _init_entry(entry, layer, _fold(key, index), x)
        return _without_empty(params), _without_empty(state)

    def apply(params, state, x, *, train=False, key=None):
        new_state = {}
        for index, (entry, layer) in enumerate(entries.items()):
            x, new_state[entry] = _apply_entry(entry, layer, params, state, x, train=train, key=_fold(key, index))
        return x, _without_empty(new_state)

    return Layer("serial", init, apply, parts=tuple(entries.items()))


def residual(inner: Layer, shortcut: Layer | None = None) -> Layer:
    """inner(x) + shortcut(x) (He et al. 2016); the shortcut is x itself, or a layer such as `conv(features, 1, stride=2)`.

    Both must give one shape: nothing is broadcast. The entries of params and state are "inner" and "shortcut".

    >>> from jaxcnn.layers import conv, relu
    >>> block = residual(serial(conv(3, 3), relu(), conv(3, 3)))
    >>> params, state = block.init(jax.random.key(0), (1, 8, 8, 3))
    >>> block.apply(params, state, jnp.ones((5, 8, 8, 3)))[0].shape
    (5, 8, 8, 3)
    """
    entries = {"inner": inner, "shortcut": identity() if shortcut is None else shortcut}

    def init(key, input_shape):
        params, state, outputs = {}, {}, []
        x = abstract_x(input_shape)
        for index, (entry, layer) in enumerate(entries.items()):
            y, params[entry], state[entry] = _init_entry(entry, layer, _fold(key, index), x)
            outputs.append(y)
        jax.eval_shape(_add, *outputs)
        return _without_empty(params), _without_empty(state)

    def apply(params, state, x, *, train=False, key=None):
        new_state, outputs = {}, []
        for index, (entry, layer) in enumerate(entries.items()):
            y, new_state[entry] = _apply_entry(entry, layer, params, state, x, train=train, key=_fold(key, index))
            outputs.append(y)
        return _add(*outputs), _without_empty(new_state)

    return Layer("residual", init, apply, parts=tuple(entries.items()), parallel=True)


def outputs(
    layer: Layer, params: dict, state: dict, x: Array, *, train: bool = False, key: Array | None = None
) -> OrderedDict[str, Array]:
    """What every layer inside `layer` gives for x, by its path, in the order of computation; the last is the whole layer's y.

    A path is the names of the entries from the outside in, "2_residual/inner/0_conv". Parts that stand side by side are followed
    by what they give together, under the path of their combinator. `jax.eval_shape` of this function finds shapes only.

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
    given: OrderedDict[str, Array] = OrderedDict()
    y = x
    for index, (entry, part) in enumerate(layer.parts):
        with _noted(entry, jnp.shape(y)):
            inside = outputs(part, params.get(entry, {}), state.get(entry, {}), y, train=train, key=_fold(key, index))
        for path, value in inside.items():
            given["/".join(filter(None, (entry, path)))] = value
        if not layer.parallel:
            y = next(reversed(inside.values()))
    if layer.parallel or not layer.parts:
        given[""] = layer.apply(params, state, x, train=train, key=key)[0]
    return given


def _add(inner: Array, shortcut: Array) -> Array:
    if inner.shape != shortcut.shape:
        raise ValueError(
            f"residual adds what inner and shortcut give, got shapes {inner.shape} and {shortcut.shape}: "
            "shortcut=conv(features, 1, stride=...) makes them one"
        )
    return inner + shortcut


def _fold(key: Array | None, index: int) -> Array | None:
    return None if key is None else jax.random.fold_in(key, index)


def _without_empty(entries: dict[str, dict]) -> dict[str, dict]:
    return {entry: value for entry, value in entries.items() if value}


def _init_entry(entry: str, layer: Layer, key: Array | None, x: jax.ShapeDtypeStruct) -> tuple[jax.ShapeDtypeStruct, dict, dict]:
    """The layer's abstract y for x, its params and its state."""
    with _noted(entry, x.shape):
        params, state = layer.init(key, x.shape)
        y, _ = jax.eval_shape(layer.apply, params, state, x)
    return y, params, state


def _apply_entry(entry: str, layer: Layer, params: dict, state: dict, x: Array, *, train: bool, key: Array | None):
    """The layer's y and new state, with its own part of the network's params and state."""
    with _noted(entry, jnp.shape(x)):
        return layer.apply(params.get(entry, {}), state.get(entry, {}), x, train=train, key=key)


@contextmanager
def _noted(entry: str, x_shape: tuple[int, ...]) -> Iterator[None]:
    """Whatever is raised inside says which layer raised it; from nested layers, the innermost first."""
    try:
        yield
    except Exception as error:
        error.add_note(f"in layer {entry!r}, given x of shape {x_shape}")
        raise
