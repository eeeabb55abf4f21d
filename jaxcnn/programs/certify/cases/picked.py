"""Cases picked by hand: small ones of every operation, and some as large as in networks
that people train."""

from __future__ import annotations

from jaxcnn.check.cases import CONV_CASES, POOL_CASES, SIZED_CONV_CASES, ConvCase, PoolCase
from jaxcnn.programs.certify.cases.case import (
    Case,
    avg_pool,
    batch_norm,
    conv,
    convolve,
    dropout,
    layer_norm,
    max_pool,
    simple,
    softmax_cross_entropy,
)


def table() -> list[Case]:
    """Every operation, in small cases."""
    first = {"layout": "channels_first"}
    images = ((2, 7, 3), (2, 4, 5, 3), (1, 3, 2, 4, 2))
    return [
        *(conv(case) for case in CONV_CASES if 0 not in case.x),
        conv(ConvCase("2d-bias", (2, 5, 5, 3), (3, 3, 3, 4), {"padding": "same"}), bias=True),
        conv(
            ConvCase("2d-bias-channels-first", (2, 3, 5, 6), (4, 3, 3, 2), {"stride": 2, **first}),
            bias=True,
        ),
        convolve("1d-full", (2, 5, 2), (3, 2, 2), padding="full"),
        convolve("2d-same", (2, 5, 4, 2), (3, 2, 2, 3), padding="same"),
        *(max_pool(case) for case in POOL_CASES if 0 not in case.x),
        *(avg_pool(case) for case in POOL_CASES if 0 not in case.x),
        avg_pool(
            PoolCase(
                "2d-input-counted",
                (2, 5, 6, 2),
                (3, 2),
                {"padding": 1, "stride": 2, "count_include_pad": False},
            )
        ),
        *(simple("global_max_pool", f"{len(x) - 2}d", x, exact="selections") for x in images),
        *(simple("global_avg_pool", f"{len(x) - 2}d", x, linear_in=("x",)) for x in images),
        simple("dense", "batch", (5, 4), (4, 3), linear_in=("x", "w"), exact="sums"),
        simple("dense", "bias", (2, 3, 4), (4, 3), (3,), exact="sums"),
        simple("relu", "2d", (2, 4, 5, 3), exact="selections"),
        *(
            simple(name, "2d", (2, 4, 5, 3))
            for name in ("leaky_relu", "sigmoid", "tanh", "silu", "gelu")
        ),
        simple(
            "leaky_relu", "slope a quarter", (3, 7), options={"negative_slope": 0.25}, exact="sums"
        ),
        simple("gelu", "exact", (3, 7), options={"approximate": False}),
        batch_norm("2d-train", (3, 4, 4, 3), train=True),
        batch_norm("2d-train-plain", (3, 4, 4, 3), train=True, affine=False),
        batch_norm("2d-train-channels-first", (3, 2, 4, 3), train=True, layout="channels_first"),
        batch_norm("1d-train", (4, 5, 3), train=True),
        batch_norm("2d-inference", (2, 4, 4, 3), train=False),
        layer_norm("last", (3, 5, 6)),
        layer_norm("all but the batch", (3, 3, 4, 2), axes=(1, 2, 3)),
        layer_norm("plain", (4, 7), affine=False),
        dropout("half", (3, 4, 5), 0.5),
        dropout("a tenth", (3, 4, 5), 0.1),
        softmax_cross_entropy("2d", (4, 5)),
        softmax_cross_entropy("3d", (2, 3, 4)),
        softmax_cross_entropy("smoothed", (4, 5), smoothing=0.1),
        simple("softmax_cross_entropy", "probabilities", (4, 5), (4, 5)),
        simple(
            "softmax_cross_entropy",
            "probabilities, smoothed",
            (4, 5),
            (4, 5),
            options={"label_smoothing": 0.1},
        ),
        simple("sigmoid_binary_cross_entropy", "2d", (3, 5), (3, 5)),
        simple("mean_squared_error", "2d", (3, 5), (3, 5)),
    ]


def sized() -> list[Case]:
    """Operations as large as in networks that people train; these are timed too."""
    pool = {"kind": "sized"}
    return [
        *(conv(case, kind="sized") for case in SIZED_CONV_CASES),
        max_pool(PoolCase("2x2", (128, 28, 28, 32), (2, 2)), **pool),
        max_pool(
            PoolCase("3x3 stride 2", (32, 56, 56, 32), (3, 3), {"stride": 2, "padding": 1}), **pool
        ),
        avg_pool(PoolCase("2x2", (128, 28, 28, 32), (2, 2)), **pool),
        avg_pool(
            PoolCase("3x3 stride 1", (32, 28, 28, 64), (3, 3), {"stride": 1, "padding": 1}), **pool
        ),
        simple("global_avg_pool", "7x7", (64, 7, 7, 512), linear_in=("x",), kind="sized"),
        simple("dense", "784 to 512", (128, 784), (784, 512), (512,), kind="sized"),
        simple("relu", "28x28", (128, 28, 28, 32), kind="sized"),
        simple("gelu", "14x14", (64, 14, 14, 96), kind="sized"),
        batch_norm("28x28", (32, 28, 28, 64), train=True, kind="sized"),
        layer_norm("384", (8, 196, 384), kind="sized"),
        softmax_cross_entropy("1000 classes", (512, 1000), kind="sized"),
    ]
