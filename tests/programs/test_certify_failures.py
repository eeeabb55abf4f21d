"""The program `jaxcnn certify` where something is wrong: an operation, a case that
raises, or autodiff itself."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import pytest
from certify_helpers import Run, run
from jax import lax

from jaxcnn.ops import EXPLICIT
from jaxcnn.programs.certify import judging
from jaxcnn.programs.certify.cases import chosen
from jaxcnn.programs.certify.cases.case import simple
from jaxcnn.programs.certify.judging import IN_LOOPS
from jaxcnn.programs.plain import PLAIN

pytestmark = pytest.mark.slow


@jax.custom_vjp
def doubled(x):
    return jax.nn.relu(x)


doubled.defvjp(lambda x: (jax.nn.relu(x), x), lambda x, dy: (2 * jnp.where(x > 0, dy, 0),))


def raising(x):
    raise ValueError("no kernel,\nnone at all")


@pytest.fixture(scope="module")
def broken(tmp_path_factory) -> Run:
    """A relu with twice the gradient, and a pool that raises; the third operation is
    right."""
    with pytest.MonkeyPatch.context() as patch:
        wrong = EXPLICIT._replace(relu=doubled, global_max_pool=raising)
        patch.setattr(judging, "EXPLICIT", wrong)
        patch.setattr(judging, "LONGEST_JAXPR", 50)
        operations = ("--operations", "global_max_pool", "global_avg_pool", "relu", "--cases", "2d")
        return run(
            tmp_path_factory.mktemp("broken"),
            *operations,
            "--dtypes",
            "float32",
            "--random",
            "0",
            "--repetitions",
            "0",
        )


def test_no_times_are_no_bar(broken):
    assert "timing" not in broken.out


def test_a_wrong_operation_is_status_1_and_named(broken):
    assert (broken.status, broken.err) == (1, "")
    line = "FAIL relu 2d float32: integers of x: fits what is expected times 2\n"
    assert line in broken.out
    assert broken.out.index(line) < broken.out.index("Gradients, explicit against autodiff")
    row = broken.report["rows"][2]
    assert not row["passed"]
    failed = {check["name"] for check in row["checks"] if not check["passed"]}
    assert {"integers", "accuracy", "adjoint", "differences"} <= failed
    assert not failed & {"structure", "zeros", "reference", *IN_LOOPS}
    assert re.search(r"^\d+ checks on 3 cases in \d+ s: 2 cases failed$", broken.out, re.MULTILINE)


def test_a_case_that_raises_is_a_failed_row_and_the_others_go_on(broken):
    raised, right, _ = broken.report["rows"]
    assert broken.names[0][0] == "global_max_pool"
    assert not raised["passed"]
    assert raised["error"] == "ValueError: no kernel,\nnone at all"
    assert raised["checks"] == []
    assert broken.out.startswith("FAIL global_max_pool 2d float32: ValueError: no kernel,\n")
    assert right["passed"]
    assert right["error"] is None
    assert right["checks"]
    assert [cells[4] for cells in broken.table[:2]] == ["1", "0"]


def test_rows_have_the_same_keys_whatever_went_wrong(broken):
    first, *others = (row.keys() for row in broken.report["rows"])
    assert all(keys == first for keys in others)


def test_failing_rows_come_first_in_the_page(broken):
    assert re.findall(r'<details class="row" id="r(\d+)">', broken.html) == ["0", "2", "1"]
    failing = broken.html.index('id="failing"')
    assert failing < broken.html.index('id="accuracy"') < broken.html.index('id="rows"')
    count = sum(len(row["checks"]) for row in broken.report["rows"])
    failed = sum(not check["passed"] for row in broken.report["rows"] for check in row["checks"])
    words = (
        f"Failed. 2 of 3 cases failed, by {failed} of {count} checks; 1 case could not be judged to"
        " the end."
    )
    assert words in broken.page
    assert "Diagnosis: fits what is expected times 2." in broken.page
    assert "ValueError: no kernel, none at all" in broken.page


def test_long_programs_are_cut_in_the_report(broken):
    costs = broken.report["rows"][1]["costs"]
    for side in costs.values():
        assert re.fullmatch(r"(?s).{50}\n\.\.\. and [\d,]+ characters more", side["jaxpr"])


def test_autodiff_that_is_wrong_is_told_and_no_failure(tmp_path, monkeypatch):
    """An oracle that is right in float64 alone, as JAX's convolution is on some
    machines."""

    def relu(x):
        y = jax.nn.relu(x)
        return y if x.dtype == jnp.float64 else y + lax.stop_gradient(1e-3 * x) - 1e-3 * x

    case = simple("relu", "off", (2, 3), exact="", oracle=PLAIN._replace(relu=relu))
    monkeypatch.setattr(chosen, "table", lambda: [case])
    result = run(
        tmp_path, "--cases", "off", "--dtypes", "float32", "--random", "0", "--repetitions", "0"
    )
    row = result.report["rows"][0]
    assert result.status == 0
    assert row["passed"]
    assert [wrong["of"] for wrong in row["autodiff_wrong"]] == ["x"]
    assert re.search(
        r"^autodiff is wrong: relu off float32, x worst at \(\d, \d\): \S+, expected ",
        result.out,
        re.MULTILINE,
    )
    assert "Autodiff itself was wrong 1 time in 1 case" in result.page
    assert f"gradient to x is wrong: {row['autodiff_wrong'][0]['detail']}." in result.page
