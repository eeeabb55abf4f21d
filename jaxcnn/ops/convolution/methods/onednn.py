"""Forward and input gradient by oneDNN's convolution, as a primitive of JAX.

It computes (1) of `rule.py` channels last, with strides, dilation, groups and pads of 0
or more. The input gradient is (1) of dy and the flipped kernel; with a stride, each of
its phases is (`phases.py`). The kernel gradient is a matrix product, which the portable
methods lay out, or, depthwise, a convolution again (`onednn_depthwise.py`).

The map is bilinear, so the primitive's derivatives are the two other maps. A batch of
problems is one problem: if the kernels are the same, the batch joins the images, else
the groups. `takes` says where oneDNN is certain. Elsewhere, on other platforms and in
programs that are exported, the portable methods compute.
"""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.sharding import reshard
from jaxtyping import Array, Num

from jaxcnn.ops._onednn import calls
from jaxcnn.ops._onednn.bilinear import Axes, bilinear
from jaxcnn.ops._onednn.certain import is_plain, operand_of
from jaxcnn.ops._sharding import align_varying, sharding_of
from jaxcnn.ops.convolution.methods import onednn_depthwise, phases
from jaxcnn.ops.convolution.methods.method import Method, flip_and_exchange, operand_dtype
from jaxcnn.ops.convolution.methods.portable import PORTABLE
from jaxcnn.ops.convolution.problem import Problem
from jaxcnn.sizes import is_known
from jaxcnn.window import dilated

MOST_PHASES = 9
"""Up to so many phases of a stride, an input gradient has a convolution for each."""


def takes(problem: Problem, dtype: Any) -> bool:
    """Whether oneDNN computes the forward map of the problem: known sizes, operands of
    a dtype that is certain or can be widened to one, a result in it or in float32."""
    sizes = (*problem.x_shape, *problem.w_shape)
    return (
        operand_of(dtype) is not None
        and problem.accumulation_dtype in (None, dtype, np.float32)
        and is_known(*sizes)
        and len(problem.space) > 0
        and set(problem.window.base_dilation) == {1}
        and is_plain(problem.precision)
        and 0 not in (*sizes, *problem.y_shape)
        and is_ordinary(problem)
    )


def is_ordinary(problem: Problem) -> bool:
    """Whether oneDNN computes such windows, cropped, rightly.

    With AVX-512 its routines never return, end the process or are wrong for some that
    have no tap on the image; with groups, for some that are longer than the image; and
    for some that have a stride and are dilated, hang over an edge by more than their
    half, or have one channel and one output along the last axis.
    `experiments/onednn_stress.py` draws problems.
    """
    cuts, window = problem.window.crop(problem.space)
    inputs = [cut.stop - cut.start for cut in cuts]
    if min(inputs) <= 0 or not all(map(_have_taps_inside, inputs, problem.out_space, *window[:4])):
        return False
    strided = set(window.stride) != {1}
    if strided or problem.groups > 1:
        extents = map(dilated, window.size, window.dilation)
        if any(extent > n for extent, n in zip(extents, inputs, strict=True)):
            return False
    if not strided:
        return True
    one = (problem.w_shape[-2], problem.y_shape[-2]) == (1, 1) and window.stride[-1] > 1
    sides = zip(map(max, window.pads), window.size, strict=True)
    return not one and set(window.dilation) == {1} and all(side <= k // 2 for side, k in sides)


def _have_taps_inside(n: int, outputs: int, k: int, s: int, pads: tuple[int, int], d: int) -> bool:
    """Whether all windows along an axis have a tap on the image of n."""
    start = s * np.arange(outputs) - pads[0]
    tap = np.maximum(-(start // d), 0)  # the first that is not before the image
    return bool(np.all((tap < k) & (start + d * tap < n)))


def computes(problem: Problem, map_name: str, dtype: Any) -> bool:
    """Whether oneDNN's convolution computes a map: a kernel gradient only if it is
    depthwise. Where windows stand apart, the input gradient is one product of dy, and
    nothing is left for a convolution."""
    known = is_known(*problem.x_shape, *problem.w_shape)
    if not (known and problem.space):
        return False
    if map_name == "kernel_grad":
        volume = onednn_depthwise.of_a_volume(problem)
        return volume is not None and takes(volume, dtype)
    if map_name == "forward" or not problem.strided:
        return takes(problem if map_name == "forward" else problem.adjoint, dtype)
    sizes = zip(problem.window.size, problem.window.stride, strict=True)
    few = math.prod(problem.window.stride) <= MOST_PHASES
    return few and any(k > s for k, s in sizes) and takes(problem, dtype)


def forward(
    x: Num[Array, "n *i gc"], w: Num[Array, "*t c go"], problem: Problem
) -> Num[Array, "n *j go"]:
    """y[n, j, (g o)] = sum_{t, c} x[n, s j + d t - p_lo, (g c)] w[t, c, (g o)]"""
    dtype = operand_dtype(x, w, problem)
    if not takes(problem, dtype) or any(_shared(w)) or any(_shared(x)[1:]):
        return PORTABLE.forward(x, w, problem)
    slices, window = problem.window.crop(problem.space)
    operand, result = operand_of(dtype), np.dtype(problem.accumulation_dtype or dtype)
    x, w = align_varying(x[:, *slices].astype(operand), w.astype(operand))
    sums = result if operand == dtype else operand
    y = _bind(x, w, problem._replace(window=window, accumulation_dtype=sums)).astype(result)
    return y if problem.out_sharding is None else reshard(y, problem.out_sharding)


def input_grad(
    dy: Num[Array, "n *j go"], w: Num[Array, "*t c go"], problem: Problem
) -> Num[Array, "n *i gc"]:
    """dx[n, i, (g c)]: `forward` of dy and the flipped kernel; one for each phase of a
    stride"""
    if not computes(problem, "input_grad", operand_dtype(dy, w, problem)):
        return PORTABLE.input_grad(dy, w, problem)
    if problem.strided:
        return phases.input_grad(dy, w, problem, forward)
    return forward(dy, flip_and_exchange(w, problem.groups), problem.adjoint)


def kernel_grad(
    x: Num[Array, "n *i gc"], dy: Num[Array, "n *j go"], problem: Problem
) -> Num[Array, "*t c go"]:
    """dw[t, c, (g o)]: depthwise by a convolution, else as `portable` does"""
    sharded = sharding_of(x) is not None or sharding_of(dy) is not None
    if sharded or not computes(problem, "kernel_grad", operand_dtype(x, dy, problem)):
        return PORTABLE.kernel_grad(x, dy, problem)
    return onednn_depthwise.kernel_grad(x, dy, problem)


ONEDNN = Method(forward, input_grad, kernel_grad)


def _shared(a: Array) -> tuple[Any, ...]:
    """What devices share of an array, by its type: a mesh axis, or None, per axis."""
    sharding = sharding_of(a)
    return () if sharding is None else tuple(sharding.spec)


# The primitive. Its window has no negative pad, its problem the dtype of the result.


def _bind(x: Array, w: Array, problem: Problem) -> Array:
    problem = problem._replace(x_shape=x.shape, w_shape=w.shape, out_sharding=None)
    return convolution_p.bind(x, w, problem=problem)


def _type(x, w, *, problem):
    """The images of y are shared as those of x."""
    return x.update(shape=problem.y_shape, dtype=problem.accumulation_dtype, weak_type=False)


def _of_a_batch(operands, axes, *, problem):
    """[b, n] is one axis of images, or, of the groups g, (b g) one of groups."""
    (x, w), (of_x, of_w) = operands, axes
    if of_w is None:
        x = jnp.moveaxis(x, of_x, 0)
        y = _bind(x.reshape(-1, *x.shape[2:]), w, problem)
        return y.reshape(*x.shape[:2], *y.shape[1:]), 0
    b = w.shape[of_w]
    x = jnp.broadcast_to(x[None], (b, *x.shape)) if of_x is None else jnp.moveaxis(x, of_x, 0)
    x, w = (jnp.moveaxis(a, 0, -2) for a in (x, jnp.moveaxis(w, of_w, 0)))
    x, w = (a.reshape(*a.shape[:-2], -1) for a in (x, w))
    y = _bind(x, w, problem._replace(groups=b * problem.groups))
    return y.reshape(*y.shape[:-1], b, -1), y.ndim - 1


def _call(x: Array, w: Array, *, problem: Problem) -> Array:
    return calls.convolution(x, w, problem.window, problem.groups, problem.accumulation_dtype)


def _portable(x: Array, w: Array, *, problem: Problem) -> Array:
    return PORTABLE.forward(x, w, problem).astype(problem.accumulation_dtype)


def _axes(problem: Problem) -> Axes:
    """Devices may share the images."""
    axes = range(len(problem.window.size))
    i, j, t = ([f"{name}{axis}" for axis in axes] for name in "ijt")
    return Axes(("n", *i, "gc"), (*t, "c", "go"), ("n", *j, "go"), ("n",))


convolution_p = bilinear(
    "onednn_convolution", _type, _call, _portable, _axes, input_grad, kernel_grad, _of_a_batch
)
