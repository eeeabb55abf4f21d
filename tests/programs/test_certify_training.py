"""Training runs with explicit gradients are within rounding of those with JAX's, and
wrong gradients are not."""

from __future__ import annotations

import numpy as np
import pytest
from certify_networks import wrong_kernel_gradient

from jaxcnn.programs.certify.network.figure import figure
from jaxcnn.programs.certify.network.given import network
from jaxcnn.programs.certify.network.training import loss_curves


@pytest.fixture(scope="module")
def right():
    """Runs of the smallest network, whose steps compile once for all tests of them."""
    calls = []
    curves = loss_curves(
        network("cnn_basics"), steps=12, seeds=2, progress=lambda *call: calls.append(call)
    )
    return curves, calls


@pytest.mark.slow
def test_explicit_runs_are_within_rounding_of_autodiff_runs(right):
    curves, _ = right
    for losses in curves[1:]:
        assert losses.shape == (2, 12)
        assert losses[:, -1].mean() < losses[:, 0].mean(), "the network learns"
    np.testing.assert_allclose(curves.explicit, curves.autodiff, rtol=1e-5)
    np.testing.assert_allclose(curves.nudged, curves.autodiff, rtol=1e-5)
    assert (curves.autodiff[0] != curves.autodiff[1]).all(), "seeds differ"
    verdict = curves.verdict()
    assert verdict.within_rounding
    assert max(verdict.largest_explicit + verdict.largest_nudged) < 1e-5
    assert verdict.apart < 1e-5 < verdict.spread


@pytest.mark.slow
def test_progress_counts_the_steps_of_all_runs(right):
    _, calls = right
    assert calls == [(step, 72) for step in range(1, 73)]


@pytest.mark.slow
def test_a_wrong_gradient_is_not_within_rounding(right):
    good, _ = right
    wrong = wrong_kernel_gradient(1.001)
    curves = loss_curves(network("cnn_basics"), steps=12, seeds=2, explicit=wrong)
    np.testing.assert_array_equal(curves.autodiff, good.autodiff)
    np.testing.assert_allclose(
        curves.explicit[:, 0], good.explicit[:, 0], rtol=1e-6
    )  # before any update
    verdict = curves.verdict()
    assert not verdict.within_rounding
    assert verdict.early_explicit > 100
    assert verdict.early_nudged < 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (1,),
            "steps must be at least 2, because the first loss is before any update, got 1",
        ),
        ((0,), "steps must be .* got 0"),
        ((5, 0), "seeds must be at least 1, got 0"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        loss_curves(network("cnn_basics"), *arguments)


@pytest.mark.slow
def test_the_figure_shows_the_losses_and_their_distances(right, tmp_path):
    curves, _ = right
    picture = figure(curves)
    loss_axes, distance_axes = picture.axes
    autodiff, explicit = loss_axes.get_lines()
    np.testing.assert_allclose(autodiff.get_ydata(), curves.autodiff.mean(axis=0))
    np.testing.assert_allclose(explicit.get_ydata(), curves.explicit.mean(axis=0))
    assert distance_axes.get_yscale() == "log"
    assert all((line.get_ydata() > 0).all() for line in distance_axes.get_lines()), (
        "0 is drawn as a unit in the last place"
    )
    labels = [text.get_text() for text in picture.legends[0].get_texts()]
    assert labels == ["autodiff", "explicit", "autodiff from nudged parameters"]
    assert picture.get_suptitle() == "cnn_basics on digits: 12 steps from 2 seeds"
    picture.savefig(tmp_path / "curves.png", dpi=140)
    assert (tmp_path / "curves.png").stat().st_size > 10_000
