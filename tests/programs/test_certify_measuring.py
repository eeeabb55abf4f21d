"""What `jaxcnn certify` times: value and gradients of both sides, in the dtype of the
case."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from jaxcnn.programs.certify import measuring
from jaxcnn.programs.certify.cases.case import softmax_cross_entropy
from jaxcnn.programs.timing import interleaved

pytestmark = pytest.mark.usefixtures("standard_promotion")


def test_both_sides_are_timed_and_their_ratio_is_autodiff_over_explicit():
    case = softmax_cross_entropy("tiny", (3, 4))
    found = measuring.measure(case, "float32", repetitions=1)
    assert found.keys() == {"explicit", "autodiff", "ratio"}
    explicit, autodiff = (found[side] for side in ("explicit", "autodiff"))
    for side in (explicit, autodiff):
        assert side.keys() >= {"median", "low", "high", "utilisation", "samples"}
        assert 0 < side["low"] == side["median"] == side["high"]
    ratio = found["ratio"]
    assert (
        ratio["low"] == ratio["median"] == ratio["high"] == autodiff["median"] / explicit["median"]
    )


def test_what_is_timed_is_value_and_gradients_in_the_dtype(monkeypatch):
    """Float64 too, and labels are passed on."""
    results = {}

    def timed(functions, repetitions):
        results.update({name: function() for name, function in functions.items()})
        return interleaved({name: lambda: None for name in functions}, repetitions)

    monkeypatch.setattr(measuring, "interleaved", timed)
    case = softmax_cross_entropy("tiny", (3, 4))
    for dtype, tolerance in (("bfloat16", 2e-2), ("float64", 1e-14)):
        with jax.enable_x64(dtype == "float64"):
            measuring.measure(case, dtype, repetitions=1)
        for value, gradients in results.values():
            assert (value.shape, [g.shape for g in gradients]) == ((3,), [(3, 4)])
            assert value.dtype == gradients[0].dtype == dtype
        value, (gradient,) = jax.tree.map(lambda a: np.asarray(a, np.float64), results["explicit"])
        other, (gradient_of_other,) = jax.tree.map(
            lambda a: np.asarray(a, np.float64), results["autodiff"]
        )
        np.testing.assert_allclose(value, other, rtol=tolerance)
        np.testing.assert_allclose(gradient, gradient_of_other, atol=tolerance)
