"""What `jaxcnn.programs.certify` judges: every operation in cases picked by hand,
at random, and of real networks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.check.cases import CONV_CASES, POOL_CASES, SIZED_CONV_CASES, ConvCase, PoolCase
from jaxcnn.ops import AUTODIFF, EXPLICIT, Ops
from jaxcnn.ops._pool_windows import pool_window
from jaxcnn.ops.norm import BatchNormState
from jaxcnn.programs.plain import PLAIN

Shape = tuple[int, ...]


class Case(NamedTuple):
    """An operation with its options and the shapes of its arguments, to be called from
    any `Ops`."""

    operation: str
    name: str
    arguments: Mapping[str, Shape | jax.Array]
    """By name: shapes of floating arguments, in the dtype that is judged; or arrays
    that are passed on, labels and keys."""
    call: Callable[..., Any]
    """(ops, *arguments) -> value."""
    options: str
    """In words."""
    linear_in: tuple[str, ...] = ()
    exact: Literal["", "sums", "selections"] = ""
    """Where whole numbers are computed exactly: from float32 on ("sums" of products),
    in any dtype ("selections"), or nowhere."""
    oracle: Ops = PLAIN
    """Whose autodiff it is compared with."""
    kind: Literal["table", "random", "sized"] = "table"

    def args(self, dtype: str) -> list[Any]:
        return [
            jax.ShapeDtypeStruct(a, dtype) if isinstance(a, tuple) else a
            for a in self.arguments.values()
        ]

    def of(self, ops: Ops) -> Callable[..., Any]:
        return lambda *args: self.call(ops, *args)

    def exact_in(self, dtype: str) -> bool:
        return self.exact == "selections" or (
            self.exact == "sums" and jnp.finfo(dtype).eps <= jnp.finfo("float32").eps
        )

    @property
    def description(self) -> str:
        shapes = [
            f"{name} {a if isinstance(a, tuple) else f'of {a.dtype}'}"
            for name, a in self.arguments.items()
        ]
        return ", ".join([*shapes, *([self.options] if self.options else [])])


def _words(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in options.items())


# One builder for each operation.


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
    """lax cannot differentiate a maximum over dilated or cropped windows, and
    `ceil_mode` may crop what no window touches."""
    options = {"stride": None, "padding": "valid", "dilation": 1, **case.options}
    ceil_mode = options.pop("ceil_mode", False)
    try:
        window = pool_window(case.size, case.x[1:-1], **options)
        window = window.ceil(case.x[1:-1]) if ceil_mode else window
    except ValueError:
        return False  # no case at all
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
    """An operation of floating arrays and keyword options."""
    options = options or {}
    names = {
        "dense": ("x", "w", "b"),
        "mean_squared_error": ("p", "t"),
        "sigmoid_binary_cross_entropy": ("x", "y"),
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


def _convolve(name: str, x: Shape, w: Shape, **options: Any) -> Case:
    def call(ops, x, w):
        return ops.convolve(x, w, **options)

    return Case("convolve", name, {"x": x, "w": w}, call, _words(options), ("x", "w"), "sums")


def table() -> list[Case]:
    """Every operation, in cases picked by hand."""
    first = {"layout": "channels_first"}
    images = ((2, 7, 3), (2, 4, 5, 3), (1, 3, 2, 4, 2))
    return [
        *(conv(case) for case in CONV_CASES if 0 not in case.x),
        conv(ConvCase("2d-bias", (2, 5, 5, 3), (3, 3, 3, 4), {"padding": "same"}), bias=True),
        conv(
            ConvCase("2d-bias-channels-first", (2, 3, 5, 6), (4, 3, 3, 2), {"stride": 2, **first}),
            bias=True,
        ),
        _convolve("1d-full", (2, 5, 2), (3, 2, 2), padding="full"),
        _convolve("2d-same", (2, 5, 4, 2), (3, 2, 2, 3), padding="same"),
        *(max_pool(case) for case in POOL_CASES if 0 not in case.x),
        *(avg_pool(case) for case in POOL_CASES if 0 not in case.x),
        avg_pool(
            PoolCase(
                "2d-input-counted",
                (2, 5, 6, 2),
                (3, 2),
                {"padding": 1, "stride": 2, "count_include_pad": False},
            )
        ),
        *(simple("global_max_pool", f"{len(x) - 2}d", x, exact="selections") for x in images),
        *(simple("global_avg_pool", f"{len(x) - 2}d", x, linear_in=("x",)) for x in images),
        simple("dense", "batch", (5, 4), (4, 3), linear_in=("x", "w"), exact="sums"),
        simple("dense", "bias", (2, 3, 4), (4, 3), (3,), exact="sums"),
        simple("relu", "2d", (2, 4, 5, 3), exact="selections"),
        *(
            simple(name, "2d", (2, 4, 5, 3))
            for name in ("leaky_relu", "sigmoid", "tanh", "silu", "gelu")
        ),
        simple(
            "leaky_relu", "slope a quarter", (3, 7), options={"negative_slope": 0.25}, exact="sums"
        ),
        simple("gelu", "exact", (3, 7), options={"approximate": False}),
        batch_norm("2d-train", (3, 4, 4, 3), train=True),
        batch_norm("2d-train-plain", (3, 4, 4, 3), train=True, affine=False),
        batch_norm("2d-train-channels-first", (3, 2, 4, 3), train=True, layout="channels_first"),
        batch_norm("1d-train", (4, 5, 3), train=True),
        batch_norm("2d-inference", (2, 4, 4, 3), train=False),
        layer_norm("last", (3, 5, 6)),
        layer_norm("all but the batch", (3, 3, 4, 2), axes=(1, 2, 3)),
        layer_norm("plain", (4, 7), affine=False),
        dropout("half", (3, 4, 5), 0.5),
        dropout("a tenth", (3, 4, 5), 0.1),
        softmax_cross_entropy("2d", (4, 5)),
        softmax_cross_entropy("3d", (2, 3, 4)),
        softmax_cross_entropy("smoothed", (4, 5), smoothing=0.1),
        simple("sigmoid_binary_cross_entropy", "2d", (3, 5), (3, 5)),
        simple("mean_squared_error", "2d", (3, 5), (3, 5)),
    ]


def sized() -> list[Case]:
    """At sizes of networks that people train, to be timed too."""
    pool = {"kind": "sized"}
    return [
        *(conv(case, kind="sized") for case in SIZED_CONV_CASES),
        max_pool(PoolCase("2x2", (128, 28, 28, 32), (2, 2)), **pool),
        max_pool(
            PoolCase("3x3 stride 2", (32, 56, 56, 32), (3, 3), {"stride": 2, "padding": 1}), **pool
        ),
        avg_pool(PoolCase("2x2", (128, 28, 28, 32), (2, 2)), **pool),
        avg_pool(
            PoolCase("3x3 stride 1", (32, 28, 28, 64), (3, 3), {"stride": 1, "padding": 1}), **pool
        ),
        simple("global_avg_pool", "7x7", (64, 7, 7, 512), linear_in=("x",), kind="sized"),
        simple("dense", "784 to 512", (128, 784), (784, 512), (512,), kind="sized"),
        simple("relu", "28x28", (128, 28, 28, 32), kind="sized"),
        simple("gelu", "14x14", (64, 14, 14, 96), kind="sized"),
        batch_norm("28x28", (32, 28, 28, 64), train=True, kind="sized"),
        layer_norm("384", (8, 196, 384), kind="sized"),
        softmax_cross_entropy("1000 classes", (512, 1000), kind="sized"),
    ]


# At random.


def random(seed: int, count: int) -> Iterator[Case]:
    return (random_case(seed, k) for k in range(count))


def random_case(seed: int, k: int) -> Case:
    """Depends on the seed and k alone. Shapes that the library refuses, as it must, are
    drawn again."""
    rng = np.random.default_rng([seed, k])
    kind = rng.choice(list(SHARES), p=list(SHARES.values()))
    while True:
        case = _draw(rng, kind, f"random-{k}")
        if _is_valid(case):
            return case


SHARES = {
    "conv": 0.55,
    "max_pool": 0.15,
    "avg_pool": 0.1,
    "dense": 0.05,
    "batch_norm": 0.05,
    "layer_norm": 0.05,
    "softmax": 0.05,
}


def _draw(rng: np.random.Generator, kind: str, name: str) -> Case:
    axes = int(rng.choice([1, 2, 3], p=[0.35, 0.5, 0.15]))
    n, c = int(rng.integers(1, 4)), int(rng.integers(1, 5))

    def per_axis(low: int, high: int) -> tuple[int, ...]:
        return tuple(int(i) for i in rng.integers(low, high + 1, axes))

    space = per_axis(1, {1: 12, 2: 8, 3: 5}[axes])
    window = {
        "stride": per_axis(1, 3),
        "padding": tuple(zip(per_axis(-2, 3), per_axis(-2, 3), strict=True)),
        "dilation": per_axis(1, 3) if rng.random() < 0.3 else (1,) * axes,
    }
    if kind == "conv":
        groups = int(rng.choice([1, 1, 2, 3, c]))
        c = groups * int(rng.integers(1, 3)) if groups != c else c
        o = groups * int(rng.integers(1, 4))
        options = {**window, "groups": groups}
        return conv(
            ConvCase(name, (n, *space, c), (*per_axis(1, 4), c // groups, o), options),
            kind="random",
        )
    if kind in ("max_pool", "avg_pool"):
        build = max_pool if kind == "max_pool" else avg_pool
        options = {**window, "ceil_mode": bool(rng.integers(2))}
        if kind == "avg_pool":
            options["count_include_pad"] = bool(rng.integers(2))
        return build(PoolCase(name, (n, *space, c), per_axis(1, 4), options), kind="random")
    if kind == "dense":
        return simple(
            "dense",
            name,
            (*per_axis(1, 4), c),
            (c, n),
            linear_in=("x", "w"),
            exact="sums",
            kind="random",
        )
    if kind == "batch_norm":
        return batch_norm(
            name,
            (n + 1, *space, c),
            train=bool(rng.integers(2)),
            affine=bool(rng.integers(2)),
            kind="random",
        )
    if kind == "layer_norm":
        some = tuple(range(int(rng.integers(1, axes + 1)), axes + 2))
        return layer_norm(
            name, (n, *space, c + 2), axes=some, affine=bool(rng.integers(2)), kind="random"
        )
    return softmax_cross_entropy(
        name, (*per_axis(1, 4), c + 1), smoothing=float(rng.choice([0, 0.1, 0.3])), kind="random"
    )


def _is_valid(case: Case) -> bool:
    """Small, not empty, and accepted by the operation."""
    args = case.args("float32")
    if any(math.prod(a.shape) > 400 for a in args):
        return False
    try:
        value = jax.eval_shape(case.of(EXPLICIT), *args)
    except ValueError:
        return False
    return 0 < math.prod(value.shape) <= 400
