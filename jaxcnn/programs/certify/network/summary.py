"""The comparison of a network for the report: numbers, sentences and a picture."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxcnn.ops import EXPLICIT, Ops
from jaxcnn.programs.certify.network.curves import LossCurves, Verdict
from jaxcnn.programs.certify.network.figure import figure
from jaxcnn.programs.certify.network.given import Network
from jaxcnn.programs.certify.network.gradients import LayerGradient, layer_gradients
from jaxcnn.programs.certify.network.training import RunsOfSeed, check_counts, training_runs
from jaxcnn.programs.messages import plural


class UnfinishedError(Exception):
    """Training was cut off, by the cause of this exception.

    Attributes:
      model: what `summary` would have returned for the seeds that are done.
    """

    def __init__(self, model: dict[str, Any]):
        super().__init__()
        self.model = model


def summary(
    network: Network,
    steps: int,
    seeds: int,
    progress: Callable[[int, int], object] | None = None,
    *,
    explicit: Ops = EXPLICIT,
) -> dict[str, Any]:
    """Gradients and training runs as plain data, which tables and page show: name,
    data, gradients, not_compared, losses, sentences, passed, figure (SVG).

    Arguments and errors are those of `loss_curves`, and UnfinishedError from
    KeyboardInterrupt once the gradients are there.
    """
    check_counts(steps, seeds)
    gradients = layer_gradients(network, explicit=explicit)
    runs: list[RunsOfSeed] = []
    try:
        for run in training_runs(network, steps, seeds, progress, explicit):
            runs.append(run)
    except KeyboardInterrupt as error:
        raise UnfinishedError(_as_data(network, gradients, runs)) from error
    return _as_data(network, gradients, runs)


def _as_data(
    network: Network, gradients: list[LayerGradient], runs: Sequence[RunsOfSeed]
) -> dict[str, Any]:
    not_compared = network.not_compared
    sentences = _gradient_sentences(
        gradients, "compared parameter" if not_compared else "parameter"
    )
    if not_compared:
        layers = "; ".join(f"{layer.path} ({layer.why})" for layer in not_compared)
        sentences.append(f"Not compared, because they compute the same in both: {layers}.")
    losses: dict[str, list[list[float]]] = {"explicit": [], "autodiff": [], "nudged": []}
    passed, picture = all(g.same_formula for g in gradients), io.StringIO()
    if runs:
        curves = LossCurves(network.name, *np.array(runs).swapaxes(0, 1))
        verdict = curves.verdict()
        passed = passed and verdict.within_rounding
        sentences += _training_sentences(curves, verdict)
        losses = {column: getattr(curves, column).tolist() for column in losses}
        figure(curves).savefig(picture, format="svg", metadata={"Date": None})
    return {
        "name": network.name,
        "data": "a batch of 8 digits",
        "gradients": [gradient._asdict() for gradient in gradients],
        "not_compared": [layer._asdict() for layer in not_compared],
        "losses": losses,
        "sentences": sentences,
        "passed": passed,
        "figure": picture.getvalue(),
    }


def _gradient_sentences(gradients: Sequence[LayerGradient], which: str) -> list[str]:
    strange = [g.path for g in gradients if not g.same_formula]
    if strange:
        formula = (
            f"In float64 the explicit gradient of {', '.join(strange)} is not autodiff's: the"
            " formulas differ."
        )
    else:
        most = max(g.explicit64_error for g in gradients)
        formula = (
            f"In float64 the explicit gradient of every {which} is autodiff's: they differ by"
            f" {most:.1e} at most."
        )
    worst = max(gradients, key=lambda g: g.explicit_error)
    return [
        formula,
        (
            f"In float32 the largest relative error is {worst.explicit_error:.1e}, of {worst.path};"
            f" there autodiff's is {worst.autodiff_error:.1e}."
        ),
    ]


def _training_sentences(curves: LossCurves, verdict: Verdict) -> list[str]:
    seeds, steps = curves.autodiff.shape
    answer = (
        "the same within rounding"
        if verdict.within_rounding
        else "further apart than rounding explains"
    )
    return [
        (
            f"The training runs are {answer}: over the first ten updates the losses differ by"
            f" {verdict.early_explicit:.1f} units in the last place; autodiff's own, from"
            f" parameters moved by one such unit, differ by {verdict.early_nudged:.1f}."
        ),
        f"Over {plural(steps, 'step')} from {plural(seeds, 'seed')} they differ by"
        f" {max(verdict.largest_explicit):.1e} at most, the moved runs by"
        f" {max(verdict.largest_nudged):.1e}"
        + (
            f"; the seeds differ by {verdict.spread:.1e} (standard deviation)."
            if seeds > 1
            else "."
        ),
    ]
