"""Networks of layers one after another: LeNet and VGG."""

from __future__ import annotations

from collections.abc import Sequence

from jaxcnn.arguments import as_flag
from jaxcnn.layers import Layer, conv, dense, dropout, flatten, max_pool, relu
from jaxcnn.layers._arguments import as_rate
from jaxcnn.models._arguments import as_entries, as_rows
from jaxcnn.models._images import conv_and_norm, logits, of_images


def cnn_basics(classes: int = 10) -> Layer:
    """The example network of the document "Deep Learning - CNN Basics", for 32x32x1
    images.

    32x32x1 -> conv 30x30x2 -> pool 15x15x2 -> conv 15x15x4 -> pool 7x7x4 -> flatten 196
    -> dense.

    Three slips of the document are corrected here. A pooling that halves 30 to 15 has
    stride 2, not 1. A 3x3 convolution that keeps 15x15 has padding 1, not 2. The second
    pooling is in its text but not in its count, so 7x7x4 = 196 values are flattened,
    not 15x15x4 = 900.

    >>> import jax
    >>> params, state = jax.eval_shape(
    ...     lambda key: cnn_basics().init(key, (1, 32, 32, 1)), jax.random.key(0)
    ... )
    >>> params["7_dense"]["w"].shape
    (196, 10)
    """
    return of_images(
        conv(2, 3, padding="valid"),
        relu(),
        max_pool(2),
        conv(4, 3, padding=1),
        relu(),
        max_pool(2),
        flatten(),
        logits(classes),
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

    As in the paper, it has two 5x5 convolutions, each followed by a subsampling by 2,
    and three dense layers. Six things differ. The activation is a relu, not a scaled
    tanh. The subsampling takes the maximum, not a trained multiple of the mean. Every
    feature of the second convolution sees all of the first, not a chosen few. The last
    layer gives logits for a softmax, not distances to drawn characters. Both
    convolutions keep the image's size. Dropout stands before the two hidden dense
    layers (Srivastava et al. 2014).

    Args:
      classes: the number of classes.
      features: output channels of the two convolutions; 6 and 16 in the paper.
      hidden: widths of the two hidden dense layers; 120 and 84 in the paper.
      dropout_rate: the probability of dropping an input of a hidden dense layer. With 0
        there is no dropout, and training needs no key.

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
    return of_images(
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
        logits(classes),
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
      dropout_rate: the probability of dropping an output of a hidden dense layer. With
        0 there is no dropout, and training needs no key.
      with_batch_norm: whether a batch normalisation takes the place of each
        convolution's bias. The paper predates batch normalisation.

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
            parts += [*conv_and_norm(channels, 3, norm=norm), relu()]
        parts.append(max_pool(2))
    parts.append(flatten())
    for width in as_entries("hidden", hidden):
        parts += [dense(width), relu(), dropout(rate)]
    return of_images(*parts, logits(classes))


def vgg16(classes: int = 1000) -> Layer:
    """VGG-16, configuration D of Simonyan and Zisserman (2015): 138,357,544 parameters
    for 224x224x3 images and 1,000 classes."""
    features = ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3)
    return vgg(classes, features=features, hidden=(4096, 4096), with_batch_norm=False)
