"""The checks that `certify` makes of a rule's values. Each is a function of one
`Subject` that returns its verdicts. `applicability.py` has the table of all checks.

Of identities between a function and its gradients: `identities.py`; of how a rule works
under JAX's transformations: `composing.py`; of gradients that are not meant to be the
exact ones: `estimates.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.check.diagnose import diagnose
from jaxcnn.check.differences import slope_of_gradient
from jaxcnn.check.gradients import value_and_gradients
from jaxcnn.check.measure import (
    OUTSIDE,
    Check,
    compare_arrays,
    difference,
    finite,
    largest,
    norm,
    ulp,
)
from jaxcnn.check.subject import (
    AUTODIFF_ERRORS_ALLOWED,
    ULPS_ALLOWED,
    Subject,
    as_float64,
    full,
    is_finite,
    numbered,
)


def structure(s: Subject) -> list[Check]:
    """f = F in shape and dtype, and each gradient has those of its argument."""

    def same(of: str, got, expected) -> Check:
        got, expected = (
            jax.tree.map(lambda a: f"{a.dtype}{list(a.shape)}", tree) for tree in (got, expected)
        )
        passed = got == expected
        return Check(
            "structure",
            of,
            passed,
            0.0 if passed else math.inf,
            0.0,
            "",
            "" if passed else f"{got}, not {expected}",
        )

    gradients = jax.eval_shape(value_and_gradients(s.f), s.low, s.out)[1]
    return [
        same("value", s.out, jax.eval_shape(s.ref, *s.low)),
        *(
            same(label, g, jax.ShapeDtypeStruct(a.shape, a.dtype))
            for label, g, a in zip(s.labels, gradients, s.low, strict=True)
        ),
    ]


def integers(s: Subject) -> list[Check]:
    """f = F and g_i = G_i bit for bit on whole numbers."""
    found = [
        _against_truth(s, "integers", "integers", x, dy, lambda autodiff_error: 0.0)
        for x, dy in s.whole_points
    ]
    return [
        next((check for check in checks if not check.passed), checks[0])
        for checks in zip(*found, strict=True)
    ]


def accuracy(s: Subject) -> list[Check]:
    """f ~ F and g_i ~ G_i in the arguments' dtype, as accurate as autodiff is in it."""

    def tolerance(autodiff_error: float) -> float:
        if s.tolerance is not None:
            return s.tolerance
        few = ULPS_ALLOWED * float(jnp.finfo(s.coarsest).eps)
        return (
            min(s.loosest, max(few, AUTODIFF_ERRORS_ALLOWED * autodiff_error))
            if math.isfinite(autodiff_error)
            else s.loosest
        )

    return _against_truth(s, "accuracy", s.data, s.low, s.cotangent(s.rng("accuracy")), tolerance)


def _against_truth(
    s: Subject,
    name: str,
    data: str,
    x: list[np.ndarray],
    dy: Any,
    tolerance: Callable[[float], float],
) -> list[Check]:
    """Value and gradients in the arguments' dtype against the reference in float64, and
    beside the reference in that dtype."""
    x64, dy64 = as_float64(x), as_float64(dy)
    results = [
        jax.tree.leaves(evaluated)
        for evaluated in (s.run(x, dy), s.truth(x, dy), s.truth(x64, dy64))
    ]
    values = len(jax.tree.leaves(s.out))
    checks = []
    for k, (of, got, autodiff, want) in enumerate(zip(s.results, *results, strict=True)):
        if k >= values and s.label != "exact":
            break  # only the values must agree
        unit = ulp(want, s.coarsest)
        autodiff_error, autodiff_worst, autodiff_detail = difference(autodiff, want)
        check = compare_arrays(name, of, data, got, want, tolerance(autodiff_error))
        if not check.passed:
            operands, recompute = _operands(s, k, x64, dy64)
            words = diagnose(
                as_float64(got), as_float64(want), max(check.tolerance, 1e-6), operands, recompute
            )
            check = check._replace(diagnosis=words)
        check = check._replace(ulps=difference(got, want)[1] / unit)
        if s.coarsest != jnp.float64:  # where it is the expected result itself
            wrong = autodiff_error > s.loosest or autodiff_worst > 8 * s.loosest * largest(want)
            check = check._replace(
                autodiff_error=autodiff_error,
                autodiff_ulps=autodiff_worst / unit,
                autodiff_detail=autodiff_detail if wrong else "",
            )
        checks.append(check)
    return checks


def _operands(s: Subject, k: int, x: list[np.ndarray], dy: Any):
    """The operands of result number k, by name, and a function that computes it with
    one of them replaced."""
    leaves, treedef = jax.tree.flatten(dy)
    operands = dict(zip([*s.labels, *numbered("dy", len(leaves))], [*x, *leaves], strict=True))

    def recompute(operand: str, array: np.ndarray) -> np.ndarray:
        arrays = list((operands | {operand: array}).values())
        return np.asarray(
            jax.tree.leaves(
                s.truth(arrays[: len(x)], jax.tree.unflatten(treedef, arrays[len(x) :]))
            )[k]
        )

    return operands, recompute


def second_order(s: Subject) -> list[Check]:
    """Reverse over reverse: the gradients of sum_i <g_i, u_i> against F's, and against
    central differences of g."""
    x, dy, *_ = s.point
    rng = s.rng("second order")
    u = s.directions(rng)
    want, got = (_second_gradients(function, u)(x, dy) for function in (s.ref, s.f))
    scale = math.hypot(*(norm(finite(leaf)) for leaf in jax.tree.leaves(want)))
    labels = [*s.labels, *numbered("dy", len(jax.tree.leaves(dy)))]
    checks = [
        compare_arrays("second order", label, s.data, a, b, 1e-10, scale)
        for label, a, b in zip(labels, jax.tree.leaves(got), jax.tree.leaves(want), strict=True)
    ]
    slope = [] if s.walk is None else [slope_of_gradient(s, s.walk, u, rng, got[0])]
    return [*checks, *slope]


def _second_gradients(f: Callable, u: Sequence[np.ndarray]) -> Callable:
    def projected(args, dy):
        g = jax.vjp(f, *args)[1](dy)
        return sum(jnp.vdot(a, b) for a, b in zip(g, u, strict=True))

    return jax.jit(jax.grad(projected, argnums=(0, 1)))


def zeros(s: Subject) -> list[Check]:
    """g_i = 0 for dy = 0. If all entries of the arguments are 0, or every other one, f
    and g_i are finite if F and G_i are."""
    dy = full(s.out, 0)
    found = []
    for k, (label, g) in enumerate(zip(s.labels, s.run(s.low, dy)[1], strict=True)):
        check = compare_arrays("zeros", label, s.data, g, np.zeros(g.shape), 0.0)
        if math.isinf(check.error) and not is_finite(s.truth(s.low, dy)[1][k]):
            check = check._replace(detail=f"not finite for dy = 0: {OUTSIDE}")
        found.append(check)
    return [*found, *_at_zero(s)]


def _at_zero(s: Subject) -> list[Check]:
    # 0 is near a given array only if it is in the array's range.
    some = [
        not came or bool(a.size and a.min() <= 0 <= a.max())
        for a, came in zip(s.distinct, s.came, strict=True)
    ]
    if not any(some):
        return []
    dy = s.cotangent(s.rng("zeros"))
    details = dict.fromkeys(s.results, "")
    for every in (1, 2):
        chosen = [
            np.arange(a.size).reshape(a.shape) % every == 0 if z else np.zeros(a.shape, bool)
            for a, z in zip(s.low, some, strict=True)
        ]
        x = [np.where(zero, a.dtype.type(0), a) for zero, a in zip(chosen, s.low, strict=True)]
        for of, got, want in zip(
            s.results,
            *(as_float64(jax.tree.leaves(run(x, dy))) for run in (s.run, s.truth)),
            strict=True,
        ):
            wrong = np.argwhere(~np.isfinite(got) & np.isfinite(want))
            if len(wrong):
                at = tuple(map(int, wrong[0]))
                place = f" at {at}" if at else ""
                details[of] = (
                    f"worst{place}, where arguments are 0: {got[at]:.9g}, expected"
                    f" {want[at] + 0.0:.9g}"
                )
    return [
        Check("zeros", of, not words, math.inf if words else 0.0, 0.0, "zeros", words)
        for of, words in details.items()
    ]
