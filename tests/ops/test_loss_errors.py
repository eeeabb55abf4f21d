"""Wrong arguments of the losses: a ValueError that names them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.ops.binary_cross_entropy import sigmoid_binary_cross_entropy
from jaxcnn.ops.cross_entropy import softmax_cross_entropy
from jaxcnn.ops.squared_error import mean_squared_error
from tests.ops._losses import ones

ERRORS = {
    "integer_logits": (
        lambda: softmax_cross_entropy(np.ones((2, 3), np.int32), np.zeros(2, np.int32)),
        "logits must have a float",
    ),
    "one_hot": (
        lambda: softmax_cross_entropy(ones((2, 3)), np.eye(2, 3, dtype=np.int32)),
        (
            r"labels must be integers of shape \(2,\), or probabilities of \(2, 3\), .* are they"
            r" one-hot\? pass labels.astype\(jnp.float32\)"
        ),
    ),
    "float_labels": (
        lambda: softmax_cross_entropy(ones((2, 3)), ones(2)),
        r"got float32 of \(2,\); convert them, labels.astype",
    ),
    "label_column": (
        lambda: softmax_cross_entropy(ones((2, 3)), np.zeros((2, 1), np.int32)),
        r"pass labels\[..., 0\]",
    ),
    "label_shape": (
        lambda: softmax_cross_entropy(ones((2, 3)), np.zeros(3, np.int32)),
        r"of shape \(2,\), or probabilities of \(2, 3\), for logits of \(2, 3\)",
    ),
    "smoothing_above": (
        lambda: softmax_cross_entropy(ones((2, 3)), np.zeros(2, np.int32), label_smoothing=1.1),
        r"label_smoothing must be in \[0, 1\], got 1.1",
    ),
    "smoothing_below": (
        lambda: softmax_cross_entropy(ones((2, 3)), np.zeros(2, np.int32), label_smoothing=-0.1),
        "got -0.1",
    ),
    "no_class": (
        lambda: softmax_cross_entropy(ones((2, 0)), np.zeros(2, np.int32)),
        "at least one class",
    ),
    "scalar_logits": (
        lambda: softmax_cross_entropy(jnp.float32(1), np.int32(0)),
        r"at least one class, got shape \(\)",
    ),
    "sigmoid_shapes": (
        lambda: sigmoid_binary_cross_entropy(ones(2), ones(3)),
        r"labels must have the shape of logits, \(2,\)",
    ),
    "sigmoid_column": (
        lambda: sigmoid_binary_cross_entropy(ones((2, 1)), ones(2)),
        "squeeze logits or expand labels",
    ),
    "sigmoid_logits": (
        lambda: sigmoid_binary_cross_entropy(np.ones(2, np.int32), ones(2)),
        "logits must have a floating dtype",
    ),
    "squared_column": (
        lambda: mean_squared_error(ones(4), ones((4, 1))),
        (
            r"targets must have the shape of predictions, \(4,\), got \(4, 1\); .* squeeze targets"
            r" or expand predictions"
        ),
    ),
    "squared_scalar": (
        lambda: mean_squared_error(ones(4), jnp.float32(1)),
        r"shape of predictions, \(4,\), got \(\)$",
    ),
    "squared_integers": (
        lambda: mean_squared_error(ones(2), np.ones(2, np.int32)),
        "targets must have a floating dtype",
    ),
    "smoothing_word": (
        lambda: softmax_cross_entropy(ones((2, 3)), [0, 1], label_smoothing="0.1"),
        "label_smoothing must be a number in .*, static, got '0.1'",
    ),
    "smoothing_flag": (
        lambda: softmax_cross_entropy(ones((2, 3)), [0, 1], label_smoothing=True),
        "label_smoothing must be a number .* got True",
    ),
    "smoothing_nan": (
        lambda: softmax_cross_entropy(ones((2, 3)), [0, 1], label_smoothing=np.nan),
        "label_smoothing .* got nan",
    ),
    "smoothing_traced": (
        lambda: jax.jit(lambda a: softmax_cross_entropy(ones((2, 3)), [0, 1], label_smoothing=a))(
            0.1
        ),
        "label_smoothing must be a number .* got an array of float32",
    ),
    "flag_labels": (
        lambda: softmax_cross_entropy(ones((2, 3)), [True, False]),
        r"got bool of \(2,\); convert them, labels.astype",
    ),
    "no_labels": (
        lambda: softmax_cross_entropy(ones((2, 3)), None),
        "labels must be an array, got None",
    ),
    "word_labels": (
        lambda: softmax_cross_entropy(ones((2, 3)), ["cat", "dog"]),
        "labels must be an array, got list",
    ),
    "huge_labels": (
        lambda: softmax_cross_entropy(ones((2, 3)), [0, 2**70]),
        "labels must be an array, got list",
    ),
    "complex_logits": (
        lambda: softmax_cross_entropy(ones(3).astype(complex), 0),
        "logits must have a floating dtype, got complex",
    ),
    "sigmoid_complex_labels": (
        lambda: sigmoid_binary_cross_entropy(ones(2), ones(2).astype(complex)),
        "labels must have a floating dtype, got complex",
    ),
    "sigmoid_word": (
        lambda: sigmoid_binary_cross_entropy(ones(2), "10"),
        "labels must be an array, got str",
    ),
    "squared_none": (
        lambda: mean_squared_error(None, ones(2)),
        "predictions must be an array, got None",
    ),
    "squared_empty": (
        lambda: mean_squared_error(ones((0, 2)), ones((0, 2))),
        "predictions must not be empty",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case):
    call, message = ERRORS[case]
    with pytest.raises(ValueError, match=message):
        call()
