"""Each wrong rule of a loss must be seen by the comparison with the definition, or that
comparison is worth nothing."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

from jaxcnn.ops._soft_labels import soft_cross_entropy
from jaxcnn.ops.binary_cross_entropy import _sigmoid_binary_cross_entropy
from jaxcnn.ops.cross_entropy import _softmax_cross_entropy
from jaxcnn.ops.squared_error import _mean_squared_error
from tests.ops._losses import CASES
from tests.ops.naive_elementwise import broken, compare_with_definition


def _softmax_rule(gradient):
    """A rule from gradient(p, [j = label], smoothing, dy)."""

    def wrong_bwd(a, residuals, dy):
        z, labels, _, _ = residuals
        return (
            gradient(
                jax.nn.softmax(z),
                jax.nn.one_hot(labels, z.shape[-1], dtype=z.dtype),
                a,
                dy[..., None],
            ),
            None,
        )

    return _softmax_cross_entropy, wrong_bwd


def _soft_rule(to_logits=None, to_targets=None):
    """The rule with one of its gradients replaced by a function of p, t, a, dy."""

    def wrong_bwd(a, residuals, dy):
        z, t, _, _ = residuals
        p, dy, s = jax.nn.softmax(z), dy[..., None], jnp.sum(t, -1, keepdims=True)
        q = (1 - a) * t + a * jnp.mean(t, -1, keepdims=True)
        costs = -jnp.log(p)
        dz = dy * (s * p - q)
        dt = dy * ((1 - a) * costs + a * jnp.mean(costs, -1, keepdims=True))
        return (
            to_logits(p, t, a, dy) if to_logits else dz,
            to_targets(p, t, a, dy) if to_targets else dt,
        )

    return soft_cross_entropy, wrong_bwd


WRONG_RULES = {
    "soft_sum_of_targets_forgotten": ("soft", 0, *_soft_rule(lambda p, t, a, dy: dy * (p - t))),
    "soft_smoothing_forgotten": (
        "soft_smooth",
        0,
        *_soft_rule(lambda p, t, a, dy: dy * (t.sum(-1, keepdims=True) * p - t)),
    ),
    "soft_no_gradient_to_the_targets": (
        "soft",
        1,
        *_soft_rule(to_targets=lambda p, t, a, dy: 0 * t),
    ),
    "soft_smoothing_of_the_targets_forgotten": (
        "soft_smooth",
        1,
        *_soft_rule(to_targets=lambda p, t, a, dy: -dy * jnp.log(p)),
    ),
    "softmax_not_minus_target": ("softmax", 0, *_softmax_rule(lambda p, hot, a, dy: dy * p)),
    "softmax_smoothing_forgotten": (
        "softmax_smooth",
        0,
        *_softmax_rule(lambda p, hot, a, dy: dy * (p - hot)),
    ),
    "softmax_smoothing_without_k": (
        "softmax_smooth",
        0,
        *_softmax_rule(lambda p, hot, a, dy: dy * (p - (1 - a) * hot - a)),
    ),
    "softmax_cotangent_forgotten": ("softmax", 0, *_softmax_rule(lambda p, hot, a, dy: p - hot)),
    "softmax_mean_over_the_batch": (
        "softmax",
        0,
        *_softmax_rule(lambda p, hot, a, dy: dy * (p - hot) / 6),
    ),
    "softmax_sign": ("softmax", 0, *_softmax_rule(lambda p, hot, a, dy: dy * (hot - p))),
    "softmax_labels_shifted": (
        "softmax",
        0,
        *_softmax_rule(lambda p, hot, a, dy: dy * (p - jnp.roll(hot, 1, -1))),
    ),
    "sigmoid_times_its_derivative": (
        "sigmoid",
        0,
        _sigmoid_binary_cross_entropy,
        lambda r, dy: (dy * (jax.nn.sigmoid(r[0]) - r[1]) * jax.nn.sigmoid(r[0]), -dy * r[0]),
    ),
    "sigmoid_label_sign": (
        "sigmoid",
        1,
        _sigmoid_binary_cross_entropy,
        lambda r, dy: (dy * (jax.nn.sigmoid(r[0]) - r[1]), dy * r[0]),
    ),
    "squared_without_2": (
        "mean_squared",
        0,
        _mean_squared_error,
        lambda r, dy: (dy * (r[0] - r[1]) / 6, dy * (r[1] - r[0]) / 3),
    ),
    "squared_over_the_batch_only": (
        "mean_squared",
        0,
        _mean_squared_error,
        lambda r, dy: (dy * 2 * (r[0] - r[1]) / 3, dy * (r[1] - r[0]) / 3),
    ),
    "squared_target_sign": (
        "mean_squared",
        1,
        _mean_squared_error,
        lambda r, dy: (dy * (r[0] - r[1]) / 3, dy * (r[0] - r[1]) / 3),
    ),
}


@pytest.mark.parametrize("name", WRONG_RULES)
def test_wrong_rules_are_seen(name):
    case, argument, core, wrong_bwd = WRONG_RULES[name]
    with (
        broken(core, wrong_bwd),
        pytest.raises(AssertionError, match=f"gradient to argument {argument}: relative error"),
    ):
        compare_with_definition(*CASES[case])
