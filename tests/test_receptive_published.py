"""Receptive fields, against published values."""

from __future__ import annotations

from functools import partial

import pytest

from jaxcnn import models
from jaxcnn.receptive import receptive_fields
from tests._receptive import closed_form, one_after_another, side_by_side, sliding

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
