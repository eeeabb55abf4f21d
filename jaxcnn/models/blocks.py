"""Networks of blocks: ResNet and MobileNet."""

from __future__ import annotations

from collections.abc import Sequence

from jaxcnn.arguments import as_int
from jaxcnn.layers import Layer, global_avg_pool, relu, residual, serial
from jaxcnn.models._arguments import as_entries, as_rows
from jaxcnn.models._images import conv_and_norm, logits, of_images


def resnet(
    classes: int = 10,
    *,
    features: Sequence[int] = (16, 32, 64),
    blocks: int = 3,
) -> Layer:
    """The residual network for small images of He, Zhang, Ren and Sun (2016, section
    4.2), with projection shortcuts.

    It has a 3x3 convolution, three stages of n blocks of two 3x3 convolutions, a mean
    over space and a dense layer: 6 n + 2 layers in all. Every stage but the first
    begins by halving the image. Each convolution has no bias and is followed by a batch
    normalisation. A relu follows the first convolution of each block and each sum. If a
    block changes the shape, its shortcut is a 1x1 convolution with a batch
    normalisation. This is option B of the paper; its own networks for small images pad
    with channels of zeros (option A), and so have 2,752 fewer parameters at these
    widths.

    A strided convolution has one zero on each side. "same" would have a single zero
    after an image of even size. With one on each side, the centre of the convolution's
    window is the pixel that the shortcut sees (`jaxcnn.receptive_field(...).aligned`).

    Args:
      classes: the number of classes.
      features: output channels of the convolutions of each stage.
      blocks: blocks per stage; 3, 5, 7, 9 and 18 are the ResNet-20, 32, 44, 56 and 110
        of the paper.

    >>> import jax
    >>> model = resnet(features=(4, 8), blocks=1)
    >>> params, state = jax.eval_shape(
    ...     lambda key: model.init(key, (1, 8, 8, 1)), jax.random.key(0)
    ... )
    >>> [path for path in params["5_residual"]["shortcut"]]
    ['0_conv', '1_batch_norm']
    """
    widths, blocks = as_entries("features", features), as_int("blocks", blocks, least=1)
    if not widths:
        raise ValueError("features must have one entry for each stage, one at least, got none")
    parts = [*conv_and_norm(widths[0], 3), relu()]
    for stage, channels in enumerate(widths):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            first = conv_and_norm(channels, 3, stride=stride, padding=1)
            second = conv_and_norm(channels, 3, padding=1)
            shortcut = serial(*conv_and_norm(channels, 1, stride=stride)) if stride == 2 else None
            parts += [residual(serial(*first, relu(), *second), shortcut), relu()]
    return of_images(*parts, global_avg_pool(), logits(classes))


def resnet20(classes: int = 10) -> Layer:
    """`resnet` with 3 stages of 3 blocks, 16, 32 and 64 wide: 272,474 parameters for
    three channels and ten classes."""
    return resnet(classes, features=(16, 32, 64), blocks=3)


def mobilenet(
    classes: int = 10,
    *,
    stem: Sequence[int] = (16, 1),
    blocks: Sequence[Sequence[int]] = ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1)),
) -> Layer:
    """Depthwise-separable convolutions (Howard et al. 2017): a depthwise 3x3, then a
    1x1 convolution over the channels.

    It has a 3x3 convolution, the blocks, a mean over space and a dense layer. Each
    convolution is followed by a batch normalisation, which holds its bias, and a relu.

    Args:
      classes: the number of classes.
      stem: output channels and stride of the first convolution.
      blocks: for each block, the output channels of its 1x1 convolution, and the stride
        of its depthwise one.

    >>> import jax
    >>> params, state = jax.eval_shape(
    ...     lambda key: mobilenet().init(key, (1, 28, 28, 1)), jax.random.key(0)
    ... )
    >>> params["3_conv"]["w"].shape, params["6_conv"]["w"].shape
    ((3, 3, 1, 16), (1, 1, 16, 32))
    """
    channels, stride = as_entries("stem", stem, 2)
    parts = [*conv_and_norm(channels, 3, stride=stride), relu()]
    for features, stride in as_rows(
        "blocks", blocks, "a pair of ints, (features, stride), for each block", entries=2
    ):
        parts += [*conv_and_norm(channels, 3, stride=stride, groups=channels), relu()]
        parts += [*conv_and_norm(features, 1), relu()]
        channels = features
    return of_images(*parts, global_avg_pool(), logits(classes))


def mobilenet_v1(classes: int = 1000) -> Layer:
    """MobileNet of Howard et al. (2017), table 1: 4,231,976 parameters for 224x224x3
    images and 1,000 classes.

    The paper's table gives the last depthwise convolution stride 2, but the same size,
    7x7, before and after it. Here it has stride 1.
    """
    blocks = (
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
        (512, 2),
        *(((512, 1),) * 5),
        (1024, 2),
        (1024, 1),
    )
    return mobilenet(classes, stem=(32, 2), blocks=blocks)
