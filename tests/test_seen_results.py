"""The results of `jaxcnn.seen`: their numbers against `jaxcnn.receptive_field`, the
inverse, and errors; and `verify`, which has to find what is wrong."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxcnn
from jaxcnn.seen import fields_of, verify
from jaxcnn.seen.program import RULES
from jaxcnn.seen.relations import along
from tests._receptive import applied, fixed
from tests.test_receptive_probe import random_node

LINE = jax.ShapeDtypeStruct((1, 10, 2), jnp.float32)


def windows_of(node, x):
    """The network of a node, of maxima."""
    return applied(node, x, _largest)


def _largest(node, x):
    window = node.window(x.shape[1:-1])
    return lax.reduce_window(
        _cropped(x, window),
        -np.inf,
        lax.max,
        (1, *window.size, 1),
        (1, *window.stride, 1),
        [(0, 0), *((max(lo, 0), max(hi, 0)) for lo, hi in window.pads), (0, 0)],
        window_dilation=(1, *window.dilation, 1),
    )


def _cropped(x, window):
    """x without the positions that negative pads leave out."""
    config = [(0, 0, 0), *((min(lo, 0), min(hi, 0), 0) for lo, hi in window.pads), (0, 0, 0)]
    return lax.pad(x, np.float32(0), config)


def test_random_stacks_have_the_numbers_of_their_windows():
    rng = np.random.default_rng(0)
    told = 0
    for _ in range(40):
        size = (int(rng.integers(12, 40)),)
        node = random_node(rng, size, int(rng.integers(1, 4)), most=3)
        expected = jaxcnn.receptive_field(node, size)
        seen = fields_of(
            lambda x, node=node: windows_of(node, x), jax.ShapeDtypeStruct((1, *size, 1), "f")
        )
        assert seen.exact
        assert seen.output_size == expected.output_size
        for (j,) in np.ndindex(seen.output_size):
            assert seen.interval(j) == expected.clipped((j,))
        if seen.size != (None,):
            told += 1
            assert (seen.size, seen.stride) == (expected.size, expected.stride)
            assert seen.padding == expected.padding
    assert told > 15


def test_a_single_window_has_its_numbers():
    window = jaxcnn.Window((3, 2), (2, 1), ((1, 0), (2, 1)), (2, 3), (1, 1))
    x = jax.ShapeDtypeStruct((1, 25, 20, 1), jnp.float32)
    seen = fields_of(lambda x: windows_of(fixed(window), x), x)
    expected = jaxcnn.receptive_field(window, (25, 20))
    assert seen.size == expected.size
    assert seen.stride == expected.stride
    assert seen.padding == expected.padding
    assert seen.aligned


def window(x, size=3):
    return lax.reduce_window(x, -np.inf, lax.max, (1, size, 1), (1, 1, 1), "SAME")


def test_branches_of_other_centres_are_not_aligned():
    assert fields_of(lambda x: x + window(x), LINE).aligned
    assert not fields_of(lambda x: x + window(x, 2), LINE).aligned
    assert not fields_of(lambda x: jnp.roll(x, 1, 1) + window(x), LINE).aligned
    assert not fields_of(lambda x: x[:, :5] * window(x)[:, ::2], LINE).aligned
    assert not fields_of(lambda x: jnp.concatenate([x[:, 1:], window(x)[:, :-1]], -1), LINE).aligned
    assert fields_of(lambda x: window(x) * x.mean(1, keepdims=True), LINE).aligned


def test_copies_of_an_array_that_were_moved_are_a_window():
    """A pooling written as a maximum of slices has taps, not branches; and what is not
    returned does not count."""
    assert fields_of(lambda x: jnp.maximum(x[:, ::2], x[:, 1::2]), LINE).aligned
    assert fields_of(lambda x: x @ jnp.ones((2, 2)) + jnp.roll(x, 1, 1), LINE).aligned
    assert fields_of(lambda x: (x + window(x), x + window(x, 2))[0], LINE).aligned


def test_what_an_input_reaches_is_the_inverse():
    seen = fields_of(
        lambda x: x.reshape(1, 2, 3, 2, 5, 1).sum((1, 4)), jax.ShapeDtypeStruct((1, 6, 10, 1), "f")
    )
    whole = seen.whole()
    assert whole.shape == (3, 2, 6, 10)
    for i in np.ndindex(6, 10):
        assert (seen.reached_by(i) == whole[(..., *i)]).all()
    for j in np.ndindex(3, 2):
        assert (seen.sees(j) == whole[j]).all()
    assert seen.reach((0, 9)) == ((0, 0), (1, 1))


def test_an_output_without_space_has_one_set():
    seen = fields_of(lambda x: x[:, 2:7].mean((1, 2)), LINE)
    assert seen.output_size == ()
    assert np.flatnonzero(seen.sees(())).tolist() == [2, 3, 4, 5, 6]
    assert seen.interval(()) == ((2, 6),)
    assert seen.reached_by(2).tolist() is True
    assert seen.reach(1) is None
    assert seen.along(0).shape == (1, 10)
    assert seen.size == (None,)


def test_an_output_that_sees_nothing():
    seen = fields_of(lambda x: jnp.ones((1, 4, 1)) + lax.stop_gradient(0.0), LINE)
    assert seen.exact
    assert not seen.whole().any()
    assert seen.interval(0) is None
    assert seen.output_size == (4,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fields_of("net", LINE), "function must be a function of arrays, got 'net'"),
        (lambda: fields_of(jnp.sin, {"w": 1}), "x must be an array or a jax.ShapeDtypeStruct, got"),
        (lambda: fields_of(jnp.sin, jnp.zeros((3, 4))), "x has no space, got an array of float32"),
        (lambda: fields_of(jnp.sin, LINE, axes=3), "axes must be different axes of 3, got 3"),
        (lambda: fields_of(jnp.sin, LINE, axes=(1, -2)), "axes must be different axes of 3"),
        (lambda: fields_of(jnp.sin, LINE, axes=1.0), "axes must be different axes of 3, got 1.0"),
        (lambda: fields_of(jnp.sin, LINE, output_axes=(4,)), "output_axes must be different axes"),
        (lambda: fields_of(lambda x: (x, x), LINE), "function must give one array, got PyTreeDef"),
        (
            lambda: fields_of(jnp.sin, jax.ShapeDtypeStruct((1, 10_000, 1), jnp.float32)),
            "x must have 1 to 8,192 positions per axis, got 10,000 on axis 1",
        ),
        (lambda: fields_of(jnp.sin, LINE).sees(10), "position must be an output position"),
        (lambda: fields_of(jnp.sin, LINE).reached_by((0, 0)), "position must be an input position"),
        (lambda: fields_of(jnp.sin, LINE).along(1), "axis must be below 1"),
        (lambda: fields_of(jnp.sin, LINE).along(0, 2), "output_axis must be below 1"),
        (lambda: verify(jnp.sin, LINE, most=0), "most must be at least 1, got 0"),
        (
            lambda: fields_of(jnp.sin, jax.ShapeDtypeStruct((1, 99, 99, 1), "f")).whole(),
            "are 96,059,601 booleans",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value)


def test_a_function_that_fails_is_told_with_what_it_was_traced():
    with pytest.raises(TypeError) as error:
        fields_of(lambda x, w: x @ w, LINE)
    assert error.value.__notes__[-1] == (
        "jaxcnn.seen: the function was traced with an array of float32, shape (1, 10, 2) alone"
    )


def test_verify_finds_a_set_that_is_too_small(monkeypatch):
    """A rule of cumsum that goes the other way; one that sees all is not wrong, but
    larger."""
    right = RULES["cumsum"]
    monkeypatch.setitem(
        RULES, "cumsum", lambda p, e, o: along(o[0].field, 1, np.tri(10, dtype=bool).T)
    )
    result = verify(lambda x: jnp.cumsum(x, 1), LINE)
    assert not result.holds
    assert not result.equal
    assert (result.missed, result.unconfirmed, result.confirmed) == (45, 45, 10)
    assert ((0,), (1,)) in result.examples
    monkeypatch.setitem(
        RULES, "cumsum", lambda p, e, o: along(o[0].field, 1, np.ones((10, 10), bool))
    )
    result = verify(lambda x: jnp.cumsum(x, 1), LINE)
    assert result.holds
    assert not result.equal
    assert result.unconfirmed == 45
    monkeypatch.setitem(RULES, "cumsum", right)
    assert verify(lambda x: jnp.cumsum(x, 1), LINE).equal


def test_verify_probes_some_positions_of_many():
    result = verify(lambda x: x[:, ::2], LINE, most=4, seed=3)
    assert (result.tried, result.of) == (4, 10)
    assert result.equal
    assert result.seen.output_size == (5,)


@pytest.mark.parametrize("dtype", ["int32", "bool", "bfloat16", "float16", "complex64"])
def test_verify_takes_any_dtype(dtype):
    """Ints have no NaN: other numbers are the only probe. Of a bool they may be the
    same."""
    result = verify(lambda x: jnp.roll(x, 1, 1), jnp.zeros((1, 6, 2), dtype))
    assert result.holds
    assert result.equal or dtype == "bool"
    assert result.confirmed > 2


def test_space_without_a_batch_and_parameters_in_a_tree():
    seen = fields_of(
        lambda x, p: jnp.einsum("hwc,co->how", x, p["w"]), jnp.zeros((4, 5, 3)),
        {"w": jnp.ones((3, 2))}, axes=(0, 1), output_axes=(0, 2),
    )  # fmt: skip
    assert (seen.whole().reshape(20, 20) == np.eye(20, dtype=bool)).all()
