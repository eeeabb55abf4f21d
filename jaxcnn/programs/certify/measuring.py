"""How long value and gradients of a case take, explicit and autodiff in turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.check import draw, value_and_gradients
from jaxcnn.ops import EXPLICIT
from jaxcnn.programs.certify.cases.case import Case
from jaxcnn.programs.timing import interleaved, ratio


def measure(case: Case, dtype: str, repetitions: int) -> dict[str, Any]:
    """The times as plain data: "explicit" and "autodiff" with the fields of
    `timing.Timing`, and "ratio", autodiff's over explicit, with those of
    `timing.Ratio`."""
    with jax.enable_x64(dtype == "float64"):
        rng = np.random.default_rng(0)

        def drawn(a):
            return (
                jnp.asarray(draw.distinct(rng, a.shape), a.dtype)
                if isinstance(a, jax.ShapeDtypeStruct)
                else a
            )

        args = [drawn(a) for a in case.args(dtype)]
        dy = jax.tree.map(drawn, jax.eval_shape(case.of(EXPLICIT), *args))

        def timed(ops) -> Callable[[], object]:
            compiled = jax.jit(value_and_gradients(case.of(ops)))
            return lambda: compiled(args, dy)

        timings = interleaved(
            {"explicit": timed(EXPLICIT), "autodiff": timed(case.oracle)}, repetitions
        )
    found: dict[str, Any] = {name: timing._asdict() for name, timing in timings.items()}
    return found | {
        "ratio": ratio(timings["autodiff"].samples, timings["explicit"].samples)._asdict()
    }
