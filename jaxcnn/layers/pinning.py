"""Layers that keep rules of their own, whatever `ops` their `apply` gets.

Such a layer computes the same under `EXPLICIT` and under `AUTODIFF`, so comparing the
two compares its rule with itself. Therefore it can be found: in a model by `pinned`,
and in any function by `pinned_in`, which reads the name scopes that `apply_layer` sets.
"""

from __future__ import annotations

from typing import Any

import jax.extend.core

from jaxcnn.layers._arguments import as_ops
from jaxcnn.layers.calling import PINNED, apply_layer, pinned_paths, takes_ops
from jaxcnn.layers.layer import Layer, as_layer
from jaxcnn.ops import EXPLICIT, Ops


def using(ops: Ops, layer: Layer) -> Layer:
    """The layer with these rules, whatever `ops` the network around it is applied with.

    Layers inside it get these rules too, unless they are pinned themselves. Its
    parameters and state are those of `layer`.

    Args:
      ops: `EXPLICIT`, `AUTODIFF`, or an `Ops` of your own.
      layer: any layer whose `apply` takes `ops`.

    Raises:
      ValueError: if `ops` is no `Ops`, or if `layer` is no layer or takes no `ops`.

    >>> import jaxcnn
    >>> from jaxcnn import layers
    >>> half = jaxcnn.EXPLICIT._replace(relu=lambda x: jaxcnn.relu(x) / 2)
    >>> model = layers.serial(layers.relu(), layers.using(half, layers.relu()))
    >>> model.apply({}, {}, jax.numpy.ones(1), ops=jaxcnn.AUTODIFF)[0].tolist()
    [0.5]
    >>> layers.pinned(model)
    ('1_relu',)
    """
    ops, layer = as_ops(ops), as_layer("layer", layer)
    if not takes_ops(layer.apply):
        raise ValueError(
            f"layer must have an apply that takes ops, got the layer {layer.name!r}, whose apply"
            " does not: JAX differentiates it as it stands"
        )

    def apply(
        params: Any,
        state: Any,
        x: Any,
        *,
        train: bool = False,
        key: Any = None,
        ops: Ops = EXPLICIT,
    ) -> Any:
        return apply_layer(kept, params, state, x, train=train, key=key, ops=ops)

    kept = layer._replace(ops=ops)
    return kept._replace(apply=apply)


def pinned(layer: Layer) -> tuple[str, ...]:
    """The paths, as in `outputs`, of the layers inside `layer` that keep rules of their
    own; "" is `layer` itself.

    If one pinned layer is inside another, only the outer one is named.

    >>> from jaxcnn import AUTODIFF, layers
    >>> block = layers.residual(layers.using(AUTODIFF, layers.conv(2, 3)))
    >>> pinned(layers.serial(layers.relu(), block))
    ('1_residual/inner',)
    """
    return tuple(pinned_paths(as_layer("layer", layer)))


def pinned_in(traced: jax.extend.core.ClosedJaxpr) -> tuple[str, ...]:
    """The paths of the pinned layers in a function that `jax.make_jaxpr` has traced.
    The path of a layer that is applied by itself is its name."""
    found: dict[str, None] = {}
    _search(traced.jaxpr, (), found)
    return tuple(found)


def _search(jaxpr: Any, outside: tuple[str, ...], found: dict[str, None]) -> None:
    for equation in jaxpr.eqns:
        here = str(equation.source_info.name_stack).split("/")
        names = (*outside, *map(_without_transformations, here))
        for depth, name in enumerate(names):
            if name.startswith(PINNED):
                path = (*filter(None, names[:depth]), name.removeprefix(PINNED))
                found["/".join(path)] = None
                break
        for inner in jax.tree.leaves(list(equation.params.values()), is_leaf=_is_jaxpr):
            if _is_jaxpr(inner):
                _search(getattr(inner, "jaxpr", inner), names, found)


def _without_transformations(name: str) -> str:
    """Of a name in "transpose(jvp(0_conv))", as `grad` leaves it, the entry."""
    return name.rpartition("(")[2].rstrip(")")


def _is_jaxpr(value: Any) -> bool:
    return hasattr(value, "eqns")
