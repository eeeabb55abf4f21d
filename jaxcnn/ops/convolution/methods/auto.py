"""The default method, which chooses another one for each map, from static shapes, the
dtype and the platform.

On a CPU the rules of `rules.py` decide, and know whether oneDNN is certain to compute
the map. On every other platform `lax` computes everything.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from jax import lax
from jaxtyping import Array, Num

from jaxcnn.ops.convolution.methods import lax as lax_method
from jaxcnn.ops.convolution.methods import onednn, portable
from jaxcnn.ops.convolution.methods.method import Method, operand_dtype
from jaxcnn.ops.convolution.methods.rules import Choice, choose
from jaxcnn.ops.convolution.problem import Problem

BY_LAX = Choice("lax", "XLA's own kernels, until a measurement on this platform says otherwise")


def explain(problem: Problem, dtype: Any) -> dict[str, dict[str, Choice]]:
    """The method of each map of a convolution, with its reason: by map, then platform.

    "default" stands for every platform that is not named.

    >>> choices = explain(Problem.of((2, 8, 8, 64), (1, 1, 64, 32)), "float32")
    >>> choices["forward"]["cpu"].name, choices["kernel_grad"]["default"].name
    ('im2col', 'lax')
    """
    return {
        name: {"cpu": _on_cpu(problem, name, dtype), "default": BY_LAX} for name in Method._fields
    }


def _on_cpu(problem: Problem, map_name: str, dtype: Any) -> Choice:
    return choose(problem, map_name, onednn.computes(problem, map_name, dtype))


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
    of_one = portable.of_a_device(problem, a, b)
    choice = _on_cpu(of_one, map_name, operand_dtype(a, b, problem))
    method = {"cpu": onednn if choice.name == "onednn" else portable, "default": lax_method}
    branches = {
        platform: partial(getattr(module, map_name), problem=problem)
        for platform, module in method.items()
    }
    return lax.platform_dependent(a, b, **branches)
