"""The checks that `certify` makes: each a function of one `Subject` that returns its verdicts. The table is in `certify.py`."""

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
from jaxcnn.check.measure import Check, compare_arrays, compare_bits, compare_inner, difference, dot, largest, norm, ulp
from jaxcnn.check.subject import FEW, TIMES, Evaluate, Subject, as_float64, full, numbered, value_and_gradients

LARGEST_JACOBIAN = 256
"""Entries of all arguments, and of the value, up to which "differences" takes every entry of the Jacobian."""
PROJECTIONS = 3
"""Random directions along which a larger Jacobian is tried."""
DRAWS = 1024
"""Keys over which "unbiased" averages."""


# The checks.


def structure(s: Subject) -> list[Check]:
    """f = F in shape and dtype, and each gradient has those of its argument."""

    def same(of: str, got, expected) -> Check:
        got, expected = (jax.tree.map(lambda a: f"{a.dtype}{list(a.shape)}", tree) for tree in (got, expected))
        passed = got == expected
        return Check("structure", of, passed, 0.0 if passed else math.inf, 0.0, "", "" if passed else f"{got}, not {expected}")

    gradients = jax.eval_shape(value_and_gradients(s.f), s.low, s.out)[1]
    return [
        same("value", s.out, jax.eval_shape(s.ref, *s.low)),
        *(same(label, g, jax.ShapeDtypeStruct(a.shape, a.dtype)) for label, g, a in zip(s.labels, gradients, s.low, strict=True)),
    ]


def integers(s: Subject) -> list[Check]:
    """f = F and g_i = G_i bit for bit on whole numbers."""
    rng = s.rng("integers")
    x, dy = s.rounded([draw.integers(rng, shape) for shape in s.shapes]), s.cotangent(rng, draw.integers)
    return _against_truth(s, "integers", "integers", x, dy, lambda autodiff_error: 0.0)


def accuracy(s: Subject) -> list[Check]:
    """f ~ F and g_i ~ G_i in the arguments' dtype, as accurate as autodiff is in it."""

    def tolerance(autodiff_error: float) -> float:
        if s.tolerance is not None:
            return s.tolerance
        few = FEW * float(jnp.finfo(s.coarsest).eps)
        return min(s.loosest, max(few, TIMES * autodiff_error)) if math.isfinite(autodiff_error) else s.loosest

    return _against_truth(s, "accuracy", s.data, s.low, s.cotangent(s.rng("accuracy")), tolerance)


def _against_truth(
    s: Subject, name: str, data: str, x: list[np.ndarray], dy: Any, tolerance: Callable[[float], float]
) -> list[Check]:
    """Value and gradients in the arguments' dtype against the reference in float64, and beside the reference in that dtype."""
    x64, dy64 = as_float64(x), as_float64(dy)
    results = [jax.tree.leaves(evaluated) for evaluated in (s.run(x, dy), s.truth(x, dy), s.truth(x64, dy64))]
    values = len(jax.tree.leaves(s.out))
    checks = []
    for k, (of, got, autodiff, want) in enumerate(zip(s.results, *results, strict=True)):
        if k >= values and s.label != "exact":
            break  # only the values have to agree
        unit = ulp(want, s.coarsest)
        autodiff_error, autodiff_worst, autodiff_detail = difference(autodiff, want)
        check = compare_arrays(name, of, data, got, want, tolerance(autodiff_error))
        if not check.passed:
            operands, recompute = _operands(s, k, x64, dy64)
            words = diagnose(as_float64(got), as_float64(want), max(check.tolerance, 1e-6), operands, recompute)
            check = check._replace(diagnosis=words)
        check = check._replace(ulps=difference(got, want)[1] / unit)
        if s.coarsest != jnp.float64:  # there it is what is expected
            wrong = autodiff_error > s.loosest or autodiff_worst > 8 * s.loosest * largest(want)
            check = check._replace(
                autodiff_error=autodiff_error,
                autodiff_ulps=autodiff_worst / unit,
                autodiff_detail=autodiff_detail if wrong else "",
            )
        checks.append(check)
    return checks


def _operands(s: Subject, k: int, x: list[np.ndarray], dy: Any):
    """What the result number k is computed from, by name, and a function that computes it with one of them exchanged."""
    leaves, treedef = jax.tree.flatten(dy)
    operands = dict(zip([*s.labels, *numbered("dy", len(leaves))], [*x, *leaves], strict=True))

    def recompute(operand: str, array: np.ndarray) -> np.ndarray:
        arrays = list((operands | {operand: array}).values())
        return np.asarray(jax.tree.leaves(s.truth(arrays[: len(x)], jax.tree.unflatten(treedef, arrays[len(x) :])))[k])

    return operands, recompute


def linearity(s: Subject) -> list[Check]:
    """<dy, f> = <g_i, argument i> where f is linear in argument i (Euler's identity)."""
    x, dy, value, g = s.point
    return [
        compare_inner("linearity", label, s.data, dot(dy, value), dot(g[k], x[k]), 1e-12, norm(dy) * norm(value))
        for k, label in enumerate(s.labels)
        if label in s.linear_in
    ]


def conservation(s: Subject) -> list[Check]:
    """sum g_i = k sum dy where f(argument i + c) = f + k c, as of a mean or a maximum (k = 1) or a normalisation (k = 0)."""
    rng = s.rng("conservation")
    whole = [draw.integers(rng, shape) for shape in s.shapes]
    checks = []
    for data, x, dy in ((s.data, *s.point[:2]), ("integers", whole, as_float64(s.cotangent(rng, draw.integers)))):
        value, g = s.run(x, dy)
        for i, label in enumerate(s.labels):
            rates = []
            for c in (0.375, 2.0):
                moved = s.run([a + c if j == i else a for j, a in enumerate(x)], dy)[0]
                both = zip(jax.tree.leaves(value), jax.tree.leaves(moved), strict=True)
                with np.errstate(invalid="ignore"):
                    rates += [(np.asarray(b) - np.asarray(a)) / c for a, b in both]
            for k in (0.0, 1.0):
                if x[i].size and all(np.allclose(rate, k, rtol=0, atol=1e-10) for rate in rates):
                    total = k * dot(dy, full(s.out, 1.0))
                    scale = norm(g[i]) * math.sqrt(x[i].size) + norm(dy)
                    checks.append(compare_inner("conservation", label, data, float(np.sum(g[i])), total, 1e-10, scale))
    return checks


def adjoint(s: Subject) -> list[Check]:
    """<dy, J v> = <g, v>, with J v from the forward mode of F."""
    x, dy, _, g = s.point
    v = s.directions(s.rng("adjoint"))
    pushed = jax.jit(lambda x, v: jax.jvp(s.ref, tuple(x), tuple(v))[1])(x, v)
    return [compare_inner("adjoint", "all", s.data, dot(dy, pushed), dot(g, v), 1e-12, norm(g) * norm(v))]


def differences(s: Subject) -> list[Check]:
    """The gradients of f against central differences of f itself, in float64: the whole Jacobian if it is small, and projections.

    The Jacobian names the entry. But it comes from cotangents with one entry each, in which terms that overwrite one another
    (= for +=) never meet: so it does not stand alone.
    """
    return [*_jacobian(s), _projections(s, "differences", s.run)]


def reference(s: Subject) -> list[Check]:
    """The same of F: an oracle that is wrong itself cannot judge."""
    return [_projections(s, "reference", s.truth)]


def _projections(s: Subject, name: str, run: Evaluate) -> Check:
    """<dy, f(x + h v) - f(x - h v)> / 2h = <g, v>, the worst of a few. Of two steps h the better counts: see `_steps`."""
    rng, x = s.rng(name), s.point[0]
    worst = []
    for _ in range(PROJECTIONS):
        v, dy = s.directions(rng), as_float64(s.cotangent(rng))
        g = run(x, dy)[1]
        tries = []
        for h in _steps(x):
            ahead, behind = (run([a + t * h * b for a, b in zip(x, v, strict=True)], dy)[0] for t in (1, -1))
            slope = (dot(dy, ahead) - dot(dy, behind)) / (2 * h)
            tries.append(compare_inner(name, "all", s.data, dot(g, v), slope, 1e-5, norm(g) * norm(v)))
        worst.append(min(tries, key=lambda check: check.error))
    return max(worst, key=lambda check: check.error)


def _jacobian(s: Subject) -> list[Check]:
    x = s.point[0]
    outputs = sum(math.prod(o.shape) for o in jax.tree.leaves(s.out))
    if not (0 < sum(a.size for a in x) <= LARGEST_JACOBIAN and 0 < outputs <= LARGEST_JACOBIAN):
        return []
    found = jax.jit(lambda x, steps: _jacobians(s.f, x, steps, s.out))(x, np.asarray(_steps(x)))
    checks = []
    for label, ruled, sloped in zip(s.labels, *found, strict=True):
        nearest = np.where(np.abs(sloped[0] - ruled) < np.abs(sloped[1] - ruled), sloped[0], sloped[1])
        check = compare_arrays("differences", label, s.data, ruled, nearest, 1e-5)
        checks.append(check._replace(detail=f"{check.detail} (numbers of input and output)" if check.detail else ""))
    return checks


def _jacobians(f: Callable, x: Sequence[Any], steps: Any, out: Any):
    """All entries (input, output), by the rule and, for each step, by central differences: one compiled loop each."""
    sizes = [a.size for a in x]
    outputs = sum(math.prod(o.shape) for o in jax.tree.leaves(out))

    def flat(tree) -> Any:
        return jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(tree)])

    def unflat(vector, like) -> Any:
        leaves, treedef = jax.tree.flatten(like)
        ends = np.cumsum([math.prod(leaf.shape) for leaf in leaves])
        parts = jnp.split(vector, ends[:-1])
        return jax.tree.unflatten(treedef, [p.reshape(leaf.shape) for p, leaf in zip(parts, leaves, strict=True)])

    pull = jax.vjp(f, *x)[1]
    ruled = jax.lax.map(lambda dy: flat(pull(unflat(dy, out))), jnp.eye(outputs, dtype=jnp.float64)).T
    point = flat(x)

    def slope(direction):
        def at(t):
            return flat(f(*unflat(point + t * direction, list(x))))

        return jnp.stack([(at(h) - at(-h)) / (2 * h) for h in steps])

    sloped = jax.lax.map(slope, jnp.eye(sum(sizes), dtype=jnp.float64)).swapaxes(0, 1)
    ends = np.cumsum(sizes)[:-1]
    return jnp.split(ruled, ends), jnp.split(sloped, ends, axis=1)


def _steps(x: Sequence[np.ndarray]) -> tuple[float, float]:
    """The larger has less rounding; the smaller crosses fewer kinks of inner results. Neither crosses one of `draw.distinct`."""
    h = 1e-3 * (max(map(largest, x)) or 1.0) / max(10, *(a.size for a in x))
    return h, h / 16


def second_order(s: Subject) -> list[Check]:
    """Reverse over reverse: the gradients of sum_i <g_i, u_i> against F's, and against central differences of g."""
    x, dy, _, g = s.point
    rng = s.rng("second order")
    u, v = s.directions(rng), s.directions(rng)
    want, got = (_second_gradients(function, u)(x, dy) for function in (s.ref, s.f))
    scale = norm(want)
    labels = [*s.labels, *numbered("dy", len(jax.tree.leaves(dy)))]
    checks = [
        compare_arrays("second order", label, s.data, a, b, 1e-10, scale)
        for label, a, b in zip(labels, jax.tree.leaves(got), jax.tree.leaves(want), strict=True)
    ]
    tries = []
    for h in _steps(x):
        ahead, behind = (s.run([a + t * h * b for a, b in zip(x, v, strict=True)], dy)[1] for t in (1, -1))
        slope = (dot(ahead, u) - dot(behind, u)) / (2 * h)
        scale = (norm(got[0]) + norm(g)) * norm(v)
        tries.append(compare_inner("second order", "slope of g", s.data, dot(got[0], v), slope, 1e-5, scale))
    return [*checks, min(tries, key=lambda check: check.error)]


def _second_gradients(f: Callable, u: Sequence[np.ndarray]) -> Callable:
    def projected(args, dy):
        g = jax.vjp(f, *args)[1](dy)
        return sum(jnp.vdot(a, b) for a, b in zip(g, u, strict=True))

    return jax.jit(jax.grad(projected, argnums=(0, 1)))


def zeros(s: Subject) -> list[Check]:
    """g_i = 0 for dy = 0."""
    nothing = s.run(s.low, full(s.out, 0))[1]
    return [compare_arrays("zeros", label, s.data, g, np.zeros(g.shape), 0.0) for label, g in zip(s.labels, nothing, strict=True)]


def repeats(s: Subject) -> list[Check]:
    """The same bits in every run."""
    dy = s.cotangent(s.rng("repeats"))
    first, *others = (s.run(s.low, dy) for _ in range(4))
    return [
        compare_bits("repeats", label, s.data, [leaves[k] for leaves in map(jax.tree.leaves, (first, *others))])
        for k, label in enumerate(s.results)
    ]


def jit(s: Subject) -> list[Check]:
    """Called without `jit`, operation by operation, what it gives under `jit`."""
    args, dy, want = _two_points(s)
    got = [value_and_gradients(s.f)(*jax.tree.map(lambda a, k=k: jnp.asarray(a[k]), (args, dy))) for k in (0, 1)]
    return _consistent(s, "jit", got, want)


def vmap(s: Subject) -> list[Check]:
    """Two sets of arguments at once."""
    args, dy, want = _two_points(s)
    both = jax.jit(jax.vmap(value_and_gradients(s.f)))(args, dy)
    return _consistent(s, "vmap", [jax.tree.map(lambda a, k=k: a[k], both) for k in (0, 1)], want)


def scan(s: Subject) -> list[Check]:
    """Two sets of arguments in the steps of a loop."""
    args, dy, want = _two_points(s)

    def step(carry, operands):
        return carry, value_and_gradients(s.f)(*operands)

    both = jax.jit(lambda *operands: jax.lax.scan(step, None, operands)[1])(args, dy)
    return _consistent(s, "scan", [jax.tree.map(lambda a, k=k: a[k], both) for k in (0, 1)], want)


def _two_points(s: Subject):
    """Two sets of arguments, stacked, and what each gives alone; whole numbers where these are exact."""
    rng = s.rng("two points")
    drawn = draw.integers if s.whole else draw.distinct
    points = [(s.rounded([drawn(rng, shape) for shape in s.shapes]), s.cotangent(rng, drawn)) for _ in (0, 1)]
    if not s.whole:
        points[0] = (s.low, points[0][1])
    args, dys = jax.tree.map(lambda *a: np.stack(a), *points)
    return args, dys, [s.run(*point) for point in points]


def _consistent(s: Subject, name: str, got: Sequence[Any], want: Sequence[Any]) -> list[Check]:
    """The worse of the two points, for each result."""
    checks = []
    data, tolerance = ("integers", 0.0) if s.whole else (s.data, s.loosest)
    for k, label in enumerate(s.results):
        pairs = [(jax.tree.leaves(a)[k], jax.tree.leaves(b)[k]) for a, b in zip(got, want, strict=True)]
        both = [compare_arrays(name, label, data, a, b, tolerance) for a, b in pairs]
        checks.append(max(both, key=lambda check: (not check.passed, check.error)))
    return checks


def unbiased(s: Subject) -> list[Check]:
    """The mean of g_i over many keys is G_i, as far as their scatter can tell: along G_i, and entry by entry."""
    x, dy, _, _ = s.point
    keys = [i for i, a in enumerate(s.args) if jnp.issubdtype(jnp.result_type(a), jax.dtypes.prng_key)]
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

        zero = [jnp.zeros(len(x)), jnp.zeros(len(x)), [jnp.zeros(a.shape) for a in x], [jnp.zeros(a.shape) for a in x]]
        return jax.lax.scan(step, zero, jnp.arange(DRAWS))[0]

    along, along2, off, off2 = moments(x, want)
    checks = []
    for k, label in enumerate(s.labels):
        size = max(1, x[k].size)
        entries = _scores(off[k], off2[k], largest(want[k]))
        most = 4.5 + math.sqrt(2 * math.log(size))
        whole = _scores(along[k], along2[k], norm(want[k]) ** 2)
        for words, scores, limit in (("entry by entry", entries, most), ("along the gradient", whole, 5.0)):
            z = float(np.max(np.abs(scores), initial=0.0))
            passed = bool(z <= limit)
            detail = "" if passed else f"{words}, the mean of {DRAWS} draws is {z:.1f} standard errors off"
            checks.append(Check("unbiased", label, passed, z, limit, s.data, detail))
    return checks


def _scores(total, total2, scale: float) -> np.ndarray:
    """Standard errors that a mean is from 0; where nothing scatters, in roundings of `scale`.

    An entry that would have jumped once in thousands of draws seems not to scatter at all, though its mean is off. So each error
    has a part of the largest scatter added: what ten jumps would have changed.
    """
    mean = np.asarray(total) / DRAWS
    scatter = np.sqrt(np.maximum(np.asarray(total2) / DRAWS - mean**2, 0.0))
    return mean / (scatter / math.sqrt(DRAWS) + 10 / DRAWS * np.max(scatter, initial=0.0) + 1e-13 * scale + 1e-300)


def bias(s: Subject) -> list[Check]:
    """How far a biased gradient is from the exact one, and that it still points the same way: <g_i, G_i> > 0."""
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
