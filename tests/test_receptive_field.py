"""Receptive fields: by hand, against networks in which one position of the image is
changed, and as published."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn
from jaxcnn import layers, models
from jaxcnn.receptive import receptive_field, receptive_fields
from jaxcnn.window import Window, dilated, make_window
from tests.naive import window_taps


class Node(NamedTuple):
    """What a model must have, and no more: a window, or parts one after another or side
    by side."""

    window: Callable[[tuple[int, ...]], Window] | None = None
    parts: tuple[tuple[str, Node], ...] = ()
    parallel: bool = False


def sliding(size, **options):
    return Node(lambda space: make_window((size,) * len(space), space, **options))


def fixed(window):
    return Node(lambda _: window)


def one_after_another(*parts):
    return Node(parts=tuple((f"{index}", part) for index, part in enumerate(parts)))


def side_by_side(*parts):
    return Node(parts=tuple((f"{index}", part) for index, part in enumerate(parts)), parallel=True)


def window_1d(size, stride=1, pads=(0, 0), dilation=1, base_dilation=1):
    return Window((size,), (stride,), (pads,), (dilation,), (base_dilation,))


def closed_form(field):
    return field.size, field.stride, field.padding


# By hand.


@pytest.mark.parametrize(
    ("windows", "r", "S", "P"),
    [
        pytest.param([], 1, 1, 0, id="the image itself"),
        pytest.param([window_1d(3)], 3, 1, 0, id="one layer"),
        pytest.param(window_1d(3), 3, 1, 0, id="one window, not in a list"),
        pytest.param([window_1d(3), window_1d(3)], 5, 1, 0, id="two layers of 3"),
        pytest.param([window_1d(3, 2), window_1d(3, 2)], 7, 4, 0, id="two layers of 3, stride 2"),
        pytest.param([window_1d(2, 2), window_1d(3)], 6, 2, 0, id="a pool first: 3 pools of 2"),
        pytest.param([window_1d(3), window_1d(2, 2)], 4, 2, 0, id="a pool last: 2 overlapping 3s"),
        pytest.param([window_1d(1, 3), window_1d(2)], 4, 3, 0, id="a stride that leaves holes"),
        pytest.param([window_1d(3, dilation=2)], 5, 1, 0, id="dilation 2"),
        pytest.param(
            [window_1d(3, dilation=d) for d in (1, 2, 4)],
            15,
            1,
            0,
            id="dilations 1, 2, 4: 2^(3 + 1) - 1",
        ),
        pytest.param(
            [window_1d(3, 1, (1, 1)), window_1d(2, 2), window_1d(3, 1, (1, 1))],
            8,
            2,
            3,
            id="pads 1 + 2",
        ),
        pytest.param(
            [window_1d(2, 1, (-2, 0)), window_1d(2, 1, (1, 0))],
            3,
            1,
            -1,
            id="a crop of 2, then a pad of 1",
        ),
    ],
)
def test_hand_examples(windows, r, S, P):
    field = receptive_field(windows, (32,))
    assert closed_form(field) == ((r,), (S,), (P,))
    assert field.aligned
    assert field.interval((3,)) == ((3 * S - P, 3 * S - P + r - 1),)
    assert field.centre((3,)) == (3 * S - P + (r - 1) / 2,)


def test_axes_are_on_their_own():
    """3-D, and on every axis another size, stride, pad and dilation."""
    field = receptive_field(
        [
            Window((3, 1, 2), (1, 2, 1), ((1, 0), (0, 0), (-1, 2)), (1, 1, 3), (1, 1, 1)),
            Window((2, 5, 1), (2, 1, 1), ((0, 0), (2, 2), (0, 0)), (1, 1, 1), (1, 1, 1)),
        ],
        (9, 12, 7),
    )
    assert closed_form(field) == ((4, 9, 4), (2, 2, 1), (1, 4, -1))
    assert field.output_size == (4, 6, 5)
    assert field.interval((1, 2, 0)) == ((1, 4), (0, 8), (1, 4))
    assert field.clipped((0, 0, 4)) == ((0, 2), (0, 4), (5, 5))


def test_the_source_document_s_example_network():
    """3x3, pool 2, 3x3, pool 2: 3, 4, 4 + 2 * 2 = 8, 8 + 1 * 2 = 10; then all 7
    outputs, 4 apart: 10 + 6 * 4 = 34."""
    fields = receptive_fields(models.cnn_basics(), (32, 32))
    assert [field.size for field in fields.values()] == [
        (r, r) for r in (3, 3, 4, 8, 8, 10, 34, 34)
    ]
    assert [field.stride[0] for field in fields.values()] == [1, 1, 2, 2, 2, 4, 4, 4]
    assert [field.padding[0] for field in fields.values()] == [0, 0, 0, 2, 2, 2, 2, 2]
    assert fields["7_dense"].clipped((0, 0)) == ((0, 31), (0, 31))


def test_a_padded_layer_after_a_tail_that_no_window_touched_does_not_see_it():
    """7 -> pool 3, the last position left out -> a padded 3: the interval goes on into
    position 6, which nothing touches."""
    field = receptive_field([window_1d(2, 2), window_1d(3, 1, (1, 1))], (7,))
    assert field.interval((2,)) == ((2, 7),)
    assert field.clipped((2,)) == ((2, 5),)


def test_an_output_that_sees_padding_only():
    field = receptive_field([window_1d(1, 1, (3, 1))], (3,))
    assert [field.interval((j,)) for j in range(7)] == [((j - 3, j - 3),) for j in range(7)]
    assert [field.clipped((j,)) for j in range(7)] == [
        None,
        None,
        None,
        ((0, 0),),
        ((1, 1),),
        ((2, 2),),
        None,
    ]
    field = receptive_field([Window((1, 1), (1, 1), ((0, 0), (1, 0)), (1, 1), (1, 1))], (3, 3))
    assert (field.clipped((1, 0)), field.clipped((1, 1))) == (None, ((1, 1), (0, 0)))


def test_paths_and_sizes_are_those_of_the_outputs():
    key = jax.random.key(0, impl="rbg")
    for name, make in models.MODELS.items():
        model = make()
        x = jax.ShapeDtypeStruct((1, 33, 40, 3), jnp.float32)
        params, state = jax.eval_shape(partial(model.init, input_shape=x.shape), key)
        shapes = {
            path: y.shape
            for path, y in jax.eval_shape(partial(layers.outputs, model), params, state, x).items()
        }
        fields = receptive_fields(model, (33, 40))
        assert list(fields) == list(shapes), name
        for path, shape in shapes.items():
            assert fields[path].output_size == (shape[1:-1] or (1, 1)), (name, path)
        assert fields[path] == receptive_field(model, (33, 40))


def test_a_layer_alone_has_the_empty_path():
    assert list(receptive_fields(layers.conv(2, 3), (8,))) == [""]
    assert closed_form(receptive_field(layers.conv(2, 3), 8)) == ((3,), (1,), (1,))
    assert receptive_fields(layers.serial(layers.serial(), layers.relu()), (8,))[
        "0_serial"
    ].size == (1,)


# Branches.


def test_aligned_branches_see_what_the_largest_sees():
    block = side_by_side(
        one_after_another(sliding(3, padding=1), sliding(3, padding=1)),
        sliding(3, padding=1),
        Node(),
    )
    field = receptive_field(block, (9,))
    assert (closed_form(field), field.aligned) == (((5,), (1,), (2,)), True)


def test_branches_that_look_to_either_side_see_both_and_are_not_aligned():
    ahead, back = sliding(4, padding=((0, 3),)), sliding(3, padding="causal")
    field = receptive_field(
        one_after_another(side_by_side(ahead, back), sliding(3, padding=1)), (9,)
    )
    assert (closed_form(field), field.aligned) == (
        ((8,), (1,), (3,)),
        False,
    )  # -2 ... 3, and one more on each side


def test_a_joint_of_branches_that_were_not_aligned_inside_is_not_aligned():
    """Even where what they see together, -2 ... 2, has its centre where the shortcut
    has it."""
    ahead, back = sliding(3, padding=((0, 2),)), sliding(3, padding=((2, 0),))
    field = receptive_field(side_by_side(side_by_side(ahead, back), Node()), (9,))
    assert (closed_form(field), field.aligned) == (((5,), (1,), (2,)), False)


@pytest.mark.parametrize(("size", "aligned"), [(8, False), (9, True)])
def test_same_padding_at_stride_2_shifts_a_branch_of_an_even_size(size, aligned):
    """Its only zero stands at the high end: a 3x3 window's centre is at 2 j + 1, its
    1x1 shortcut's at 2 j."""
    block = layers.residual(layers.conv(2, 3, stride=2), layers.conv(2, 1, stride=2))
    assert receptive_field(block, (size, 9)).aligned == aligned
    padded = layers.residual(layers.conv(2, 3, stride=2, padding=1), layers.conv(2, 1, stride=2))
    assert receptive_field(padded, (size, 9)).aligned


def test_strides_may_differ_where_there_is_one_output():
    """As where one branch takes a mean over space and the other strides: the output
    sees the image."""
    block = side_by_side(sliding(5), one_after_another(sliding(3, stride=2), sliding(2)))
    field = receptive_field(block, (5,))
    assert (field.interval((0,)), field.clipped((0,)), field.aligned) == (
        ((0, 4),),
        ((0, 4),),
        True,
    )


# Against networks: with positive weights and no bias, an output is positive exactly if
# it sees a position that is.


def probe(node, x):
    """The network of a node with all weights 1, on a batch of images (n, *space)."""
    if node.parts:
        if node.parallel:
            return sum(probe(part, x) for _, part in node.parts)
        for _, part in node.parts:
            x = probe(part, x)
        return x
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


# Published values.
#
# [slim] is the table of the authors' program, RECEPTIVE_FIELD_TABLE.md in
# github.com/google-research/receptive_field, computed from the models of TF-Slim; the
# last line of each network is also in its README.md. TF-Slim pads "same" as TensorFlow
# does: at stride 2 it depends on the size, (0, 1) for a 3x3 window on an even size and
# (1, 1) on an odd one, so that the same network has one padding at 224 and another at
# 321. That is this library's "same" too. TF-Slim's residual networks pad their strided
# convolutions explicitly, alike on both sides, and only their first pool "same".


def squares(fields, names):
    """r, S, P of the named layers, which are the same on both axes."""
    rows = [closed_form(fields[name]) for name in names]
    assert all(entry[0] == entry[1] for row in rows for entry in row)
    return [tuple(entry[0] for entry in row) for row in rows]


@pytest.mark.parametrize("size", [(224, 224), (321, 321)])
def test_vgg16(size):
    """[slim], at both sizes. Of our layers: convolutions and pools, of which it lists
    not all."""
    published = {
        "0_conv": (3, 1, 1),
        "4_max_pool": (6, 2, 2),
        "5_conv": (10, 2, 4),
        "9_max_pool": (16, 4, 6),
        "10_conv": (24, 4, 10),
        "12_conv": (32, 4, 14),
        "16_max_pool": (44, 8, 18),
        "17_conv": (60, 8, 26),
        "19_conv": (76, 8, 34),
        "23_max_pool": (100, 16, 42),
        "24_conv": (132, 16, 58),
        "26_conv": (164, 16, 74),
        "30_max_pool": (212, 32, 90),
    }
    assert squares(receptive_fields(models.vgg16(), size), published) == list(published.values())


@pytest.mark.parametrize(
    ("size", "paddings"),
    [
        ((224, 224), (0, 2, 2, 6, 6, 14, 14, 30, 46, 62, 78, 94, 94, 126)),
        ((321, 321), (1, 3, 5, 9, 13, 21, 29, 45, 61, 77, 93, 109, 125, 157)),
    ],
)
def test_mobilenet_v1(size, paddings):
    """[slim]: the first convolution, and the 1x1 convolutions of the 13 blocks, each
    six layers behind the one before."""
    sizes = (3, 7, 11, 19, 27, 43, 59, 91, 123, 155, 187, 219, 251, 315)
    strides = (2, 2, 4, 4, 8, 8, 16, 16, 16, 16, 16, 16, 32, 32)
    names = ["0_conv", *(f"{6 * block}_conv" for block in range(1, 14))]
    expected = list(zip(sizes, strides, paddings, strict=True))
    assert squares(receptive_fields(models.mobilenet_v1(), size), names) == expected


@pytest.mark.parametrize("size", [(224, 224), (321, 321)])
def test_alexnet_v2(size):
    """[slim], at both sizes: convolutions 11 / 4 "valid", 5 and three of 3 "same";
    pools 3 / 2 "valid"."""
    pool, same = partial(sliding, 3, stride=2), partial(sliding, padding="same")
    alexnet = one_after_another(
        sliding(11, stride=4), pool(), same(5), pool(), same(3), same(3), same(3), pool()
    )
    published = {
        "0": (11, 4, 0),
        "1": (19, 8, 0),
        "2": (51, 8, 16),
        "4": (99, 16, 32),
        "5": (131, 16, 48),
        "6": (163, 16, 64),
        "7": (195, 32, 64),
    }
    assert squares(receptive_fields(alexnet, size), published) == list(published.values())


def bottleneck(stride):
    """1x1, 3x3 with the stride, 1x1, and a shortcut that takes every stride-th
    position."""
    inner = one_after_another(sliding(1), sliding(3, stride=stride, padding=1), sliding(1))
    return side_by_side(inner, sliding(1, stride=stride))


def basic(stride):
    inner = one_after_another(sliding(3, stride=stride, padding=1), sliding(3, padding=1))
    return side_by_side(inner, sliding(1, stride=stride))


def residual_network(unit, strides, pool_padding):
    """A 7x7 convolution and a pool, both of stride 2, and stages of units with these
    strides."""
    stages = (one_after_another(*(unit(stride) for stride in stage)) for stage in strides)
    return one_after_another(
        sliding(7, stride=2, padding=3), sliding(3, stride=2, padding=pool_padding), *stages
    )


def stage_ends(strides):
    return [f"{2 + index}/{len(stage) - 1}" for index, stage in enumerate(strides)]


@pytest.mark.parametrize(
    ("units", "sizes", "paddings"),
    [
        pytest.param((3, 4, 6, 3), (35, 99, 291, 483), (15, 47, 143, 239), id="50"),
        pytest.param((3, 4, 23, 3), (35, 99, 835, 1027), (15, 47, 415, 511), id="101"),
        pytest.param((3, 8, 36, 3), (35, 163, 1315, 1507), (15, 79, 655, 751), id="152"),
    ],
)
def test_resnet_v1_of_slim(units, sizes, paddings):
    """[slim], which strides in the last unit of each of its first three blocks. Of an
    odd size its paddings are 2 larger."""
    strides = [[1] * (count - 1) + [last] for count, last in zip(units, (2, 2, 2, 1), strict=True)]
    network = residual_network(bottleneck, strides, "same")
    for size, more in ((224, 0), (321, 2)):
        fields = receptive_fields(network, (size, size))
        expected = [
            (r, S, P + more) for r, S, P in zip(sizes, (8, 16, 32, 32), paddings, strict=True)
        ]
        assert squares(fields, stage_ends(strides)) == expected
        assert all(field.aligned for field in fields.values())


@pytest.mark.parametrize(
    ("unit", "units", "sizes"),
    [
        pytest.param(basic, (2, 2, 2, 2), (43, 99, 211, 435), id="18"),
        pytest.param(basic, (3, 4, 6, 3), (59, 179, 547, 899), id="34"),
        pytest.param(bottleneck, (3, 4, 6, 3), (35, 91, 267, 427), id="50"),
        pytest.param(bottleneck, (3, 4, 23, 3), (35, 91, 811, 971), id="101"),
    ],
)
def test_resnet_of_torchvision(unit, units, sizes):
    """Stride in the 3x3 convolution of the first unit of each stage but the first.
    Sizes from a table of these networks:
    gist.github.com/samson-wang/a6073c18f2adf16e0ab5fb95b53db3e6.
    """
    strides = [
        [first] + [1] * (count - 1) for count, first in zip(units, (1, 2, 2, 2), strict=True)
    ]
    fields = receptive_fields(residual_network(unit, strides, 1), (224, 224))
    assert [r for r, _, _ in squares(fields, stage_ends(strides))] == list(sizes)
    assert all(field.aligned for field in fields.values())


# Errors.


def test_the_package_has_the_functions_by_their_own_names():
    assert jaxcnn.receptive_field is receptive_field
    assert jaxcnn.receptive_fields is receptive_fields


def test_sizes_and_windows_that_do_not_fit():
    with pytest.raises(ValueError, match=r"base_dilation 1, got \(2,\).*transposed"):
        receptive_field([window_1d(3, base_dilation=2)], (8,))
    with pytest.raises(ValueError, match=r"one entry per spatial axis \(2 here\)"):
        receptive_field([window_1d(3)], (8, 8))
    with pytest.raises(
        ValueError, match=r"spans 9 on spatial axis 1, its padded input 8 \(7 with pads \(0, 1\)\)"
    ):
        receptive_field([Window((1, 5), (1, 1), ((0, 0), (0, 1)), (1, 2), (1, 1))], (7, 7))
    for size in ((), (8, 0), (8, 8, 8)):
        with pytest.raises(ValueError, match=r"input_size|per spatial axis"):
            receptive_field([window_1d(3)], size)
    with pytest.raises(ValueError, match="parallel parts must give one size"):
        receptive_field(side_by_side(sliding(3), Node()), (8,))
    with pytest.raises(ValueError, match="one stride on spatial axis 0, got 1 and 2"):
        receptive_field(side_by_side(sliding(2, stride=2), sliding(3)), (4,))


def test_an_error_says_which_layer_it_came_from():
    model = layers.serial(layers.conv(2, 3), layers.residual(layers.serial(layers.max_pool(5))))
    with pytest.raises(ValueError) as raised:
        receptive_field(model, (4, 4))
    for message in (
        "window spans 5",
        "in layer '0_max_pool', given x of spatial size (4, 4)",
        "'inner'",
        "'1_residual'",
    ):
        assert message in "\n".join((str(raised.value), *raised.value.__notes__))


@pytest.mark.parametrize("position", [(-1,), (8,), (0, 0), ()])
def test_positions_are_those_of_outputs(position):
    field = receptive_field(window_1d(1), (8,))
    for method in (field.interval, field.clipped, field.centre):
        with pytest.raises(ValueError, match="position must be that of an output"):
            method(position)
