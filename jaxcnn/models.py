"""Networks by name, put together from layers.

Each takes images (n, height, width, c) and gives logits (n, classes). `vgg`, `resnet`
and `mobilenet` are families, small enough by default for 28x28 and 32x32 images and two
cores; with the arguments of their papers they are the published networks. `MODELS` has
the functions by name, for programs.

All raise ValueError, naming the argument, on what is not as they say; and in `init` and
`apply` on what has not the four axes of images, unless it went through `of_any_space`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jaxcnn.arguments import as_flag, as_int
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
from jaxcnn.layers._arguments import as_entries, as_input_shape, as_rate, as_rows
from jaxcnn.layers.layer import as_layer
from jaxcnn.ops import EXPLICIT
from jaxcnn.ops._arrays import as_array
from jaxcnn.window import Padding


def cnn_basics(classes: int = 10) -> Layer:
    """The example network of the document "Deep Learning - CNN Basics", for 32x32x1
    images.

    32x32x1 -> conv 30x30x2 -> pool 15x15x2 -> conv 15x15x4 -> pool 7x7x4 -> flatten 196
    -> dense.

    Its slips are put right here: a pooling that halves 30 to 15 has stride 2, not 1; a
    3x3 convolution that keeps 15x15 has padding 1, not 2; and with the second pooling,
    which its text has and its count forgets, 7x7x4 = 196 values are flattened, not
    15x15x4 = 900.

    >>> import jax
    >>> params, state = jax.eval_shape(
    ...     lambda key: cnn_basics().init(key, (1, 32, 32, 1)), jax.random.key(0)
    ... )
    >>> params["7_dense"]["w"].shape
    (196, 10)
    """
    return _of_images(
        conv(2, 3, padding="valid"),
        relu(),
        max_pool(2),
        conv(4, 3, padding=1),
        relu(),
        max_pool(2),
        flatten(),
        _logits(classes),
    )


def lenet(
    classes: int = 10,
    *,
    features: Sequence[int] = (16, 32),
    hidden: Sequence[int] = (128, 64),
    dropout_rate: float = 0.25,
) -> Layer:
    """LeNet-5 (LeCun, Bottou, Bengio and Haffner 1998) in today's form, (n, height,
    width, c) -> logits (n, classes).

    As there, two 5x5 convolutions, each followed by a subsampling by 2, and three dense
    layers. Unlike there, the activation is a relu, not a scaled tanh; the subsampling
    takes the maximum, not a trained multiple of the mean; every feature of the second
    convolution sees all of the first, not a chosen few; the last layer gives logits for
    a softmax, not distances to drawn characters; both convolutions keep the image's
    size; and dropout stands before the two hidden dense layers (Srivastava et al.
    2014).

    Args:
      classes: the number of classes.
      features: output channels of the two convolutions; 6 and 16 in the paper.
      hidden: widths of the two hidden dense layers; 120 and 84 in the paper.
      dropout_rate: the probability to drop an input of a hidden dense layer; 0 for
        none, and then training needs no key.

    Images are at least 4x4, of any number of channels: 8x8x1 and 28x28x1 for digits.

    >>> import jax
    >>> params, state = jax.eval_shape(
    ...     lambda key: lenet().init(key, (1, 8, 8, 1)), jax.random.key(0)
    ... )
    >>> sum(p.size for p in jax.tree.leaves(params))
    38666
    """
    first, second = as_entries("features", features, 2)
    wide, narrow = as_entries("hidden", hidden, 2)
    rate = as_rate("dropout_rate", dropout_rate)
    return _of_images(
        conv(first, 5),
        relu(),
        max_pool(2),
        conv(second, 5),
        relu(),
        max_pool(2),
        flatten(),
        dropout(rate),
        dense(wide),
        relu(),
        dropout(rate),
        dense(narrow),
        relu(),
        _logits(classes),
    )


def vgg(
    classes: int = 10,
    *,
    features: Sequence[Sequence[int]] = ((16, 16), (32, 32), (64, 64)),
    hidden: Sequence[int] = (128,),
    dropout_rate: float = 0.5,
    with_batch_norm: bool = True,
) -> Layer:
    """Stages of 3x3 convolutions, each stage ending in a 2x2 maximum, then dense layers
    (Simonyan and Zisserman 2015).

    Args:
      classes: the number of classes.
      features: for each stage, the output channels of its convolutions.
      hidden: widths of the hidden dense layers.
      dropout_rate: the probability to drop an output of a hidden dense layer; 0 for
        none, and then training needs no key.
      with_batch_norm: whether a batch normalisation takes the place of each
        convolution's bias; the paper is older than it.

    Images have at least 2^stages pixels on each side, 8x8 by default.

    >>> import jax
    >>> params, state = jax.eval_shape(
    ...     lambda key: vgg().init(key, (1, 28, 28, 1)), jax.random.key(0)
    ... )
    >>> sum(p.size for p in jax.tree.leaves(params))
    147162
    """
    norm, rate = as_flag("with_batch_norm", with_batch_norm), as_rate("dropout_rate", dropout_rate)
    parts: list[Layer] = []
    for stage in as_rows("features", features, "a sequence of ints for each stage", least=1):
        for channels in stage:
            parts += [*_conv(channels, 3, norm=norm), relu()]
        parts.append(max_pool(2))
    parts.append(flatten())
    for width in as_entries("hidden", hidden):
        parts += [dense(width), relu(), dropout(rate)]
    return _of_images(*parts, _logits(classes))


def vgg16(classes: int = 1000) -> Layer:
    """VGG-16, configuration D of Simonyan and Zisserman (2015): 138,357,544 parameters
    for 224x224x3 images and 1,000 classes."""
    features = ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3)
    return vgg(classes, features=features, hidden=(4096, 4096), with_batch_norm=False)


def resnet(
    classes: int = 10,
    *,
    features: Sequence[int] = (16, 32, 64),
    blocks: int = 3,
) -> Layer:
    """The residual network for small images of He, Zhang, Ren and Sun (2016, section
    4.2), with projection shortcuts.

    A 3x3 convolution, then three stages of n blocks of two 3x3 convolutions, a mean
    over space and a dense layer: 6 n + 2 in all. Every stage but the first begins by
    halving the image. Each convolution is followed by a batch normalisation and has no
    bias; a relu follows each first convolution and each sum. Where a block changes the
    shape its shortcut is a 1x1 convolution with a batch normalisation (option B of the
    paper, whose own networks for small images pad with channels of zeros, option A, and
    so have 2,752 parameters less at these widths).

    A strided convolution has one zero on each side, and not "same", whose only zero
    stands behind an image of even size: so the centre of what it sees is the pixel that
    the shortcut sees (`jaxcnn.receptive_field(...).aligned`).

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
    parts = [*_conv(widths[0], 3), relu()]
    for stage, channels in enumerate(widths):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            first = _conv(channels, 3, stride=stride, padding=1)
            second = _conv(channels, 3, padding=1)
            shortcut = serial(*_conv(channels, 1, stride=stride)) if stride == 2 else None
            parts += [residual(serial(*first, relu(), *second), shortcut), relu()]
    return _of_images(*parts, global_avg_pool(), _logits(classes))


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

    A 3x3 convolution, the blocks, a mean over space and a dense layer. Each convolution
    is followed by a batch normalisation, which has its bias, and a relu.

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
    parts = [*_conv(channels, 3, stride=stride), relu()]
    for features, stride in as_rows(
        "blocks", blocks, "a pair of ints, (features, stride), for each block", entries=2
    ):
        parts += [*_conv(channels, 3, stride=stride, groups=channels), relu()]
        parts += [*_conv(features, 1), relu()]
        channels = features
    return _of_images(*parts, global_avg_pool(), _logits(classes))


def mobilenet_v1(classes: int = 1000) -> Layer:
    """MobileNet of Howard et al. (2017), table 1: 4,231,976 parameters for 224x224x3
    images and 1,000 classes.

    The table gives the last depthwise convolution stride 2, yet the same size, 7x7,
    before and after it: here it has stride 1.
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


def _conv(
    features: int,
    size: int,
    *,
    stride: int = 1,
    padding: Padding = "same",
    groups: int = 1,
    norm: bool = True,
) -> list[Layer]:
    """A convolution with a bias, or with a batch normalisation in the place of it."""
    layer = conv(features, size, stride=stride, padding=padding, groups=groups, bias=not norm)
    return [layer, batch_norm()] if norm else [layer]


def of_any_space(model: Layer) -> Layer:
    """A network of this file for sequences (n, length, c) and volumes (n, depth,
    height, width, c) too.

    Its windows then have one axis, or three. Params and state have the same entries.

    >>> import jax
    >>> model = of_any_space(lenet())
    >>> params, state = jax.eval_shape(
    ...     lambda key: model.init(key, (1, 28, 1)), jax.random.key(0)
    ... )
    >>> params["0_conv"]["w"].shape
    (5, 1, 16)
    """
    return serial(*(layer for _, layer in as_layer("model", model).parts))


def _logits(classes: int) -> Layer:
    return dense(as_int("classes", classes, least=1))


def _of_images(*layers: Layer) -> Layer:
    """The layers one after another, for images (n, height, width, c) and nothing
    else."""
    model = serial(*layers)

    def init(key, input_shape):
        shape = as_input_shape(input_shape)
        _check_images("input_shape", shape)
        return model.init(key, shape)

    def apply(params, state, x, *, train=False, key=None, ops=EXPLICIT):
        x = as_array("x", x)
        _check_images("x", x.shape)
        return model.apply(params, state, x, train=train, key=key, ops=ops)

    return model._replace(init=init, apply=apply)


def _check_images(name: str, shape: tuple[int, ...]) -> None:
    if len(shape) != 4:
        hint = ""
        if len(shape) == 3:
            hint = (
                ": is the batch axis missing?"
                if shape[-1] in (1, 3, 4)
                else ": is the channel axis missing?"
            )
        rest = "; models.of_any_space takes sequences and volumes"
        raise ValueError(
            f"{name} must be that of images, (n, height, width, c), got {shape}{hint}{rest}"
        )


MODELS: dict[str, Callable[..., Layer]] = {
    model.__name__: model
    for model in (cnn_basics, lenet, vgg, vgg16, resnet20, mobilenet, mobilenet_v1)
}
