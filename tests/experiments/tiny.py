"""Tiny cases of every family, and a clock that calls each function once."""

from __future__ import annotations

from types import MappingProxyType

import jax

from experiments.benchmark.case import ConvolutionCase, OperationCase
from jaxcnn.programs.timing import Timing


def conv(family: str, x, w, **options) -> ConvolutionCase:
    return ConvolutionCase(
        f"tiny {family} {w} {options}", family, "none", x, w, MappingProxyType(options)
    )


def other(operation: str, *shapes, classes=None, **options) -> OperationCase:
    return OperationCase(
        f"tiny {operation} {options}",
        "other",
        "none",
        operation,
        shapes,
        MappingProxyType(options),
        classes,
    )


CONVOLUTIONS = (
    conv("dense", (2, 5, 6, 3), (3, 3, 3, 4)),
    conv("strided", (2, 6, 6, 2), (3, 3, 2, 3), padding="same", stride=2),  # pads (0, 1)
    conv("strided", (2, 8, 8, 2), (3, 3, 2, 3), padding=1, stride=2),  # a remainder
    conv("1x1", (2, 6, 6, 3), (1, 1, 3, 2), stride=2),
    conv("grouped", (2, 6, 6, 4), (3, 3, 2, 6), padding=1, groups=2, stride=2),
    conv("depthwise", (2, 6, 6, 3), (3, 3, 1, 6), padding="same", groups=3),
    conv("dilated", (1, 7, 7, 2), (3, 3, 2, 3), padding=2, dilation=2),
    conv("1-D audio", (2, 9, 2), (2, 2, 3), padding="causal", dilation=3),
    conv("3-D video", (1, 3, 6, 6, 2), (1, 3, 3, 2, 3), padding=(0, 1, 1), stride=(1, 2, 2)),
    conv("transposed", (2, 8, 8, 3), (4, 4, 3, 2), padding=1, stride=2),
    conv("transposed", (2, 8, 8, 3), (3, 3, 3, 2), padding=1, stride=2),  # a remainder
)
OPERATIONS = (
    other("max_pool", (2, 6, 6, 3), size=2),
    other("max_pool", (2, 6, 6, 3), size=3, stride=2, padding=1),
    other("avg_pool", (2, 6, 6, 3), size=3, stride=1, padding=1),
    other("global_max_pool", (2, 4, 4, 3)),
    other("global_avg_pool", (2, 4, 4, 3)),
    other("batch_norm", (8, 6, 6, 3), (3,), (3,)),
    other("layer_norm", (2, 4, 4, 6), (6,), (6,)),
    other("relu", (2, 4, 4, 3)),
    other("gelu", (2, 4, 4, 3)),
    other("softmax_cross_entropy", (5, 4), classes=4),
    other("dense", (3, 5), (5, 4), (4,)),
    other("conv", (2, 5, 5, 2), (3, 3, 2, 3), (3,), padding="same"),
)


def once(functions, repetitions, **clocks) -> dict[str, Timing]:
    """In the place of `interleaved`: each is called once, and takes a second more than
    the one before."""
    times = {}
    for seconds, (name, function) in enumerate(functions.items(), 1):
        jax.block_until_ready(function())
        times[name] = Timing(seconds, seconds, seconds, 1.0, (float(seconds),) * repetitions)
    return times
