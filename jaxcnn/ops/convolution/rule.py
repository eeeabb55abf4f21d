"""Convolution, and its gradients as convolutions.

Definition
    What deep learning calls a convolution is a cross-correlation: the kernel is not
    flipped (`convolve` flips it). On one axis,

        y[n, j, o] = sum_{t, c} x[n, s j + d t - p_lo, c] w[t, c, o] + b[o]          (1)

    with stride s, dilation d, low pad p_lo, and x = 0 outside its array. With G groups,
    (c) and (o) are (g c) and (g o): output channels of group g see the input channels
    of group g only, and w is [t, c, (g o)].

Derivation
    Contract y with a cotangent dy:  T(x, w, dy) = sum_{n, j, o} dy[n, j, o] y[n, j, o]
    is linear in each argument, so its gradient with respect to one of them is the
    factor that multiplies it:

        dT/d(dy) = y                                                                 (1)
        dT/dw:   dw[t, c, o] = sum_{n, j} x[n, s j + d t - p_lo, c] dy[n, j, o]      (2)
        dT/dx:   dx[n, i, c] = sum_{t, j: s j + d t - p_lo = i}
                               sum_o dy[n, j, o] w[t, c, o]                          (3)
        dT/db:   db[o]       = sum_{n, j} dy[n, j, o]                                (4)

    (2) is the cross-correlation of the input with dy. x is the image and dy is the
    kernel, whose taps are dilated by s; the sum is over the batch and space. (3) is the
    full convolution of dy, dilated by s, with the kernel. With t' = k - 1 - t, (3)
    becomes (1) for dy and the flipped kernel w[k - 1 - t', c, o], c and o exchanged.
    `jaxcnn/window.py` has the strides, dilations and pads of both, remainders and
    negative pads included. (4) sums over batch and space, for each channel.

    Source: the document "Deep Learning - CNN Basics", section "How does back
    propagation on a kernel K work?". Three of its slips are corrected here. Its code
    assigns (=) the kernel gradient inside the loop over images, where (2) adds (+=). It
    takes the bias gradient "across all channels", where (4) sums over batch and space.
    In its expansion of dJ/dx13 the term with k11 belongs to y13.

    T has no other gradients: the derivative of (2) or (3) with respect to one of its
    arguments is again one of (1), (2), (3). So each of the three maps has one rule, in
    terms of the two others.

Second derivatives
    The rules call the maps without their rules, that is, plain JAX. So a second
    derivative is JAX's derivative of the maps, in reverse mode or, in `jax.hessian` and
    Hessian-vector products, in forward mode over reverse.

Conventions
    A cotangent has the dtype and sharding of its primal. The rule keeps only x and w,
    which exist already. Products are summed in `preferred_element_type`, and y and dy
    have that dtype if it is given. The gradients are then computed from operands
    widened to it, as lax does, and rounded once. Only reverse mode is supported: `jvp`,
    `jacfwd` and `linear_transpose` raise an error. Called eagerly, it names the
    operation; under `jit` or `scan` it is JAX's own, "can't apply forward-mode autodiff
    (jvp) to a custom_vjp".

    A value of x or dy that is not finite makes y, or dx, not finite where a window
    meets it, and nowhere else. A kernel gradient is a matrix product, in which 0 times
    infinity is NaN, so such a value may spoil even taps that never met it.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Num

from jaxcnn.ops._sharding import cotangent_like, sharding_of
from jaxcnn.ops.convolution.methods.method import Method
from jaxcnn.ops.convolution.problem import Problem

# The three maps. Empty sums are 0 for every method, since lax cannot compute a
# convolution without outputs, images or channels. The jits keep eager calls from
# compiling a method's loops and branches again each time. Being inlined, they leave no
# trace in an outer jit.


@partial(jax.jit, static_argnums=(2, 3), inline=True)
def forward_map(
    x: Num[Array, "n *i c"], w: Num[Array, "*t cg o"], problem: Problem, method: Method
) -> Num[Array, "n *j o"]:
    """(1), by the method."""
    if 0 in (x.size, w.size, *problem.y_shape):
        return _zeros(problem.y_shape, problem, x)
    return method.forward(x, w, problem)


@partial(jax.jit, static_argnums=(2, 3), inline=True)
def input_grad_map(
    dy: Num[Array, "n *j o"], w: Num[Array, "*t cg o"], problem: Problem, method: Method
) -> Num[Array, "n *i c"]:
    """(3), by the method."""
    if 0 in (dy.size, w.size, *problem.x_shape):
        return _zeros(problem.x_shape, problem, dy)
    return method.input_grad(dy, w, problem)


@partial(jax.jit, static_argnums=(2, 3), inline=True)
def kernel_grad_map(
    x: Num[Array, "n *i c"], dy: Num[Array, "n *j o"], problem: Problem, method: Method
) -> Num[Array, "*t cg o"]:
    """(2), by the method."""
    if 0 in (x.size, dy.size, *problem.w_shape):
        return _zeros(problem.w_shape, problem, x)
    return method.kernel_grad(x, dy, problem)


def _zeros(shape: tuple[int, ...], problem: Problem, operand: Array) -> Array:
    return jnp.zeros(shape, problem.accumulation_dtype or operand.dtype)


# The rule, wired once. The cores are (1), (3) and (2); each one's rule is the other two
# maps.

conv_core = jax.custom_vjp(forward_map, nondiff_argnums=(2, 3))
input_grad_core = jax.custom_vjp(input_grad_map, nondiff_argnums=(2, 3))
kernel_grad_core = jax.custom_vjp(kernel_grad_map, nondiff_argnums=(2, 3))


def _forward(x: Array, w: Array, problem: Problem, method: Method, like: Array) -> Array:
    return _cotangent(forward_map(x, w, _shared_as(like, problem), method), like)


def _input_grad(dy: Array, w: Array, problem: Problem, method: Method, like: Array) -> Array:
    return _cotangent(input_grad_map(dy, w, _shared_as(like, problem), method), like)


def _kernel_grad(x: Array, dy: Array, problem: Problem, method: Method, like: Array) -> Array:
    return _cotangent(kernel_grad_map(x, dy, _shared_as(like, problem), method), like)


def _shared_as(like: Array, problem: Problem) -> Problem:
    return problem._replace(out_sharding=sharding_of(like))


def _cotangent(found: Array, like: Array) -> Array:
    """`cotangent_like`, also for a symbolic size that is equal but written in another
    way, such as max(h - 2, 0) + 2 for h."""
    if found.shape != like.shape:
        missing = [(0, m - n, 0) for n, m in zip(found.shape, like.shape, strict=True)]
        found = lax.pad(found, jnp.zeros((), found.dtype), missing)
    return cotangent_like(found, like)


def _conv_fwd(x, w, problem, method):
    return forward_map(x, w, problem, method), (x, w)


def _conv_bwd(problem, method, residuals, dy):
    x, w = residuals
    dx = _input_grad(dy, w, problem, method, like=x)  # (3)
    dw = _kernel_grad(x, dy, problem, method, like=w)  # (2)
    return dx, dw


def _input_grad_fwd(dy, w, problem, method):
    return input_grad_map(dy, w, problem, method), (dy, w)


def _input_grad_bwd(problem, method, residuals, ddx):
    dy, w = residuals  # T(ddx, w, dy)
    ddy = _forward(ddx, w, problem, method, like=dy)  # (1)
    dw = _kernel_grad(ddx, dy, problem, method, like=w)  # (2)
    return ddy, dw


def _kernel_grad_fwd(x, dy, problem, method):
    return kernel_grad_map(x, dy, problem, method), (x, dy)


def _kernel_grad_bwd(problem, method, residuals, ddw):
    x, dy = residuals  # T(x, ddw, dy)
    dx = _input_grad(dy, ddw, problem, method, like=x)  # (3)
    ddy = _forward(x, ddw, problem, method, like=dy)  # (1)
    return dx, ddy


conv_core.defvjp(_conv_fwd, _conv_bwd)
input_grad_core.defvjp(_input_grad_fwd, _input_grad_bwd)
kernel_grad_core.defvjp(_kernel_grad_fwd, _kernel_grad_bwd)
