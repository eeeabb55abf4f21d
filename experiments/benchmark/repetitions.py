"""How often a call is timed, and what comes of it: slow ones less often."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxcnn.programs.timing import Timing, interleaved, ratio

LEAST_REPETITIONS = 6  # with fewer, a ratio has no interval of 95 %
SLOW_CALL = 0.5  # seconds; slower calls have LEAST_REPETITIONS and no more


def seconds_of(call: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    start = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - start


def time_calls(
    calls: Mapping[str, Callable[[], object]], repetitions: int, slowest: float
) -> dict[str, Timing]:
    """`interleaved`, with fewer repetitions where the slowest call, in seconds, is
    slow."""
    return interleaved(
        calls, min(repetitions, LEAST_REPETITIONS) if slowest > SLOW_CALL else repetitions
    )


def ratios_to_explicit(timings: Mapping[str, Timing]) -> dict[str, Any]:
    """How many times as long as explicit each other column takes, with an interval."""
    explicit = timings["explicit"].samples
    return {
        f"{column}/explicit": ratio(timing.samples, explicit)._asdict()
        for column, timing in timings.items()
        if column != "explicit"
    }


def matrix_product_rate(dtype: str, size: int = 1024, repetitions: int = 7) -> float:
    """FLOP per second of a product of two square matrices, the best of several: what
    the machine can do."""
    a = jnp.ones((size, size), dtype)
    product = jax.jit(jnp.dot).lower(a, a).compile()
    return 2 * size**3 / min(seconds_of(partial(product, a, a)) for _ in range(repetitions))
