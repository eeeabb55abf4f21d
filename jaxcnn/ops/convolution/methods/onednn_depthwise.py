"""The kernel gradient of a depthwise convolution by oneDNN's convolution, as a
primitive of JAX. It is equation (2) of `rule.py` as it stands: x is a volume, whose
first axis has the images, and meets dy as its kernel.

    dw[t, c] = sum_{n, j} x[n, j + d t - p_lo, c] dy[n, j, c]

oneDNN adds up in registers what the loop of `depthwise_sums.py` reads and writes for
every tap and image. A stride would be a dilation of the kernel here, for which oneDNN
has no fast code, so it is not taken.

The map is bilinear in x and dy. Its derivatives are the two other maps of the
convolution. A batch of problems is one of more channels.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jaxtyping import Array, Num

from jaxcnn.ops._arrays import at_least_float32
from jaxcnn.ops._onednn import calls
from jaxcnn.ops._onednn.bilinear import Axes, bilinear
from jaxcnn.ops._sharding import align_varying
from jaxcnn.ops.convolution.methods.batches import images_in_a_block, summed_over_blocks
from jaxcnn.ops.convolution.methods.method import operand_dtype
from jaxcnn.ops.convolution.methods.portable import PORTABLE
from jaxcnn.ops.convolution.problem import Problem
from jaxcnn.window import UNIT

MOST_TERMS = 4096
"""The most terms of a sum that one call adds up, if an image has no more. It adds one
after the other, and for many more its rounding errors exceed XLA's."""


def of_a_volume(problem: Problem) -> Problem | None:
    """The problem whose forward is this one's kernel gradient; None where oneDNN has no
    fast code for it.

    >>> problem = Problem.of((8, 28, 28, 96), (3, 3, 1, 96), groups=96, padding=1)
    >>> of_a_volume(problem).w_shape
    (8, 28, 28, 1, 96)
    """
    one_each = problem.depthwise and problem.outputs == problem.groups
    if not one_each or problem.strided or len(problem.space) not in (1, 2):
        return None
    images = UNIT._replace(size=(problem.n,))
    return problem._replace(
        x_shape=(1, *problem.x_shape),
        w_shape=(problem.n, *problem.out_space, 1, problem.outputs),
        window=images.beside(problem.window.kernel_grad(problem.space)),
    )


def kernel_grad(
    x: Num[Array, "n *i c"], dy: Num[Array, "n *j c"], problem: Problem
) -> Num[Array, "*t one c"]:
    """dw[t, c], in float32 whatever the dtype of x and dy. `of_a_volume` has a problem,
    and the types of x and dy no sharding."""
    dtype = problem.accumulation_dtype or operand_dtype(x, dy, problem)
    x, dy = align_varying(at_least_float32(x), at_least_float32(dy))
    return _bind(x, dy, problem._replace(accumulation_dtype=None, out_sharding=None)).astype(dtype)


def _bind(x: Array, dy: Array, problem: Problem) -> Array:
    return sums_p.bind(x, dy, problem=problem)


def _type(x, dy, *, problem):
    return x.update(shape=problem.w_shape, weak_type=False)


def _gradient_of_x(dw, dy, *, problem):
    return PORTABLE.input_grad(dy, dw, problem)


def _of_a_batch(operands, axes, *, problem):
    """[b, n, i, c] -> [n, i, (b c)]"""
    b = next(a.shape[axis] for a, axis in zip(operands, axes, strict=True) if axis is not None)
    wide = [
        jnp.broadcast_to(a[..., None, :], (*a.shape[:-1], b, a.shape[-1]))
        if axis is None
        else jnp.moveaxis(a, axis, -2)
        for a, axis in zip(operands, axes, strict=True)
    ]
    x, dy = (a.reshape(*a.shape[:-2], -1) for a in wide)
    w_shape = (*problem.w_shape[:-1], b * problem.outputs)
    wider = problem._replace(x_shape=x.shape, w_shape=w_shape, groups=b * problem.groups)
    dw = _bind(x, dy, wider)
    return dw.reshape(*dw.shape[:-1], b, -1), dw.ndim - 1


def _images(n: int, problem: Problem) -> int:
    return images_in_a_block(n, math.prod(problem.out_space), MOST_TERMS)


@summed_over_blocks(_images, of_one_device=True)
def _sums(x: Array, dy: Array, problem: Problem) -> Array:
    volume = of_a_volume(problem)
    assert volume is not None
    slices, window = volume.window.crop(volume.space)
    x, dy = x[None][:, *slices], dy[..., None, :]
    return calls.convolution(x, dy, window, volume.groups, x.dtype).reshape(problem.w_shape)


def _call(x: Array, dy: Array, *, problem: Problem) -> Array:
    """Of the images of one device."""
    return _sums(x, dy, problem.of_images(x.shape[0]))


def _axes(problem: Problem) -> Axes:
    """Devices may share the images, which are summed over."""
    i, j, t = ([f"{name}{axis}" for axis in range(len(problem.space))] for name in "ijt")
    return Axes(("n", *i, "c"), ("n", *j, "c"), (*t, "one", "c"), ("n",))


sums_p = bilinear(
    "onednn_depthwise_kernel_grad",
    _type,
    _call,
    PORTABLE.kernel_grad,
    _axes,
    _gradient_of_x,
    PORTABLE.forward,
    _of_a_batch,
)
