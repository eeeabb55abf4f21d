"""Test data: whole numbers, on which sums are exact, and distinct ones, which stay away from kinks and ties."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def integers(rng: np.random.Generator, shape: Sequence[int], largest: int = 4) -> np.ndarray:
    """Whole numbers in [-largest, largest], as float64. Ties and zeros are common: conventions at kinks are put to the test.

    Sums of products of two such numbers are exact in float32 up to 2^24 / largest^2 terms, and each is exact in bfloat16.
    """
    return rng.integers(-largest, largest + 1, tuple(shape)).astype(np.float64)


def distinct(rng: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    """Numbers in (-1, 1), as float64, no two alike and none near 0: half of the odd multiples of 1 / m for m = 2 size, at random.

    The least distance is 2 / m to the next number and 1 / m to 0, so that a finite difference with a smaller step crosses neither
    a tie of a maximum nor the kink of a relu. Their sum is not 0, as that of all odd multiples would be: 0 hides a lost factor.

    >>> sorted(distinct(np.random.default_rng(0), (2, 2)).ravel().tolist())
    [-0.375, -0.125, 0.125, 0.625]
    """
    size = int(np.prod(shape))
    m = max(2, 2 * size)
    return ((2 * rng.choice(m, size, replace=False) + 1 - m) / m).reshape(shape)
