"""`certify`: is the gradient of one function right, and how accurate, judged by another that JAX differentiates?

Write f for the function, g_i = J_i' dy for its gradient to argument i, and F, G_i for the reference and its autodiff gradient.
All of the reference is computed in float64: on a CPU, lax's float32 gradient of a convolution can be garbage (openxla/xla#48713).

    check            what must hold                                            data        catches
    structure        shapes and dtypes of f = F; of g_i = argument i           distinct    wrong axes, dtypes that leak
    integers         f = F and g_i = G_i, bit for bit                          integers    any wrong, lost or doubled term; ties
    accuracy         f ~ F and g_i ~ G_i, whole arrays                         distinct    the same for functions with roundings
    linearity        <dy, f> = <g_i, argument i>, f linear in i, float64       distinct    any, without the reference
    adjoint          <dy, J v> = <g, v> with J v from F's jvp, float64         distinct    a gradient that is no transpose
    differences      <dy, f(x + h v) - f(x - h v)> / 2h = <g, v>, float64      distinct    a forward that is not F's
    second order     the gradients of sum_i <g_i, u_i>, float64                distinct    rules that break when differentiated
    check_grads      jax.test_util.check_grads(order=2, modes=["rev"])         distinct    (weak: one random direction)
    zeros            g_i = 0 for dy = 0                                        distinct    constants in a gradient
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.test_util import check_grads

from jaxcnn.check import draw

# Relative error allowed in "accuracy", by dtype: a few hundred units in the last place, for sums of that many terms.
TOLERANCE = {"float64": 1e-12, "float32": 2e-5, "float16": 1e-2, "bfloat16": 5e-2}


class Check(NamedTuple):
    """One verdict. `of` is the value or the argument whose gradient was checked; `error` is relative to the largest entry."""

    name: str
    of: str
    passed: bool
    error: float
    tolerance: float
    detail: str = ""


class Certificate(NamedTuple):
    """All verdicts on one function."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def failures(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.passed)

    def __str__(self) -> str:
        return "\n".join(
            f"{'ok  ' if c.passed else 'FAIL'} {c.name:<13} {c.of:<12} error {c.error:.1e} of {c.tolerance:.1e}"
            + (f"  {c.detail}" if c.detail else "")
            for c in self.checks
        )


def certify(
    explicit: Callable,
    reference: Callable,
    args: Sequence[Any],
    *,
    linear_in: Sequence[int] = (),
    exact: bool | None = None,
    names: Sequence[str] | None = None,
    tolerance: float | None = None,
    seed: int = 0,
) -> Certificate:
    """Check the gradient of `explicit` against `reference`, every way that applies. See the table in this file.

    Args:
      explicit: the function with the rule; takes `args`, returns an array or a pytree of arrays. Called under `jit`.
      reference: the same function, differentiated by JAX.
      args: arrays, or `jax.ShapeDtypeStruct`s in whose place data is drawn. Floating ones are differentiated, in their dtype and
        in float64; others (labels, keys) are passed on.
      linear_in: the numbers of the arguments in each of which the function is linear, others held: (0, 1) for a convolution.
      exact: whether the function of whole numbers is exact in the arguments' dtype, as sums, products and selections are;
        by default if it is linear in any argument.
      names: the arguments' names, for the verdicts.
      tolerance: relative error allowed in "accuracy"; by default by dtype, see `TOLERANCE`.
      seed: of the data.

    Returns:
      A `Certificate`: `.passed`, `.checks`, `.failures`; `str` of it is a table.

    Raises:
      ValueError: if nothing can be differentiated, or data holds NaN or infinity.

    >>> from jaxcnn.ops.conv import conv
    >>> args = (jax.ShapeDtypeStruct((2, 5, 3), "float32"), jax.ShapeDtypeStruct((3, 3, 4), "float32"))
    >>> result = certify(conv, lambda x, w: conv(x, w, autodiff=True), args, linear_in=(0, 1), names=("x", "w"))
    >>> result.passed
    True
    """
    rng = np.random.default_rng(seed)
    numbers = [i for i, a in enumerate(args) if jnp.issubdtype(jnp.result_type(a), jnp.floating)]
    if not numbers:
        raise ValueError(
            f"args must hold a floating array to differentiate, got dtypes {[str(jnp.result_type(a)) for a in args]}"
        )
    labels = [names[i] if names is not None else f"argument {i}" for i in numbers]
    shapes = [np.shape(args[i]) for i in numbers]
    dtypes = [jnp.result_type(args[i]) for i in numbers]

    # Functions of the floating arguments alone.
    def among(f: Callable, *floats):
        full = list(args)
        for i, a in zip(numbers, floats, strict=True):
            full[i] = a
        return f(*full)

    f, ref = partial(among, explicit), partial(among, reference)
    distinct = [
        draw.distinct(rng, shape) if isinstance(args[i], jax.ShapeDtypeStruct) else np.asarray(args[i], np.float64)
        for i, shape in zip(numbers, shapes, strict=True)
    ]
    for label, data in zip(labels, distinct, strict=True):
        if not np.all(np.isfinite(data)):
            raise ValueError(f"{label} must be finite for its gradient to be checked, got NaN or infinity")

    with jax.enable_x64(True):

        def rounded(data: Iterable[np.ndarray]) -> list[np.ndarray]:
            return [np.asarray(jnp.asarray(a, dtype)) for a, dtype in zip(data, dtypes, strict=True)]

        def as_float64(data: Iterable[np.ndarray]) -> list[np.ndarray]:
            return [np.asarray(a, np.float64) for a in data]

        explicit_vjp, reference_vjp = _value_and_vjp(f), _value_and_vjp(ref)
        checks: list[Check] = []

        # structure
        low = rounded(distinct)
        out = jax.eval_shape(f, *low)
        expected = jax.eval_shape(ref, *low)
        checks.append(_structure("value", out, expected))
        cotangents = jax.eval_shape(lambda *a: jax.vjp(f, *a)[1](_full(out, 0)), *low)
        checks += [
            _structure(label, g, jax.ShapeDtypeStruct(a.shape, a.dtype))
            for label, g, a in zip(labels, cotangents, low, strict=True)
        ]
        if not all(check.passed for check in checks):
            return Certificate(tuple(checks))

        # integers
        if exact if exact is not None else bool(linear_in):
            whole = rounded(draw.integers(rng, shape) for shape in shapes)
            dy = jax.tree.map(lambda o: draw.integers(rng, o.shape), out)
            got = explicit_vjp(whole, jax.tree.map(lambda d, o: jnp.asarray(d, o.dtype), dy, out))
            checks += _compare("integers", labels, got, reference_vjp(as_float64(whole), dy), 0.0)

        # accuracy
        dy = jax.tree.map(lambda o: np.asarray(jnp.asarray(draw.distinct(rng, o.shape), o.dtype), np.float64), out)
        want = reference_vjp(as_float64(low), dy)
        got = explicit_vjp(low, jax.tree.map(lambda d, o: jnp.asarray(d, o.dtype), dy, out))
        coarsest = max((str(d) for d in dtypes), key=lambda name: TOLERANCE[name])
        checks += _compare("accuracy", labels, got, want, TOLERANCE[coarsest] if tolerance is None else tolerance)

        # linearity, adjoint, differences: inner products in float64
        x = as_float64(distinct)
        value, g = explicit_vjp(x, dy)
        scale = sum(_norm(a) for a in g)
        for i in linear_in:
            k = numbers.index(i)
            checks.append(_close("linearity", labels[k], _dot(dy, value), _dot(g[k], x[k]), 1e-12, _norm(dy) * _norm(value)))
        v = [draw.distinct(rng, shape) for shape in shapes]
        pushed = jax.jit(lambda x, v: jax.jvp(ref, tuple(x), tuple(v))[1])(x, v)
        checks.append(_close("adjoint", "all", _dot(dy, pushed), _dot(g, v), 1e-12, scale * _norm(v)))
        h = 1e-2 / max(10, *(np.size(a) for a in x))
        ahead, behind = (explicit_vjp([a + step * b for a, b in zip(x, v, strict=True)], dy)[0] for step in (h, -h))
        slope = (_dot(dy, ahead) - _dot(dy, behind)) / (2 * h)
        checks.append(_close("differences", "all", slope, _dot(g, v), 1e-5, scale * _norm(v)))

        # second order
        u = [draw.distinct(rng, shape) for shape in shapes]
        want2, got2 = (_second_order(function, u)(x, dy) for function in (ref, f))
        of = [*labels, *(f"dy {n}" if n else "dy" for n in range(len(jax.tree.leaves(dy))))]
        checks += [
            _arrays_close("second order", label, a, b, 1e-10, sum(_norm(w) for w in jax.tree.leaves(want2)))
            for label, a, b in zip(of, jax.tree.leaves(got2), jax.tree.leaves(want2), strict=True)
        ]
        try:
            check_grads(jax.jit(f), tuple(x), order=2, modes=["rev"], eps=h)
            checks.append(Check("check_grads", "all", True, 0.0, 0.0))
        except AssertionError as error:
            checks.append(Check("check_grads", "all", False, np.inf, 0.0, str(error).strip().splitlines()[0]))

        # zeros
        nothing = explicit_vjp(low, _full(out, 0))[1]
        checks += [
            _arrays_close("zeros", label, a, np.zeros(a.shape), 0.0, 1.0) for label, a in zip(labels, nothing, strict=True)
        ]
    return Certificate(tuple(checks))


def _value_and_vjp(f: Callable) -> Callable:
    def value_and_vjp(args, dy):
        value, pull = jax.vjp(f, *args)
        return value, pull(dy)

    return jax.jit(value_and_vjp)


def _second_order(f: Callable, u: Sequence[np.ndarray]) -> Callable:
    """The gradient of sum_i <g_i, u_i> to the arguments and to dy."""

    def projected(args, dy):
        g = jax.vjp(f, *args)[1](dy)
        return sum(jnp.vdot(a, b) for a, b in zip(g, u, strict=True))

    return jax.jit(jax.grad(projected, argnums=(0, 1)))


def _full(out, fill: float):
    return jax.tree.map(lambda o: jnp.full(o.shape, fill, o.dtype), out)


def _dot(a, b) -> float:
    return float(sum(np.vdot(p, q) for p, q in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)))


def _norm(a) -> float:
    return float(np.sqrt(_dot(a, a)))


def _structure(of: str, got, expected) -> Check:
    got, expected = (jax.tree.map(lambda a: f"{a.dtype}{list(a.shape)}", tree) for tree in (got, expected))
    same = got == expected
    return Check("structure", of, same, 0.0 if same else np.inf, 0.0, "" if same else f"got {got}, expected {expected}")


def _close(name: str, of: str, a: float, b: float, tolerance: float, scale: float) -> Check:
    """Two inner products, relative to the product of the norms."""
    error = abs(a - b) / scale if scale else abs(a - b)
    passed = bool(error <= tolerance)  # not a NaN
    return Check(name, of, passed, error, tolerance, "" if passed else f"{a!r} against {b!r}")


def _compare(name: str, labels: Sequence[str], got, want, tolerance: float) -> list[Check]:
    """Value and gradients of two functions, whole arrays."""
    (value, g), (expected, g_expected) = got, want
    leaves = zip(jax.tree.leaves(value), jax.tree.leaves(expected), strict=True)
    return [
        *(_arrays_close(name, f"value {n}" if n else "value", a, b, tolerance) for n, (a, b) in enumerate(leaves)),
        *(_arrays_close(name, label, a, b, tolerance) for label, a, b in zip(labels, g, g_expected, strict=True)),
    ]


def _arrays_close(name: str, of: str, got, want, tolerance: float, scale: float | None = None) -> Check:
    """The largest difference of two arrays, relative to the largest expected entry."""
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    if scale is None:
        scale = float(np.max(np.abs(want), initial=0.0))
    with np.errstate(invalid="ignore"):
        difference = np.where(got == want, 0.0, np.abs(got - want))
    difference = np.where(np.isnan(difference), np.inf, difference)
    error = float(np.max(difference, initial=0.0)) / (scale or 1.0)
    if error <= tolerance:
        return Check(name, of, True, error, tolerance)
    worst = np.unravel_index(int(np.argmax(difference)), difference.shape)
    index = tuple(int(i) for i in worst)
    wrong = np.mean(difference > tolerance * (scale or 1.0))
    detail = f"worst at {index}: {got[worst]!r}, expected {want[worst]!r}; {wrong:.0%} of the entries differ"
    return Check(name, of, False, error, tolerance, detail)
