"""The table of operations that are no convolutions, or have a bias: shapes from
networks that people train, by family."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, NamedTuple

from experiments.benchmark.case import OperationCase, Shape


class Row(NamedTuple):
    """A line of the table."""

    id: str
    network: str
    operation: str
    shapes: tuple[Shape, ...]
    options: dict[str, Any]


def row(id: str, network: str, operation: str, *shapes: Shape, **options: Any) -> Row:
    return Row(id, network, operation, shapes, options)


TABLE: dict[str, tuple[Row, ...]] = {
    "max pool": (
        row("max 2x2/2", "VGG", "max_pool", (32, 28, 28, 32), size=2),
        row(
            "max 3x3/2 pad 1", "ResNet-50", "max_pool", (8, 56, 56, 64), size=3, stride=2, padding=1
        ),
        row(
            "max 3x3 pad 1", "Inception", "max_pool", (16, 14, 14, 128), size=3, stride=1, padding=1
        ),
        row("global max", "a text or audio classifier", "global_max_pool", (32, 14, 14, 128)),
    ),
    "average pool": (
        row("avg 2x2/2", "DenseNet", "avg_pool", (32, 28, 28, 32), size=2),
        row(
            "avg 3x3 pad 1", "Inception", "avg_pool", (16, 14, 14, 128), size=3, stride=1, padding=1
        ),
        row("avg 7x7", "ResNet-50", "avg_pool", (64, 7, 7, 512), size=7),
        row("global avg", "ResNet-20", "global_avg_pool", (64, 8, 8, 256)),
    ),
    "norm": (
        row("batch norm 32x32 16", "ResNet-20", "batch_norm", (32, 32, 32, 16), (16,), (16,)),
        row("batch norm 14x14 128", "ResNet-18", "batch_norm", (16, 14, 14, 128), (128,), (128,)),
        row("batch norm 7x7 512", "ResNet-50", "batch_norm", (16, 7, 7, 512), (512,), (512,)),
        row("layer norm 28x28 96", "ConvNeXt", "layer_norm", (8, 28, 28, 96), (96,), (96,)),
        row("layer norm 7x7 768", "ConvNeXt", "layer_norm", (8, 7, 7, 768), (768,), (768,)),
        row("layer norm of vectors", "a transformer", "layer_norm", (512, 768), (768,), (768,)),
    ),
    "other": (
        row("relu", "ResNet-50", "relu", (32, 28, 28, 64)),
        row("gelu", "ConvNeXt", "gelu", (8, 14, 14, 768)),
        row("cross entropy 128 x 10", "LeNet", "softmax_cross_entropy", (128, 10), classes=10),
        row(
            "cross entropy 512 x 1000",
            "ImageNet",
            "softmax_cross_entropy",
            (512, 1000),
            classes=1000,
        ),
        row("dense 1568->128", "LeNet", "dense", (128, 1568), (1568, 128), (128,)),
        row(
            "3x3 32->32 with bias",
            "VGG",
            "conv",
            (16, 16, 16, 32),
            (3, 3, 32, 32),
            (32,),
            padding="same",
        ),
    ),
}


def _case(family: str, row: Row) -> OperationCase:
    options = dict(row.options)
    classes = options.pop("classes", None)
    return OperationCase(
        row.id, family, row.network, row.operation, row.shapes, MappingProxyType(options), classes
    )


OTHER_CASES = tuple(_case(family, row) for family, rows in TABLE.items() for row in rows)
