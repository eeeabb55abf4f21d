"""What `jaxcnn certify` judges: cases of every operation, valid and told apart."""

from __future__ import annotations

import re

import jax
import numpy as np
import pytest

from jaxcnn.ops import EXPLICIT
from jaxcnn.programs.certify.cases import chosen, picked
from jaxcnn.programs.certify.cases import drawn as drawn_cases
from jaxcnn.programs.certify.cases.case import Case
from jaxcnn.programs.certify.config import Config

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("standard_promotion")]


def told(case):
    """All but the function."""
    return case._replace(
        call=None, oracle=None, arguments={name: str(a) for name, a in case.arguments.items()}
    )


@pytest.fixture(scope="module")
def drawn() -> list[Case]:
    return list(drawn_cases.random(0, 300))


def test_every_operation_is_in_the_table():
    assert {case.operation for case in picked.table()} == set(EXPLICIT._fields)


def test_names_are_unique(drawn):
    names = [(case.operation, case.name) for case in (*picked.table(), *drawn, *picked.sized())]
    assert len(names) == len(set(names))


def test_kinds_are_those_of_the_lists(drawn):
    assert {case.kind for case in picked.table()} == {"table"}
    assert {case.kind for case in picked.sized()} == {"sized"}
    assert {case.kind for case in drawn} == {"random"}


def disagreeing(cases, dtype):
    """Those for which the operation and its oracle do not give the same shape and
    dtype."""
    found = []
    for case in cases:
        args = case.args(dtype)
        explicit, oracle = (jax.eval_shape(case.of(ops), *args) for ops in (EXPLICIT, case.oracle))
        if (explicit.shape, explicit.dtype) != (
            oracle.shape,
            oracle.dtype,
        ) or explicit.dtype != dtype:
            found.append(f"{case.operation} {case.name}: {explicit} and {oracle}")
    return found


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "float64"])
def test_every_case_fits_its_operation_and_its_oracle(dtype):
    with jax.enable_x64(dtype == "float64"):
        assert disagreeing([*picked.table(), *picked.sized()], dtype) == []


def test_arguments_in_which_a_case_is_linear_are_its_own(drawn):
    for case in (*picked.table(), *drawn, *picked.sized()):
        assert set(case.linear_in) <= {
            name for name, a in case.arguments.items() if isinstance(a, tuple)
        }


def test_a_random_case_depends_on_the_seed_and_its_number_alone(drawn):
    assert list(map(told, drawn_cases.random(0, 20))) == list(map(told, drawn[:20]))
    assert [case.name for case in drawn] == [f"random-{k}" for k in range(300)]
    others = list(drawn_cases.random(1, 20))
    assert sum(told(a) != told(b) for a, b in zip(others, drawn, strict=False)) > 15


def test_random_cases_are_small_and_valid(drawn):
    assert disagreeing(drawn, "float32") == []
    for case in drawn:
        sizes = [np.prod(a.shape) for a in case.args("float32")]
        assert max(sizes) <= 400
        assert min(sizes) > 0


def test_random_cases_reach_the_corners(drawn):
    """Of 300, so many at least."""
    windowed = [case for case in drawn if "stride" in case.options]

    def count(pattern, *operations):
        return sum(
            bool(re.search(pattern, case.options))
            for case in windowed
            if case.operation in operations
        )

    for operations, least in ((("conv",), 25), (("max_pool", "avg_pool"), 5)):
        assert count(r"padding .*-\d", *operations) >= least
        assert count(r"dilation \([^)]*[23]", *operations) >= least
        assert count(r"stride \([^)]*[23]", *operations) >= least
    assert count(r"groups [2-9]", "conv") >= 25
    assert count(r"ceil_mode True", "max_pool", "avg_pool") >= 5
    for axes in (1, 2, 3):
        assert sum(len(case.arguments["x"]) - 2 == axes for case in windowed) >= 10
    shares = {"softmax_cross_entropy" if name == "softmax" else name for name in drawn_cases.SHARES}
    assert {case.operation for case in drawn} == shares


def test_random_cases_take_the_dtypes_in_turns():
    config = Config(random=7, cases="random-*", dtypes=("float32", "bfloat16"))
    assert [(key.number, key.dtype) for key in chosen.keys(config)] == [
        (k, ("float32", "bfloat16")[k % 2]) for k in range(7)
    ]
