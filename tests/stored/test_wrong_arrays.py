"""Files that are something else, or have other arrays: each is refused by name before
anything of it is used.
"""

from __future__ import annotations

import json
import re
import tracemalloc
from typing import Any

import jax
import ml_dtypes
import numpy as np
import pytest
from safetensors import SafetensorError

from jaxcnn.stored.arrays import CheckpointError, check_arrays, load_arrays, save_arrays


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def written(path, header: Any, data: bytes = b"") -> bytes:
    """A file from the definition of the format: the length of the header, the header in
    JSON, the data."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    content = len(text).to_bytes(8, "little") + text + data
    path.write_bytes(content)
    return content


def entry(shape=(1,), dtype="F32", start=0, size=4) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, start + size]}


# Files that are something else.


def whole(path) -> bytes:
    save_arrays(path, {"a": {"w": np.ones(100, np.float32)}})
    return path.read_bytes()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda content: b"", "header too small"),
        (lambda content: content[:5], "header too small"),
        (lambda content: content[:30], "invalid header length"),
        (lambda content: content[:-3], "file not fully covered"),
        (lambda content: content + b"xx", "file not fully covered"),
        (lambda content: b"<html>Please log in</html>", "header too large"),
        (lambda content: bytes(range(255, 0, -1)), "header too large"),
        (lambda content: (2**33).to_bytes(8, "little") + content[8:], "header too large"),
        (lambda content: (2**63).to_bytes(8, "little") + content[8:], "header too large"),
        (lambda content: content[:8] + b"[" * (len(content) - 8), "invalid JSON in header"),
        (lambda content: content.replace(b"F32", b"Q32"), "invalid JSON in header"),
    ],
    ids=[
        "empty",
        "five bytes",
        "half a header",
        "cut off",
        "too long",
        "web page",
        "noise",
        "8 GB",
        "8 EB",
        "no JSON",
        "no dtype",
    ],
)
def test_a_damaged_file_is_told_in_one_line(change, reason, path):
    path.write_bytes(change(whole(path)))
    tracemalloc.start()
    with pytest.raises(
        CheckpointError,
        match=f"^{path} is no whole file of arrays .*{reason}.*cut off, or is something else$",
    ) as caught:
        load_arrays(path)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, SafetensorError), "as the library has it"
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("header", "data", "message"),
    [
        (
            {"a": entry(), "a.b": entry(start=4)},
            8,
            "has both a and a.b: an array, and one inside of it",
        ),
        (
            {"a.b.c": entry(), "a.b": entry(start=4)},
            8,
            "has both a.b and a.b.c: an array, and one inside of it",
        ),
        ({"a": entry((8,), "F4")}, 4, "has a in F4, which NumPy has not"),
        ({"a": entry([1] * 65)}, 4, "has a with 65 dimensions, and 64 are the most"),
        ({"a": entry((0, 2**62, 2**62), size=0)}, 0, "has a of a shape that no array can have"),
        ({"a": entry((2**40, 2**40))}, 4, "is no whole file of arrays .*overflow"),
        ({"a": entry((2**30,), size=2**32)}, 4, "is no whole file of arrays .*not fully covered"),
        ({"a\nb": entry(), "a\nb.c": entry(start=4)}, 8, r"has both 'a\\nb' and 'a\\nb.c': .*"),
        ({"x" * 999: entry((8,), "F4")}, 4, "has x{60}... in F4, which NumPy has not"),
    ],
)
def test_a_file_that_promises_the_impossible_is_refused(header, data, message, path):
    written(path, header, bytes(data))
    with pytest.raises(CheckpointError, match=f"^{path} {message}") as caught:
        load_arrays(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_too_large_is_not_read(path):
    header = json.dumps({"a": entry((2**34,), "U8", size=2**34)}).encode()
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + 2**34)  # a hole: no disk is filled
    with pytest.raises(
        CheckpointError, match=r"has 17,179,869,\d+ bytes, and 4,294,967,296 are read at most"
    ):
        load_arrays(path)


def test_what_cannot_be_opened_is_an_error_of_the_system(path):
    with pytest.raises(FileNotFoundError):
        load_arrays(path)
    with pytest.raises(CheckpointError, match="is a folder"):
        load_arrays(path.parent)


# Arrays that are others.

LIKE = {
    "0_conv": {"w": np.ones((3, 3), np.float32), "b": np.zeros(3, np.float32)},
    "1_relu": {},
    "count": np.int32(3),
}


@pytest.mark.parametrize(
    "dtype", [np.float32, np.float64, ml_dtypes.bfloat16, ml_dtypes.float8_e5m2, np.complex64]
)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(value, dtype, path):
    save_arrays(path, {"a": {"w": np.array([1, value, value, 0]).astype(dtype)}, "b": np.ones(1)})
    with pytest.raises(
        CheckpointError, match=f"^{path} is of no use: 2 of the 4 numbers of a.w are not finite$"
    ):
        load_arrays(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a | {"0_conv": {"w": a["0_conv"]["w"]}}, "no 0_conv.b"),
        (lambda a: a | {"2_dense": {"w": np.ones(1)}}, "2_dense.w beside what was asked for"),
        (
            lambda a: a | {"count": np.int64(3)},
            r"count in int64 of shape \(\), where int32 of shape \(\) is needed",
        ),
        (
            lambda a: a | {"count": np.ones(1, np.int32)},
            r"count in int32 of shape \(1,\), where int32 of shape \(\) is needed",
        ),
        (
            lambda a: jax.tree.map(lambda leaf: leaf.astype(np.int32), a),
            (
                r"0_conv.w in int32 of shape \(3, 3\), where float32 of shape \(3, 3\) is needed,"
                r" 0_conv.b in int32 .*"
            ),
        ),
        (lambda a: {}, "no 0_conv.w, no 0_conv.b, no count"),
        (
            lambda a: {f"x{n}": np.ones(1) for n in range(9)},
            "no 0_conv.w, no 0_conv.b, no count, and 9 differences more",
        ),
    ],
    ids=["missing", "too many", "dtype", "shape", "all in int32", "nothing", "all others"],
)
def test_other_arrays_than_asked_for_are_refused_before_they_are_read(
    change, message, path, monkeypatch
):
    changed = change(LIKE)
    save_arrays(path, changed)
    with pytest.raises(CheckpointError, match=f"^the arrays have {message}$"):
        check_arrays(changed, LIKE)
    monkeypatch.setattr(
        "jaxcnn.stored.arrays.deserialize", lambda content: pytest.fail("it was read")
    )
    with pytest.raises(CheckpointError, match=f"^{path} has {message}$"):
        load_arrays(path, like=LIKE)


def test_what_was_asked_for_may_be_shapes_and_dtypes(path):
    save_arrays(path, LIKE)
    like = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), LIKE)
    found = load_arrays(path, like=like)
    check_arrays(found, like)
    assert jax.tree.map(np.shape, found) == {"0_conv": {"w": (3, 3), "b": (3,)}, "count": ()}


def test_a_message_is_one_line_whatever_the_path(path):
    path = path.with_name("two words")
    path.write_bytes(b"?")
    with pytest.raises(CheckpointError, match=re.escape(str(path))):
        load_arrays(path)
