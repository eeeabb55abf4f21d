"""On a CPU, the best of the methods that need nothing but XLA, by the rules of
`rules.py`.

If several devices share the batch, the images of one device count. If the type of an
array says that it is sharded (an Explicit mesh), axes cannot be merged freely. Then
`depthwise` computes depthwise convolutions, and `nhwc` everything else.
"""

from __future__ import annotations

from types import ModuleType

from jaxtyping import Array, Num

from jaxcnn.ops._sharding import devices_of, sharding_of
from jaxcnn.ops.convolution.methods import depthwise, groupwise, im2col, nhwc, side_by_side
from jaxcnn.ops.convolution.methods import lax as lax_method
from jaxcnn.ops.convolution.methods.rules import choose
from jaxcnn.ops.convolution.problem import Problem
from jaxcnn.sizes import is_known

MODULES = {
    module.__name__.rpartition(".")[-1]: module
    for module in (depthwise, groupwise, im2col, lax_method, nhwc, side_by_side)
}


def forward(
    x: Num[Array, "n *i c"], w: Num[Array, "*t cg o"], problem: Problem
) -> Num[Array, "n *j o"]:
    """(1) of `rule.py`, by the method that is chosen."""
    return module_of("forward", x, w, problem).forward(x, w, problem)


def input_grad(
    dy: Num[Array, "n *j o"], w: Num[Array, "*t cg o"], problem: Problem
) -> Num[Array, "n *i c"]:
    """(3) of `rule.py`, likewise."""
    return module_of("input_grad", dy, w, problem).input_grad(dy, w, problem)


def kernel_grad(
    x: Num[Array, "n *i c"], dy: Num[Array, "n *j o"], problem: Problem
) -> Num[Array, "*t cg o"]:
    """(2) of `rule.py`, likewise."""
    return module_of("kernel_grad", x, dy, problem).kernel_grad(x, dy, problem)


def module_of(map_name: str, a: Array, b: Array, problem: Problem) -> ModuleType:
    """The module that computes a map."""
    if any(sharding_of(operand) is not None for operand in (a, b)):
        return depthwise if problem.depthwise else nhwc
    return MODULES[choose(of_a_device(problem, a, b), map_name).name]


def of_a_device(problem: Problem, a: Array, b: Array) -> Problem:
    """The problem of the images of one device."""
    return problem.of_images(-(-problem.n // devices_of(a, b))) if is_known(problem.n) else problem
