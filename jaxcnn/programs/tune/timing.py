"""The time of one map of a convolution by every method that takes it."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.ops.convolution.methods import METHODS
from jaxcnn.programs.timing import interleaved
from jaxcnn.programs.tune.recording import Map

CANDIDATES = {name: method for name, method in METHODS.items() if name != "PORTABLE"}
"""PORTABLE is one of the others, whichever the rules take."""
REPETITIONS = 5
TOO_SLOW = 10
"""A method that takes so many times the time of the fastest is not timed again."""


def times(found: Map) -> dict[str, float]:
    """Seconds by method, the fastest first; without those that refuse the problem."""
    rng = np.random.default_rng(0)
    a, b = (
        jnp.asarray(rng.standard_normal(shape, np.float32), found.dtype) for shape in found.shapes
    )
    calls, first = {}, {}
    for name, method in CANDIDATES.items():
        run = jax.jit(partial(getattr(method, found.name), problem=found.problem))
        try:
            compiled = run.lower(a, b).compile()
        except (ValueError, NotImplementedError):
            continue
        calls[name] = partial(compiled, a, b)
        jax.block_until_ready(calls[name]())
        first[name] = interleaved({name: calls[name]}, 1)[name].median
    limit = TOO_SLOW * min(first.values())
    chosen = {name: call for name, call in calls.items() if name == "AUTO" or first[name] <= limit}
    timings = interleaved(chosen, REPETITIONS)
    return dict(sorted(((n, t.median) for n, t in timings.items()), key=lambda pair: pair[1]))


def fastest(seconds: dict[str, float]) -> str:
    """The fastest method; AUTO, if no other one is 5 % faster.

    >>> fastest({"NHWC": 1.0, "AUTO": 1.02}), fastest({"NHWC": 1.0, "AUTO": 1.2})
    ('AUTO', 'NHWC')
    """
    best = min(seconds, key=lambda name: seconds[name])
    return "AUTO" if seconds.get("AUTO", np.inf) <= 1.05 * seconds[best] else best
