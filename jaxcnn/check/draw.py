"""Test data: whole numbers, on which sums are exact; distinct numbers, away from kinks
and ties; or either of them near given arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

MOST_VALUES = 16
"""The number of different values that `within` draws from."""


def integers(rng: np.random.Generator, shape: Sequence[int], largest: int = 4) -> np.ndarray:
    """Whole numbers in [-largest, largest], as float64. Ties and zeros are common, so
    that conventions at kinks are tested.

    Sums of products of two such numbers are exact in float32 up to 2^24 / largest^2
    terms, and each is exact in bfloat16.
    """
    return rng.integers(-largest, largest + 1, tuple(shape)).astype(np.float64)


def distinct(rng: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    """Numbers in (-1, 1), as float64, no two alike and none near 0: half of the odd
    multiples of 1 / m for m = 2 size, at random.

    The least distance is 2 / m to the next number and 1 / m to 0, so that a finite
    difference with a smaller step crosses neither a tie of a maximum nor the kink of a
    relu. Only half of the multiples are used because the sum of all of them is 0, which
    hides a lost factor.

    >>> sorted(distinct(np.random.default_rng(0), (2, 2)).ravel().tolist())
    [-0.375, -0.125, 0.125, 0.625]
    """
    size = int(np.prod(shape))
    m = max(2, 2 * size)
    return ((2 * rng.choice(m, size, replace=False) + 1 - m) / m).reshape(shape)


def near(rng: np.random.Generator, came: np.ndarray, size: float) -> np.ndarray:
    """A point near `came`. Each entry moves by up to `size` of itself towards the mean
    of all entries, so that it stays within their range.

    >>> near(np.random.default_rng(0), np.array([1.0, 2.0]), 2**-6).round(3).tolist()
    [1.011, 1.986]
    """
    if not came.size:
        return came
    middle = float(np.mean(came))
    room = size * np.abs(came)
    towards = np.clip(middle - came, -room, room) if np.ptp(came) else -np.sign(came) * room
    return came + rng.uniform(0.25, 1, came.shape) * towards


def within(rng: np.random.Generator, came: np.ndarray) -> np.ndarray:
    """Up to sixteen whole numbers from the range of `came`; if it has fewer than two of
    them, multiples of 1/2, 1/4 and so on.

    If the range is wide, they are multiples of 2, 4 and so on. They have few digits, so
    that sums of products are exact.

    >>> within(np.random.default_rng(0), np.array([0.3, 2.6])).tolist()
    [2.0, 2.0]
    """
    low, high = float(np.min(came, initial=np.inf)), float(np.max(came, initial=-np.inf))
    if not low < high:
        return came
    step = 1.0
    while math.floor(high / step) - math.ceil(low / step) >= MOST_VALUES:
        step *= 2
    while math.floor(high / step) - math.ceil(low / step) < 1:
        step /= 2
    return step * rng.integers(
        math.ceil(low / step), math.floor(high / step) + 1, came.shape
    ).astype(np.float64)
