"""A trial of oneDNN in this process, which may die of it:

    python -m jaxcnn.programs.onednn.trial float32

Every convolution of the table of cases, its gradients and a batch of it are computed of
whole numbers, of which all methods give the same bits. The last line says how many.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxcnn.check import draw
from jaxcnn.check.cases import CONV_CASES, ConvCase
from jaxcnn.ops._onednn.certain import assume
from jaxcnn.ops.convolution.functions import conv
from jaxcnn.ops.convolution.methods import LAX, ONEDNN, Method


def main(dtype: str, cases: Sequence[ConvCase] = CONV_CASES) -> int:
    """The number of results that were right.

    Raises:
      ArithmeticError: at the first that is not.
    """
    assume(dtype)
    count = 0
    for case in cases:
        found, right = (results(case, method, dtype) for method in (ONEDNN, LAX))
        for name, values in found.items():
            if not np.array_equal(values, right[name]):
                raise ArithmeticError(f"{name} of {case.id} in {dtype} is wrong")
            count += 1
    return count


def results(case: ConvCase, method: Method, dtype: str) -> dict[str, np.ndarray]:
    """Forward, gradients, and those of a batch of kernels, rounded to the dtype."""
    x, w = (draw.integers(np.random.default_rng(0), shape) for shape in (case.x, case.w))
    # lax computes in float32, so that its result is rounded only once.
    operands = [jnp.asarray(a, jnp.float32 if method is LAX else dtype) for a in (x, w)]

    @jax.jit
    def all_maps(x: Array, w: Array) -> dict[str, Array]:
        def y(x: Array, w: Array) -> Array:
            return conv(x, w, method=method, **case.options)

        def gradients(x: Array, w: Array) -> tuple[Array, Array]:
            found, vjp = jax.vjp(y, x, w)
            return vjp(jnp.ones_like(found))

        dx, dw = gradients(x, w)
        of_batch = jax.vmap(gradients, (None, 0))(x, jnp.stack([w, -w]))
        return {
            "y": y(x, w),
            "dx": dx,
            "dw": dw,
            "dx of two": of_batch[0],
            "dw of two": of_batch[1],
        }

    found = all_maps(*operands)
    return {name: np.asarray(a.astype(dtype), np.float64) for name, a in found.items()}


if __name__ == "__main__":
    print(main(sys.argv[1]))
