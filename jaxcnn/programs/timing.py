"""How long functions take, side by side, on a machine whose speed changes.

The functions take turns within each repetition, so that a change of the machine's speed
affects them all; each repetition starts with the next one. Compare functions by `ratio`
within a repetition, because seconds of two runs are not comparable.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np

SHORTEST_SAMPLE = 2e-3
"""Seconds; reading a clock or switching threads takes a thousandth of it."""


class Timing(NamedTuple):
    """How long one call took, over the repetitions."""

    median: float
    """Seconds."""
    low: float
    """Lower quartile, seconds."""
    high: float
    """Upper quartile, seconds."""
    utilisation: float
    """The process's CPU time over wall time: how many cores were busy. With a GPU it is
    the host's cores."""
    samples: tuple[float, ...]
    """Seconds per call in each repetition."""


class Ratio(NamedTuple):
    """How many times as long one function takes as another: the median over
    repetitions, and an interval for it."""

    median: float
    low: float
    high: float
    coverage: float
    """The probability that such an interval contains the true median: 95 % or a little
    more, from six repetitions on."""


def interleaved(
    functions: Mapping[str, Callable[[], object]],
    repetitions: int,
    *,
    wall: Callable[[], float] = time.perf_counter,
    cpu: Callable[[], float] = time.process_time,
) -> dict[str, Timing]:
    """Time functions in turns, after one call of each that compiles it.

    Args:
      functions: by name; each takes no arguments, and its result is waited for.
      repetitions: samples of each. A sample is the mean of 1, 2, 4, ... calls: as many,
        for each function separately, as together last 2 ms.
      wall, cpu: the clocks, in seconds.

    Returns:
      A `Timing` for each name.

    Raises:
      ValueError: if there is nothing to time.

    >>> functions = {"sum": lambda: sum(range(9)), "max": lambda: max(range(9))}
    >>> sorted(interleaved(functions, repetitions=3))
    ['max', 'sum']
    """
    if not functions or repetitions < 1:
        raise ValueError(
            f"functions and repetitions must be at least one, got {len(functions)} and"
            f" {repetitions}"
        )

    def sample(function: Callable[[], object], calls: int) -> tuple[float, float]:
        """Wall and CPU seconds of that many calls."""
        wall_start, cpu_start = wall(), cpu()
        for _ in range(calls):
            jax.block_until_ready(function())
        return wall() - wall_start, cpu() - cpu_start

    calls = {}
    for name, function in functions.items():
        jax.block_until_ready(function())
        calls[name] = 1
        while sample(function, calls[name])[0] < SHORTEST_SAMPLE:
            calls[name] *= 2

    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in functions}
    names = list(functions)
    for repetition in range(repetitions):
        first = repetition % len(names)
        for name in names[first:] + names[:first]:
            samples[name].append(sample(functions[name], calls[name]))
    return {name: _timing(np.array(samples[name]), calls[name]) for name in names}


def _timing(samples: np.ndarray, calls: int) -> Timing:
    seconds, cpu_seconds = samples.T
    low, median, high = (float(q) for q in np.percentile(seconds / calls, (25, 50, 75)))
    return Timing(
        median,
        low,
        high,
        float(cpu_seconds.sum() / seconds.sum()),
        tuple((seconds / calls).tolist()),
    )


def ratio(times: Sequence[float], base: Sequence[float]) -> Ratio:
    """How many times as long as `base`, from samples of one run paired by repetition.

    The interval runs from the k-th smallest to the k-th largest ratio. Whatever the
    distribution of the ratios, the probability that it misses their median is that of
    fewer than k heads, or fewer than k tails, in as many tosses of a coin as there are
    repetitions; k is the largest for which that is at most 5 %. Fewer than six
    repetitions have no such k, and the interval is their range.

    Raises:
      ValueError: if there are no samples, or more of one function than of the other.

    >>> ratio([2.0, 4.0, 9.0, 2.0, 4.0, 6.0], [1.0, 2.0, 3.0, 1.0, 2.0, 3.0])
    Ratio(median=2.0, low=2.0, high=3.0, coverage=0.96875)
    """
    if len(times) != len(base) or not len(times):
        raise ValueError(
            f"both must have one sample per repetition of one run, got {len(times)} and {len(base)}"
        )
    ratios = np.sort(np.array(times) / np.array(base))
    n = len(ratios)
    tails = np.cumsum([2 * math.comb(n, heads) / 2**n for heads in range(n)])  # of k = 1, 2, ...
    k = max(1, int(np.searchsorted(tails, 0.05, side="right")))
    return Ratio(
        float(np.median(ratios)),
        float(ratios[k - 1]),
        float(ratios[n - k]),
        float(max(0.0, 1 - tails[k - 1])),
    )
