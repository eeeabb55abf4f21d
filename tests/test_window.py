"""Integers: pads from words, output sizes, and the windows of the two adjoint maps, by
counting."""

import itertools

import numpy as np
import pytest

from jaxcnn.padding import make_window, resolve_padding
from jaxcnn.window import Window, dilated
from tests.naive import window_taps


@pytest.mark.parametrize(
    ("padding", "n", "k", "s", "d", "pads"),
    [
        ("valid", 7, 3, 2, 1, (0, 0)),
        ("VALID", 7, 3, 2, 1, (0, 0)),
        ("same", 7, 3, 1, 1, (1, 1)),
        ("same", 6, 4, 1, 1, (1, 2)),
        ("same_lower", 6, 4, 1, 1, (2, 1)),
        ("same", 6, 3, 2, 1, (0, 1)),
        ("same_lower", 6, 3, 2, 1, (1, 0)),
        ("same", 6, 3, 1, 2, (2, 2)),
        ("same", 6, 1, 4, 1, (0, 0)),
        ("full", 6, 3, 1, 2, (4, 4)),
        ("causal", 6, 3, 1, 2, (4, 0)),
        (2, 6, 3, 1, 1, (2, 2)),
        (np.int64(2), 6, 3, 1, 1, (2, 2)),
        ((2,), 6, 3, 1, 1, (2, 2)),
        (((2, -1),), 6, 3, 1, 1, (2, -1)),
        ([[2, -1]], 6, 3, 1, 1, (2, -1)),
    ],
)
def test_padding(padding, n, k, s, d, pads):
    assert resolve_padding(padding, (n,), (k,), (s,), (d,)) == (pads,)


@pytest.mark.parametrize(
    ("n", "f", "p", "s"), list(itertools.product((5, 8, 13), (1, 2, 3, 5), (0, 1, 2), (1, 2, 3)))
)
def test_textbook_formula(n, f, p, s):
    """(n + 2p - f)/s + 1, rounded down."""
    assert make_window((f,), (n,), stride=s, padding=p).output_size((n,)) == (
        (n + 2 * p - f) // s + 1,
    )


@pytest.mark.parametrize("word", ["same", "same_lower"])
@pytest.mark.parametrize(
    ("n", "k", "s", "d"), list(itertools.product((1, 4, 7), (1, 2, 5), (1, 2, 3), (1, 2)))
)
def test_same_gives_ceil_n_over_s(word, n, k, s, d):
    window = make_window((k,), (n,), stride=s, padding=word, dilation=d)
    assert window.output_size((n,)) == (-(-n // s),)


def random_windows(count, seed=0):
    rng = np.random.default_rng(seed)
    while count:
        n, k, s, d, b = (
            int(rng.integers(low, high)) for low, high in ((1, 8), (1, 5), (1, 5), (1, 4), (1, 4))
        )
        lo, hi = (int(p) for p in rng.integers(-3, 5, 2))
        window = Window((k,), (s,), ((lo, hi),), (d,), (b,))
        if window.output_size((n,))[0] > 0:
            count -= 1
            yield n, window


def meetings(window, n):
    """The triples (output, tap, input) of a 1-D window."""
    return {(j[0], t[0], i[0]) for j, t, i in window_taps(window, (n,)) if i is not None}


def test_adjoint_windows():
    """Output j meets tap t at input i: the same triples, with the parts exchanged, for
    both adjoint maps."""
    for n, window in random_windows(500):
        forward = meetings(window, n)
        (m,), k = window.output_size((n,)), window.size[0]
        input_grad = window.input_grad((n,))
        assert input_grad.output_size((m,)) == (n,)
        assert {(j, k - 1 - t, i) for i, t, j in meetings(input_grad, m)} == forward
        kernel_grad = window.kernel_grad((n,))
        assert kernel_grad.size == (m,)
        assert kernel_grad.output_size((n,)) == (k,)
        assert {(j, t, i) for t, j, i in meetings(kernel_grad, n)} == forward


def test_remainder_is_the_tail_that_no_window_touches():
    for n, window in random_windows(200, seed=1):
        (m,), (r,) = window.output_size((n,)), window.remainder((n,))
        (lo, hi), s, span = (
            window.pads[0],
            window.stride[0],
            dilated(window.size[0], window.dilation[0]),
        )
        padded = dilated(n, window.base_dilation[0]) + lo + hi
        assert s * (m - 1) + span + r == padded
        assert 0 <= r < s


def test_crop_is_the_same_window():
    for n, window in random_windows(500, seed=2):
        (cut,), cropped = window.crop((n,))
        kept = range(n)[cut]
        assert min(cropped.pads[0]) >= 0
        if len(kept):
            assert cropped.output_size((len(kept),)) == window.output_size((n,))
            assert {(j, t, kept[i]) for j, t, i in meetings(cropped, len(kept))} == meetings(
                window, n
            )
        else:
            assert not meetings(window, n)


def test_crop_leaves_other_windows_alone():
    window = make_window((3, 3), (5, 5), padding=1)
    assert window.crop((5, 5)) == ((slice(0, 5), slice(0, 5)), window)


@pytest.mark.parametrize(
    ("size", "options", "message"),
    [
        ((3,), {"stride": 0}, "stride must be at least 1"),
        ((3,), {"stride": (1, 2)}, r"stride must be an int or one int per spatial axis \(1 here\)"),
        ((3,), {"stride": 1.5}, "stride must be an int"),
        ((3,), {"dilation": -1}, "dilation must be at least 1"),
        ((0,), {}, "size must be at least 1"),
        ((3,), {"padding": "sane"}, "padding must be one of valid, same, same_lower, full, causal"),
        ((3,), {"padding": 0.5}, "padding must be one of"),
        ((3,), {"padding": ((1, 2, 3),)}, "padding must be one of"),
        ((3,), {"padding": (1, 2)}, r"one \(low, high\) pair is written \(\(1, 2\),\)"),
        ((3, 3), {"padding": (1, 2, 3)}, r"one entry per spatial axis \(2 here\)"),
        ((3, 3), {"padding": "causal"}, "'causal' is for one spatial axis"),
    ],
)
def test_errors(size, options, message):
    with pytest.raises(ValueError, match=message):
        make_window(size, (8,) * len(size), **options)
