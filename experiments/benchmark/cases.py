"""What is timed: operations at sizes from networks that people train, in families.

All are channels last and small enough for two CPU cores, on which XLA's slowest loops
do 0.5 GFLOP a second: a convolution has some 20 to 150 MFLOP, a strided depthwise one
less. Those of the family "large", whose arrays leave every cache, have up to 7 GFLOP
and stand at the top level alone: in a scan plain JAX takes half a minute for one. No
pad is negative: there plain JAX's own gradient can be wrong (openxla/xla#48713).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from jaxcnn.ops.convolution.functions import make_spec
from jaxcnn.ops.convolution.methods import ConvSpec

Shape = tuple[int, ...]
NONE: Mapping[str, Any] = MappingProxyType({})

CONV_MAPS = ("forward", "input gradient", "kernel gradient")
OTHER_MAPS = ("forward", "gradient")
PLACES = ("top level", "scan")


class BenchmarkCase(NamedTuple):
    """A convolution; of the family "transposed", the transpose (the input gradient, as
    a layer) of this convolution."""

    id: str
    family: str
    network: str
    x: Shape  # (n, *space, c)
    w: Shape  # (*taps, c / groups, o)
    options: Mapping[str, Any] = NONE

    @property
    def transposed(self) -> bool:
        return self.family == "transposed"

    @property
    def places(self) -> tuple[str, ...]:
        return PLACES[:1] if self.family == "large" else PLACES

    @property
    def spec(self) -> ConvSpec:
        options = {"stride": 1, "padding": "valid", "dilation": 1, "groups": 1, **self.options}
        return make_spec(
            self.x,
            self.w,
            layout="channels_last",
            precision=None,
            preferred_element_type=None,
            **options,
        )

    @property
    def y(self) -> Shape:
        """The convolution's output, (n, *space', o): the input of its transpose."""
        return (self.x[0], *self.spec.window.output_size(self.x[1:-1]), self.w[-1])

    @property
    def arguments(self) -> dict[str, Shape]:
        return {"x": self.y if self.transposed else self.x, "w": self.w}

    @property
    def maps(self) -> tuple[str, ...]:
        return CONV_MAPS

    @property
    def flops(self) -> int:
        """2 x multiply-adds of any of the three maps; those with padding are
        counted."""
        return 2 * math.prod(self.y[:-1]) * math.prod(self.w)


class OperationCase(NamedTuple):
    """Another operation of `jaxcnn.Ops`."""

    id: str
    family: str
    network: str
    operation: str
    shapes: tuple[Shape, ...]
    """Of its floating arguments."""
    options: Mapping[str, Any] = NONE
    classes: int | None = None
    """With labels as a last argument: how many there are."""

    @property
    def arguments(self) -> dict[str, Shape]:
        names = ARGUMENTS.get(self.operation, ("x",))
        found = dict(zip(names, self.shapes, strict=True))
        return found if self.classes is None else {**found, "labels": self.shapes[0][:-1]}

    @property
    def maps(self) -> tuple[str, ...]:
        return OTHER_MAPS

    @property
    def places(self) -> tuple[str, ...]:
        return PLACES

    @property
    def flops(self) -> None:
        return None


Case = BenchmarkCase | OperationCase

ARGUMENTS = {
    "conv": ("x", "w", "b"),
    "dense": ("x", "w", "b"),
    "batch_norm": ("x", "scale", "bias"),
    "layer_norm": ("x", "scale", "bias"),
    "softmax_cross_entropy": ("logits",),
}


def _conv(family: str, id: str, network: str, x: Shape, w: Shape, **options: Any) -> BenchmarkCase:
    return BenchmarkCase(id, family, network, x, w, MappingProxyType(options))


CONV_CASES = (
    _conv("dense", "3x3 16->16", "U-Net", (4, 64, 64, 16), (3, 3, 16, 16), padding="same"),
    _conv("dense", "3x3 32->32", "ResNet-20", (16, 16, 16, 32), (3, 3, 32, 32), padding="same"),
    _conv("dense", "3x3 64->64", "ResNet-20", (16, 8, 8, 64), (3, 3, 64, 64), padding="same"),
    _conv("dense", "3x3 128->128", "ResNet-18", (8, 7, 7, 128), (3, 3, 128, 128), padding=1),
    _conv("dense", "3x3 64->128", "VGG", (4, 14, 14, 64), (3, 3, 64, 128), padding="same"),
    _conv("dense", "3x3 32->64 valid", "Keras's MNIST network", (4, 26, 26, 32), (3, 3, 32, 64)),
    _conv("dense", "5x5 6->16 valid", "LeNet", (128, 14, 14, 6), (5, 5, 6, 16)),
    _conv(
        "dense",
        "5x5 32->64",
        "TensorFlow's MNIST network",
        (4, 14, 14, 32),
        (5, 5, 32, 64),
        padding="same",
    ),
    _conv("few channels", "5x5 1->16", "LeNet", (64, 28, 28, 1), (5, 5, 1, 16), padding="same"),
    _conv(
        "few channels",
        "5x5 1->32",
        "TensorFlow's MNIST network",
        (32, 28, 28, 1),
        (5, 5, 1, 32),
        padding="same",
    ),
    _conv("few channels", "3x3 3->16", "ResNet-20", (64, 32, 32, 3), (3, 3, 3, 16), padding="same"),
    _conv("few channels", "3x3 3->64", "VGG", (32, 32, 32, 3), (3, 3, 3, 64), padding="same"),
    _conv(
        "few channels",
        "3x3 16->16 32x32",
        "ResNet-20",
        (16, 32, 32, 16),
        (3, 3, 16, 16),
        padding="same",
    ),
    _conv(
        "few channels",
        "3x3 64->3",
        "a generator's last layer",
        (16, 32, 32, 64),
        (3, 3, 64, 3),
        padding="same",
    ),
    _conv("1x1", "1x1 64->64", "ResNet-50", (16, 28, 28, 64), (1, 1, 64, 64)),
    _conv("1x1", "1x1 64->256", "ResNet-50", (8, 14, 14, 64), (1, 1, 64, 256)),
    _conv("1x1", "1x1 24->144", "MobileNetV2", (16, 28, 28, 24), (1, 1, 24, 144)),
    _conv("1x1", "1x1 144->24", "MobileNetV2", (16, 28, 28, 144), (1, 1, 144, 24)),
    _conv(
        "strided",
        "3x3/2 32->64 same",
        "VGG",
        (16, 28, 28, 32),
        (3, 3, 32, 64),
        padding="same",
        stride=2,
    ),
    _conv(
        "strided",
        "3x3/2 64->128 pad 1",
        "ResNet-18",
        (8, 16, 16, 64),
        (3, 3, 64, 128),
        padding=1,
        stride=2,
    ),
    _conv("strided", "1x1/2 64->128", "ResNet-18", (32, 28, 28, 64), (1, 1, 64, 128), stride=2),
    _conv(
        "strided",
        "7x7/2 3->64 pad 3",
        "ResNet-50",
        (4, 64, 64, 3),
        (7, 7, 3, 64),
        padding=3,
        stride=2,
    ),
    _conv("strided", "4x4/4 3->96", "ConvNeXt", (8, 128, 128, 3), (4, 4, 3, 96), stride=4),
    _conv("strided", "4x4/4 64->64", "PVT", (8, 32, 32, 64), (4, 4, 64, 64), stride=4),
    _conv("strided", "2x2/2 3->32", "a patch embedding", (32, 64, 64, 3), (2, 2, 3, 32), stride=2),
    _conv("strided", "2x2/2 96->192", "ConvNeXt", (4, 28, 28, 96), (2, 2, 96, 192), stride=2),
    _conv(
        "transposed",
        "4x4/2 128->64 pad 1",
        "DCGAN",
        (8, 16, 16, 64),
        (4, 4, 64, 128),
        padding=1,
        stride=2,
    ),
    _conv(
        "transposed",
        "4x4/2 64->3 pad 1",
        "DCGAN",
        (16, 64, 64, 3),
        (4, 4, 3, 64),
        padding=1,
        stride=2,
    ),
    _conv("transposed", "2x2/2 64->32", "U-Net", (8, 32, 32, 32), (2, 2, 32, 64), stride=2),
    _conv(
        "transposed",
        "3x3/2 64->32 pad 1",
        "CycleGAN",
        (4, 32, 32, 32),
        (3, 3, 32, 64),
        padding=1,
        stride=2,
    ),
    _conv(
        "transposed",
        "3x3 32->32 pad 1",
        "an autoencoder",
        (16, 16, 16, 32),
        (3, 3, 32, 32),
        padding=1,
    ),
    _conv(
        "grouped",
        "5x5 g=2 48->128",
        "AlexNet",
        (4, 13, 13, 48),
        (5, 5, 24, 128),
        padding=2,
        groups=2,
    ),
    _conv(
        "grouped",
        "3x3 g=4 64->64",
        "ResNeXt-29",
        (8, 28, 28, 64),
        (3, 3, 16, 64),
        padding=1,
        groups=4,
    ),
    _conv(
        "grouped",
        "3x3 g=8 128->128",
        "RegNet",
        (8, 14, 14, 128),
        (3, 3, 16, 128),
        padding=1,
        groups=8,
    ),
    _conv(
        "grouped",
        "3x3 g=32 128->128",
        "ResNeXt-50",
        (8, 28, 28, 128),
        (3, 3, 4, 128),
        padding=1,
        groups=32,
    ),
    _conv(
        "grouped",
        "3x3/2 g=32 256->256",
        "ResNeXt-50",
        (8, 28, 28, 256),
        (3, 3, 8, 256),
        padding=1,
        groups=32,
        stride=2,
    ),
    _conv(
        "depthwise",
        "3x3 dw 96",
        "MobileNetV2",
        (32, 28, 28, 96),
        (3, 3, 1, 96),
        padding="same",
        groups=96,
    ),
    _conv(
        "depthwise",
        "3x3 dw 96 batch 1",
        "MobileNetV2",
        (1, 112, 112, 96),
        (3, 3, 1, 96),
        padding="same",
        groups=96,
    ),
    _conv(
        "depthwise",
        "3x3/2 dw 96",
        "MobileNetV2",
        (32, 28, 28, 96),
        (3, 3, 1, 96),
        padding=1,
        groups=96,
        stride=2,
    ),
    _conv(
        "depthwise",
        "3x3 dw 32 times 2",
        "Xception",
        (32, 28, 28, 32),
        (3, 3, 1, 64),
        padding="same",
        groups=32,
    ),
    _conv(
        "depthwise",
        "5x5 dw 120",
        "EfficientNet",
        (32, 14, 14, 120),
        (5, 5, 1, 120),
        padding="same",
        groups=120,
    ),
    _conv(
        "depthwise",
        "7x7 dw 192",
        "ConvNeXt",
        (8, 14, 14, 192),
        (7, 7, 1, 192),
        padding=3,
        groups=192,
    ),
    _conv(
        "depthwise",
        "7x7 dw 96 batch 1",
        "ConvNeXt",
        (1, 56, 56, 96),
        (7, 7, 1, 96),
        padding=3,
        groups=96,
    ),
    _conv(
        "dilated",
        "3x3 d=2 64->64",
        "DeepLab",
        (4, 16, 16, 64),
        (3, 3, 64, 64),
        padding=2,
        dilation=2,
    ),
    _conv(
        "dilated",
        "3x3 d=4 32->32",
        "a context module",
        (4, 32, 32, 32),
        (3, 3, 32, 32),
        padding=4,
        dilation=4,
    ),
    _conv(
        "dilated",
        "3x3 d=12 64->64",
        "DeepLab's pyramid",
        (1, 33, 33, 64),
        (3, 3, 64, 64),
        padding=12,
        dilation=12,
    ),
    _conv(
        "dilated",
        "3x3 d=2 dw 96",
        "MobileNetV2 with DeepLab",
        (16, 28, 28, 96),
        (3, 3, 1, 96),
        padding=2,
        dilation=2,
        groups=96,
    ),
    _conv(
        "1-D audio",
        "2 d=8 64->64 causal",
        "WaveNet",
        (2, 2048, 64),
        (2, 64, 64),
        padding="causal",
        dilation=8,
    ),
    _conv("1-D audio", "80/4 1->32", "M5", (8, 8000, 1), (80, 1, 32), stride=4),
    _conv("1-D audio", "3 80->128", "Whisper", (2, 500, 80), (3, 80, 128), padding=1),
    _conv(
        "1-D audio",
        "3 d=4 dw 128",
        "Conv-TasNet",
        (16, 2000, 128),
        (3, 1, 128),
        padding=4,
        dilation=4,
        groups=128,
    ),
    _conv("3-D video", "3x3x3 3->64", "C3D", (1, 8, 32, 32, 3), (3, 3, 3, 3, 64), padding=1),
    _conv("3-D video", "3x3x3 32->64", "C3D", (1, 4, 14, 14, 32), (3, 3, 3, 32, 64), padding=1),
    _conv(
        "3-D video",
        "3x3x3/2 16->32",
        "R3D",
        (2, 8, 28, 28, 16),
        (3, 3, 3, 16, 32),
        padding=1,
        stride=2,
    ),
    _conv(
        "3-D video",
        "1x7x7/2 3->45",
        "R(2+1)D",
        (1, 8, 56, 56, 3),
        (1, 7, 7, 3, 45),
        padding=(0, 3, 3),
        stride=(1, 2, 2),
    ),
    _conv(
        "large", "3x3 64->64 batch 64", "wide ResNet", (64, 32, 32, 64), (3, 3, 64, 64), padding=1
    ),
    _conv("large", "3x3 64->64 56x56", "ResNet-18", (8, 56, 56, 64), (3, 3, 64, 64), padding=1),
    _conv("large", "3x3 64->128 112x112", "VGG-16", (2, 112, 112, 64), (3, 3, 64, 128), padding=1),
    _conv(
        "large",
        "3x3 256->256 batch 32",
        "ResNet-18",
        (32, 14, 14, 256),
        (3, 3, 256, 256),
        padding=1,
    ),
    _conv(
        "large",
        "3x3/2 64->128 56x56",
        "ResNet-18",
        (16, 56, 56, 64),
        (3, 3, 64, 128),
        padding=1,
        stride=2,
    ),
    _conv(
        "large",
        "7x7/2 3->64 224x224",
        "ResNet-50",
        (8, 224, 224, 3),
        (7, 7, 3, 64),
        padding=3,
        stride=2,
    ),
    _conv("large", "1x1 64->256 56x56", "ResNet-50", (8, 56, 56, 64), (1, 1, 64, 256)),
    _conv(
        "large",
        "3x3 dw 144 56x56",
        "MobileNetV2",
        (8, 56, 56, 144),
        (3, 3, 1, 144),
        padding=1,
        groups=144,
    ),
)


def _other(
    family: str, id: str, network: str, operation: str, *shapes: Shape, **options: Any
) -> OperationCase:
    classes = options.pop("classes", None)
    return OperationCase(id, family, network, operation, shapes, MappingProxyType(options), classes)


OTHER_CASES = (
    _other("max pool", "max 2x2/2", "VGG", "max_pool", (32, 28, 28, 32), size=2),
    _other(
        "max pool",
        "max 3x3/2 pad 1",
        "ResNet-50",
        "max_pool",
        (8, 56, 56, 64),
        size=3,
        stride=2,
        padding=1,
    ),
    _other(
        "max pool",
        "max 3x3 pad 1",
        "Inception",
        "max_pool",
        (16, 14, 14, 128),
        size=3,
        stride=1,
        padding=1,
    ),
    _other(
        "max pool", "global max", "a text or audio classifier", "global_max_pool", (32, 14, 14, 128)
    ),
    _other("average pool", "avg 2x2/2", "DenseNet", "avg_pool", (32, 28, 28, 32), size=2),
    _other(
        "average pool",
        "avg 3x3 pad 1",
        "Inception",
        "avg_pool",
        (16, 14, 14, 128),
        size=3,
        stride=1,
        padding=1,
    ),
    _other("average pool", "avg 7x7", "ResNet-50", "avg_pool", (64, 7, 7, 512), size=7),
    _other("average pool", "global avg", "ResNet-20", "global_avg_pool", (64, 8, 8, 256)),
    _other(
        "norm", "batch norm 32x32 16", "ResNet-20", "batch_norm", (32, 32, 32, 16), (16,), (16,)
    ),
    _other(
        "norm", "batch norm 14x14 128", "ResNet-18", "batch_norm", (16, 14, 14, 128), (128,), (128,)
    ),
    _other(
        "norm", "batch norm 7x7 512", "ResNet-50", "batch_norm", (16, 7, 7, 512), (512,), (512,)
    ),
    _other("norm", "layer norm 28x28 96", "ConvNeXt", "layer_norm", (8, 28, 28, 96), (96,), (96,)),
    _other("norm", "layer norm 7x7 768", "ConvNeXt", "layer_norm", (8, 7, 7, 768), (768,), (768,)),
    _other(
        "norm", "layer norm of vectors", "a transformer", "layer_norm", (512, 768), (768,), (768,)
    ),
    _other("other", "relu", "ResNet-50", "relu", (32, 28, 28, 64)),
    _other("other", "gelu", "ConvNeXt", "gelu", (8, 14, 14, 768)),
    _other(
        "other", "cross entropy 128 x 10", "LeNet", "softmax_cross_entropy", (128, 10), classes=10
    ),
    _other(
        "other",
        "cross entropy 512 x 1000",
        "ImageNet",
        "softmax_cross_entropy",
        (512, 1000),
        classes=1000,
    ),
    _other("other", "dense 1568->128", "LeNet", "dense", (128, 1568), (1568, 128), (128,)),
    _other(
        "other",
        "3x3 32->32 with bias",
        "VGG",
        "conv",
        (16, 16, 16, 32),
        (3, 3, 32, 32),
        (32,),
        padding="same",
    ),
)

CASES: tuple[Case, ...] = (*CONV_CASES, *OTHER_CASES)

CONV_FAMILIES = tuple(dict.fromkeys(case.family for case in CONV_CASES))
FAMILIES = tuple(dict.fromkeys(case.family for case in CASES))
