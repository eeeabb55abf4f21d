"""Checks that a rule gives the same results in every run, and under JAX's
transformations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.check import draw
from jaxcnn.check.gradients import value_and_gradients
from jaxcnn.check.measure import OUTSIDE, Check, compare_arrays, compare_bits
from jaxcnn.check.subject import Subject


def repeats(s: Subject) -> list[Check]:
    """The same bits in every run."""
    dy = s.cotangent(s.rng("repeats"))
    first, *others = (s.run(s.low, dy) for _ in range(4))
    return [
        compare_bits(
            "repeats",
            label,
            s.data,
            [leaves[k] for leaves in map(jax.tree.leaves, (first, *others))],
        )
        for k, label in enumerate(s.results)
    ]


def jit(s: Subject) -> list[Check]:
    """Without `jit`, operation by operation, the same results as under `jit`."""
    args, dy, want = _two_points(s)
    got = [
        value_and_gradients(s.f)(*jax.tree.map(lambda a, k=k: jnp.asarray(a[k]), (args, dy)))
        for k in (0, 1)
    ]
    return _consistent(s, "jit", args, got, want)


def vmap(s: Subject) -> list[Check]:
    """Two sets of arguments at once."""
    args, dy, want = _two_points(s)
    both = jax.jit(jax.vmap(value_and_gradients(s.f)))(args, dy)
    return _consistent(
        s, "vmap", args, [jax.tree.map(lambda a, k=k: a[k], both) for k in (0, 1)], want
    )


def scan(s: Subject) -> list[Check]:
    """Two sets of arguments in the steps of a loop."""
    args, dy, want = _two_points(s)

    def step(carry, operands):
        return carry, value_and_gradients(s.f)(*operands)

    both = jax.jit(lambda *operands: jax.lax.scan(step, None, operands)[1])(args, dy)
    return _consistent(
        s, "scan", args, [jax.tree.map(lambda a, k=k: a[k], both) for k in (0, 1)], want
    )


def _two_points(s: Subject):
    """Two sets of arguments, stacked, and the results of each alone. They are whole
    numbers if these are exact."""
    rng = s.rng("two points")
    drawn, point = (draw.integers, s.whole_numbers) if s.whole else (draw.distinct, s.another)
    points = [(s.rounded(point(rng)), s.cotangent(rng, drawn)) for _ in (0, 1)]
    if not s.whole:
        points[0] = (s.low, points[0][1])
    args, dys = jax.tree.map(lambda *a: np.stack(a), *points)
    return args, dys, [s.run(*point) for point in points]


def _consistent(
    s: Subject, name: str, args: Sequence[Any], got: Sequence[Any], want: Sequence[Any]
) -> list[Check]:
    """For each result, the check of the worse of the two points.

    Of whole numbers the value has the same bits, and so has an exact gradient. One that
    differs on purpose, such as one scaled by a mean, can be rounded."""
    checks = []
    data = "integers" if s.whole else s.data
    for k, label in enumerate(s.results):
        exact = s.whole and (s.label == "exact" or label not in s.labels)
        tolerance = 0.0 if exact else s.loosest
        both = []
        for n in (0, 1):
            a, b = (jax.tree.leaves(side[n])[k] for side in (got, want))
            check = compare_arrays(name, label, data, a, b, tolerance)
            if OUTSIDE in check.detail and s.is_finite([x[n] for x in args]):
                check = compare_arrays(
                    name, label, data, a, b, tolerance, why="the reference is finite there"
                )
            both.append(check)
        checks.append(max(both, key=lambda check: (not check.passed, check.error)))
    return checks
