"""The three maps of a grouped convolution, group by group. Each group is a dense
convolution of its own channels.

XLA's CPU backend computes all groups in one slow loop. Groups of fewer channels than
`MIN_INPUT_CHANNELS` are left to others, because narrow convolutions are slow too.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from jaxcnn.ops.convolution.methods.method import Method
from jaxcnn.ops.convolution.methods.nhwc import NHWC
from jaxcnn.ops.convolution.problem import Problem

MIN_INPUT_CHANNELS = 16


def _of_each_group(map_name: str, a: Array, b: Array, problem: Problem) -> Array:
    """A map, whose operands and result have the groups on their last axis."""
    g = problem.groups
    x_shape, w_shape = (*problem.x_shape[:-1], problem.c), problem.w_shape
    w_shape = (*w_shape[:-1], problem.outputs // g)
    alone = problem._replace(x_shape=x_shape, w_shape=w_shape, groups=1)
    dense = getattr(NHWC, map_name)
    parts = zip(jnp.split(a, g, axis=-1), jnp.split(b, g, axis=-1), strict=True)
    return jnp.concatenate([dense(a_g, b_g, alone) for a_g, b_g in parts], axis=-1)


GROUPWISE = Method.of(_of_each_group)
