"""Each wrong rule of a loss must be seen by the comparison with the definition, or that
comparison is worth nothing."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

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


WRONG_RULES = {
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
