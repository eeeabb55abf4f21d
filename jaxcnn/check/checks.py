"""The checks that `certify` makes. Each is a function of one `Subject` that returns its
verdicts. `certification.py` has their table."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.check import draw
from jaxcnn.check._arguments import among
from jaxcnn.check.diagnose import diagnose
from jaxcnn.check.differences import slope_of_gradient
from jaxcnn.check.gradients import value_and_gradients
from jaxcnn.check.measure import (
    OUTSIDE,
    Check,
    compare_arrays,
    compare_bits,
    compare_inner,
    difference,
    dot,
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

DRAWS = 1024
"""The number of keys over which "unbiased" averages."""


# The checks.


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
    """For each result, the check of the worse of the two points."""
    checks = []
    data, tolerance = ("integers", 0.0) if s.whole else (s.data, s.loosest)
    for k, label in enumerate(s.results):
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


def unbiased(s: Subject) -> list[Check]:
    """The mean of g_i over many keys is G_i, within what their scatter allows: along
    G_i, and entry by entry."""
    x, dy, _, _ = s.point
    keys = [
        i for i, a in enumerate(s.args) if jnp.issubdtype(jnp.result_type(a), jax.dtypes.prng_key)
    ]
    want = s.truth(x, dy)[1]

    @jax.jit
    def moments(x, want):
        def step(total, n):
            args = [jax.random.fold_in(a, n) if i in keys else a for i, a in enumerate(s.args)]
            g = jax.vjp(among(s.explicit, args, s.numbers), *x)[1](dy)
            off = [a - b for a, b in zip(g, want, strict=True)]
            along = [jnp.vdot(a, b) for a, b in zip(off, want, strict=True)]
            return [total[0] + jnp.stack(along), total[1] + jnp.stack(along) ** 2,
                    [t + a for t, a in zip(total[2], off, strict=True)],
                    [t + a * a for t, a in zip(total[3], off, strict=True)]], None  # fmt: skip

        zero = [
            jnp.zeros(len(x)),
            jnp.zeros(len(x)),
            [jnp.zeros(a.shape) for a in x],
            [jnp.zeros(a.shape) for a in x],
        ]
        return jax.lax.scan(step, zero, jnp.arange(DRAWS))[0]

    along, along2, off, off2 = moments(x, want)
    checks = []
    for k, label in enumerate(s.labels):
        size = max(1, x[k].size)
        entries = _scores(off[k], off2[k], largest(want[k]))
        most = 4.5 + math.sqrt(2 * math.log(size))
        whole = _scores(along[k], along2[k], norm(want[k]) ** 2)
        for words, scores, limit in (
            ("entry by entry", entries, most),
            ("along the gradient", whole, 5.0),
        ):
            z = float(np.max(np.abs(scores), initial=0.0))
            passed = bool(z <= limit)
            detail = (
                ""
                if passed
                else f"{words}, the mean of {DRAWS} draws is {z:.1f} standard errors off"
            )
            checks.append(Check("unbiased", label, passed, z, limit, s.data, detail))
    return checks


def _scores(total, total2, scale: float) -> np.ndarray:
    """The distance of a mean from 0, in standard errors; without scatter, in roundings
    of `scale`.

    An entry that jumps once in thousands of draws may seem not to scatter at all,
    although its mean is off. So a part of the largest scatter is added to each standard
    error, as much as ten jumps would have changed.
    """
    mean = np.asarray(total) / DRAWS
    scatter = np.sqrt(np.maximum(np.asarray(total2) / DRAWS - mean**2, 0.0))
    return mean / (
        scatter / math.sqrt(DRAWS)
        + 10 / DRAWS * np.max(scatter, initial=0.0)
        + 1e-13 * scale
        + 1e-300
    )


def bias(s: Subject) -> list[Check]:
    """The distance of a biased gradient from the exact one, which must still point the
    same way: <g_i, G_i> > 0."""
    x, dy, _, g = s.point
    want = s.truth(x, dy)[1]
    checks = []
    for label, a, b in zip(s.labels, g, want, strict=True):
        error = difference(a, b)[0]
        length = norm(a) * norm(b)
        cosine = dot(a, b) / length if length else 1.0 if norm(b) == 0 else 0.0
        passed = bool(math.isfinite(error) and cosine > 0)
        ratio = norm(a) / norm(b) if norm(b) else math.inf
        detail = f"cosine {cosine:.4f}, length {ratio:.4f} of the exact one's"
        checks.append(Check("bias", label, passed, error, math.inf, s.data, detail))
    exact = all(check.error <= 1e-12 for check in checks)
    detail = "no gradient differs from the exact one: the label is wrong" if exact else ""
    return [*checks, Check("bias", "label", not exact, 0.0, 0.0, s.data, detail)]
