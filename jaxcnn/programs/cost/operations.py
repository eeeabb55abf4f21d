"""The operations that are compiled: every one of `Ops`, as large as in networks that
people train."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch

from jaxcnn.check.cases import PoolCase
from jaxcnn.programs.certify.cases.case import Case, convolve, dropout, max_pool, simple
from jaxcnn.programs.certify.cases.picked import sized


def cases(operations: Sequence[str] = (), pattern: str = "*") -> list[Case]:
    """The cases of these operations, or of all, whose name fits the pattern."""
    every = [
        *sized(),
        convolve("3x3", (32, 28, 28, 32), (3, 3, 32, 64), padding="same"),
        max_pool(PoolCase("3x3 stride 1", (16, 14, 14, 128), (3, 3), {"stride": 1, "padding": 1})),
        simple("global_max_pool", "14x14", (32, 14, 14, 128)),
        *(
            simple(name, "28x28", (128, 28, 28, 32))
            for name in ("leaky_relu", "sigmoid", "tanh", "silu")
        ),
        dropout("784", (128, 784), 0.5),
        simple("sigmoid_binary_cross_entropy", "1000 classes", (512, 1000), (512, 1000)),
        simple("mean_squared_error", "784", (128, 784), (128, 784)),
    ]
    return [
        case
        for case in every
        if (not operations or case.operation in operations) and fnmatch(case.name, pattern)
    ]
