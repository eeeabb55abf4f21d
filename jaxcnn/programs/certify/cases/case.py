"""A case to judge: an operation with its options and the shapes of its arguments. One
builder for each operation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.check.cases import ConvCase, PoolCase
from jaxcnn.ops import AUTODIFF, Ops
from jaxcnn.ops._pool_windows import pool_window
from jaxcnn.ops.batch_normalization import BatchNormState
from jaxcnn.programs.plain import PLAIN

Shape = tuple[int, ...]


class Case(NamedTuple):
    """An operation with its options and the shapes of its arguments, which any `Ops`
    can compute."""

    operation: str
    name: str
    arguments: Mapping[str, Shape | jax.Array]
    """By name: the shapes of floating arguments, which take the dtype to judge, and
    arrays that are passed on as they are, such as labels and keys."""
    call: Callable[..., Any]
    """(ops, *arguments) -> value."""
    options: str
    """In words."""
    linear_in: tuple[str, ...] = ()
    """Names of the arguments in each of which it is linear."""
    exact: Literal["", "sums", "selections"] = ""
    """In which dtypes whole numbers are computed exactly: float32 and finer ("sums" of
    products), all ("selections"), or none."""
    oracle: Ops = PLAIN
    """The operations whose autodiff it is compared with."""
    kind: Literal["table", "random", "sized"] = "table"

    def args(self, dtype: str) -> list[Any]:
        """The arguments: a `jax.ShapeDtypeStruct` for each shape, and the arrays."""
        return [
            jax.ShapeDtypeStruct(a, dtype) if isinstance(a, tuple) else a
            for a in self.arguments.values()
        ]

    def of(self, ops: Ops) -> Callable[..., Any]:
        """The operation of `ops`, as a function of the arguments alone."""
        return lambda *args: self.call(ops, *args)

    def exact_in(self, dtype: str) -> bool:
        """Whether whole numbers are computed exactly in this dtype."""
        return self.exact == "selections" or (
            self.exact == "sums" and jnp.finfo(dtype).eps <= jnp.finfo("float32").eps
        )

    @property
    def description(self) -> str:
        """Shapes and options in words: "x (2, 5, 2), w (3, 2, 3), stride 2"."""
        shapes = [
            f"{name} {a if isinstance(a, tuple) else f'of {a.dtype}'}"
            for name, a in self.arguments.items()
        ]
        return ", ".join([*shapes, *([self.options] if self.options else [])])


def _words(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in options.items())


def conv(case: ConvCase, *, bias: bool = False, **more: Any) -> Case:
    options = {**case.options}
    arguments: dict[str, Shape | jax.Array] = {"x": case.x, "w": case.w}
    if bias:
        arguments["b"] = case.w[-1:] if options.get("layout") != "channels_first" else case.w[:1]
    return Case(
        "conv",
        case.id,
        arguments,
        lambda ops, *args: ops.conv(*args, **options),
        _words(options),
        linear_in=() if bias else ("x", "w"),
        exact="sums",
        **more,
    )


def max_pool(case: PoolCase, **more: Any) -> Case:
    return Case(
        "max_pool",
        case.id,
        {"x": case.x},
        lambda ops, x: ops.max_pool(x, case.size, **case.options),
        _words({"size": case.size, **case.options}),
        exact="selections",
        oracle=AUTODIFF if _beyond_lax(case) else PLAIN,
        **more,
    )


def _beyond_lax(case: PoolCase) -> bool:
    """Whether lax has no gradient for it, so that jaxcnn's autodiff is the oracle.

    lax cannot differentiate a maximum over dilated or cropped windows, and `ceil_mode`
    may crop what no window touches.
    """
    options = {"stride": None, "padding": "valid", "dilation": 1, **case.options}
    ceil_mode = options.pop("ceil_mode", False)
    try:
        window = pool_window(case.size, case.x[1:-1], **options)
        window = window.ceil(case.x[1:-1]) if ceil_mode else window
    except ValueError:
        return False  # the operation refuses it too
    return max(window.dilation) > 1 or any(pad < 0 for pads in window.pads for pad in pads)


def avg_pool(case: PoolCase, **more: Any) -> Case:
    return Case(
        "avg_pool",
        case.id,
        {"x": case.x},
        lambda ops, x: ops.avg_pool(x, case.size, **case.options),
        _words({"size": case.size, **case.options}),
        linear_in=("x",),
        **more,
    )


def simple(
    operation: str, name: str, *shapes: Shape, options: Mapping[str, Any] | None = None, **more: Any
) -> Case:
    """An operation that takes floating arrays and keyword options and nothing else."""
    options = options or {}
    names = {
        "dense": ("x", "w", "b"),
        "mean_squared_error": ("p", "t"),
        "sigmoid_binary_cross_entropy": ("x", "y"),
        "softmax_cross_entropy": ("z", "t"),
    }
    arguments: dict[str, Shape | jax.Array] = dict(
        zip(names.get(operation, ("x",)), shapes, strict=False)
    )
    return Case(
        operation,
        name,
        arguments,
        lambda ops, *a: getattr(ops, operation)(*a, **options),
        _words(options),
        **more,
    )


def batch_norm(
    name: str,
    x: Shape,
    *,
    train: bool,
    affine: bool = True,
    layout: str = "channels_last",
    **more: Any,
) -> Case:
    c = x[-1] if layout == "channels_last" else x[1]
    arguments: dict[str, Shape | jax.Array] = {
        "x": x,
        **({"scale": (c,), "bias": (c,)} if affine else {}),
    }

    def call(ops, x, scale=None, bias=None):
        state = BatchNormState(jnp.full(c, 0.25, x.dtype), jnp.full(c, 2.0, x.dtype))
        return ops.batch_norm(x, scale, bias, state, train=train, layout=layout)[0]

    return Case(
        "batch_norm", name, arguments, call, _words({"train": train, "layout": layout}), **more
    )


def layer_norm(
    name: str, x: Shape, *, axes: int | tuple[int, ...] = -1, affine: bool = True, **more: Any
) -> Case:
    some = tuple(
        x[a] for a in sorted(a % len(x) for a in (axes if isinstance(axes, tuple) else (axes,)))
    )
    arguments: dict[str, Shape | jax.Array] = {
        "x": x,
        **({"scale": some, "bias": some} if affine else {}),
    }

    def call(ops, x, scale=None, bias=None):
        return ops.layer_norm(x, scale, bias, axes=axes)

    return Case("layer_norm", name, arguments, call, _words({"axes": axes}), **more)


def dropout(name: str, x: Shape, rate: float, **more: Any) -> Case:
    def call(ops, x, key):
        return ops.dropout(x, key, rate=rate)

    exact: Any = "selections" if math.log2(1 - rate).is_integer() else ""
    return Case(
        "dropout",
        name,
        {"x": x, "key": jax.random.key(0)},
        call,
        f"rate {rate}",
        ("x",),
        exact,
        **more,
    )


def softmax_cross_entropy(name: str, z: Shape, *, smoothing: float = 0.0, **more: Any) -> Case:
    labels = jnp.asarray(np.random.default_rng(0).integers(0, z[-1], z[:-1]), jnp.int32)

    def call(ops, z, labels):
        return ops.softmax_cross_entropy(z, labels, label_smoothing=smoothing)

    return Case(
        "softmax_cross_entropy",
        name,
        {"z": z, "labels": labels},
        call,
        f"label_smoothing {smoothing}",
        **more,
    )


def convolve(name: str, x: Shape, w: Shape, **options: Any) -> Case:
    def call(ops, x, w):
        return ops.convolve(x, w, **options)

    return Case("convolve", name, {"x": x, "w": w}, call, _words(options), ("x", "w"), "sums")
