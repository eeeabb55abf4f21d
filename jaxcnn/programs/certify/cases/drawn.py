"""Cases drawn at random: small windows and shapes of every kind that the library
accepts."""

from __future__ import annotations

import math
from collections.abc import Iterator

import jax
import numpy as np

from jaxcnn.check.cases import ConvCase, PoolCase
from jaxcnn.ops import EXPLICIT
from jaxcnn.programs.certify.cases.case import (
    Case,
    avg_pool,
    batch_norm,
    conv,
    layer_norm,
    max_pool,
    simple,
    softmax_cross_entropy,
)

SHARES = {
    "conv": 0.55,
    "max_pool": 0.15,
    "avg_pool": 0.1,
    "dense": 0.05,
    "batch_norm": 0.05,
    "layer_norm": 0.05,
    "softmax": 0.05,
}
"""How often each kind is drawn."""


def random(seed: int, count: int) -> Iterator[Case]:
    """The first `count` random cases of a seed."""
    return (random_case(seed, k) for k in range(count))


def random_case(seed: int, k: int) -> Case:
    """Random case k of a seed, whatever the other cases are. Shapes that the library
    refuses, as it must, are drawn again."""
    rng = np.random.default_rng([seed, k])
    kind = rng.choice(list(SHARES), p=list(SHARES.values()))
    while True:
        case = _draw(rng, kind, f"random-{k}")
        if _is_valid(case):
            return case


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
    """Whether it is small, not empty, and accepted by the operation."""
    args = case.args("float32")
    if any(math.prod(a.shape) > 400 for a in args):
        return False
    try:
        value = jax.eval_shape(case.of(EXPLICIT), *args)
    except ValueError:
        return False
    return 0 < math.prod(value.shape) <= 400
