"""The benchmark of training steps: an accumulated update is that of the mean gradient,
rows are per step, and columns that disagree are refused."""

from __future__ import annotations

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from rich.console import Console

import jaxcnn
from experiments.benchmark import steps
from experiments.benchmark.agreement import DisagreementError, check_losses
from experiments.benchmark.columns import OPS, PYTORCH
from experiments.benchmark.networks import MODES, NETWORKS
from experiments.benchmark.step_charts import draw_steps
from experiments.benchmark.step_tables import step_tables
from experiments.benchmark.steps import figures
from experiments.benchmark.training_steps import make_step_of
from jaxcnn import layers
from jaxcnn.programs.timing import Timing

# Accumulation.


@pytest.mark.slow
def test_an_accumulated_update_is_that_of_the_mean_gradient():
    """By hand: the statistics of the first micro-batch go into the second."""
    model = layers.serial(
        layers.conv(3, 3), layers.batch_norm(), layers.relu(), layers.flatten(), layers.dense(5)
    )
    loss = jaxcnn.softmax_cross_entropy
    optimizer = optax.MultiSteps(optax.sgd(0.5, momentum=0.9), 2).gradient_transformation()
    state = jaxcnn.init_train_state(model, optimizer, jax.random.key(0), (3, 4, 4, 2))
    xs = jax.random.normal(jax.random.key(1), (2, 3, 4, 4, 2))
    ys = jnp.array([[0, 1, 2], [3, 4, 4]])

    def value(params, model_state, x, y):
        logits, model_state = model.apply(params, model_state, x, train=True)
        return jnp.mean(loss(logits, y)), model_state

    grad = jax.jit(jax.value_and_grad(value, has_aux=True))
    (first, between), g1 = grad(state.params, state.model_state, xs[0], ys[0])
    (second, after), g2 = grad(state.params, between, xs[1], ys[1])
    expected = jax.tree.map(lambda p, a, b: p - 0.5 * (a + b) / 2, state.params, g1, g2)

    step = make_step_of(model, jaxcnn.EXPLICIT, "accumulated", optimizer)
    new, metrics = step(state, xs, ys)
    for ours, by_hand in ((new.params, expected), (new.model_state, after)):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), ours, by_hand
        )
    assert float(metrics["loss"]) == pytest.approx((float(first) + float(second)) / 2)
    assert int(new.opt_state.gradient_step) == 1, "one update"
    assert int(new.step) == 2, "and a step for each micro-batch"


# Measuring.


def timing(*samples):
    return Timing(float(np.median(samples)), min(samples), max(samples), 1.5, samples)


class NoAnalysis:
    def memory_analysis(self):
        return None


def test_figures_are_per_step():
    compiled = {
        name: steps.Compiled(NoAnalysis(), s)
        for name, s in (("plain", 2.0), ("autodiff", 4.0), ("explicit", 3.0))
    }
    timings = {
        "plain": timing(0.4, 0.8, 0.6),
        "autodiff": timing(0.2, 0.4, 0.3),
        "explicit": timing(0.1, 0.2, 0.3),
        PYTORCH: timing(0.3, 0.6, 0.9),
        "one by one": timing(0.05, 0.05, 0.15),
    }
    found = figures(timings, compiled, 2)
    assert list(found["columns"]) == [*OPS, PYTORCH]
    assert found["columns"]["plain"]["ms"] == pytest.approx(300)
    assert found["columns"]["plain"]["quartiles_ms"] == pytest.approx([200, 400])
    assert found["columns"]["explicit"]["samples_ms"] == pytest.approx([50, 100, 150])
    assert found["columns"][PYTORCH]["compile_seconds"] is None
    assert {name: r["median"] for name, r in found["ratios"].items()} == pytest.approx(
        {"plain/explicit": 4.0, "autodiff/explicit": 2.0, "pytorch/explicit": 3.0}
    )
    assert found["compile_ratio"] == 1.5
    assert found["scan_ratio"]["median"] == pytest.approx(1.0), "of 1, 2 and 1"
    assert found["scan_ratio"]["high"] == pytest.approx(2.0)
    assert (
        figures({n: t for n, t in timings.items() if n != "one by one"}, compiled, 1)["scan_ratio"]
        is None
    )


def test_columns_that_do_not_agree():
    check_losses({"plain": 2.0, "explicit": 2.001}, "here")
    with pytest.raises(
        DisagreementError, match=r"here: the loss of explicit is 2\.01, that of plain is 2$"
    ):
        check_losses({"plain": 2.0, "explicit": 2.01}, "here")
    with pytest.raises(DisagreementError, match="nan"):
        check_losses({"plain": 2.0, "explicit": float("nan")}, "here")


@pytest.mark.slow
def test_a_whole_measurement(monkeypatch, tmp_path):
    """Tiny images, two devices; what comes out is JSON, has tables and a picture. Masks
    of dropout agree: losses do."""
    monkeypatch.setitem(NETWORKS, "lenet", NETWORKS["lenet"]._replace(batch=8, image=(8, 8, 1)))
    rows = list(steps.measure_steps(["lenet"], 6, Console(quiet=True), devices=[2]))
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    assert [(row["mode"], row["devices"], row["repetitions"]) for row in rows] == [
        (mode, 2, 6) for mode in MODES
    ]
    assert [row["scan_ratio"] is None for row in rows] == [True, False, True]
    for row in rows:
        assert list(row["columns"])[:3] == list(OPS)
        for column in row["columns"].values():
            assert 0 < column["ms"] < 1e4
            assert len(column["samples_ms"]) == 6
        assert row["columns"]["explicit"]["temp_bytes"] > 0
        assert row["columns"]["explicit"]["compile_seconds"] > 0
    result = {"steps": rows, "memory": []}
    assert step_tables(result)[0].row_count == 3
    draw_steps(result, tmp_path / "steps.png")
    assert (tmp_path / "steps.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("networks", "repetitions", "message"),
    [(["vgg"], 7, "got vgg"), (["lenet"], 5, "at least 6, got 5")],
)
def test_arguments_that_make_no_sense(networks, repetitions, message):
    with pytest.raises(ValueError, match=message):
        list(steps.measure_steps(networks, repetitions, Console(quiet=True), devices=[1]))
