"""The distance between two results, and the verdict on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

OUTSIDE = (
    "the function was evaluated outside its domain, or at its edge; pass arrays that lie inside it"
)


class Check(NamedTuple):
    """One verdict, on the value or on the gradient to one argument."""

    name: str
    """The check's name, see the table in `certification.py`."""
    of: str
    """The checked result: "value", the argument whose gradient it is, or "all"."""
    passed: bool
    error: float
    """||got - expected|| / ||expected|| of the whole array; for inner products, their
    difference over the product of the norms."""
    tolerance: float
    """The largest `error` that passes. A single entry of an array may be off by at most
    8 times as much, relative to the largest entry."""
    data: str = ""
    """"integers": whole numbers with ties and zeros, so that conventions at kinks are
    compared; "distinct": numbers away from kinks, see `jaxcnn.check.draw`; "given": the
    arrays that were given; "zeros": the arrays with zeros in them."""
    detail: str = ""
    """If the check failed: the worst place, with both values."""
    diagnosis: str = ""
    """If the check failed: the usual mistake that the error matches, if any."""
    ulps: float | None = None
    """The largest difference in units in the last place of the largest expected entry.
    """
    autodiff_error: float | None = None
    """The `error` of the reference in the same dtype; None in float64, where the
    reference is the expected result."""
    autodiff_ulps: float | None = None
    autodiff_detail: str = ""
    """The worst place of the reference in that dtype, if its error is larger than the
    dtype explains."""


def dot(a: Any, b: Any) -> float:
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return float(
        sum(np.vdot(np.asarray(p, np.float64), np.asarray(q, np.float64)) for p, q in pairs)
    )


def norm(a: Any) -> float:
    return math.sqrt(dot(a, a))


def largest(a: Any) -> float:
    return float(np.max(np.abs(np.asarray(a, np.float64)), initial=0.0))


def finite(a: Any) -> np.ndarray:
    """The array with 0 for infinities and NaNs, to find the scale of the others."""
    array = np.asarray(a, np.float64)
    return np.where(np.isfinite(array), array, 0.0)


def ulp(want: Any, dtype: Any) -> float:
    """The distance from the largest expected entry to the dtype's next number."""
    info = jnp.finfo(dtype)
    top = largest(want)
    return (
        float(info.eps) * 2.0 ** math.floor(math.log2(top))
        if math.isfinite(top) and top
        else float(info.tiny)
    )


def difference(got: Any, want: Any, why: str = OUTSIDE) -> tuple[float, float, str]:
    """The relative error of the whole array, the largest difference, and its place.
    `why` says what NaN in both means."""
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.where(got == want, 0.0, np.abs(got - want))
        off = np.where(np.isnan(off), np.inf, off)
        if not off.any():
            return 0.0, 0.0, ""
        error = float(np.linalg.norm(off) / (norm(finite(want)) or 1.0))
    # If an entry is NaN in both, neither is at fault. It is reported if nothing is
    # worse.
    outside = np.isnan(got) & np.isnan(want)
    judged = np.where(outside, 0.0, off)
    both = bool(outside.any()) and bool(np.max(judged) < np.inf)
    index = np.unravel_index(int(np.argmax(outside if both else judged)), off.shape)
    place = "" if off.ndim == 0 else f" at {tuple(int(i) for i in index)}"
    if both:
        return math.inf, math.inf, f"both are NaN{place}: {why}"
    share = np.mean(off > 1e-6 * largest(finite(want)))
    detail = (
        f"worst{place}: {got[index]:.9g}, expected {want[index]:.9g}; {share:.0%} of the entries"
        " differ"
    )
    return error if error == error else math.inf, float(np.max(off)), detail


def compare_arrays(
    name: str,
    of: str,
    data: str,
    got: Any,
    want: Any,
    tolerance: float,
    scale: float | None = None,
    why: str = OUTSIDE,
) -> Check:
    """The check of two arrays, as a whole and entry by entry. `scale` takes the place
    of ||expected|| if that could vanish."""
    error, worst, detail = difference(got, want, why)
    top = largest(finite(want))
    if scale is not None:
        error, top = error * (norm(finite(want)) or 1.0) / (scale or 1.0), scale
    passed = bool(error <= tolerance and worst <= 8 * tolerance * (top or 1.0))
    return Check(name, of, passed, error, tolerance, data, "" if passed else detail)


def compare_inner(
    name: str,
    of: str,
    data: str,
    got: float,
    want: float,
    tolerance: float,
    scale: float,
    why: str = OUTSIDE,
) -> Check:
    """The check of two inner products, relative to the product of the norms. `why` says
    what it means if both are not finite."""
    error = abs(got - want) / (scale or 1.0)
    passed = bool(error <= tolerance)  # not a NaN
    detail = "" if passed else f"{got:.9g}, expected {want:.9g}"
    if not (math.isfinite(got) or math.isfinite(want)):
        detail = (
            f"both are {'NaN' if math.isnan(got) and math.isnan(want) else 'not finite'}: {why}"
        )
    return Check(name, of, passed, error if error == error else math.inf, tolerance, data, detail)


def compare_bits(name: str, of: str, data: str, runs: Sequence[Any]) -> Check:
    first, *others = (np.asarray(run) for run in runs)
    for run in others:
        if first.tobytes() != run.tobytes():
            error, _, detail = difference(run, first)
            return Check(name, of, False, error or math.inf, 0.0, data, f"runs differ: {detail}")
    return Check(name, of, True, 0.0, 0.0, data)
