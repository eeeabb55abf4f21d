"""What the checkers take for arguments, and what they say of the rest."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.check._arguments import (
    among,
    check_differentiable,
    check_same_structure,
    floating,
    labels,
    strong,
)

X = jax.ShapeDtypeStruct((2, 3), "float32")
KEY = jax.random.key(0)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_floating_arguments(dtype):
    args = [
        jnp.arange(3),
        jnp.ones(2, dtype),
        KEY,
        jax.ShapeDtypeStruct((), KEY.dtype),
        np.ones(2),
        2.5,
        1,
        True,
        jax.ShapeDtypeStruct((4,), dtype),
        jnp.ones((0, 3), dtype),
        1j,
    ]
    assert floating(args) == (1, 4, 5, 8, 9)
    assert floating(args, names=list("abcdefghijk")) == (1, 4, 5, 8, 9)


def test_float64_stays_where_it_is_enabled():
    with jax.enable_x64(True):
        (x,) = strong([np.ones(2)])
    assert x.dtype == "float64"
    (x,) = strong([np.ones(2)])
    assert x.dtype == "float32"


def test_no_argument_is_weakly_typed():
    """Or a bfloat16 function of a Python float would be bfloat16 here and float32 where
    an array stands."""
    args = [
        2.0,
        3,
        jnp.asarray(2.0),
        np.float32(1),
        jax.ShapeDtypeStruct((), "float32", weak_type=True),
        KEY,
    ]
    arrays = strong(args)
    assert [str(a.dtype) for a in arrays] == [
        "float32",
        "int32",
        "float32",
        "float32",
        "float32",
        "key<fry>",
    ]
    assert not any(jax.typeof(a).weak_type for a in arrays[:4])
    assert not arrays[4].weak_type


def test_labels():
    assert labels([X, X]) == ("argument 0", "argument 1")
    assert labels([X, X], ["x", "w"]) == ("x", "w")


@pytest.mark.parametrize(
    ("args", "names", "message"),
    [
        ([], None, r"args must hold a floating array to differentiate, got dtypes \[\]$"),
        (
            [jnp.arange(3), True],
            None,
            r"got dtypes \['int32', 'bool'\]; convert one, x.astype\(jnp.float32\)",
        ),
        (
            [jnp.ones(3, "complex64")],
            None,
            r"got dtypes \['complex64'\]; complex arguments are not supported",
        ),
        ([KEY], None, r"got dtypes \['key<fry>'\]$"),
        (
            [X, "same"],
            None,
            "argument 1 must be an array, a number or a jax.ShapeDtypeStruct, got str$",
        ),
        (
            [X, None],
            ("x", "b"),
            "b must be an array, a number or a jax.ShapeDtypeStruct, got NoneType$",
        ),
        (
            [[1.0, 2.0]],
            ("x",),
            (
                "x must be .*, got list: jnp.asarray makes an array of numbers; of a pytree, pass"
                " the leaves"
            ),
        ),
        (
            [{"w": X}],
            ("params",),
            (
                "params must be .*, got dict: .* of a pytree, pass the leaves as arguments of"
                " their own"
            ),
        ),
        ([np.array(["a"])], ("x",), "x must be .*, got ndarray of dtype <U1"),
        ([10**30], None, "argument 0 must be .*, got int of dtype int"),
        (
            X,
            None,
            r"args must be a sequence of arguments, got one array, of shape \(2, 3\): write \(x,\)",
        ),
        (jnp.ones(4), None, r"got one array, of shape \(4,\)"),
        ([X], "xw", r"names must be a sequence of strings, got the string 'xw'"),
        (
            [X],
            ("x", "w"),
            r"names must have one entry per argument, .*: got 2, \('x', 'w'\), for 1 arguments",
        ),
        (
            [X, jnp.array([[1.0, 2.0], [jnp.inf, jnp.nan]])],
            None,
            r"argument 1 must be finite for its gradient to be checked, got NaN or infinity in 2 of"
            r" its 4 entries, "
            r"the first at \(1, 0\): inf",
        ),
        (
            [jnp.full((), jnp.nan, "bfloat16")],
            ("x",),
            r"x must be finite .* 1 of its 1 entries, the first at \(\): nan",
        ),
    ],
)
def test_errors(args, names, message):
    with pytest.raises(ValueError, match=message):
        floating(args, names)


def test_infinite_labels_are_nobodys_concern():
    assert floating([X, jnp.array([1, 2]), jnp.array(jnp.inf, "complex64")]) == (0,)


def test_among_holds_the_others():
    f = among(lambda a, b, c: (a, b, c), [1, 2, 3], (2, 0))
    assert f("c", "a") == ("a", 2, "c")
    with pytest.raises(ValueError, match="zip"):
        f("c")


def test_structures():
    check_same_structure(
        {"a": X, "b": (X,)}, {"a": X, "b": (jax.ShapeDtypeStruct((5,), "bfloat16"),)}
    )
    with pytest.raises(
        ValueError, match=r"the same structure, got PyTreeDef\(\*\) and PyTreeDef\(\{'y': \*\}\)"
    ):
        check_same_structure(X, {"y": X})


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (None, "f must return an array or a pytree of arrays, got None: is a return missing?"),
        (
            {"y": X, "n": [jax.ShapeDtypeStruct((), "int32")]},
            r"f must return floating arrays, .* got int32 at \['n'\]\[0\]: leave",
        ),
        (
            jax.ShapeDtypeStruct((), "complex64"),
            "f must return floating arrays, .* got complex64: leave",
        ),
    ],
)
def test_outputs_without_gradients(out, message):
    with pytest.raises(ValueError, match=message):
        check_differentiable(out, "f")
