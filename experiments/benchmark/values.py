"""The operands that all columns are given, and how far their results are from a
reference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from experiments.benchmark.case import Case, OperationCase
from experiments.benchmark.columns import SCAN_LENGTH, operand_shapes


def random_operands(case: Case, pass_name: str, dtype: str) -> list[list[Array]]:
    """Operands of a pass, for each step of a scan: the same numbers, rounded, in every
    dtype."""
    rng = np.random.default_rng(0)
    classes = (isinstance(case, OperationCase) and case.classes) or 0
    steps = []
    for _ in range(SCAN_LENGTH):
        arrays = []
        for shape in operand_shapes(case, pass_name, dtype):
            if jnp.issubdtype(shape.dtype, jnp.integer):
                arrays.append(jnp.asarray(rng.integers(classes, size=shape.shape), shape.dtype))
            else:
                arrays.append(
                    jnp.asarray(rng.standard_normal(shape.shape, np.float32)).astype(shape.dtype)
                )
        steps.append(arrays)
    return steps


def in_float32(arrays: Sequence[Array]) -> list[Array]:
    """Floating arrays in float32, labels as they are."""
    return [a.astype("float32") if jnp.issubdtype(a.dtype, jnp.floating) else a for a in arrays]


def as_numpy(tree: Any) -> list[np.ndarray]:
    return [np.asarray(leaf, np.float32) for leaf in jax.tree.leaves(tree)]


def relative_error(value: Sequence[np.ndarray], reference: Sequence[np.ndarray]) -> float:
    """The largest error of an array over its largest entry, of all arrays; infinity for
    NaNs and other shapes.

    >>> relative_error([np.array([1.0, 4.0])], [np.array([2.0, 4.0])])
    0.25
    """
    if [v.shape for v in value] != [r.shape for r in reference]:
        return math.inf
    errors = (
        float(np.max(np.abs(v - r)) / (np.max(np.abs(r)) or 1))
        for v, r in zip(value, reference, strict=True)
    )
    return max((math.inf if math.isnan(error) else error for error in errors), default=0.0)
