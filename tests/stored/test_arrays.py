"""Files of arrays: what comes back is what went in, and what would not is refused."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from jaxcnn.stored.arrays import load_arrays, save_arrays

DTYPES = [
    *(
        "float64",
        "float32",
        "float16",
        "complex64",
        "bool",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
    ),
    *(ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e4m3fnuz),
    *(ml_dtypes.float8_e5m2, ml_dtypes.float8_e5m2fnuz, ml_dtypes.float8_e8m0fnu),
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


# There and back.


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: np.dtype(dtype).name)
def test_every_dtype_of_the_format_comes_back(dtype, path):
    array = np.array([[1, 2, 2], [4, 1, 8]]).astype(dtype)
    arrays = {
        "0_conv": {
            "w": array,
            "T": array.T,
            "part": array[:, ::2],
            "number": array[1, 2],
            "none": array[:0],
        }
    }
    save_arrays(path, arrays)
    for name, found in load_arrays(path, like=arrays)["0_conv"].items():
        expected = np.asarray(arrays["0_conv"][name])
        assert (found.dtype, found.shape) == (np.dtype(dtype), expected.shape)
        np.testing.assert_array_equal(found.astype(np.complex128), expected.astype(np.complex128))


@pytest.mark.parametrize(
    "value", [np.float32(2), np.array(3.0), 2.5, 3, True, jnp.asarray(2, jnp.bfloat16)]
)
def test_a_number_comes_back_as_a_number(value, path):
    save_arrays(path, {"n": value})
    found = load_arrays(path)["n"]
    assert found.shape == ()
    assert found == value


def test_other_byte_orders_come_back_as_numbers(path):
    save_arrays(path, {"a": np.arange(3, dtype=">f4"), "b": np.arange(3, dtype=">i8")})
    for array in load_arrays(path).values():
        np.testing.assert_array_equal(array, [0, 1, 2])


def test_unusual_keys_come_back(path):
    arrays = {
        "__metadata__": {"w": np.ones(2)},
        "a": {"__metadata__": np.zeros(1), "": np.ones(1)},
        "zwei\nZeilen \N{SNOWMAN}": np.ones(1),
    }
    save_arrays(path, arrays)
    jax.tree.map(np.testing.assert_array_equal, load_arrays(path), arrays)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"__metadata__": np.zeros(1)},
            "no array can have the name __metadata__, which the format has for itself",
        ),
        ({"a": {3: np.zeros(1)}}, "keys must be strings, got 3 in a"),
        (
            {"a": {"b.c": np.zeros(1)}},
            "keys must have no dot, which separates them in the file, got 'b.c'",
        ),
        ({"\ud800": np.zeros(1)}, r"keys must be of characters that UTF-8 has, got '\\ud800'"),
        (
            {"a": {"w": None}},
            "a.w must be an array of a dtype that the format has, .*: got NoneType",
        ),
        ({"a": "text"}, "a must be an array of a dtype that the format has, .*: got <U4"),
        ({"a": [np.zeros(1), np.zeros(2)]}, "a must be an array, got list"),
        ({"a": (np.zeros(1), np.zeros(1))}, "a must be an array, got tuple"),
        ({"a": jax.random.key(0)}, "a must be an array, got PRNGKeyArray"),
        ({"a": np.ma.array([1.0], mask=[True])}, "a must be an array, got MaskedArray"),
        *(
            (
                {"a": {"w": np.zeros(2).astype(dtype)}},
                f"a.w must be an array of a dtype .*: got {np.dtype(dtype).name}",
            )
            for dtype in (
                ml_dtypes.float8_e3m4,
                ml_dtypes.float8_e4m3,
                ml_dtypes.int4,
                "complex128",
                "longdouble",
            )
        ),
    ],
)
def test_what_would_not_come_back_is_refused_by_name(arrays, message, path):
    path.write_text("old")
    with pytest.raises(ValueError, match=f"^{message}$"):
        save_arrays(path, arrays)
    assert [(p.name, p.read_text()) for p in path.parent.iterdir()] == [(path.name, "old")]


def test_arrays_come_back_as_they_were(tmp_path):
    leaves = {"w": np.arange(6.0).reshape(2, 3).T, "b": np.zeros(0, np.float32)}
    arrays = {"0_residual": {"inner": leaves, "shortcut": {"w": np.ones(2)}}, "scale": np.int32(3)}
    save_arrays(tmp_path / "a.safetensors", arrays)
    loaded = load_arrays(tmp_path / "a.safetensors")
    jax.tree.map(np.testing.assert_array_equal, loaded, arrays)
    with pytest.raises(ValueError, match=r"no dot.*'0\.conv'"):
        save_arrays(tmp_path / "b.safetensors", {"0.conv": np.zeros(1)})
