"""Diagnosis of a wrong gradient: does it match one of the usual mistakes?

A mistake shows in the result itself (a constant factor, exchanged axes, a missing tail,
...), or the result is right for other operands: a kernel that was not flipped gives the
gradient that belongs to the flipped kernel. So each pattern is a candidate array, and a
candidate that equals the wrong gradient names the mistake. Every candidate is computed
by the reference.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping

import numpy as np

MOST_ENTRIES = 2**20
"""Above this many entries, operands are not changed to look for a pattern, because each
change is one more evaluation of the reference."""


def diagnose(
    got: np.ndarray,
    want: np.ndarray,
    tolerance: float,
    operands: Mapping[str, np.ndarray] | None = None,
    recompute: Callable[[str, np.ndarray], np.ndarray] | None = None,
) -> str:
    """The first pattern that matches, in words, or "".

    Args:
      got, want: the wrong array and the right one, float64, of one shape.
      tolerance: relative error up to which a candidate equals `got`.
      operands: the arrays from which `want` was computed, by name; for a cotangent also
        "dy".
      recompute: (name, array) -> `want` with that operand replaced by the array.

    >>> want = np.arange(6.0).reshape(2, 3)
    >>> diagnose(want[:, ::-1], want, 1e-6)
    'fits what is expected, flipped along axis 1'
    >>> diagnose(want / 2, want, 1e-6)
    'fits what is expected times 0.5'
    """
    if not np.all(np.isfinite(want)):
        return ""  # no gradient that could be mistaken
    if not np.all(np.isfinite(got)):
        return "not finite"
    if not np.any(got):
        return "all zero"
    for words, candidate in itertools.chain(_factor(got, want), _rearranged(want), _summed(want)):
        if _equal(got, candidate, tolerance):
            return f"fits what is expected{words}"
    for words, (mine, other) in _shifted(got, want):
        if _equal(mine, other, tolerance):
            return f"fits what is expected, {words}"
    slab = _slab(got, want, tolerance)
    if slab:
        return slab
    if (
        operands is None
        or recompute is None
        or sum(a.size for a in operands.values()) > MOST_ENTRIES
    ):
        return ""
    for name, array in operands.items():
        for words, changed in itertools.chain(_rearranged(array), _parts(array)):
            if _equal(got, recompute(name, changed), tolerance):
                return f"fits what is expected for {name}{words}"
    return ""


def _equal(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    return a.shape == b.shape and bool(np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b))


def _axes(axes: tuple[int, ...]) -> str:
    return (
        f"axis {axes[0]}"
        if len(axes) == 1
        else "axes " + ", ".join(map(str, axes[:-1])) + f" and {axes[-1]}"
    )


def _subsets(array: np.ndarray, least: int = 2) -> Iterator[tuple[int, ...]]:
    """Every choice of axes with at least `least` entries, single ones first."""
    long = [k for k, n in enumerate(array.shape) if n >= least]
    for count in range(1, len(long) + 1):
        yield from itertools.combinations(long, count)


def _factor(got: np.ndarray, want: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    squared = float(np.vdot(want, want))
    if squared:
        factor = float(np.vdot(want, got)) / squared
        yield f" times {factor:.6g}", factor * want


def _rearranged(array: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Flipped, with axes exchanged, or with the two parts of an axis (groups and the
    channels of a group) exchanged."""
    for axes in _subsets(array):
        yield f", flipped along {_axes(axes)}", np.flip(array, axes)
    for a, b in itertools.combinations(range(array.ndim), 2):
        if array.shape[a] == array.shape[b] > 1:
            yield f", with axes {a} and {b} exchanged", np.swapaxes(array, a, b)
    for k, n in enumerate(array.shape):
        for groups in range(2, n):
            if n % groups == 0:
                parts = array.reshape(*array.shape[:k], groups, n // groups, *array.shape[k + 1 :])
                mixed = np.swapaxes(parts, k, k + 1).reshape(array.shape)
                yield f", with the {groups} groups of axis {k} mixed", mixed


def _summed(want: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """A sum over one axis too many, broadcast along it."""
    for axes in _subsets(want):
        total = np.broadcast_to(np.sum(want, axes, keepdims=True), want.shape)
        yield f", summed over {_axes(axes)} too", total
        yield f", averaged over {_axes(axes)}", total / np.prod([want.shape[k] for k in axes])


def _shifted(
    got: np.ndarray, want: np.ndarray
) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    """The overlap of both, with `got` moved along some axes: at least half of the
    entries."""
    for axes, shift in itertools.product(_subsets(want, least=3), (1, -1, 2, -2)):
        here, there = (
            tuple(
                slice(max(s, 0), n + min(s, 0)) if k in axes else slice(None)
                for k, n in enumerate(want.shape)
            )
            for s in (shift, -shift)
        )
        if 2 * got[here].size >= got.size and np.any(got[here]):
            yield f"moved by {shift} along {_axes(axes)}", (got[here], want[there])


def _slab(got: np.ndarray, want: np.ndarray, tolerance: float) -> str:
    """Wrong entries at one end of an axis only."""
    wrong = np.abs(got - want) > tolerance * np.max(np.abs(want), initial=0.0)
    for k, n in enumerate(want.shape):
        places = np.flatnonzero(np.any(wrong, axis=tuple(a for a in range(want.ndim) if a != k)))
        if not places.size:
            continue
        for end, count in (("last", n - places[0]), ("first", places[-1] + 1)):
            if 2 * count <= n:
                ending = np.take(
                    got, range(n - count, n) if end == "last" else range(count), axis=k
                )
                zero = " and zero there: a missing tail" if not np.any(ending) else ""
                return f"wrong only in the {end} {count} of {n} on axis {k}{zero}"
    return ""


def _parts(array: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """All but one end of an axis dropped, as by = instead of += in a loop over it."""
    for k, n in enumerate(array.shape):
        if n > 1:
            for end, index in (("last", n - 1), ("first", 0)):
                kept = np.zeros_like(array)
                place = (slice(None),) * k + (index,)
                kept[place] = array[place]
                yield f" of which only the {end} entry of axis {k} counts (= instead of +=?)", kept
