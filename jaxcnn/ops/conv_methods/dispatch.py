"""Which method computes which map: decided from static shapes, for each platform. It is itself a method, the default one.

On a CPU, as measured by `python -m experiments.conv_methods` (numbers in `experiments/README.md`):

    depthwise (groups of one input channel)    shifted
    everything else                            canonical: as fast as direct at the top level of a program, and many times faster
                                               in the body of a scan

On every other platform `direct`, until a measurement there says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from types import ModuleType
from typing import NamedTuple

import jax
from jax import lax
from jaxtyping import Array, Num

from jaxcnn.ops.conv_methods import canonical, direct, shifted
from jaxcnn.ops.conv_methods.method import ConvSpec


class Choice(NamedTuple):
    """A module that computes all three maps, and why this one."""

    method: ModuleType
    reason: str


def explain(groups: int, w_shape: Sequence[int]) -> dict[str, Choice]:
    """What computes the maps of a kernel of this shape, and why, by platform; "default" is every platform not named.

    >>> explain(64, (3, 3, 1, 64))["default"].reason
    "XLA's own kernels, until a measurement on this platform says otherwise"
    """
    if groups > 1 and w_shape[-2] == 1:
        cpu = Choice(shifted, "depthwise: one multiply-add per tap, where XLA's CPU backend would compute a dense convolution")
    else:
        cpu = Choice(canonical, "as fast as direct at the top level of a program, many times faster in the body of a scan")
    return {"cpu": cpu, "default": Choice(direct, "XLA's own kernels, until a measurement on this platform says otherwise")}


def choose(groups: int, w_shape: Sequence[int]) -> dict[str, ModuleType]:
    """The module that computes the maps of a kernel of this shape, by platform, as `explain` has it.

    >>> choose(64, (3, 3, 1, 64))["cpu"].__name__.rpartition(".")[-1]
    'shifted'
    """
    return {platform: choice.method for platform, choice in explain(groups, w_shape).items()}


# The jit keeps eager calls from compiling their branches anew each time; inlined, it leaves no trace in an outer jit.


@partial(jax.jit, static_argnums=(2,), inline=True)
def forward(x: Num[Array, "n *i c"], w: Num[Array, "*t cg o"], spec: ConvSpec) -> Num[Array, "n *j o"]:
    branches = {name: partial(method.forward, spec=spec) for name, method in choose(spec.groups, w.shape).items()}
    return lax.platform_dependent(x, w, **branches)


@partial(jax.jit, static_argnums=(2, 3), inline=True)
def input_grad(
    dy: Num[Array, "n *j o"], w: Num[Array, "*t cg o"], spec: ConvSpec, x_shape: Sequence[int]
) -> Num[Array, "n *i c"]:
    branches = {
        name: partial(method.input_grad, spec=spec, x_shape=x_shape) for name, method in choose(spec.groups, w.shape).items()
    }
    return lax.platform_dependent(dy, w, **branches)


@partial(jax.jit, static_argnums=(2, 3), inline=True)
def kernel_grad(
    x: Num[Array, "n *i c"], dy: Num[Array, "n *j o"], spec: ConvSpec, w_shape: Sequence[int]
) -> Num[Array, "*t cg o"]:
    branches = {
        name: partial(method.kernel_grad, spec=spec, w_shape=w_shape) for name, method in choose(spec.groups, w_shape).items()
    }
    return lax.platform_dependent(x, dy, **branches)
