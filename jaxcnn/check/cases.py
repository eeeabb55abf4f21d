"""Windows and shapes as data, with ids. The tests and `jaxcnn.programs.certify` share
this table.

They are tiny, since each shape is compiled and float64 runs in slow loops.
`SIZED_CONV_CASES` are for timing.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class ConvCase(NamedTuple):
    id: str
    x: tuple[int, ...]  # (n, *space, c)
    w: tuple[int, ...]  # (*taps, c / groups, o)
    options: Mapping[str, Any] = MappingProxyType({})


CONV_CASES = (
    # 1-D
    ConvCase("1d", (2, 7, 3), (3, 3, 4)),
    ConvCase("1d-one-tap", (2, 5, 3), (1, 3, 2)),
    ConvCase("1d-one-tap-stride-3", (2, 8, 2), (1, 2, 3), {"stride": 3}),
    ConvCase("1d-same-even-kernel", (2, 6, 2), (4, 2, 3), {"padding": "same"}),
    ConvCase("1d-same-lower", (2, 6, 2), (4, 2, 3), {"padding": "same_lower"}),
    ConvCase("1d-full", (1, 5, 2), (3, 2, 2), {"padding": "full"}),
    ConvCase("1d-causal-dilated", (2, 8, 2), (3, 2, 3), {"padding": "causal", "dilation": 2}),
    ConvCase("1d-remainder-2", (2, 9, 2), (3, 2, 2), {"stride": 4}),
    ConvCase("1d-crop-low", (2, 7, 2), (3, 2, 2), {"padding": ((-2, 0),)}),
    ConvCase("1d-crop-low-pad-high", (2, 7, 3), (2, 3, 5), {"padding": ((-2, 3),)}),
    ConvCase("1d-crop-both-stride", (2, 9, 2), (3, 2, 2), {"padding": ((-1, -1),), "stride": 2}),
    ConvCase("1d-pads-beyond-kernel", (2, 4, 2), (2, 2, 2), {"padding": ((3, 4),)}),
    ConvCase("1d-crop-all", (1, 2, 2), (2, 2, 2), {"padding": ((-2, 4),)}),
    ConvCase(
        "1d-depthwise-multiplier-2", (2, 7, 3), (3, 1, 6), {"groups": 3, "stride": 2, "padding": 1}
    ),
    ConvCase("1d-one-channel", (3, 8, 1), (5, 1, 1), {"padding": 2}),
    # 2-D
    ConvCase("2d", (2, 5, 6, 3), (3, 3, 3, 4)),
    ConvCase("2d-same", (2, 5, 5, 2), (3, 3, 2, 3), {"padding": "same"}),
    ConvCase(
        "2d-same-stride-2-asymmetric", (2, 6, 6, 2), (3, 3, 2, 3), {"padding": "same", "stride": 2}
    ),
    ConvCase("2d-oblong-kernel", (2, 5, 7, 2), (2, 4, 2, 3), {"padding": (0, 1)}),
    ConvCase(
        "2d-oblong-everything",
        (2, 7, 9, 2),
        (3, 2, 2, 3),
        {"stride": (1, 2), "padding": ((2, 0), (1, 3)), "dilation": (2, 1)},
    ),
    ConvCase("2d-pads-2-0", (2, 4, 4, 3), (2, 2, 3, 4), {"padding": ((2, 0), (2, 0))}),
    ConvCase("2d-crop-low-pad-high", (2, 5, 5, 3), (2, 2, 3, 4), {"padding": ((-1, 2), (-1, 2))}),
    ConvCase(
        "2d-crop-stride-remainder",
        (2, 8, 7, 2),
        (3, 2, 2, 2),
        {"padding": ((-1, 0), (1, -2)), "stride": (2, 3)},
    ),
    ConvCase("2d-remainders", (2, 8, 9, 2), (3, 3, 2, 2), {"stride": (2, 4)}),
    ConvCase("2d-stride-beyond-kernel", (1, 8, 8, 2), (2, 2, 2, 2), {"stride": 3}),
    ConvCase("2d-dilated", (1, 8, 7, 2), (3, 2, 2, 3), {"dilation": (2, 3)}),
    ConvCase(
        "2d-dilated-strided-padded",
        (1, 8, 8, 2),
        (3, 3, 2, 2),
        {"dilation": 2, "stride": 2, "padding": 2},
    ),
    ConvCase("2d-kernel-as-large-as-input", (2, 4, 3, 2), (4, 3, 2, 5)),
    ConvCase("2d-kernel-larger-than-input", (1, 3, 3, 2), (5, 5, 2, 2), {"padding": 2}),
    ConvCase("2d-one-pixel", (2, 1, 1, 3), (1, 1, 3, 2)),
    ConvCase("2d-1x1", (2, 4, 4, 3), (1, 1, 3, 5)),
    ConvCase("2d-1x1-stride-2", (2, 5, 5, 3), (1, 1, 3, 2), {"stride": 2}),
    ConvCase("2d-batch-1", (1, 5, 5, 2), (3, 3, 2, 2), {"padding": 1}),
    ConvCase("2d-batch-0", (0, 5, 5, 2), (3, 3, 2, 2), {"padding": 1}),
    ConvCase("2d-one-output", (2, 5, 5, 3), (3, 3, 3, 1)),
    ConvCase("2d-groups-2", (2, 5, 5, 4), (3, 3, 2, 6), {"groups": 2}),
    ConvCase(
        "2d-groups-3-stride-2-padding",
        (2, 6, 6, 6),
        (3, 3, 2, 3),
        {"groups": 3, "stride": 2, "padding": 1},
    ),
    ConvCase(
        "2d-groups-2-dilated-crop",
        (1, 7, 6, 4),
        (2, 2, 2, 4),
        {"groups": 2, "dilation": 2, "padding": ((-1, 1), (0, -1))},
    ),
    ConvCase("2d-depthwise", (2, 5, 5, 4), (3, 3, 1, 4), {"groups": 4, "padding": "same"}),
    ConvCase(
        "2d-depthwise-stride-2",
        (2, 6, 7, 3),
        (3, 3, 1, 3),
        {"groups": 3, "stride": 2, "padding": 1},
    ),
    ConvCase(
        "2d-depthwise-multiplier-3-dilated",
        (1, 6, 6, 2),
        (2, 3, 1, 6),
        {"groups": 2, "dilation": 2, "padding": ((2, 1), (0, 3))},
    ),
    ConvCase(
        "2d-depthwise-crop",
        (2, 6, 6, 2),
        (3, 3, 1, 2),
        {"groups": 2, "padding": ((-1, 2), (1, -1))},
    ),
    ConvCase("2d-wide", (2, 5, 5, 18), (3, 3, 18, 20), {"padding": 1}),
    # 3-D
    ConvCase("3d", (1, 4, 3, 4, 2), (2, 2, 3, 2, 2)),
    ConvCase(
        "3d-stride-same", (1, 4, 3, 5, 2), (3, 2, 3, 2, 2), {"padding": "same", "stride": (2, 1, 2)}
    ),
    ConvCase(
        "3d-depthwise-pads",
        (1, 3, 4, 3, 2),
        (2, 3, 2, 1, 2),
        {"groups": 2, "padding": ((1, 0), (0, 2), (-1, 1))},
    ),
)

SIZED_CONV_CASES = (
    ConvCase("first layer 5x5", (128, 28, 28, 1), (5, 5, 1, 32), {"padding": "same"}),
    ConvCase("dense 3x3", (32, 28, 28, 32), (3, 3, 32, 64), {"padding": "same"}),
    ConvCase(
        "dense 3x3 stride 2", (32, 28, 28, 32), (3, 3, 32, 64), {"padding": "same", "stride": 2}
    ),
    ConvCase("valid 5x5", (64, 14, 14, 32), (5, 5, 32, 64), {}),
    ConvCase("1x1", (32, 28, 28, 64), (1, 1, 64, 64), {}),
    ConvCase("grouped 3x3 g=4", (16, 28, 28, 64), (3, 3, 16, 64), {"padding": "same", "groups": 4}),
    ConvCase("depthwise 3x3", (32, 32, 32, 64), (3, 3, 1, 64), {"padding": "same", "groups": 64}),
    ConvCase(
        "depthwise 3x3 stride 2",
        (32, 32, 32, 64),
        (3, 3, 1, 64),
        {"padding": "same", "groups": 64, "stride": 2},
    ),
    ConvCase("depthwise 7x7", (8, 14, 14, 96), (7, 7, 1, 96), {"padding": "same", "groups": 96}),
)
"""From networks that people train: LeNet, VGG, ResNet, ResNeXt, MobileNet, ConvNeXt;
small enough for two cores."""


class PoolCase(NamedTuple):
    id: str
    x: tuple[int, ...]
    size: tuple[int, ...]
    options: Mapping[str, Any] = MappingProxyType({})


POOL_CASES = (
    PoolCase("1d", (2, 7, 2), (3,)),
    PoolCase("1d-overlap-padding", (2, 7, 2), (3,), {"stride": 1, "padding": 1}),
    PoolCase("1d-gaps", (2, 9, 2), (2,), {"stride": 3}),
    PoolCase("1d-dilated-ceil", (1, 8, 2), (2,), {"stride": 3, "dilation": 2, "ceil_mode": True}),
    PoolCase("1d-many-taps", (1, 150, 1), (130,), {"stride": 7}),
    PoolCase("2d", (2, 4, 6, 3), (2, 2)),
    PoolCase("2d-remainder", (2, 5, 7, 2), (2, 2)),
    PoolCase("2d-ceil", (2, 5, 7, 2), (2, 2), {"ceil_mode": True}),
    PoolCase(
        "2d-ceil-padding", (1, 6, 5, 2), (3, 3), {"stride": 2, "padding": 1, "ceil_mode": True}
    ),
    PoolCase("2d-overlap", (2, 6, 6, 2), (3, 3), {"stride": 2, "padding": 1}),
    PoolCase("2d-same", (2, 5, 6, 2), (3, 2), {"stride": 2, "padding": "same"}),
    PoolCase(
        "2d-oblong",
        (2, 6, 7, 2),
        (2, 3),
        {"stride": (3, 1), "padding": ((0, 1), (1, 0)), "dilation": (2, 1)},
    ),
    PoolCase("2d-dilated", (1, 7, 6, 2), (3, 2), {"stride": 1, "dilation": 2}),
    PoolCase("2d-crop", (2, 6, 6, 2), (2, 2), {"padding": ((-1, 0), (1, -1))}),
    PoolCase("2d-whole", (2, 4, 3, 2), (4, 3)),
    PoolCase("2d-batch-0", (0, 4, 4, 2), (2, 2)),
    PoolCase("3d", (1, 4, 5, 4, 2), (2, 2, 3), {"stride": (2, 1, 1), "padding": (0, 1, 1)}),
)


def ids(cases):
    return {"argvalues": cases, "ids": [case.id for case in cases]}
