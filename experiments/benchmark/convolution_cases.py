"""The table of convolutions: shapes from networks that people train, by family.

All are channels last. They are small enough for two CPU cores, on which XLA's slowest
loops do 0.5 GFLOP a second: a convolution has some 20 to 150 MFLOP, a strided depthwise
one less. The family "large" has arrays that fit in no cache, and up to 7 GFLOP. No pad
is negative, because plain JAX's own gradient can be wrong there (openxla/xla#48713).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, NamedTuple

from experiments.benchmark.case import ConvolutionCase, Shape


class Row(NamedTuple):
    """A line of the table."""

    id: str
    network: str
    x: Shape
    w: Shape
    options: dict[str, Any]


def row(id: str, network: str, x: Shape, w: Shape, **options: Any) -> Row:
    return Row(id, network, x, w, options)


TABLE: dict[str, tuple[Row, ...]] = {
    "dense": (
        row("3x3 16->16", "U-Net", (4, 64, 64, 16), (3, 3, 16, 16), padding="same"),
        row("3x3 32->32", "ResNet-20", (16, 16, 16, 32), (3, 3, 32, 32), padding="same"),
        row("3x3 64->64", "ResNet-20", (16, 8, 8, 64), (3, 3, 64, 64), padding="same"),
        row("3x3 128->128", "ResNet-18", (8, 7, 7, 128), (3, 3, 128, 128), padding=1),
        row("3x3 64->128", "VGG", (4, 14, 14, 64), (3, 3, 64, 128), padding="same"),
        row("3x3 32->64 valid", "Keras's MNIST network", (4, 26, 26, 32), (3, 3, 32, 64)),
        row("5x5 6->16 valid", "LeNet", (128, 14, 14, 6), (5, 5, 6, 16)),
        row(
            "5x5 32->64",
            "TensorFlow's MNIST network",
            (4, 14, 14, 32),
            (5, 5, 32, 64),
            padding="same",
        ),
    ),
    "few channels": (
        row("5x5 1->16", "LeNet", (64, 28, 28, 1), (5, 5, 1, 16), padding="same"),
        row(
            "5x5 1->32",
            "TensorFlow's MNIST network",
            (32, 28, 28, 1),
            (5, 5, 1, 32),
            padding="same",
        ),
        row("3x3 3->16", "ResNet-20", (64, 32, 32, 3), (3, 3, 3, 16), padding="same"),
        row("3x3 3->64", "VGG", (32, 32, 32, 3), (3, 3, 3, 64), padding="same"),
        row("3x3 16->16 32x32", "ResNet-20", (16, 32, 32, 16), (3, 3, 16, 16), padding="same"),
        row(
            "3x3 64->3", "a generator's last layer", (16, 32, 32, 64), (3, 3, 64, 3), padding="same"
        ),
    ),
    "1x1": (
        row("1x1 64->64", "ResNet-50", (16, 28, 28, 64), (1, 1, 64, 64)),
        row("1x1 64->256", "ResNet-50", (8, 14, 14, 64), (1, 1, 64, 256)),
        row("1x1 24->144", "MobileNetV2", (16, 28, 28, 24), (1, 1, 24, 144)),
        row("1x1 144->24", "MobileNetV2", (16, 28, 28, 144), (1, 1, 144, 24)),
    ),
    "strided": (
        row("3x3/2 32->64 same", "VGG", (16, 28, 28, 32), (3, 3, 32, 64), padding="same", stride=2),
        row(
            "3x3/2 64->128 pad 1",
            "ResNet-18",
            (8, 16, 16, 64),
            (3, 3, 64, 128),
            padding=1,
            stride=2,
        ),
        row("1x1/2 64->128", "ResNet-18", (32, 28, 28, 64), (1, 1, 64, 128), stride=2),
        row("7x7/2 3->64 pad 3", "ResNet-50", (4, 64, 64, 3), (7, 7, 3, 64), padding=3, stride=2),
        row("4x4/4 3->96", "ConvNeXt", (8, 128, 128, 3), (4, 4, 3, 96), stride=4),
        row("4x4/4 64->64", "PVT", (8, 32, 32, 64), (4, 4, 64, 64), stride=4),
        row("2x2/2 3->32", "a patch embedding", (32, 64, 64, 3), (2, 2, 3, 32), stride=2),
        row("2x2/2 96->192", "ConvNeXt", (4, 28, 28, 96), (2, 2, 96, 192), stride=2),
    ),
    "transposed": (
        row("4x4/2 128->64 pad 1", "DCGAN", (8, 16, 16, 64), (4, 4, 64, 128), padding=1, stride=2),
        row("4x4/2 64->3 pad 1", "DCGAN", (16, 64, 64, 3), (4, 4, 3, 64), padding=1, stride=2),
        row("2x2/2 64->32", "U-Net", (8, 32, 32, 32), (2, 2, 32, 64), stride=2),
        row("3x3/2 64->32 pad 1", "CycleGAN", (4, 32, 32, 32), (3, 3, 32, 64), padding=1, stride=2),
        row("3x3 32->32 pad 1", "an autoencoder", (16, 16, 16, 32), (3, 3, 32, 32), padding=1),
    ),
    "grouped": (
        row("5x5 g=2 48->128", "AlexNet", (4, 13, 13, 48), (5, 5, 24, 128), padding=2, groups=2),
        row("3x3 g=4 64->64", "ResNeXt-29", (8, 28, 28, 64), (3, 3, 16, 64), padding=1, groups=4),
        row("3x3 g=8 128->128", "RegNet", (8, 14, 14, 128), (3, 3, 16, 128), padding=1, groups=8),
        row(
            "3x3 g=32 128->128",
            "ResNeXt-50",
            (8, 28, 28, 128),
            (3, 3, 4, 128),
            padding=1,
            groups=32,
        ),
        row(
            "3x3/2 g=32 256->256",
            "ResNeXt-50",
            (8, 28, 28, 256),
            (3, 3, 8, 256),
            padding=1,
            groups=32,
            stride=2,
        ),
    ),
    "depthwise": (
        row("3x3 dw 96", "MobileNetV2", (32, 28, 28, 96), (3, 3, 1, 96), padding="same", groups=96),
        row(
            "3x3 dw 96 batch 1",
            "MobileNetV2",
            (1, 112, 112, 96),
            (3, 3, 1, 96),
            padding="same",
            groups=96,
        ),
        row(
            "3x3/2 dw 96",
            "MobileNetV2",
            (32, 28, 28, 96),
            (3, 3, 1, 96),
            padding=1,
            groups=96,
            stride=2,
        ),
        row(
            "3x3 dw 32 times 2",
            "Xception",
            (32, 28, 28, 32),
            (3, 3, 1, 64),
            padding="same",
            groups=32,
        ),
        row(
            "5x5 dw 120",
            "EfficientNet",
            (32, 14, 14, 120),
            (5, 5, 1, 120),
            padding="same",
            groups=120,
        ),
        row("7x7 dw 192", "ConvNeXt", (8, 14, 14, 192), (7, 7, 1, 192), padding=3, groups=192),
        row("7x7 dw 96 batch 1", "ConvNeXt", (1, 56, 56, 96), (7, 7, 1, 96), padding=3, groups=96),
    ),
    "dilated": (
        row("3x3 d=2 64->64", "DeepLab", (4, 16, 16, 64), (3, 3, 64, 64), padding=2, dilation=2),
        row(
            "3x3 d=4 32->32",
            "a context module",
            (4, 32, 32, 32),
            (3, 3, 32, 32),
            padding=4,
            dilation=4,
        ),
        row(
            "3x3 d=12 64->64",
            "DeepLab's pyramid",
            (1, 33, 33, 64),
            (3, 3, 64, 64),
            padding=12,
            dilation=12,
        ),
        row(
            "3x3 d=2 dw 96",
            "MobileNetV2 with DeepLab",
            (16, 28, 28, 96),
            (3, 3, 1, 96),
            padding=2,
            dilation=2,
            groups=96,
        ),
    ),
    "1-D audio": (
        row(
            "2 d=8 64->64 causal",
            "WaveNet",
            (2, 2048, 64),
            (2, 64, 64),
            padding="causal",
            dilation=8,
        ),
        row("80/4 1->32", "M5", (8, 8000, 1), (80, 1, 32), stride=4),
        row("3 80->128", "Whisper", (2, 500, 80), (3, 80, 128), padding=1),
        row(
            "3 d=4 dw 128",
            "Conv-TasNet",
            (16, 2000, 128),
            (3, 1, 128),
            padding=4,
            dilation=4,
            groups=128,
        ),
    ),
    "3-D video": (
        row("3x3x3 3->64", "C3D", (1, 8, 32, 32, 3), (3, 3, 3, 3, 64), padding=1),
        row("3x3x3 32->64", "C3D", (1, 4, 14, 14, 32), (3, 3, 3, 32, 64), padding=1),
        row("3x3x3/2 16->32", "R3D", (2, 8, 28, 28, 16), (3, 3, 3, 16, 32), padding=1, stride=2),
        row(
            "1x7x7/2 3->45",
            "R(2+1)D",
            (1, 8, 56, 56, 3),
            (1, 7, 7, 3, 45),
            padding=(0, 3, 3),
            stride=(1, 2, 2),
        ),
    ),
    "large": (
        row("3x3 64->64 batch 64", "wide ResNet", (64, 32, 32, 64), (3, 3, 64, 64), padding=1),
        row("3x3 64->64 56x56", "ResNet-18", (8, 56, 56, 64), (3, 3, 64, 64), padding=1),
        row("3x3 64->128 112x112", "VGG-16", (2, 112, 112, 64), (3, 3, 64, 128), padding=1),
        row("3x3 256->256 batch 32", "ResNet-18", (32, 14, 14, 256), (3, 3, 256, 256), padding=1),
        row(
            "3x3/2 64->128 56x56",
            "ResNet-18",
            (16, 56, 56, 64),
            (3, 3, 64, 128),
            padding=1,
            stride=2,
        ),
        row(
            "7x7/2 3->64 224x224", "ResNet-50", (8, 224, 224, 3), (7, 7, 3, 64), padding=3, stride=2
        ),
        row("1x1 64->256 56x56", "ResNet-50", (8, 56, 56, 64), (1, 1, 64, 256)),
        row(
            "3x3 dw 144 56x56",
            "MobileNetV2",
            (8, 56, 56, 144),
            (3, 3, 1, 144),
            padding=1,
            groups=144,
        ),
    ),
}

CONV_CASES = tuple(
    ConvolutionCase(row.id, family, row.network, row.x, row.w, MappingProxyType(row.options))
    for family, rows in TABLE.items()
    for row in rows
)
