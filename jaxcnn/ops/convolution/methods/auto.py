"""The default method, which chooses another one for each map, from static shapes, the
dtype and the platform.

On a CPU it takes `onednn` where that is certain to work and was measured to be faster,
else the choice of `portable`. On every other platform `lax` computes everything.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from jax import lax
from jaxtyping import Array, Num

from jaxcnn.ops.convolution.methods import lax as lax_method
from jaxcnn.ops.convolution.methods import onednn, portable
from jaxcnn.ops.convolution.methods.method import operand_dtype
from jaxcnn.ops.convolution.methods.portable import Choice
from jaxcnn.ops.convolution.problem import Problem

MAPS = ("forward", "input_grad", "kernel_grad")
BY_LAX = Choice(
    lax_method, "XLA's own kernels, until a measurement on this platform says otherwise"
)
BY_ONEDNN = Choice(onednn, "oneDNN's convolution, on all cores and in the dtype's own instructions")
FUSED_TAPS = 25
"""Depthwise windows of fewer taps are multiply-adds that XLA fuses with the norm and the
activation beside them."""
FEW_CHANNELS = 8
"""Input channels below which an input gradient is a product that leaves no register
empty."""


def explain(problem: Problem, dtype: Any) -> dict[str, dict[str, Choice]]:
    """The module that computes each map of a convolution, and the reason: by map, then
    by platform.

    "default" stands for every platform that is not named.

    >>> choices = explain(Problem.of((2, 8, 8, 64), (1, 1, 64, 32)), "float32")
    >>> choices["forward"]["cpu"].name, choices["kernel_grad"]["default"].name
    ('im2col', 'lax')
    """
    return {name: {"cpu": _on_cpu(problem, name, dtype), "default": BY_LAX} for name in MAPS}


def _on_cpu(problem: Problem, map_name: str, dtype: Any) -> Choice:
    return BY_ONEDNN if _by_onednn(problem, map_name, dtype) else portable.choose(problem, map_name)


def _by_onednn(problem: Problem, map_name: str, dtype: Any) -> bool:
    """Whether oneDNN's convolution is certain, and faster."""
    back = map_name == "input_grad"
    if map_name == "kernel_grad" or problem.taps == 1:
        return False
    if problem.depthwise and (problem.taps < FUSED_TAPS or (back and problem.strided)):
        return False
    if back and problem.groups == 1 and problem.c < FEW_CHANNELS:
        return False
    if back and problem.strided:
        return onednn.overlap(problem.window) and onednn.takes(problem, dtype)
    return onednn.takes(problem.adjoint if back else problem, dtype)


def forward(
    x: Num[Array, "n *i c"], w: Num[Array, "*t cg o"], problem: Problem
) -> Num[Array, "n *j o"]:
    """(1) of `rule.py`, by the method that is chosen for the platform."""
    return _on_its_platform("forward", x, w, problem)


def input_grad(
    dy: Num[Array, "n *j o"], w: Num[Array, "*t cg o"], problem: Problem
) -> Num[Array, "n *i c"]:
    """(3) of `rule.py`, likewise."""
    return _on_its_platform("input_grad", dy, w, problem)


def kernel_grad(
    x: Num[Array, "n *i c"], dy: Num[Array, "n *j o"], problem: Problem
) -> Num[Array, "*t cg o"]:
    """(2) of `rule.py`, likewise."""
    return _on_its_platform("kernel_grad", x, dy, problem)


def _on_its_platform(map_name: str, a: Array, b: Array, problem: Problem) -> Array:
    by_onednn = _by_onednn(problem, map_name, operand_dtype(a, b, problem))
    branches = {
        platform: partial(getattr(method, map_name), problem=problem)
        for platform, method in {
            "cpu": onednn if by_onednn else portable,
            "default": lax_method,
        }.items()
    }
    return lax.platform_dependent(a, b, **branches)
