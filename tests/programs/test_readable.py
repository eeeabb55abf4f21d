"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest
from html_page import spaced

from jaxcnn.programs.readable import flops, number, ratio, seconds, size, ulps

INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("words", "values", "expected"),
    [
        (
            number,
            (None, 0.0, 1.23e-7, 1.0, INF, -INF, NAN),
            ["-", "0", "1.2e-07", "1.0e+00", "∞", "-∞", "NaN"],
        ),
        (
            ulps,
            (None, 0.0, 0.04, 0.5, 9.96, 1234.0, 3.4e28),
            ["-", "0", "4.0e-02", "0.5", "10", "1,234", "3.4e+28"],
        ),
        (
            ratio,
            (0.001, 0.972, 1.04, 1.996, 9.96, 740.2, INF),
            ["1.0e-03x", "0.97x", "1.04x", "2.0x", "10x", "740x", "∞x"],
        ),
        (
            size,
            (None, 0, 999, 1_000, 1_240_000, 999_900),
            ["-", "0 B", "999 B", "1 kB", "1.2 MB", "1 MB"],
        ),
        (
            seconds,
            (4.1e-4, 3.2e-3, 0.9999, 330.0, 3_700.0),
            ["410 µs", "3.2 ms", "1 s", "5 min 30 s", "1 h 1 min"],
        ),
        (flops, (None, 0.0, 23_328.0, 1.2e9), ["-", "0", "23 k", "1.2 G"]),
    ],
)
def test_numbers_in_words(words, values, expected):
    assert [spaced(words(value)) for value in values] == expected
