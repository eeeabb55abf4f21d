"""The definitions, spelled out as NumPy loops in float64: slow, and without any trick
that a fast method could share."""

import itertools

import numpy as np

from jaxcnn.window import Window


def window_taps(window: Window, input_size):
    """Every meeting of an output position j and a tap t with an input position i, by
    the definition i b = s j + d t - p_lo.

    Yields (j, t, i); i is None where the tap stands on padding or in a gap of the
    dilated input.
    """
    axes = []
    for n, k, s, (lo, hi), d, b in zip(input_size, *window, strict=True):
        span, extent = d * (k - 1) + 1, (b * (n - 1) + 1 if n else 0)
        positions = range(
            0, extent + lo + hi - span + 1, s
        )  # every place where the whole window fits
        meetings = []
        for j, start in enumerate(positions):
            for t in range(k):
                place = start + d * t - lo
                inside = place % b == 0 and 0 <= place // b < n
                meetings.append((j, t, place // b if inside else None))
        axes.append(meetings)
    for meeting in itertools.product(*axes):
        j, t, i = zip(*meeting, strict=True) if meeting else ((), (), ())
        yield j, t, None if None in i else i


def conv_and_gradients(x, w, dy, window: Window, groups: int):
    """y, dx, dw, db of a convolution, channels last: each product x w dy of the
    trilinear form is met once."""
    x, w = np.asarray(x, np.float64), np.asarray(w, np.float64)
    n, *space, c = x.shape
    o = w.shape[-1]
    y = np.zeros((n, *window.output_size(space), o))
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros(o)
    for image, (j, t, i) in itertools.product(range(n), window_taps(window, space)):
        if i is None:
            continue
        for out in range(o):
            first = (
                out // (o // groups) * (c // groups)
            )  # the first input channel of this output's group
            for channel in range(c // groups):
                y[image, *j, out] += x[image, *i, first + channel] * w[*t, channel, out]
                dx[image, *i, first + channel] += dy[image, *j, out] * w[*t, channel, out]
                dw[*t, channel, out] += dy[image, *j, out] * x[image, *i, first + channel]
    for index in np.ndindex(dy.shape):
        db[index[-1]] += dy[index]
    return y, dx, dw, db


def max_pool_and_gradient(x, dy, window: Window):
    """y and dx: the first in-bounds tap keeps the lead until a strictly larger value,
    or a NaN, takes it."""
    n, *space, c = x.shape
    leaders = {}
    for image, channel, (j, _, i) in itertools.product(
        range(n), range(c), window_taps(window, space)
    ):
        if i is None:
            continue
        key, value = (image, *j, channel), x[image, *i, channel]
        if key not in leaders or value > x[leaders[key]] or np.isnan(value):
            leaders[key] = (image, *i, channel)
    y, dx = np.zeros(dy.shape), np.zeros(x.shape)
    for key, leader in leaders.items():
        y[key] = x[leader]
        dx[leader] += dy[key]
    return y, dx


def avg_pool_and_gradient(x, dy, window: Window, pads, count_include_pad: bool):
    """y and dx; `pads` are those that count, before ceil_mode changed the window's."""
    n, *space, c = x.shape
    members, counts = {}, {}
    for j, t, i in window_taps(window, space):
        place = [
            s * a + d * b - lo
            for a, b, s, d, (lo, _) in zip(
                j, t, window.stride, window.dilation, window.pads, strict=True
            )
        ]
        on_padding = all(
            -lo <= p < size + hi for p, size, (lo, hi) in zip(place, space, pads, strict=True)
        )
        if i is not None:
            members.setdefault(j, []).append(i)
        counts[j] = counts.get(j, 0) + (on_padding if count_include_pad else i is not None)
    y, dx = np.zeros(dy.shape), np.zeros(x.shape)
    for image, channel, j in itertools.product(range(n), range(c), counts):
        for i in members.get(j, []):
            y[image, *j, channel] += x[image, *i, channel] / counts[j]
            dx[image, *i, channel] += dy[image, *j, channel] / counts[j]
    return y, dx
