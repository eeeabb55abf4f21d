"""Receptive fields, against networks: with positive weights and no bias, an output is
positive exactly if it sees a pixel that is."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import layers
from jaxcnn.receptive import receptive_field, receptive_fields
from jaxcnn.window import Window, dilated
from tests._receptive import applied, fixed, one_after_another, side_by_side
from tests.naive import window_taps

# Against networks: with positive weights and no bias, an output is positive exactly if
# it sees a position that is.


def probe(node, x):
    """The network of a node with all weights 1, on a batch of images (n, *space)."""
    return applied(node, x, _summed)


def _summed(node, x):
    if node.window is None:
        return x
    window = node.window(x.shape[1:])
    y = np.zeros((len(x), *window.output_size(x.shape[1:])))
    for j, _, i in window_taps(window, x.shape[1:]):
        if i is not None:
            y[:, *j] += x[:, *i]
    return y


def one_at_a_time(size):
    """As many images as positions, each with a 1 at one of them."""
    return np.eye(np.prod(size)).reshape(-1, *size)


def hulls(y, size):
    """For every output the first and last position, per axis, of those whose change
    changed it; None where there is none."""
    found = {}
    for j in np.ndindex(y.shape[1:]):
        positions = [np.unravel_index(image, size) for image in np.flatnonzero(y[:, *j])]
        found[j] = tuple((min(axis), max(axis)) for axis in zip(*positions, strict=True)) or None
    return found


def reach(node, positions, axis):
    """The positions seen from `positions`, on an axis without ends: (1) alone, from the
    outputs to the image."""
    if node.parallel:
        return set().union(*(reach(part, positions, axis) for _, part in node.parts))
    for _, part in reversed(node.parts):
        positions = reach(part, positions, axis)
    if node.window is None:
        return positions
    k, s, (lo, _), d, _ = (entry[axis] for entry in node.window(()))
    return {s * j + d * t - lo for j in positions for t in range(k)}


def random_window(rng, size, stride=None, output_size=None, most=4):
    """A window that fits; of a stride and an output size, if they are given."""
    axes = []
    for axis, n in enumerate(size):
        k, d = int(rng.integers(1, most)), int(rng.integers(1, 3))
        s = int(rng.integers(1, 4)) if stride is None else stride[axis]
        lo, hi = (int(p) for p in rng.integers(-1, min(3, dilated(k, d)), 2))
        if output_size is not None:
            hi = s * (output_size[axis] - 1) + dilated(k, d) - n - lo
        axes.append((k, s, (lo, hi), d, 1))
    window = Window(*zip(*axes, strict=True))
    return (
        window
        if min(window.output_size(size)) > 0
        else random_window(rng, size, stride, output_size, most)
    )


def random_node(rng, size, depth, most=4):
    """Windows and branches one after another, and the size of what they give."""
    parts = []
    for _ in range(depth):
        if rng.integers(3):
            window = random_window(rng, size, most=most)
            parts.append(fixed(window))
            size = window.output_size(size)
        else:  # branches of one stride and one output size, of one window or two
            stride = tuple(int(s) for s in rng.integers(1, 3, len(size)))
            output_size = tuple(-(-n // s) for n, s in zip(size, stride, strict=True))
            branches = [
                fixed(random_window(rng, size, stride, output_size, most))
                for _ in range(int(rng.integers(2, 4)))
            ]
            ones = (1,) * len(size)
            longer = one_after_another(
                branches[0], fixed(random_window(rng, output_size, ones, output_size, most))
            )
            parts.append(side_by_side(*([longer, *branches[1:]] if rng.integers(2) else branches)))
            size = output_size
    return one_after_another(*parts)


def check_against_probe(node, size):
    field = receptive_field(node, size)
    seen = hulls(probe(node, one_at_a_time(size)), size)
    assert {j: field.clipped(j) for j in np.ndindex(field.output_size)} == seen
    for j in seen:
        for axis, interval in enumerate(field.interval(j)):
            positions = reach(node, {j[axis]}, axis)
            assert interval == (min(positions), max(positions))
    return field


def test_random_stacks_1d():
    rng = np.random.default_rng(0)
    fields = [
        check_against_probe(random_node(rng, (n,), int(rng.integers(1, 5))), (n,))
        for n in map(int, rng.integers(3, 20, 150))
    ]
    aligned = sum(field.aligned for field in fields)
    assert 30 < aligned < 120, "there are both kinds"
    assert sum(max(field.output_size) > 3 for field in fields) > 50


def test_random_stacks_2d():
    """Where a branch sees padding only on one axis, `clipped` still counts it on the
    other: such stacks are left out."""
    rng = np.random.default_rng(1)
    count = 0
    while count < 40:
        size = tuple(int(n) for n in rng.integers(3, 9, 2))
        node = random_node(rng, size, int(rng.integers(1, 4)))
        if not any(
            None in axis for field in receptive_fields(node, size).values() for axis in field.seen
        ):
            check_against_probe(node, size)
            count += 1


def test_the_recursion_from_the_outputs_to_the_image():
    """r_{l-1} = s_l r_l + (k_l - s_l), from r_L = 1: the cells of each layer that one
    output of the last sees."""
    rng = np.random.default_rng(2)
    for _ in range(30):
        windows = [random_window(rng, (50,), stride=(int(rng.integers(1, 3)),)) for _ in range(4)]
        r = 1
        for first, window in reversed(list(enumerate(windows))):
            (k,), (s,), _, (d,), _ = window
            r = s * r + (dilated(k, d) - s)
            assert receptive_field(windows[first:], (100,)).size == (r,)


REAL_LAYERS = {
    "conv": layers.conv(
        1, 3, dilation=2, padding=((3, 0),), bias=False, kernel_init=jax.nn.initializers.ones
    ),
    "strided conv": layers.conv(1, 2, stride=3, bias=False, kernel_init=jax.nn.initializers.ones),
    "max_pool": layers.max_pool(3, stride=2, padding=1, ceil_mode=True),
    "avg_pool": layers.avg_pool(2, ceil_mode=True),
    "layer_norm over space": layers.layer_norm(axes=(1, 2)),
    "layer_norm over channels": layers.layer_norm(axes=-1),
    "global_max_pool": layers.global_max_pool(),
    "global_avg_pool": layers.global_avg_pool(),
    "flatten": layers.flatten(),
    "tanh": layers.tanh(),
    "dropout": layers.dropout(0.5),
    "batch_norm": layers.batch_norm(),
    "residual": layers.residual(layers.max_pool(3, stride=1, padding="same")),
    "serial": layers.serial(layers.max_pool(2), layers.avg_pool(3, stride=1, padding="same")),
}


@pytest.mark.parametrize("layer", REAL_LAYERS.values(), ids=REAL_LAYERS)
def test_layers_have_the_windows_that_they_compute_with(layer):
    """The layer itself on images that differ from one another at one position, each
    with a second, constant channel."""
    n = 11
    x = np.zeros((n + 1, n, 2), np.float32)
    x[:n, :, 0] = one_at_a_time((n,))
    x[..., 1] = 0.5
    x = jnp.asarray(x[..., :1] if layer.name == "conv" else x)
    params, state = layer.init(jax.random.key(0, impl="rbg"), x.shape)
    y = np.asarray(layer.apply(params, state, x)[0])
    changed = (np.abs(y[:n] - y[n:]) > 1e-6).reshape(n, *(y.shape[1:-1] or (1,)), -1).any(axis=-1)
    field = receptive_field(layer, (n,))
    assert {j: field.clipped(j) for j in np.ndindex(field.output_size)} == hulls(changed, (n,))
