"""Networks by name, put together from layers.

Each takes images (n, height, width, c) and gives logits (n, classes); `ops` says whose derivatives are used, `EXPLICIT` or
`AUTODIFF`. `vgg`, `resnet` and `mobilenet` are families, small enough by default for 28x28 and 32x32 images and two cores; with
the arguments of their papers they are the published networks. `MODELS` has the functions by name, for programs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jaxcnn.layers import (
    Layer,
    batch_norm,
    conv,
    dense,
    dropout,
    flatten,
    global_avg_pool,
    max_pool,
    relu,
    residual,
    serial,
)
from jaxcnn.ops import EXPLICIT, Ops
from jaxcnn.window import Padding


def example(classes: int = 10, *, ops: Ops = EXPLICIT) -> Layer:
    """The example network of the document "Deep Learning - CNN Basics", for 32x32x1 images.

    32x32x1 -> conv 30x30x2 -> pool 15x15x2 -> conv 15x15x4 -> pool 7x7x4 -> flatten 196 -> dense.

    Its slips are put right here: a pooling that halves 30 to 15 has stride 2, not 1; a 3x3 convolution that keeps 15x15 has
    padding 1, not 2; and with the second pooling, which its text has and its count forgets, 7x7x4 = 196 values are flattened,
    not 15x15x4 = 900.

    >>> import jax
    >>> params, state = jax.eval_shape(lambda key: example().init(key, (1, 32, 32, 1)), jax.random.key(0))
    >>> params["7_dense"]["w"].shape
    (196, 10)
    """
    return serial(
        conv(2, 3, padding="valid", ops=ops),
        relu(ops=ops),
        max_pool(2, ops=ops),
        conv(4, 3, padding=1, ops=ops),
        relu(ops=ops),
        max_pool(2, ops=ops),
        flatten(),
        dense(classes, ops=ops),
    )


def lenet(
    classes: int = 10,
    *,
    features: tuple[int, int] = (16, 32),
    hidden: tuple[int, int] = (128, 64),
    dropout_rate: float = 0.25,
    ops: Ops = EXPLICIT,
) -> Layer:
    """LeNet-5 (LeCun, Bottou, Bengio and Haffner 1998) in today's form, (n, height, width, c) -> logits (n, classes).

    As there, two 5x5 convolutions, each followed by a subsampling by 2, and three dense layers. Unlike there, the activation is a
    relu, not a scaled tanh; the subsampling takes the maximum, not a trained multiple of the mean; every feature of the second
    convolution sees all of the first, not a chosen few; the last layer gives logits for a softmax, not distances to drawn
    characters; both convolutions keep the image's size; and dropout stands before the two hidden dense layers (Srivastava et al.
    2014).

    Args:
      classes: the number of classes.
      features: output channels of the two convolutions; 6 and 16 in the paper.
      hidden: widths of the two hidden dense layers; 120 and 84 in the paper.
      dropout_rate: the probability to drop an input of a hidden dense layer; 0 for none, and then training needs no key.
      ops: whose derivatives are used, `EXPLICIT` or `AUTODIFF`.

    Images are at least 4x4, of any number of channels: 8x8x1 and 28x28x1 for digits.

    >>> import jax
    >>> params, state = jax.eval_shape(lambda key: lenet().init(key, (1, 8, 8, 1)), jax.random.key(0))
    >>> sum(p.size for p in jax.tree.leaves(params))
    38666
    """
    return serial(
        conv(features[0], 5, ops=ops),
        relu(ops=ops),
        max_pool(2, ops=ops),
        conv(features[1], 5, ops=ops),
        relu(ops=ops),
        max_pool(2, ops=ops),
        flatten(),
        dropout(dropout_rate, ops=ops),
        dense(hidden[0], ops=ops),
        relu(ops=ops),
        dropout(dropout_rate, ops=ops),
        dense(hidden[1], ops=ops),
        relu(ops=ops),
        dense(classes, ops=ops),
    )


def vgg(
    classes: int = 10,
    *,
    features: Sequence[Sequence[int]] = ((16, 16), (32, 32), (64, 64)),
    hidden: Sequence[int] = (128,),
    dropout_rate: float = 0.5,
    with_batch_norm: bool = True,
    ops: Ops = EXPLICIT,
) -> Layer:
    """Stages of 3x3 convolutions, each stage ending in a 2x2 maximum, then dense layers (Simonyan and Zisserman 2015).

    Args:
      classes: the number of classes.
      features: for each stage, the output channels of its convolutions.
      hidden: widths of the hidden dense layers.
      dropout_rate: the probability to drop an output of a hidden dense layer; 0 for none, and then training needs no key.
      with_batch_norm: whether a batch normalisation takes the place of each convolution's bias; the paper is older than it.
      ops: whose derivatives are used, `EXPLICIT` or `AUTODIFF`.

    Images have at least 2^stages pixels on each side, 8x8 by default.

    >>> import jax
    >>> params, state = jax.eval_shape(lambda key: vgg().init(key, (1, 28, 28, 1)), jax.random.key(0))
    >>> sum(p.size for p in jax.tree.leaves(params))
    147162
    """
    parts: list[Layer] = []
    for stage in features:
        for channels in stage:
            parts += [*_conv(channels, 3, norm=with_batch_norm, ops=ops), relu(ops=ops)]
        parts.append(max_pool(2, ops=ops))
    parts.append(flatten())
    for width in hidden:
        parts += [dense(width, ops=ops), relu(ops=ops), dropout(dropout_rate, ops=ops)]
    return serial(*parts, dense(classes, ops=ops))


def vgg16(classes: int = 1000, *, ops: Ops = EXPLICIT) -> Layer:
    """VGG-16, configuration D of Simonyan and Zisserman (2015): 138,357,544 parameters for 224x224x3 images and 1,000 classes."""
    features = ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3)
    return vgg(classes, features=features, hidden=(4096, 4096), with_batch_norm=False, ops=ops)


def resnet(classes: int = 10, *, features: Sequence[int] = (16, 32, 64), blocks: int = 3, ops: Ops = EXPLICIT) -> Layer:
    """The residual network for small images of He, Zhang, Ren and Sun (2016, section 4.2), with projection shortcuts.

    A 3x3 convolution, then three stages of n blocks of two 3x3 convolutions, a mean over space and a dense layer: 6 n + 2 in all.
    Every stage but the first begins by halving the image. Each convolution is followed by a batch normalisation and has no bias;
    a relu follows each first convolution and each sum. Where a block changes the shape its shortcut is a 1x1 convolution with a
    batch normalisation (option B of the paper, whose own networks for small images pad with channels of zeros, option A, and so
    have 2,752 parameters less at these widths).

    A strided convolution has one zero on each side, and not "same", whose only zero stands behind an image of even size: so the
    centre of what it sees is the pixel that the shortcut sees (`jaxcnn.receptive_field(...).aligned`).

    Args:
      classes: the number of classes.
      features: output channels of the convolutions of each stage.
      blocks: blocks per stage; 3, 5, 7, 9 and 18 are the ResNet-20, 32, 44, 56 and 110 of the paper.
      ops: whose derivatives are used, `EXPLICIT` or `AUTODIFF`.

    >>> import jax
    >>> params, state = jax.eval_shape(lambda key: resnet(features=(4, 8), blocks=1).init(key, (1, 8, 8, 1)), jax.random.key(0))
    >>> [path for path in params["5_residual"]["shortcut"]]
    ['0_conv', '1_batch_norm']
    """
    parts = [*_conv(features[0], 3, ops=ops), relu(ops=ops)]
    for stage, channels in enumerate(features):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            first = _conv(channels, 3, stride=stride, padding=1, ops=ops)
            second = _conv(channels, 3, padding=1, ops=ops)
            shortcut = serial(*_conv(channels, 1, stride=stride, ops=ops)) if stride == 2 else None
            parts += [residual(serial(*first, relu(ops=ops), *second), shortcut), relu(ops=ops)]
    return serial(*parts, global_avg_pool(ops=ops), dense(classes, ops=ops))


def resnet20(classes: int = 10, *, ops: Ops = EXPLICIT) -> Layer:
    """`resnet` with 3 stages of 3 blocks, 16, 32 and 64 wide: 272,474 parameters for three channels and ten classes."""
    return resnet(classes, features=(16, 32, 64), blocks=3, ops=ops)


def mobilenet(
    classes: int = 10,
    *,
    stem: tuple[int, int] = (16, 1),
    blocks: Sequence[tuple[int, int]] = ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1)),
    ops: Ops = EXPLICIT,
) -> Layer:
    """Depthwise-separable convolutions (Howard et al. 2017): a depthwise 3x3, then a 1x1 convolution over the channels.

    A 3x3 convolution, the blocks, a mean over space and a dense layer. Each convolution is followed by a batch normalisation,
    which has its bias, and a relu.

    Args:
      classes: the number of classes.
      stem: output channels and stride of the first convolution.
      blocks: for each block, the output channels of its 1x1 convolution, and the stride of its depthwise one.
      ops: whose derivatives are used, `EXPLICIT` or `AUTODIFF`.

    >>> import jax
    >>> params, state = jax.eval_shape(lambda key: mobilenet().init(key, (1, 28, 28, 1)), jax.random.key(0))
    >>> params["3_conv"]["w"].shape, params["6_conv"]["w"].shape
    ((3, 3, 1, 16), (1, 1, 16, 32))
    """
    channels, stride = stem
    parts = [*_conv(channels, 3, stride=stride, ops=ops), relu(ops=ops)]
    for features, stride in blocks:
        parts += [*_conv(channels, 3, stride=stride, groups=channels, ops=ops), relu(ops=ops)]
        parts += [*_conv(features, 1, ops=ops), relu(ops=ops)]
        channels = features
    return serial(*parts, global_avg_pool(ops=ops), dense(classes, ops=ops))


def mobilenet_v1(classes: int = 1000, *, ops: Ops = EXPLICIT) -> Layer:
    """MobileNet of Howard et al. (2017), table 1: 4,231,976 parameters for 224x224x3 images and 1,000 classes.

    The table gives the last depthwise convolution stride 2, yet the same size, 7x7, before and after it: here it has stride 1.
    """
    blocks = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *(((512, 1),) * 5), (1024, 2), (1024, 1))
    return mobilenet(classes, stem=(32, 2), blocks=blocks, ops=ops)


def _conv(
    features: int, size: int, *, stride: int = 1, padding: Padding = "same", groups: int = 1, norm: bool = True, ops: Ops
) -> list[Layer]:
    """A convolution with a bias, or with a batch normalisation in the place of it."""
    layer = conv(features, size, stride=stride, padding=padding, groups=groups, bias=not norm, ops=ops)
    return [layer, batch_norm(ops=ops)] if norm else [layer]


MODELS: dict[str, Callable[..., Layer]] = {
    model.__name__: model for model in (example, lenet, vgg, vgg16, resnet20, mobilenet, mobilenet_v1)
}
