"""The convolution and its gradients, against PyTorch, SciPy and NumPy."""

import numpy as np
import pytest
import scipy.signal

import jaxcnn
from jaxcnn.check import draw
from jaxcnn.check.cases import CONV_CASES
from tests.ops._convolutions import daily_cases, results, whole_numbers, window_of


def torch_arrays(case_id):
    """The case's data as PyTorch wants it: channels first, with gradients."""
    torch = pytest.importorskip("torch", reason="PyTorch is an optional peer")
    x, w, b, dy = (torch.tensor(a, dtype=torch.float64) for a in whole_numbers(case_id))
    axes = x.ndim - 2
    x, dy = (a.movedim(-1, 1).contiguous().requires_grad_() for a in (x, dy))
    w = w.movedim((-1, -2), (0, 1)).contiguous().requires_grad_()
    return torch, getattr(torch.nn.functional, f"conv{axes}d"), x, w, b.requires_grad_(), dy


@pytest.mark.parametrize("case", daily_cases([c for c in CONV_CASES if c.x[0] > 0]))
def test_equals_pytorch(case):
    torch, torch_conv, x, w, b, dy = torch_arrays(case.id)
    window = window_of(case)
    pads = [p for lo_hi in reversed(window.pads) for p in lo_hi]
    padded = torch.nn.functional.pad(x, pads)
    y = torch_conv(
        padded,
        w,
        b,
        stride=window.stride,
        dilation=window.dilation,
        groups=case.options.get("groups", 1),
    )
    y.backward(dy.detach())
    expected = (
        y.detach().movedim(1, -1),
        x.grad.movedim(1, -1),
        w.grad.movedim((0, 1), (-1, -2)),
        b.grad,
    )
    for got, want in zip(results(case.id, "auto"), expected, strict=True):
        np.testing.assert_array_equal(got, want.numpy())


@pytest.mark.parametrize(
    "case",
    daily_cases(
        [c for c in CONV_CASES if c.x[0] > 0 and min(min(p) for p in window_of(c).pads) >= 0]
    ),
)
def test_equals_scipy(case):
    """The three maps as the source document writes them: correlate, convolve,
    correlate, channel by channel."""
    x, w, b, dy = whole_numbers(case.id)
    window, groups = window_of(case), case.options.get("groups", 1)
    axes = range(len(window.size))
    padded = np.pad(x, ((0, 0), *window.pads, (0, 0)))
    dilated_w = np.zeros(
        [d * (k - 1) + 1 for k, d in zip(window.size, window.dilation, strict=True)]
        + list(w.shape[-2:])
    )
    taps = tuple(slice(None, None, d) for d in window.dilation)
    dilated_w[taps] = w
    # dy at the positions of stride 1, zeros between.
    dense = [n - k + 1 for n, k in zip(padded.shape[1:-1], dilated_w.shape, strict=False)]
    dilated_dy = np.zeros((x.shape[0], *dense, w.shape[-1]))
    outputs = tuple(slice(None, None, s) for s in window.stride)
    dilated_dy[(slice(None), *outputs)] = dy

    y, dx, dw = np.zeros(dy.shape), np.zeros(padded.shape), np.zeros(dilated_w.shape)
    o, c = w.shape[-1], x.shape[-1]
    for n in range(x.shape[0]):
        for out in range(o):
            y[n, ..., out] = b[out]
            for channel in range(c // groups):
                source = out // (o // groups) * (c // groups) + channel
                kernel = dilated_w[..., channel, out]
                y[n, ..., out] += scipy.signal.correlate(
                    padded[n, ..., source], kernel, "valid", "direct"
                )[outputs]
                dx[n, ..., source] += scipy.signal.convolve(
                    dilated_dy[n, ..., out], kernel, "full", "direct"
                )
                dw[..., channel, out] += scipy.signal.correlate(
                    padded[n, ..., source], dilated_dy[n, ..., out], "valid", "direct"
                )
    inside = tuple(slice(window.pads[a][0], window.pads[a][0] + x.shape[1 + a]) for a in axes)
    expected = (y, dx[(slice(None), *inside)], dw[taps], dy.sum(axis=tuple(range(dy.ndim - 1))))
    for got, want in zip(results(case.id, "auto"), expected, strict=True):
        np.testing.assert_array_equal(got, want)


def test_convolve_is_numpy_convolve():
    rng = np.random.default_rng(0)
    x, w = draw.integers(rng, (9,)), draw.integers(rng, (4,))
    y = jaxcnn.convolve(
        x.reshape(1, 9, 1).astype(np.float32), w.reshape(4, 1, 1).astype(np.float32), padding="full"
    )
    np.testing.assert_array_equal(y.ravel(), np.convolve(x, w))


def test_convolve_equals_scipy_in_two_dimensions():
    rng = np.random.default_rng(0)
    x, w = draw.integers(rng, (6, 5)), draw.integers(rng, (3, 2))
    first = {"layout": "channels_first"}
    y = jaxcnn.convolve(
        x[None, None].astype(np.float32), w[None, None].astype(np.float32), padding="full", **first
    )
    np.testing.assert_array_equal(y[0, 0], scipy.signal.convolve2d(x, w, mode="full"))
