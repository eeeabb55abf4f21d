"""`jaxcnn certify --model`: a whole network, from the command line to the page."""

from __future__ import annotations

import io

import numpy as np
import pytest
from certify_helpers import run
from rich.console import Console

from jaxcnn.programs.certify import report
from jaxcnn.programs.certify.config import Config
from jaxcnn.programs.certify.report import make_report
from jaxcnn.programs.readable import NONE

MODEL = {
    "name": "lenet",
    "data": "a batch of 8 digits",
    "gradients": [
        {
            "path": "0_conv/w",
            "shape": (5, 5, 1, 16),
            "norm": 0.37,
            "explicit_error": 3.1e-07,
            "autodiff_error": 3.4e-07,
            "explicit_ulps": 1.3,
            "autodiff_ulps": 1.7,
            "explicit64_error": 2.9e-16,
        }
    ],
    "not_compared": [{"path": "3_conv", "why": "pinned by layers.using"}],
    "losses": {"explicit": [[2.3]], "autodiff": [[2.3]], "nudged": [[2.3]]},
    "sentences": ["The gradients are those.", "The runs are near."],
    "passed": True,
    "figure": '<svg xmlns="http://www.w3.org/2000/svg"><text>curves</text></svg>',
}


@pytest.mark.parametrize("passed", [True, False])
def test_the_exit_status_of_a_network_is_its_verdict(passed, tmp_path, monkeypatch):
    def summary(network, steps, seeds, progress):
        assert (network.name, steps, seeds) == ("lenet", 5, 2)
        for step in range(1, 31):
            progress(step, 30)
        return {**MODEL, "passed": passed}

    monkeypatch.setattr(report, "summary", summary)
    result = run(tmp_path, "--model", "lenet", "--steps", "5", "--seeds", "2")
    assert (result.status, result.err) == (0 if passed else 1, "")
    assert "Gradients of lenet against float64, a batch of 8 digits" in result.out
    assert result.table == [
        ["0_conv/w", "5x5x1x16", "3.1e-07", "3.4e-07", "2.9e-16"],
        ["3_conv", NONE, "not compared", NONE, NONE],
    ]
    assert "3_conv not compared: pinned by layers.using" in result.page
    assert "\nThe gradients are those.\nThe runs are near.\nwritten to " in result.out
    assert "training: 30 of 30" in result.out
    assert "cases" not in result.out
    assert (
        "Passed. The gradients of lenet are right."
        if passed
        else "Failed. The gradients of lenet failed."
    ) in result.page
    assert result.report["rows"] == []
    assert result.report["model"]["passed"] is passed


@pytest.mark.slow
def test_a_network_in_two_steps(tmp_path):
    result = run(tmp_path, "--model", "cnn_basics", "--steps", "2", "--seeds", "1")
    assert result.status == 0, result.out
    model = result.report["model"]
    assert [cells[0] for cells in result.table] == [
        gradient["path"] for gradient in model["gradients"]
    ]
    assert len(model["gradients"]) == 6
    assert np.shape(model["losses"]["explicit"]) == (1, 2)
    assert "training: 6 of 6" in result.out
    for sentence in model["sentences"]:
        assert sentence in result.out
        assert sentence in result.page
        assert "nan" not in sentence, "one seed has no spread"
    assert "<svg" in result.html


def test_no_case_is_judged_beside_a_network(monkeypatch):
    monkeypatch.setattr(report, "summary", lambda *_: MODEL)
    monkeypatch.setattr(report, "keys", lambda config: pytest.fail("looked for cases"))
    made = make_report(Config(model="lenet"), "command", Console(file=io.StringIO()))
    assert (made["rows"], made["model"]) == ([], MODEL)
