"""Checks of identities between f and its gradients, which need no other gradient:
Euler's, of what a constant does, and of the adjoint."""

from __future__ import annotations

import math

import jax
import numpy as np

from jaxcnn.check import draw
from jaxcnn.check.measure import Check, compare_inner, dot, norm
from jaxcnn.check.subject import Subject, as_float64, full


def linearity(s: Subject) -> list[Check]:
    """<dy, f> = <g_i, argument i> where f is linear in argument i (Euler's
    identity)."""
    x, dy, value, g = s.point
    return [
        compare_inner(
            "linearity",
            label,
            s.data,
            dot(dy, value),
            dot(g[k], x[k]),
            1e-12,
            norm(dy) * norm(value),
        )
        for k, label in enumerate(s.labels)
        if label in s.linear_in
    ]


def conservation(s: Subject) -> list[Check]:
    """sum g_i = k sum dy where f(argument i + c) = f + k c, as of a mean or a maximum
    (k = 1) or a normalisation (k = 0)."""
    rng = s.rng("conservation")
    whole = s.whole_numbers(rng, near=True)
    checks = []
    for data, x, dy in (
        (s.data, *s.point[:2]),
        ("integers", whole, as_float64(s.cotangent(rng, draw.integers))),
    ):
        value, g = s.run(x, dy)
        for i, label in enumerate(s.labels):
            rates = []
            # A given array is moved by little, since it may be near an end of the
            # domain, and to both sides, since it may have ties.
            unit = _unit(s.distinct[i])
            for c in (0.375 * unit, -2.0 * unit) if s.came[i] else (0.375, 2.0):
                moved = s.run([a + c if j == i else a for j, a in enumerate(x)], dy)[0]
                both = zip(jax.tree.leaves(value), jax.tree.leaves(moved), strict=True)
                with np.errstate(invalid="ignore"):
                    rates += [(np.asarray(b) - np.asarray(a)) / c for a, b in both]
            for k in (0.0, 1.0):
                if x[i].size and all(np.allclose(rate, k, rtol=0, atol=1e-10) for rate in rates):
                    total = k * dot(dy, full(s.out, 1.0))
                    scale = norm(g[i]) * math.sqrt(x[i].size) + norm(dy)
                    checks.append(
                        compare_inner(
                            "conservation", label, data, float(np.sum(g[i])), total, 1e-10, scale
                        )
                    )
    return checks


def _unit(a: np.ndarray) -> float:
    """A thousandth of the smallest entry that is not 0, but large enough to show more
    than rounding."""
    size = np.abs(a[a != 0])
    least = (
        max(2.0**-10 * np.min(size, initial=np.inf), 2.0**-16 * np.max(size, initial=0.0))
        if size.size
        else 1.0
    )
    return 2.0 ** math.frexp(least)[1]


def adjoint(s: Subject) -> list[Check]:
    """<dy, J v> = <g, v>, with J v from the forward mode of F."""
    x, dy, _, g = s.point
    v = s.directions(s.rng("adjoint"))
    pushed = jax.jit(lambda x, v: jax.jvp(s.ref, tuple(x), tuple(v))[1])(x, v)
    return [
        compare_inner(
            "adjoint", "all", s.data, dot(dy, pushed), dot(g, v), 1e-12, norm(g) * norm(v)
        )
    ]
