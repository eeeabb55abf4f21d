"""The default method, which chooses another one for each map, from static shapes, the
dtype and the platform.

On a CPU the rules of `rules.py` decide, and know whether oneDNN is certain to compute
the map. On every other platform `lax` computes everything.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from jax import Array, lax

from jaxcnn.ops.convolution.methods.lax import LAX
from jaxcnn.ops.convolution.methods.method import Method, operand_dtype
from jaxcnn.ops.convolution.methods.onednn import ONEDNN, computes
from jaxcnn.ops.convolution.methods.portable import PORTABLE, of_a_device
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
    return choose(problem, map_name, computes(problem, map_name, dtype))


def _on_its_platform(map_name: str, a: Array, b: Array, problem: Problem) -> Array:
    choice = _on_cpu(of_a_device(problem, a, b), map_name, operand_dtype(a, b, problem))
    methods = {"cpu": ONEDNN if choice.name == "onednn" else PORTABLE, "default": LAX}
    branches = {
        platform: partial(getattr(method, map_name), problem=problem)
        for platform, method in methods.items()
    }
    return lax.platform_dependent(a, b, **branches)


AUTO = Method.of(_on_its_platform)
