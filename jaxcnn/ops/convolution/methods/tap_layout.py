"""The layout of taps in the kernel gradient by im2col: which of them stand beside the
channels of x, and which beside the outputs of dy."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

from jaxcnn.ops._tap_loops import MANY_TAPS
from jaxcnn.ops._windows import WRITTEN_OUT
from jaxcnn.ops.convolution.problem import Problem

CACHE_LINE = 16
"""Float32 numbers in a cache line."""

PRODUCTS = 32
"""Multiplications that take as long as it takes to copy a number."""


class TapLayout(NamedTuple):
    """The axes of space whose taps stand beside dy's outputs, and the numbers that this
    lays out for an image."""

    beside_dy: tuple[int, ...]
    positions: int
    row: int
    """The numbers that p and e have per position and group, counting only operands with
    taps laid out."""
    image_bytes: int
    """Of the numbers that are laid out, of all groups, in float32."""
    cost: int
    """The numbers that are copied per group, and the multiplications, as copies. A run
    of fewer than `CACHE_LINE` numbers counts as `CACHE_LINE`, because it takes as long.
    Beside dy, a stride multiplies zeros."""


def tap_layout(problem: Problem) -> TapLayout:
    """The layout of the least cost; among equals, one with taps on both sides.

    >>> problems = [
    ...     Problem.of((2, 8, 8, c), (3, 3, c, o), padding=1)
    ...     for c, o in ((16, 16), (3, 64), (64, 3))
    ... ]
    >>> [tap_layout(problem).beside_dy for problem in problems]
    [(1,), (), (0, 1)]
    """
    # For many taps, the stride bounds only the numbers laid out beside x.
    few = problem.taps <= MANY_TAPS
    axes = [
        axis for axis, k in enumerate(problem.window.size) if k > 1 and (few or k <= WRITTEN_OUT)
    ]
    subsets = [
        chosen[::-1]
        for count in (*range(1, len(axes) + 1), 0)
        for chosen in combinations(reversed(axes), count)
    ]
    return min((_lay_out(chosen, problem) for chosen in subsets), key=lambda found: found.cost)


def _lay_out(beside_dy: tuple[int, ...], problem: Problem) -> TapLayout:
    *taps, c, go = problem.w_shape
    inputs, outputs = problem.space, problem.out_space
    alone = rows = {"x": c, "dy": go // problem.groups}
    positions, copied = 1, 0
    for axis, k in reversed(list(enumerate(taps))):
        side = "dy" if axis in beside_dy else "x"
        positions *= inputs[axis] if side == "dy" else outputs[axis]
        if k > 1:
            copied += k * max(rows[side], CACHE_LINE)
            rows = {**rows, side: rows[side] * k}
    laid_out = sum(row for side, row in rows.items() if row > alone[side])
    cost = positions * (copied + rows["x"] * rows["dy"] // PRODUCTS)
    image_bytes = 4 * positions * laid_out * problem.groups
    return TapLayout(beside_dy, positions, laid_out, image_bytes, cost)
