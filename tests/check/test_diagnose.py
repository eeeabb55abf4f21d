"""What a failed check says of the mistake, and that it says nothing where none fits."""

import numpy as np
import pytest

from jaxcnn.check.diagnose import diagnose

RNG = np.random.default_rng(0)
WANT = RNG.normal(size=(3, 4, 4, 6))


def shifted(a):
    moved = np.zeros_like(a)
    moved[:, 1:] = a[:, :-1]
    return moved


def without_tail(a):
    cut = a.copy()
    cut[:, :, -1:] = 0
    return cut


def wrong_tail(a):
    cut = a.copy()
    cut[:, :, 3:] += 1
    return cut


MISTAKES = {
    "all zero": (np.zeros_like, "all zero"),
    "not finite": (lambda a: a / 0, "not finite"),
    "factor": (lambda a: -2 * a, "fits what is expected times -2"),
    "flip": (lambda a: a[:, ::-1, ::-1], "fits what is expected, flipped along axes 1 and 2"),
    "exchanged": (
        lambda a: np.swapaxes(a, 1, 2),
        "fits what is expected, with axes 1 and 2 exchanged",
    ),
    "groups": (
        lambda a: a.reshape(3, 4, 4, 2, 3).swapaxes(-1, -2).reshape(a.shape),
        "fits what is expected, with the 2 groups of axis 3 mixed",
    ),
    "sum": (
        lambda a: np.broadcast_to(a.sum(0, keepdims=True), a.shape),
        "fits what is expected, summed over axis 0 too",
    ),
    "mean": (
        lambda a: np.broadcast_to(a.mean((0, 1), keepdims=True), a.shape),
        "fits what is expected, averaged over axes 0 and 1",
    ),
    "moved": (shifted, "fits what is expected, moved by 1 along axis 1"),
    "tail": (
        without_tail,
        "wrong only in the last 1 of 4 on axis 2 and zero there: a missing tail",
    ),
    "end": (wrong_tail, "wrong only in the last 1 of 4 on axis 2"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_patterns_of_the_result(mistake):
    wrong, words = MISTAKES[mistake]
    with np.errstate(divide="ignore"):
        assert diagnose(wrong(WANT), WANT, 1e-6) == words


def test_nothing_fits():
    assert diagnose(RNG.normal(size=WANT.shape), WANT, 1e-6) == ""
    assert diagnose(np.array(2.0), np.array(0.0), 1e-6) == ""
    assert diagnose(np.ones(3), np.zeros(3), 1e-6) == ""


def test_patterns_of_the_operands():
    """A product of matrices with one of them changed."""
    operands = {"x": RNG.normal(size=(5, 3)), "dy": RNG.normal(size=(5, 4))}

    def kernel_grad(**changed):
        both = operands | changed
        return both["x"].T @ both["dy"]

    def recompute(name, array):
        return kernel_grad(**{name: array})

    want = kernel_grad()
    for got, words in (
        (
            kernel_grad(x=operands["x"][:, ::-1]),
            "fits what is expected, flipped along axis 0",
        ),  # the result says it already
        (kernel_grad(x=operands["x"][::-1]), "fits what is expected for x, flipped along axis 0"),
        (
            np.outer(operands["x"][-1], operands["dy"][-1]),
            (
                "fits what is expected for x of which only the last entry of axis 0 counts (="
                " instead of +=?)"
            ),
        ),
    ):
        assert diagnose(got, want, 1e-6, operands, recompute) == words


def test_large_operands_are_left_alone():
    def never(name, array):
        raise AssertionError("evaluated")

    large = {"x": np.zeros((1025, 1024))}
    assert diagnose(np.array([1.0, 2.0]), np.array([2.0, 5.0]), 1e-6, large, never) == ""
