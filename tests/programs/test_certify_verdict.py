"""The verdict on training runs, of losses made by hand; and what is left of runs that
were cut off."""

from __future__ import annotations

import math

import numpy as np
import pytest
from certify_networks import drawn

from jaxcnn.programs.certify.network import summary
from jaxcnn.programs.certify.network.curves import EARLY, LossCurves
from jaxcnn.programs.certify.network.figure import figure
from jaxcnn.programs.certify.network.given import network
from jaxcnn.programs.certify.network.gradients import LayerGradient


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


@pytest.mark.parametrize("done", [0, 1, 2])
def test_what_is_done_when_training_is_interrupted_is_kept(done, monkeypatch):
    rows = [LayerGradient("0_conv/w", (3,), 1.0, 2e-7, 3e-7, 1.0, 1.5, 1e-16)]
    losses = drawn(3)

    def runs(*_):
        for seed in range(done):
            yield tuple(losses[seed].tolist() for _ in range(3))
        raise KeyboardInterrupt("in the middle")

    monkeypatch.setattr(summary, "layer_gradients", lambda network, explicit: rows)
    monkeypatch.setattr(summary, "training_runs", runs)
    with pytest.raises(summary.UnfinishedError) as caught:
        summary.summary(network("cnn_basics"), 200, 3)
    assert isinstance(caught.value.__cause__, KeyboardInterrupt)
    found = caught.value.model
    assert [row["path"] for row in found["gradients"]] == ["0_conv/w"]
    assert {column: len(found["losses"][column]) for column in found["losses"]} == dict.fromkeys(
        ("explicit", "autodiff", "nudged"), done
    )
    assert len(found["sentences"]) == (4 if done else 2)
    assert bool(found["figure"]) == bool(done)
    assert found["not_compared"] == []
    assert found["passed"]


def test_the_figure_of_one_seed_and_equal_runs():
    losses = drawn(1)
    figure(LossCurves("mine", losses, losses, losses)).draw_without_rendering()
