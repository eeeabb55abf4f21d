"""Elementwise activations, y = f(x), with dx = f'(x) dy.

The shortest complete operations of this library. Each has, in this order: the definition, in plain JAX (and what AUTODIFF
differentiates); the forward rule, which returns y and what the backward pass needs (the residual); the backward rule, with its
formula; and the public function, which checks its arguments and picks one of the two.

    f               f'(x)                             residual, and why
    relu            1 if x > 0, else 0                a bit mask
    leaky_relu      1 if x > 0, else slope            a bit mask
    sigmoid         y (1 - y)                         y: the next operation keeps it anyway
    tanh            1 - y^2                           y
    silu            s (1 + x (1 - s)), s = sigmoid    x; s is recomputed
    gelu            Phi(x) + x phi(x)                 x; or of its tanh approximation, see `gelu`

Conventions: relu'(0) = 0, so `jnp.maximum(x, 0)` will not do: its derivative there is 1/2. A NaN passes through relu, and so does
its gradient (PyTorch's rule).

A forward rule calls the definition, not the function that carries the rule: then the rule is plain JAX, and `jax.hessian`, which
takes a forward-mode derivative of it, works.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float

from jaxcnn.ops._common import as_array, at_least_float32, check_floating

# relu(x) = max(x, 0)


def _relu_forward(x: Float[Array, "*s"]) -> Float[Array, "*s"]:
    return jnp.where(x <= 0, jnp.zeros_like(x), x)


def _relu_fwd(x: Float[Array, "*s"]) -> tuple[Float[Array, "*s"], Bool[Array, "*s"]]:
    return _relu_forward(x), x <= 0


def _relu_bwd(blocked: Bool[Array, "*s"], dy: Float[Array, "*s"]) -> tuple[Float[Array, "*s"]]:
    return (jnp.where(blocked, jnp.zeros_like(dy), dy),)  # dx = dy where x > 0, else 0


_relu = jax.custom_vjp(_relu_forward)
_relu.defvjp(_relu_fwd, _relu_bwd)


def relu(x: ArrayLike, *, autodiff: bool = False) -> Array:
    """max(x, 0), elementwise, with the derivative 0 at 0.

    >>> jax.vmap(jax.grad(relu))(jnp.array([-1.0, 0.0, 2.0])).tolist()
    [0.0, 0.0, 1.0]
    """
    return (_relu_forward if autodiff else _relu)(_check(x))


# leaky_relu(x) = x where x > 0, slope x elsewhere


def _leaky_relu_forward(x: Float[Array, "*s"], slope: float) -> Float[Array, "*s"]:
    return jnp.where(x <= 0, slope * x, x)


def _leaky_relu_fwd(x: Float[Array, "*s"], slope: float):
    return _leaky_relu_forward(x, slope), x <= 0


def _leaky_relu_bwd(slope: float, reduced: Bool[Array, "*s"], dy: Float[Array, "*s"]):
    return (jnp.where(reduced, slope * dy, dy),)  # dx = dy where x > 0, slope dy elsewhere


_leaky_relu = jax.custom_vjp(_leaky_relu_forward, nondiff_argnums=(1,))
_leaky_relu.defvjp(_leaky_relu_fwd, _leaky_relu_bwd)


def leaky_relu(x: ArrayLike, negative_slope: float = 0.01, *, autodiff: bool = False) -> Array:
    """x where x > 0, `negative_slope` x elsewhere; the derivative at 0 is the slope.

    >>> jax.vmap(jax.grad(leaky_relu))(jnp.array([-1.0, 0.0, 2.0])).tolist()
    [0.009999999776482582, 0.009999999776482582, 1.0]
    """
    return (_leaky_relu_forward if autodiff else _leaky_relu)(_check(x), float(negative_slope))


# sigmoid(x) = 1 / (1 + exp(-x))


def _sigmoid_forward(x: Float[Array, "*s"]) -> Float[Array, "*s"]:
    return lax.logistic(x)


def _sigmoid_fwd(x: Float[Array, "*s"]):
    y = _sigmoid_forward(x)
    return y, y


def _sigmoid_bwd(y: Float[Array, "*s"], dy: Float[Array, "*s"]):
    return (dy * y * (1 - y),)


_sigmoid = jax.custom_vjp(_sigmoid_forward)
_sigmoid.defvjp(_sigmoid_fwd, _sigmoid_bwd)


def sigmoid(x: ArrayLike, *, autodiff: bool = False) -> Array:
    """1 / (1 + exp(-x)), elementwise.

    >>> float(jax.grad(sigmoid)(0.0))
    0.25
    """
    return (_sigmoid_forward if autodiff else _sigmoid)(_check(x))


# tanh(x)


def _tanh_forward(x: Float[Array, "*s"]) -> Float[Array, "*s"]:
    return jnp.tanh(x)


def _tanh_fwd(x: Float[Array, "*s"]):
    y = _tanh_forward(x)
    return y, y


def _tanh_bwd(y: Float[Array, "*s"], dy: Float[Array, "*s"]):
    return (dy * (1 - y) * (1 + y),)  # 1 - y^2, without its cancellation near |y| = 1


_tanh = jax.custom_vjp(_tanh_forward)
_tanh.defvjp(_tanh_fwd, _tanh_bwd)


def tanh(x: ArrayLike, *, autodiff: bool = False) -> Array:
    """The hyperbolic tangent, elementwise.

    >>> float(jax.grad(tanh)(0.0))
    1.0
    """
    return (_tanh_forward if autodiff else _tanh)(_check(x))


# silu(x) = x sigmoid(x), also called swish


def _silu_forward(x: Float[Array, "*s"]) -> Float[Array, "*s"]:
    return x * lax.logistic(x)


def _silu_fwd(x: Float[Array, "*s"]):
    return _silu_forward(x), x


def _silu_bwd(x: Float[Array, "*s"], dy: Float[Array, "*s"]):
    s = lax.logistic(x)
    return (dy * s * (1 + x * (1 - s)),)


_silu = jax.custom_vjp(_silu_forward)
_silu.defvjp(_silu_fwd, _silu_bwd)


def silu(x: ArrayLike, *, autodiff: bool = False) -> Array:
    """x sigmoid(x), elementwise (Elfwing, Uchibe and Doya 2017; swish).

    >>> float(jax.grad(silu)(0.0))
    0.5
    """
    return (_silu_forward if autodiff else _silu)(_check(x))


# gelu(x) = x Phi(x), with Phi and phi the distribution and the density of the standard normal. Its approximation is
# x (1 + tanh u) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3); its derivative (1 + tanh u) / 2 + x (1 - tanh(u)^2) u' / 2.

_GELU_SCALE = math.sqrt(2 / math.pi)
_GELU_CUBIC = 0.044715


def _gelu_forward(x: Float[Array, "*s"], approximate: bool) -> Float[Array, "*s"]:
    narrow, x = x.dtype, at_least_float32(x)  # x^3 overflows float16 from x = 41 on
    twice = 1 + jnp.tanh(_GELU_SCALE * (x + _GELU_CUBIC * x**3)) if approximate else lax.erfc(-x * math.sqrt(0.5))
    return (x * twice / 2).astype(narrow)


def _gelu_fwd(x: Float[Array, "*s"], approximate: bool):
    return _gelu_forward(x, approximate), x


def _gelu_bwd(approximate: bool, x: Float[Array, "*s"], dy: Float[Array, "*s"]):
    x = at_least_float32(x)
    if approximate:
        tanh_u = jnp.tanh(_GELU_SCALE * (x + _GELU_CUBIC * x**3))
        du = _GELU_SCALE * (1 + 3 * _GELU_CUBIC * x**2)
        derivative = (1 + tanh_u) / 2 + x * (1 - tanh_u) * (1 + tanh_u) * du / 2
    else:
        distribution = lax.erfc(-x * math.sqrt(0.5)) / 2
        density = jnp.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
        derivative = distribution + x * density
    return ((at_least_float32(dy) * derivative).astype(dy.dtype),)


_gelu = jax.custom_vjp(_gelu_forward, nondiff_argnums=(1,))
_gelu.defvjp(_gelu_fwd, _gelu_bwd)


def gelu(x: ArrayLike, approximate: bool = True, *, autodiff: bool = False) -> Array:
    """x Phi(x), elementwise (Hendrycks and Gimpel 2016), by default in its tanh approximation, as `jax.nn.gelu`.

    >>> float(jax.grad(gelu)(0.0))
    0.5
    """
    return (_gelu_forward if autodiff else _gelu)(_check(x), bool(approximate))


def _check(x: ArrayLike) -> Array:
    x = as_array("x", x)
    check_floating("x", x)
    return x
