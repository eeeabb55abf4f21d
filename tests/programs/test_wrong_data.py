"""What each kind of wrong file is told."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from idx_files import (
    ARCHIVES,
    GOOD,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    idx,
    images,
    labels,
)

from jaxcnn.programs.data.dataset import DataError, load
from jaxcnn.programs.data.options import DataOptions

CUT = gzip.compress(GOOD[TRAIN_IMAGES])[:-100]


BROKEN = bytearray(gzip.compress(GOOD[TRAIN_IMAGES]))


BROKEN[1000] ^= 0xFF


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param(TRAIN_IMAGES, b"", "is empty: download", id="empty file"),
        pytest.param(TRAIN_IMAGES, gzip.compress(b""), "is empty: download", id="empty archive"),
        pytest.param(
            TRAIN_IMAGES,
            b"\n<!DOCTYPE html><html>",
            r"no IDX file: it begins with b'.n<!DOCTYPE .* looks like a web page",
            id="web page",
        ),
        pytest.param(
            TRAIN_IMAGES,
            b"\x89PNG\r\n\x1a\n",
            r"is no IDX file: it begins with b'.x89PNG.* code of a type$",
            id="picture",
        ),
        pytest.param(TRAIN_IMAGES, b"\0\0\x07\x01\0\0\0\0", "is no IDX file", id="unknown type"),
        pytest.param(TRAIN_IMAGES, b"\0\0\x08", "is no IDX file", id="three bytes"),
        pytest.param(
            TRAIN_IMAGES,
            gzip.compress(ARCHIVES[f"{TRAIN_IMAGES}.gz"]),
            "is no IDX file",
            id="gzipped twice",
        ),
        pytest.param(
            TRAIN_IMAGES,
            GOOD[TRAIN_IMAGES][:13],
            "cut off in its header, which has 16 bytes, at 13",
            id="half a header",
        ),
        pytest.param(
            TRAIN_IMAGES,
            GOOD[TRAIN_IMAGES][:-7],
            r"was cut off: its header promises uint8 of shape \(3, 28, 28\), 2,368 bytes .*, and it"
            r" has 2,361 ",
            id="cut off",
        ),
        pytest.param(
            TRAIN_LABELS,
            GOOD[TRAIN_LABELS] + b"\0\0",
            "has something behind its end: .* 11 bytes .*, and it has 13 ",
            id="too long",
        ),
        pytest.param(
            TRAIN_IMAGES,
            CUT,
            r"is a damaged gzip file \(.*ended before.*\): download",
            id="archive cut off",
        ),
        pytest.param(
            TRAIN_IMAGES,
            bytes(BROKEN),
            r"is a damaged gzip file \(.+\): download",
            id="archive broken",
        ),
        pytest.param(
            TRAIN_IMAGES,
            CUT[:10] + b"\xff" * 20,
            r"is a damaged gzip file \(.*invalid block type\): download",
            id="no deflate stream",
        ),
        pytest.param(
            TRAIN_IMAGES, b"\x1f\x8b", r"is a damaged gzip file", id="archive of two bytes"
        ),
        pytest.param(
            TRAIN_IMAGES,
            GOOD[TRAIN_LABELS],
            r"must hold images, uint8 of shape \(n, 28, 28\), and holds uint8 of shape \(3,\)\."
            r" These look like labels",
            id="labels as images",
        ),
        pytest.param(
            TEST_LABELS,
            GOOD[TEST_IMAGES],
            r"must hold labels, uint8 of shape \(n,\), and holds uint8 of shape \(2, 28, 28\)\."
            r" These look like images",
            id="images as labels",
        ),
        pytest.param(
            TEST_IMAGES,
            idx(images(2)[:, :, :20]),
            r"must hold images, .* of shape \(2, 28, 20\)$",
            id="narrow images",
        ),
        pytest.param(
            TEST_IMAGES,
            idx(images(2)[..., None]),
            r"must hold images, .* of shape \(2, 28, 28, 1\)$",
            id="four dimensions",
        ),
        pytest.param(
            TEST_IMAGES,
            idx(images(2).astype(">i2"), 0x0B),
            r"must hold images, .* holds int16 of shape \(2, 28, 28\)$",
            id="int16",
        ),
        pytest.param(
            TEST_LABELS,
            idx(np.array([1, 2], ">i4"), 0x0C),
            "must hold labels, uint8 .* holds int32",
            id="int32 labels",
        ),
        pytest.param(
            TEST_LABELS,
            idx(labels(1, 2, 3)),
            f"has 2 images and .*{TEST_LABELS} has 3 labels",
            id="counts differ",
        ),
        pytest.param(
            TRAIN_LABELS,
            idx(labels(9, 23, 10)),
            "labels from 0 to 9, got 23 for image 1",
            id="label 23",
        ),
        pytest.param(
            TRAIN_LABELS,
            idx(labels(0, 0, 10)),
            "labels from 0 to 9, got 10 for image 2",
            id="label 10",
        ),
    ],
)
def test_a_wrong_file_is_told_what_came_and_what_was_needed(folder, name, content, message):
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        load(DataOptions("mnist", folder))
    assert str(folder / name) in str(caught.value)
    assert "\n" not in str(caught.value)
