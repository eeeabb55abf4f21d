"""Each wrong rule of a normalisation must be seen by the comparison with the
definition, or that comparison is worth nothing."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

from jaxcnn.ops._normalize import normalized
from jaxcnn.ops.batch_normalization import _batch_norm, _standardize
from jaxcnn.ops.layer_normalization import _layer_norm, _layer_norm_bwd
from tests.ops._norms import CASES
from tests.ops.naive_elementwise import broken, compare_with_definition, compare_with_twin


def _changed(core, change):
    """The rule of `core` with its cotangents changed: change(cotangents, residuals,
    dy)."""
    right = core.bwd
    return core, lambda *args: change(right(*args), *args[-2:])


def _with(cotangents, i, value):
    return (*cotangents[:i], value, *cotangents[i + 1 :])


def _dx(change):
    """`change` for dx of batch norm in training: change(dx, x_hat, inv_std, dx_hat)."""

    def changed(out, residuals, dy):
        kept, inv_std, scale, _ = residuals
        return _with(out, 0, change(out[0], normalized(kept, inv_std), inv_std, scale * dy[0]))

    return _changed(_batch_norm, changed)


def _without_scale(axes, epsilon, residuals, dy):
    """The rule of layer norm with dx of a scale of 1."""
    dx, _, _ = _layer_norm_bwd(axes, epsilon, (*residuals[:2], None, None), dy)
    return _with(_layer_norm_bwd(axes, epsilon, residuals, dy), 0, dx)


WRONG_RULES = {
    "statistics_as_constants": ("train", 0, _dx(lambda dx, x_hat, inv_std, g: inv_std * g)),
    "mean_as_constant": (
        "train",
        0,
        _dx(lambda dx, x_hat, inv_std, g: dx + inv_std * jnp.mean(g, 0, keepdims=True)),
    ),
    "variance_as_constant": (
        "train",
        0,
        _dx(lambda dx, x_hat, inv_std, g: inv_std * (g - jnp.mean(g, 0, keepdims=True))),
    ),
    "inv_std_forgotten": ("train", 0, _dx(lambda dx, x_hat, inv_std, g: dx / inv_std)),
    "unbiased_variance": (
        "train",
        0,
        _dx(
            lambda dx, x_hat, inv_std, g: (
                dx - inv_std * x_hat * jnp.mean(g * x_hat, 0, keepdims=True) / 3
            )
        ),
    ),
    "scale_by_the_mean": (
        "train",
        1,
        _changed(_batch_norm, lambda out, residuals, dy: _with(out, 1, out[1] / 4)),
    ),
    "scale_without_x_hat": (
        "train",
        1,
        _changed(
            _batch_norm, lambda out, residuals, dy: _with(out, 1, jnp.sum(dy[0], 0, keepdims=True))
        ),
    ),
    "bias_over_the_wrong_axes": (
        "train_images",
        2,
        _changed(
            _batch_norm,
            lambda out, residuals, dy: _with(
                out, 2, jnp.broadcast_to(dy[0].sum((1, 2, 3))[0], (1, 1, 1, 3))
            ),
        ),
    ),
    "bias_over_the_batch_only": (
        "train_images",
        2,
        _changed(
            _batch_norm,
            lambda out, residuals, dy: _with(out, 2, jnp.sum(dy[0], 0, keepdims=True)[:, :1, :1]),
        ),
    ),
    "scale_forgotten_in_batch_norms_dx": (
        "train",
        0,
        _changed(_batch_norm, lambda out, residuals, dy: _with(out, 0, out[0] / residuals[2])),
    ),
    "layer_norms_mean_forgotten": (
        "layer",
        0,
        _changed(
            _layer_norm, lambda out, residuals, dy: _with(out, 0, residuals[1] * residuals[2] * dy)
        ),
    ),
    "scale_forgotten_in_dx": ("layer", 0, (_layer_norm, _without_scale)),
    "layer_norms_scale_without_x_hat": (
        "layer",
        1,
        _changed(
            _layer_norm, lambda out, residuals, dy: _with(out, 1, jnp.sum(dy, 0, keepdims=True))
        ),
    ),
    "inference_mean_sign": (
        "infer",
        1,
        _changed(_standardize, lambda out, residuals, dy: _with(out, 1, -out[1])),
    ),
    "inference_variance_factor": (
        "infer",
        2,
        _changed(_standardize, lambda out, residuals, dy: _with(out, 2, 2 * out[2])),
    ),
}


@pytest.mark.parametrize("name", WRONG_RULES)
def test_wrong_rules_are_seen(name):
    case, argument, (core, wrong_bwd) = WRONG_RULES[name]
    with (
        broken(core, wrong_bwd),
        pytest.raises(AssertionError, match=f"gradient to argument {argument}: relative error"),
    ):
        compare_with_definition(*CASES[case])


def test_a_wrong_second_derivative_is_seen():
    """inv_std is a residual: held constant, it leaves the gradient right and the
    gradient's gradient wrong."""
    right = _layer_norm.fwd

    def wrong_fwd(*args):
        out, (kept, inv_std, scale, bias) = right(*args)
        return out, (kept, jax.lax.stop_gradient(inv_std), scale, bias)

    operation, _, args = CASES["layer"]
    with (
        broken(_layer_norm, _layer_norm.bwd, wrong_fwd),
        pytest.raises(AssertionError, match="float64 second derivative"),
    ):
        compare_with_twin(operation, args, ["float64"])
