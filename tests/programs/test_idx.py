"""Files in the IDX format: those that are read, and headers and archives that promise
anything.
"""

from __future__ import annotations

import gzip
import math
import struct

import numpy as np
import pytest
from idx_files import GOOD, TRAIN_IMAGES, TRAIN_LABELS, bounded_memory, idx, images

from jaxcnn.programs.data.dataset import DataError, load
from jaxcnn.programs.data.idx import read_idx, unpacked
from jaxcnn.programs.data.options import DataOptions


@pytest.mark.parametrize(
    ("code", "dtype"),
    [(0x08, ">u1"), (0x09, ">i1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0D, ">f4"), (0x0E, ">f8")],
)
def test_each_type_of_element_is_read(tmp_path, code, dtype):
    array = (
        np.arange(-3 if np.dtype(dtype).kind != "u" else 0, 21)
        .astype(dtype)[-20:]
        .reshape(2, 1, 10)
    )
    (tmp_path / "file").write_bytes(idx(array, code))
    read = read_idx(tmp_path / "file")
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


# Headers that promise anything, and archives that unpack to anything.


def header(*shape: int, code: int = 0x08) -> bytes:
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape)


HUGE = 2**32 - 1


@pytest.mark.parametrize("packed", [False, True], ids=["raw", "gzipped"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(
            header(*[1] * 65) + b"\0",
            "must have at most 64 dimensions, and its header promises 65",
            id="65 axes",
        ),
        pytest.param(
            header(*[1] * 255) + b"\0",
            "must have at most 64 dimensions, and its header promises 255",
            id="255 axes",
        ),
        pytest.param(
            header(*[HUGE] * 64),
            r"has too much in it: .* of shape \(4294967295, .*, \.\.\.\) with 64 axes, more than"
            r" 10\^24 bytes",
            id="64 large axes",
        ),
        pytest.param(
            header(HUGE, 28, 28),
            r"has too much in it: .* \(4294967295, 28, 28\), 3,367,254,359,296 bytes .*, and"
            r" 536,870,912 are read at most",
            id="absurd",
        ),
        pytest.param(
            header(2**28, code=0x0E),
            "has too much in it: its header promises float64 of shape",
            id="float64",
        ),
        pytest.param(
            header(0, HUGE, HUGE, HUGE),
            r"has too much in it: its header promises uint8 of shape \(0, ",
            id="empty but large",
        ),
        pytest.param(
            header(2**29 - 8),
            r"was cut off: its header promises uint8 of shape \(536870904,\), .*, and it has 8"
            r" bytes",
            id="half a gigabyte",
        ),
        pytest.param(
            header(1, 1, 1)[:9],
            "is cut off in its header, which has 16 bytes, at 9",
            id="in a short header",
        ),
        pytest.param(
            header(*[1] * 64)[:200],
            "is cut off in its header, which has 260 bytes, at 200",
            id="in a long header",
        ),
    ],
)
def test_a_header_may_promise_anything(tmp_path, content, packed, message):
    (tmp_path / "file").write_bytes(gzip.compress(content) if packed else content)
    with (
        bounded_memory(2**22),
        pytest.raises(DataError, match=f"^{tmp_path}/file {message}") as caught,
    ):
        read_idx(tmp_path / "file")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("shape", [(), (0,), (1,) * 64, (2, 3)])
def test_unusual_shapes_are_read(tmp_path, shape):
    array = np.arange(math.prod(shape), dtype=np.uint8).reshape(shape)
    (tmp_path / "file").write_bytes(gzip.compress(idx(array)))
    read = read_idx(tmp_path / "file")
    assert read.shape == shape
    assert not read.flags.writeable
    np.testing.assert_array_equal(read, array)


def test_a_gzip_file_is_unpacked_only_as_far_as_its_header_goes(folder):
    """30 kB that unpack to 30 MB."""
    (folder / TRAIN_IMAGES).write_bytes(gzip.compress(GOOD[TRAIN_IMAGES] + bytes(30_000_000)))
    message = (
        r"has something behind its end: its header promises uint8 of shape \(3, 28, 28\), 2,368"
        r" bytes .*, and it has more \("
    )
    with bounded_memory(2**24), pytest.raises(DataError, match=message):
        load(DataOptions("mnist", data_dir=folder))


def test_a_long_file_is_read_only_as_far_as_its_header_goes(folder):
    with (folder / TRAIN_LABELS).open("r+b") as file:
        file.truncate(2**40)  # a hole: no disk is filled
    with (
        bounded_memory(2**24),
        pytest.raises(
            DataError, match=r"has something behind its end: .*, and it has 1,099,511,627,776 bytes"
        ),
    ):
        load(DataOptions("mnist", data_dir=folder))


def test_several_members_of_a_gzip_file_are_one_file(tmp_path):
    content = GOOD[TRAIN_IMAGES]
    parts = [gzip.compress(part) for part in (content[:5], b"", content[5:1000], content[1000:])]
    (tmp_path / "file").write_bytes(b"".join(parts))
    np.testing.assert_array_equal(read_idx(tmp_path / "file"), images(3))
    assert unpacked(b"".join(parts)) == content
    (tmp_path / "file").write_bytes(b"".join([*parts, parts[0]]))
    with pytest.raises(DataError, match=r"has something behind its end: .* and it has more"):
        read_idx(tmp_path / "file")
    (tmp_path / "file").write_bytes(b"".join([*parts, b"garbage"]))
    with pytest.raises(DataError, match=r"is a damaged gzip file \(Not a gzipped file"):
        read_idx(tmp_path / "file")


def test_bytes_are_unpacked_up_to_a_limit():
    packed = gzip.compress(bytes(1000))
    assert unpacked(packed, 1000) == unpacked(bytes(1000), 1000) == bytes(1000)
    for content in (packed, bytes(1000)):
        with pytest.raises(DataError, match="more than the 999 bytes that it may have"):
            unpacked(content, 999)


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(DataError, match=f"^{tmp_path} cannot be read: Is a directory$"):
        read_idx(tmp_path)
