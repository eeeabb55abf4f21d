"""On a CPU, the best of the methods that need nothing but XLA, by the rules of
`rules.py`.

If several devices share the batch, the images of one device count. If the type of an
array says that it is sharded (an Explicit mesh), axes cannot be merged freely. Then
`depthwise` computes depthwise convolutions, and `nhwc` everything else.
"""

from __future__ import annotations

from jax import Array

from jaxcnn.ops._sharding import devices_of, sharding_of
from jaxcnn.ops.convolution.methods.depthwise import DEPTHWISE
from jaxcnn.ops.convolution.methods.groupwise import GROUPWISE
from jaxcnn.ops.convolution.methods.im2col import IM2COL
from jaxcnn.ops.convolution.methods.lax import LAX
from jaxcnn.ops.convolution.methods.method import Method
from jaxcnn.ops.convolution.methods.nhwc import NHWC
from jaxcnn.ops.convolution.methods.rules import choose
from jaxcnn.ops.convolution.methods.side_by_side import SIDE_BY_SIDE
from jaxcnn.ops.convolution.problem import Problem
from jaxcnn.sizes import is_known

METHODS = {
    "depthwise": DEPTHWISE,
    "groupwise": GROUPWISE,
    "im2col": IM2COL,
    "lax": LAX,
    "nhwc": NHWC,
    "side_by_side": SIDE_BY_SIDE,
}


def method_of(map_name: str, a: Array, b: Array, problem: Problem) -> Method:
    """The method that computes a map."""
    if any(sharding_of(operand) is not None for operand in (a, b)):
        return DEPTHWISE if problem.depthwise else NHWC
    return METHODS[choose(of_a_device(problem, a, b), map_name).name]


def _compute(map_name: str, a: Array, b: Array, problem: Problem) -> Array:
    return getattr(method_of(map_name, a, b, problem), map_name)(a, b, problem)


PORTABLE = Method.of(_compute)


def of_a_device(problem: Problem, a: Array, b: Array) -> Problem:
    """The problem of the images of one device."""
    return problem.of_images(-(-problem.n // devices_of(a, b))) if is_known(problem.n) else problem
