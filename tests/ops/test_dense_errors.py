"""Wrong arguments of the dense layer: a ValueError that names them."""

from __future__ import annotations

import numpy as np
import pytest

from jaxcnn.ops.fully_connected import dense

f32 = np.float32


ERRORS: dict[str, tuple] = {
    "integers": (
        (np.ones((4, 3), np.uint8), np.ones((3, 2), f32)),
        r"x must have a floating dtype, got uint8",
    ),
    "integer_weights": (
        (np.ones((4, 3), f32), np.ones((3, 2), np.int32)),
        r"w must have a floating dtype, got int32",
    ),
    "dtypes": (
        (np.ones((4, 3), f32), np.ones((3, 2), np.float16)),
        r"one dtype, got x of float32 and w of float16: cast",
    ),
    "scalar": ((f32(1), np.ones((3, 2), f32)), r"x must have at least one axis"),
    "weights_rank": (
        (np.ones((4, 3), f32), np.ones(3, f32)),
        r"w must have two axes, \(in, out\), got shape \(3,\)",
    ),
    "features": (
        (np.ones((4, 3), f32), np.ones((5, 2), f32)),
        r"x has 3 features on its last axis, but w takes 5",
    ),
    "transposed": (
        (np.ones((4, 3), f32), np.ones((2, 3), f32)),
        r"is w \(out, in\), as in PyTorch\? pass w.T",
    ),
    "not_flattened": (
        (np.ones((4, 5, 5, 3), f32), np.ones((75, 2), f32)),
        r"is x not flattened\? x.reshape\(len\(x\), -1\)",
    ),
    "bias": (
        (np.ones((4, 3), f32), np.ones((3, 2), f32), np.ones(3, f32)),
        r"b must have one value per output .* \(2,\)",
    ),
    "no_array": (("x", np.ones((3, 2), f32)), r"x must be an array, got str"),
    "nothing": ((np.ones((4, 3), f32), None), "w must be an array, got None"),
    "complex": (
        (np.ones((4, 3), np.complex64), np.ones((3, 2), np.complex64)),
        "x must have a floating dtype, got complex64",
    ),
    "bias_of_integers": (
        (np.ones((4, 3), f32), np.ones((3, 2), f32), [1, 2]),
        "b must have a floating dtype, got int32",
    ),
    "bias_word": ((np.ones((4, 3), f32), np.ones((3, 2), f32), "b"), "b must be an array, got str"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case):
    args, message = ERRORS[case]
    with pytest.raises(ValueError, match=message):
        dense(*args)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "hihgest"}, "precision must be None, 'default', .* got 'hihgest'"),
        ({"precision": 3}, "precision must be .* got 3"),
        (
            {"precision": ["highest"] * 3},
            r"precision must be .* got \('highest', 'highest', 'highest'\)",
        ),
        (
            {"preferred_element_type": "nonsense"},
            "preferred_element_type must be a dtype, .* got 'nonsense'",
        ),
        ({"preferred_element_type": 3}, "preferred_element_type must be a dtype, .* got 3"),
        (
            {"preferred_element_type": "int32"},
            "preferred_element_type must be a floating dtype or None, got int32",
        ),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        dense(np.ones((4, 3), f32), np.ones((3, 2), f32), **options)
