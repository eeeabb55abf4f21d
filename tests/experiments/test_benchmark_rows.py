"""The rows of the benchmark: times, ratios, errors, and whether XLA made the same
program of two columns."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from experiments.benchmark import accuracy, columns, growth, operations, repetitions, values
from experiments.benchmark.config import Config
from experiments.benchmark.same_program import same_program
from jaxcnn.ops._onednn.certain import certain_dtypes
from tests.experiments.tiny import CONVOLUTIONS, OPERATIONS, conv, once


@pytest.fixture
def timed_once(monkeypatch):
    monkeypatch.setattr(repetitions, "interleaved", once)


# Programs.


def compiled(f, *shapes):
    return jax.jit(f).lower(*(jax.ShapeDtypeStruct(shape, "float32") for shape in shapes)).compile()


def test_same_program():
    def one(x, y):
        return jnp.sin(x) @ y + y

    def the_same_in_other_words(left, right):
        product = jnp.sin(left) @ right
        return product + right

    a = compiled(one, (4, 4), (4, 4))
    assert same_program(a, compiled(the_same_in_other_words, (4, 4), (4, 4)))
    assert not same_program(a, compiled(lambda x, y: jnp.cos(x) @ y + y, (4, 4), (4, 4)))
    assert not same_program(a, compiled(lambda x, y: jnp.sin(y) @ x + x, (4, 4), (4, 4))), (
        "arguments exchanged"
    )
    assert not same_program(a, compiled(one, (5, 5), (5, 5)))


def test_same_program_sees_constants_and_which_operand():
    assert not same_program(compiled(lambda x: x + 1, (3,)), compiled(lambda x: x + 2, (3,)))
    assert not same_program(
        compiled(lambda x, y: x - y, (3,), (3,)), compiled(lambda x, y: y - x, (3,), (3,))
    )


def test_plain_and_explicit_of_a_dense_convolution_are_one_program(timed_once):
    """Unless oneDNN computes the one and not the other."""
    case = conv("dense", (2, 5, 6, 12), (3, 3, 12, 12))
    rows = list(
        operations.measure_case(
            case, Config(dtypes=("float32",), places=("top level",), passes=("forward",)), {}
        )
    )
    assert [row["identical"] for row in rows] == ["float32" not in certain_dtypes()]


# Time.


def test_a_row(timed_once):
    config = Config(dtypes=("float32",), passes=("forward",), repetitions=7)
    top, scan = operations.measure_case(CONVOLUTIONS[0], config, {"float32": 1e4})
    assert top["columns"]["explicit"]["median"] == 3
    assert scan["columns"]["explicit"]["median"] == 3 / columns.SCAN_LENGTH
    assert (top["flops"], top["peak_fraction"]) == (
        CONVOLUTIONS[0].flops,
        pytest.approx(CONVOLUTIONS[0].flops / 3 / 1e4),
    )
    assert top["ratios"]["plain/explicit"]["median"] == pytest.approx(1 / 3)
    assert scan["ratios"]["autodiff/explicit"]["median"] == pytest.approx(2 / 3)
    assert top["repetitions"] == 7
    assert [row["place"] for row in (top, scan)] == ["top level", "scan"]
    config = Config(dtypes=("float32",), passes=("gradient",), places=("scan",))
    (pool,) = operations.measure_case(OPERATIONS[0], config, {"float32": 1e4})
    assert (pool["flops"], pool["peak_fraction"]) == (None, None)


def test_slow_calls_are_repeated_less(monkeypatch):
    asked = []
    monkeypatch.setattr(repetitions, "interleaved", lambda calls, count: asked.append(count))
    for count, slowest in ((9, 0.1), (9, 0.6), (3, 0.6)):
        repetitions.time_calls({}, count, slowest)
    assert asked == [9, 6, 3]


def test_matrix_product_rate():
    assert 1e4 < repetitions.matrix_product_rate("float32", size=32, repetitions=2) < 1e15


# Growth and accuracy.


@pytest.mark.slow
@pytest.mark.parametrize("kind", growth.KINDS)
def test_growth_cases(kind):
    """Explicit and plain compute the same three arrays."""
    case = growth.make_case(kind, growth.Sizes(2, 6, 4))
    assert (case.y[1:3] == (3, 3)) == kind.startswith("strided")
    args = [
        jax.random.normal(jax.random.key(i), shape)
        for i, shape in enumerate((case.x, case.w, case.y))
    ]
    plain, explicit = (
        jax.jit(columns.value_and_gradients(case, column))(*args)
        for column in ("plain", "explicit")
    )
    assert values.relative_error(values.as_numpy(explicit), values.as_numpy(plain)) < 1e-5
    assert [a.shape for a in explicit] == [case.y, case.x, case.w]


def test_errors_against_float64():
    rows = list(accuracy.measure_errors(CONVOLUTIONS[0], Config(methods=("lax", "side_by_side"))))
    assert [(r["pass"], r["dtype"]) for r in rows] == [
        (m, d) for d in ("float32", "bfloat16") for m in CONVOLUTIONS[0].passes
    ]
    for r in rows:
        assert {"plain", "explicit", "lax"} <= set(r["errors"])
        assert max(r["errors"].values()) < {"float32": 1e-6, "bfloat16": 1e-2}[r["dtype"]]
        assert (
            r["dtype"] == "float32" or r["errors"]["plain"] > 1e-5
        )  # rounded to 8 bits, and seen to be
        assert all(accuracy.allowed(r, column) for column in r["errors"])


def test_an_error_that_is_not_allowed_is_named(capsys):
    eps = float(np.finfo(np.float32).eps)
    row = {"case": "c", "family": "dense", "pass": "forward", "dtype": "float32"}
    rows = [
        row | {"errors": {"plain": 10 * eps, "explicit": 19 * eps}},
        row | {"errors": {"plain": 10 * eps, "explicit": 20 * eps}},
    ]
    assert [accuracy.allowed(r, "explicit") for r in rows] == [True, False]
    Console(width=160).print(accuracy.accuracy_table(rows))
    assert "1: c, forward" in capsys.readouterr().out
