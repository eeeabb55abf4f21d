"""Gradients layer by layer and training runs, explicit against JAX's: that right ones
pass, and that wrong ones do not."""

from __future__ import annotations

import math
import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.models import MODELS
from jaxcnn.ops import EXPLICIT
from jaxcnn.programs.certify import model
from jaxcnn.programs.certify.model import (
    EARLY,
    LayerGradient,
    LossCurves,
    figure,
    images,
    layer_gradients,
    loss_curves,
)

# Networks with a wrong gradient.


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def with_factor(w, factor):
    """w itself, with its gradient times a factor."""
    return w


with_factor.defvjp(lambda w, factor: (w, None), lambda factor, _, dw: (dw * factor,))


def wrong_kernel_gradient(factor):
    def conv(x, w, b=None, **options):
        return EXPLICIT.conv(x, with_factor(w, factor), b, **options)

    return EXPLICIT._replace(conv=conv)


@pytest.fixture(scope="module")
def right():
    """Runs of the smallest network, whose steps compile once for all tests of them."""
    calls = []
    curves = loss_curves("cnn_basics", steps=12, seeds=2, progress=lambda *call: calls.append(call))
    return curves, calls


# Gradients.


def test_both_gradients_are_within_rounding_of_the_truth():
    """In the order of the layers, and with the same dropout masks in every column."""
    rows = layer_gradients("lenet", batch_size=2)
    layers = ("0_conv", "3_conv", "8_dense", "11_dense", "13_dense")
    assert [row.path for row in rows] == [
        f"{layer}/{parameter}" for layer in layers for parameter in "bw"
    ]
    assert [row.shape for row in rows[:4]] == [(16,), (5, 5, 1, 16), (32,), (5, 5, 16, 32)]
    for row in rows:
        assert row.norm > 1e-3
        assert row.explicit64_error < 1e-13
        assert row.same_formula
        for error in (row.explicit_error, row.autodiff_error):
            assert 0 < error < 1e-5, "computed in float32, the truth in float64"
        for ulps in (row.explicit_ulps, row.autodiff_ulps):
            assert 0 < ulps < 100


def test_a_wrong_gradient_is_seen_in_the_parameters_that_have_it():
    rows = {
        row.path: row
        for row in layer_gradients(
            "cnn_basics", batch_size=4, explicit=wrong_kernel_gradient(1.001)
        )
    }
    for path in ("0_conv/w", "3_conv/w"):
        assert rows[path].explicit_error == pytest.approx(1e-3, rel=1e-2)
        assert rows[path].explicit64_error == pytest.approx(1e-3, rel=1e-6)
        assert rows[path].explicit_ulps > 1000
        assert rows[path].autodiff_error < 1e-5
        assert not rows[path].same_formula
    for path in ("0_conv/b", "3_conv/b", "7_dense/b", "7_dense/w"):
        assert rows[path].explicit_error < 1e-5
        assert rows[path].same_formula


def test_a_gradient_of_zeros_has_no_error(monkeypatch):
    """A network that ignores its parameters."""

    def model(classes, *, ops):
        whole = MODELS["cnn_basics"](classes, ops=ops)
        return whole._replace(
            apply=lambda params, state, x, **options: (jnp.zeros((len(x), classes), x.dtype), state)
        )

    monkeypatch.setitem(MODELS, "mine", model)
    for row in layer_gradients("mine", batch_size=2):
        assert row[2:] == (0, 0, 0, 0, 0, 0)
        assert row.same_formula


def test_a_sum_that_cancels_is_no_other_formula():
    row = LayerGradient("1_batch_norm/scale", (16,), 1e-5, 1e-2, 9e-3, 1e5, 1e5, 2e-11)
    assert row.same_formula
    assert not row._replace(explicit64_error=1e-6).same_formula
    assert not row._replace(explicit64_error=math.nan).same_formula


@pytest.mark.parametrize("name", MODELS)
def test_every_network_takes_its_images(name):
    x, y = images(name)
    assert x.shape[0] == y.shape[0] == 1437
    assert x.shape[3] == 1
    model = MODELS[name](10)
    params, state = jax.eval_shape(lambda: model.init(jax.random.key(0), (2, *x.shape[1:])))
    abstract = jax.ShapeDtypeStruct((2, *x.shape[1:]), jnp.float32)
    assert jax.eval_shape(model.apply, params, state, abstract)[0].shape == (2, 10)


def test_enlarged_images_repeat_each_pixel():
    small, large = images("lenet")[0], images("vgg16")[0]
    assert (small.shape[1:], large.shape[1:]) == ((8, 8, 1), (32, 32, 1))
    for row, column in ((0, 0), (3, 1)):
        np.testing.assert_array_equal(large[:, row::4, column::4], small)


# Training runs.


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


def test_progress_counts_the_steps_of_all_runs(right):
    _, calls = right
    assert calls == [(step, 72) for step in range(1, 73)]


def test_a_wrong_gradient_is_not_within_rounding(right):
    good, _ = right
    curves = loss_curves("cnn_basics", steps=12, seeds=2, explicit=wrong_kernel_gradient(1.001))
    np.testing.assert_array_equal(curves.autodiff, good.autodiff)
    np.testing.assert_allclose(
        curves.explicit[:, 0], good.explicit[:, 0], rtol=1e-6
    )  # before any update
    verdict = curves.verdict()
    assert not verdict.within_rounding
    assert verdict.early_explicit > 100
    assert verdict.early_nudged < 8


def drawn(seeds=3, steps=100):
    """Losses that fall to 0.1, with the difference between seeds and batches that there
    is."""
    random = np.random.default_rng(0)
    return 2 * np.exp(-np.arange(steps) / 20) + 0.1 + 0.05 * random.random((seeds, steps))


def test_runs_that_part_late_or_in_one_seed_early_are_within_rounding():
    """Both happen by rounding alone."""
    losses = drawn()
    late, early = losses.copy(), losses.copy()
    late[:, 50:] += 0.02
    early[1, 3:] += 0.02
    for explicit in (late, early):
        assert LossCurves("mine", explicit, losses, losses).verdict().within_rounding


@pytest.mark.parametrize(
    ("seeds", "steps", "change"),
    [
        pytest.param(
            3, slice(3, None), lambda losses: losses * (1 + 1e-5), id="early in every seed"
        ),
        pytest.param(1, slice(3, None), lambda losses: losses * (1 + 1e-5), id="early in one seed"),
        pytest.param(3, slice(30, None), lambda losses: losses[:, :1], id="no longer learns"),
        pytest.param(3, slice(-1, None), lambda losses: losses * math.nan, id="NaN at the end"),
        pytest.param(
            1, slice(-1, None), lambda losses: losses * math.nan, id="NaN at the end of one seed"
        ),
        pytest.param(3, slice(3, None), lambda losses: losses * math.inf, id="infinite"),
    ],
)
def test_what_rounding_does_not_do_is_seen(seeds, steps, change):
    losses = drawn(seeds)
    explicit = losses.copy()
    explicit[:, steps] = change(losses[:, steps])
    assert not LossCurves("mine", explicit, losses, losses).verdict().within_rounding
    assert LossCurves("mine", losses, losses, losses).verdict().within_rounding


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_runs_that_diverge_alike_prove_nothing(value):
    losses = drawn()
    losses[:, 40:] = value
    assert not LossCurves("mine", losses, losses, losses).verdict().within_rounding


def test_the_numbers_of_a_verdict_by_hand():
    autodiff = np.array([[2.0] * 20, [3.0] * 20])
    explicit, nudged = autodiff.copy(), autodiff.copy()
    ulp = 2.0**-22  # of float32 from 2 to 4
    explicit[0, EARLY] += 5 * ulp
    explicit[1, EARLY] -= 3 * ulp
    nudged[:, 12] += 0.25
    nudged[0, 13] -= 0.5
    verdict = LossCurves("mine", explicit, autodiff, nudged).verdict()
    assert verdict.largest_explicit == (5 * ulp, 3 * ulp)
    assert verdict.largest_nudged == (0.5, 0.25)
    assert (verdict.early_explicit, verdict.early_nudged) == (3, 0)
    assert verdict.apart == pytest.approx(ulp * math.sqrt((10 * 25 + 10 * 9) / 40))
    assert verdict.spread == pytest.approx(math.sqrt(0.5))
    assert verdict.within_rounding


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("alexnet",),
            "name must be one of the networks example, lenet, .*mobilenet_v1, got 'alexnet'",
        ),
        (
            ("cnn_basics", 1),
            "steps must be at least 2, because the first loss is before any update, got 1",
        ),
        (("cnn_basics", 0), "steps must be .* got 0"),
        (("cnn_basics", 5, 0), "seeds must be at least 1, got 0"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        loss_curves(*arguments)


def test_gradients_of_no_network_are_refused():
    with pytest.raises(ValueError, match=re.escape("name must be one of the networks example")):
        layer_gradients("alexnet")


# A summary that was cut off.


@pytest.mark.parametrize("done", [0, 1, 2])
def test_what_is_done_when_training_is_interrupted_is_kept(done, monkeypatch):
    rows = [LayerGradient("0_conv/w", (3,), 1.0, 2e-7, 3e-7, 1.0, 1.5, 1e-16)]
    losses = drawn(3)

    def runs(*_):
        for seed in range(done):
            yield tuple(losses[seed].tolist() for _ in range(3))
        raise KeyboardInterrupt("in the middle")

    monkeypatch.setattr(model, "layer_gradients", lambda name, explicit: rows)
    monkeypatch.setattr(model, "_training_runs", runs)
    with pytest.raises(model.UnfinishedError) as caught:
        model.summary("cnn_basics", 200, 3)
    assert isinstance(caught.value.__cause__, KeyboardInterrupt)
    found = caught.value.model
    assert [row["path"] for row in found["gradients"]] == ["0_conv/w"]
    assert {column: len(found["losses"][column]) for column in found["losses"]} == dict.fromkeys(
        ("explicit", "autodiff", "nudged"), done
    )
    assert len(found["sentences"]) == (4 if done else 2)
    assert bool(found["figure"]) == bool(done)
    assert found["passed"]


# The picture.


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
    assert picture.get_suptitle() == "example on digits: 12 steps from 2 seeds"
    picture.savefig(tmp_path / "curves.png", dpi=140)
    assert (tmp_path / "curves.png").stat().st_size > 10_000


def test_the_figure_of_one_seed_and_equal_runs():
    losses = drawn(1)
    figure(LossCurves("mine", losses, losses, losses)).draw_without_rendering()
