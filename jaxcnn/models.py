"""Networks by name, put together from layers."""

from __future__ import annotations

from jaxcnn.layers import Layer, conv, dense, dropout, flatten, max_pool, relu, serial
from jaxcnn.ops import EXPLICIT, Ops


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
    >>> params, state = lenet().init(jax.random.key(0), (1, 8, 8, 1))
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
