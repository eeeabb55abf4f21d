"""The pictures of the lessons: their numbers against those computed by hand, and that
both are written."""

from __future__ import annotations

import io

import numpy as np
from rich.console import Console

from experiments.lessons import DY, NUMBERS, Config, main, of_forgotten_means, of_ties


def test_a_tie_by_hand():
    """The first window has one maximum, the second two, the third four, and the last
    one, which stands last."""
    image = np.array([[1, 2, 8, 3], [0, 1, 8, 5], [0, 0, 1, 2], [0, 0, 3, 4]], np.float32)
    first, shares, equal = of_ties(image).values()
    assert first.tolist() == [[0, 1, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    assert shares.tolist() == [
        [0, 1, 0.5, 0],
        [0, 0, 0.5, 0],
        [0.25, 0.25, 0, 0],
        [0.25] * 2 + [0, 1],
    ]
    assert equal.sum() == 8


def test_forgotten_means_by_hand():
    """The factors are 1 / std = 1/2 and the means 2 and 3."""
    x_hat = (NUMBERS - 4) / 2
    first, second = np.full(5, 2), 3 * x_hat
    expected = (DY - first - second, DY - second, DY - first, DY)
    for found, sum_of_terms in zip(of_forgotten_means().values(), expected, strict=True):
        np.testing.assert_allclose(found, sum_of_terms / 2, atol=1e-6)


def test_both_pictures_are_written(tmp_path):
    printed = io.StringIO()
    main(Config(output=tmp_path), Console(file=printed))
    for name in ("ties.png", "batch-norm.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        assert name in printed.getvalue()
