"""Elementwise activations, y = f(x), with dx = f'(x) dy.

The shortest complete operations of this library. Each has, in this order: the
definition, in plain JAX (and what AUTODIFF differentiates); the forward rule, which
returns y and what the backward pass needs (the residual); the backward rule, with its
formula; and the public function, which checks its arguments and picks one of the two.

    f               f'(x)                             residual, and why
    relu            1 if x > 0, else 0                a bit mask
    leaky_relu      1 if x > 0, else slope            a bit mask
    sigmoid = s     s(x) s(-x)                        x
    tanh            4 s(2x) s(-2x) = 1 / cosh(x)^2    x
    silu            s(x) (1 + x s(-x))                x
    gelu            Phi(x) + x phi(x)                 x; or of its tanh approximation,
                                                      see there

Residuals: sigmoid and tanh keep x, although f' is a function of y, which the next
operation keeps anyway. The reason is accuracy: y (1 - y) and 1 - y^2 lose all digits
where y rounds to 1 (from x = 17 in float32, from 6 in bfloat16), and s(-x) loses none.
The price is one array of x's size, which silu and gelu keep too; no more arrays are
read. For the same reason 1 - s(x) is written s(-x) everywhere.

Conventions: relu'(0) = 0. `jnp.maximum(x, 0)` would not do, since its derivative at 0
is 1/2. A NaN passes through relu, and so does its gradient (PyTorch's rule). At -inf
and inf values and gradients are the limits. 16-bit floats are computed in float32 and
rounded once.

A forward rule calls the definition, not the function that carries the rule. So the
rule is plain JAX, and `jax.hessian`, which differentiates it in forward mode, works.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float

from jaxcnn.arguments import as_flag, as_number
from jaxcnn.ops._arrays import as_array, at_least_float32, check_floating
from jaxcnn.ops._operation import operation

_FAR = 1000.0
"""Beyond it s(-x), Phi(-x) and their products with x are 0, even in float64."""


def _near(x: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """x, clipped to [-_FAR, _FAR]. No tail changes by this, no power overflows, and no
    infinity is multiplied by 0."""
    far = x.dtype.type(_FAR)
    return lax.clamp(-far, x, far)


def _from_below(x: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """x, at least -_FAR, for use as a factor of a tail that is 0 below."""
    return jnp.where(x < -_FAR, -_FAR, x)


# relu(x) = max(x, 0)


def _relu_definition(x: Float[Array, "*s"]) -> Float[Array, "*s"]:
    return jnp.where(x <= 0, jnp.zeros_like(x), x)


def _relu_fwd(x: Float[Array, "*s"]) -> tuple[Float[Array, "*s"], Bool[Array, "*s"]]:
    return _relu_definition(x), x <= 0


def _relu_bwd(blocked: Bool[Array, "*s"], dy: Float[Array, "*s"]) -> tuple[Float[Array, "*s"]]:
    return (jnp.where(blocked, jnp.zeros_like(dy), dy),)  # dx = dy where x > 0, else 0


_relu = jax.custom_vjp(_relu_definition)
_relu.defvjp(_relu_fwd, _relu_bwd)


@operation
def relu(by_autodiff: bool, x: ArrayLike) -> Array:
    """max(x, 0), elementwise, with the derivative 0 at 0.

    >>> jax.vmap(jax.grad(relu))(jnp.array([-1.0, 0.0, 2.0])).tolist()
    [0.0, 0.0, 1.0]
    """
    return (_relu_definition if by_autodiff else _relu)(_check(x))


# leaky_relu(x) = x where x > 0, slope x elsewhere


def _leaky_relu_definition(x: Float[Array, "*s"], slope: float) -> Float[Array, "*s"]:
    return jnp.where(x <= 0, _scaled(x, slope), x)


def _scaled(a: Float[Array, "*s"], slope: float) -> Float[Array, "*s"]:
    """slope a. The slope is not rounded to 16 bits, and a slope of 0 gives 0 even if a
    is infinite."""
    return (slope * at_least_float32(a)).astype(a.dtype) if slope else jnp.zeros_like(a)


def _leaky_relu_fwd(x: Float[Array, "*s"], slope: float):
    return _leaky_relu_definition(x, slope), x <= 0


def _leaky_relu_bwd(slope: float, reduced: Bool[Array, "*s"], dy: Float[Array, "*s"]):
    return (jnp.where(reduced, _scaled(dy, slope), dy),)  # dx = dy where x > 0, slope dy elsewhere


_leaky_relu = jax.custom_vjp(_leaky_relu_definition, nondiff_argnums=(1,))
_leaky_relu.defvjp(_leaky_relu_fwd, _leaky_relu_bwd)


@operation
def leaky_relu(by_autodiff: bool, x: ArrayLike, negative_slope: float = 0.01) -> Array:
    """x where x > 0, `negative_slope` x elsewhere; the derivative at 0 is the slope,
    which is static and finite.

    >>> jax.vmap(jax.grad(leaky_relu))(jnp.array([-1.0, 0.0, 2.0])).tolist()
    [0.009999999776482582, 0.009999999776482582, 1.0]
    """
    slope = as_number("negative_slope", negative_slope, "a finite number, static")
    if not math.isfinite(slope):
        raise ValueError(f"negative_slope must be finite, got {slope}")
    return (_leaky_relu_definition if by_autodiff else _leaky_relu)(_check(x), slope)


# sigmoid(x) = s(x) = 1 / (1 + exp(-x))


def _sigmoid_definition(x: Float[Array, "*s"]) -> Float[Array, "*s"]:
    return lax.logistic(at_least_float32(x)).astype(x.dtype)


def _sigmoid_fwd(x: Float[Array, "*s"]):
    return _sigmoid_definition(x), x


def _sigmoid_bwd(x: Float[Array, "*s"], dy: Float[Array, "*s"]):
    return (_times(dy, _sigmoid_slope(at_least_float32(x))),)  # dx = s(x) s(-x) dy


def _sigmoid_slope(x: Float[Array, "*s"]) -> Float[Array, "*s"]:
    return lax.logistic(x) * lax.logistic(-x)


_sigmoid = jax.custom_vjp(_sigmoid_definition)
_sigmoid.defvjp(_sigmoid_fwd, _sigmoid_bwd)


@operation
def sigmoid(by_autodiff: bool, x: ArrayLike) -> Array:
    """1 / (1 + exp(-x)), elementwise.

    >>> float(jax.grad(sigmoid)(0.0))
    0.25
    """
    return (_sigmoid_definition if by_autodiff else _sigmoid)(_check(x))


# tanh(x) = 2 s(2x) - 1


def _tanh_definition(x: Float[Array, "*s"]) -> Float[Array, "*s"]:
    return jnp.tanh(at_least_float32(x)).astype(x.dtype)


def _tanh_fwd(x: Float[Array, "*s"]):
    return _tanh_definition(x), x


def _tanh_bwd(x: Float[Array, "*s"], dy: Float[Array, "*s"]):
    return (_times(dy, 4 * _sigmoid_slope(2 * at_least_float32(x))),)  # dx = 4 s(2x) s(-2x) dy


_tanh = jax.custom_vjp(_tanh_definition)
_tanh.defvjp(_tanh_fwd, _tanh_bwd)


@operation
def tanh(by_autodiff: bool, x: ArrayLike) -> Array:
    """The hyperbolic tangent, elementwise.

    >>> float(jax.grad(tanh)(0.0))
    1.0
    """
    return (_tanh_definition if by_autodiff else _tanh)(_check(x))


# silu(x) = x s(x), also called swish


def _silu_definition(x: Float[Array, "*s"]) -> Float[Array, "*s"]:
    wide = at_least_float32(x)
    return (_from_below(wide) * lax.logistic(_near(wide))).astype(x.dtype)


def _silu_fwd(x: Float[Array, "*s"]):
    return _silu_definition(x), x


def _silu_bwd(x: Float[Array, "*s"], dy: Float[Array, "*s"]):
    x = _near(at_least_float32(x))
    return (_times(dy, lax.logistic(x) * (1 + x * lax.logistic(-x))),)  # dx = s(x) (1 + x s(-x)) dy


_silu = jax.custom_vjp(_silu_definition)
_silu.defvjp(_silu_fwd, _silu_bwd)


@operation
def silu(by_autodiff: bool, x: ArrayLike) -> Array:
    """x sigmoid(x), elementwise (Elfwing, Uchibe and Doya 2017; swish).

    >>> float(jax.grad(silu)(0.0))
    0.5
    """
    return (_silu_definition if by_autodiff else _silu)(_check(x))


# gelu(x) = x Phi(x), with Phi and phi the distribution and the density of the standard
# normal. Its approximation is x (1 + tanh u) / 2 with u = sqrt(2 / pi) (x + 0.044715
# x^3): 1 + tanh u cancels below 0, and so it is written x s(2u), with the derivative
# s(2u) + x s(2u) s(-2u) 2u' = s(2u) (1 + x s(-2u) 2u').

_GELU_SCALE = math.sqrt(2 / math.pi)
_GELU_CUBIC = 0.044715


def _gelu_definition(x: Float[Array, "*s"], approximate: bool) -> Float[Array, "*s"]:
    wide = at_least_float32(x)
    near = _near(wide)
    distribution = (
        lax.logistic(_twice_u(near)) if approximate else lax.erfc(-near * math.sqrt(0.5)) / 2
    )
    return (_from_below(wide) * distribution).astype(x.dtype)


def _twice_u(x: Float[Array, "*s"]) -> Float[Array, "*s"]:
    return 2 * _GELU_SCALE * (x + _GELU_CUBIC * x**3)


def _gelu_fwd(x: Float[Array, "*s"], approximate: bool):
    return _gelu_definition(x, approximate), x


def _gelu_bwd(approximate: bool, x: Float[Array, "*s"], dy: Float[Array, "*s"]):
    x = _near(at_least_float32(x))
    if approximate:
        s, s_of_minus = lax.logistic(_twice_u(x)), lax.logistic(-_twice_u(x))
        derivative = s * (1 + x * s_of_minus * 2 * _GELU_SCALE * (1 + 3 * _GELU_CUBIC * x**2))
    else:
        distribution = lax.erfc(-x * math.sqrt(0.5)) / 2
        density = jnp.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
        derivative = distribution + x * density
    return (_times(dy, derivative),)


_gelu = jax.custom_vjp(_gelu_definition, nondiff_argnums=(1,))
_gelu.defvjp(_gelu_fwd, _gelu_bwd)


@operation
def gelu(by_autodiff: bool, x: ArrayLike, approximate: bool = True) -> Array:
    """x Phi(x), elementwise (Hendrycks and Gimpel 2016), by default in its tanh
    approximation, as `jax.nn.gelu`.

    PyTorch's `approximate="tanh"` is True here, and its "none" is False.

    >>> float(jax.grad(gelu)(0.0))
    0.5
    """
    if isinstance(approximate, str):
        raise ValueError(
            "approximate must be True (PyTorch's 'tanh') or False (its 'none'), got"
            f" {approximate!r}"
        )
    approximate = as_flag("approximate", approximate)
    return (_gelu_definition if by_autodiff else _gelu)(_check(x), approximate)


# Shared.


def _times(dy: Float[Array, "*s"], derivative: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """derivative dy, in dy's dtype."""
    return (derivative * at_least_float32(dy)).astype(dy.dtype)


def _check(x: ArrayLike) -> Array:
    x = as_array("x", x)
    check_floating("x", x)
    return x
