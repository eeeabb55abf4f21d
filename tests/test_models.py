"""Networks: their parameters, counted by hand, and their shapes."""

from __future__ import annotations

import math
from functools import partial

import jax
import jax.numpy as jnp
import pytest

from jaxcnn import receptive_field
from jaxcnn.models import (
    cnn_basics,
    identity_cnn,
    mobilenet,
    mobilenet_v1,
    resnet,
    resnet20,
    vgg,
    vgg16,
)
from tests._models import KEY, abstract_init
from tests.daily import daily


def count(tree):
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def norms(*channels):
    """Parameters of batch normalisations: a scale and a bias for each channel. Their
    state is as large."""
    return sum(2 * c for c in channels)


# One stage of a residual network: channels in, channels out, number of blocks; the
# first block has a projection if they differ.


def stage(c_in, c, blocks):
    convs = 3 * 3 * c_in * c + (2 * blocks - 1) * 3 * 3 * c * c
    projection = 0 if c == c_in else c_in * c + norms(c)
    return convs + 2 * blocks * norms(c) + projection


def separable(c_in, c):
    return 3 * 3 * 1 * c_in + norms(c_in) + c_in * c + norms(c)


# A model, an input shape, and by hand: its parameters, the state of its batch
# normalisations.

COUNTS = {
    "cnn_basics": (
        cnn_basics(),
        (1, 32, 32, 1),
        (3 * 3 * 1 * 2 + 2) + (3 * 3 * 2 * 4 + 4) + (7 * 7 * 4 * 10 + 10),
        0,
    ),
    "vgg": (
        vgg(),
        (1, 28, 28, 1),
        3 * 3 * (1 * 16 + 16 * 16 + 16 * 32 + 32 * 32 + 32 * 64 + 64 * 64)
        + norms(16, 16, 32, 32, 64, 64)
        + (3 * 3 * 64 * 128 + 128)
        + (128 * 10 + 10),
        norms(16, 16, 32, 32, 64, 64),
    ),
    "vgg without norms or hidden layers": (
        vgg(3, features=((4,), (5, 6)), hidden=(), with_batch_norm=False),
        (1, 9, 6, 2),
        (9 * 2 * 4 + 4) + (9 * 4 * 5 + 5) + (9 * 5 * 6 + 6) + (2 * 1 * 6 * 3 + 3),
        0,
    ),
    # Published as 138 million (Simonyan and Zisserman 2015, table 2); Keras's and
    # torchvision's have this number.
    "vgg16": (
        vgg16(),
        (1, 224, 224, 3),
        3
        * 3
        * (
            3 * 64
            + 64 * 64
            + 64 * 128
            + 128 * 128
            + 128 * 256
            + 2 * 256 * 256
            + 256 * 512
            + 5 * 512 * 512
        )
        + (2 * 64 + 2 * 128 + 3 * 256 + 6 * 512)
        + (7 * 7 * 512 * 4096 + 4096)
        + (4096 * 4096 + 4096)
        + (4096 * 1000 + 1000),
        0,
    ),
    # Published as 0.27 million (He et al. 2016, table 6).
    "resnet20": (
        resnet20(),
        (1, 32, 32, 3),
        3 * 3 * 3 * 16
        + norms(16)
        + stage(16, 16, 3)
        + stage(16, 32, 3)
        + stage(32, 64, 3)
        + (64 * 10 + 10),
        7 * norms(16) + 7 * norms(32) + 7 * norms(64),
    ),
    # Published as 1.7 million (the same table).
    "resnet110": (
        resnet(blocks=18),
        (1, 32, 32, 3),
        3 * 3 * 3 * 16
        + norms(16)
        + stage(16, 16, 18)
        + stage(16, 32, 18)
        + stage(32, 64, 18)
        + (64 * 10 + 10),
        37 * norms(16, 32, 64),
    ),
    "mobilenet": (
        mobilenet(),
        (1, 28, 28, 1),
        (3 * 3 * 1 * 16 + norms(16))
        + (
            separable(16, 32)
            + separable(32, 64)
            + separable(64, 64)
            + separable(64, 128)
            + separable(128, 128)
        )
        + (128 * 10 + 10),
        norms(16, 16, 32, 32, 64, 64, 64, 64, 128, 128, 128),
    ),
    "identity_cnn": (
        identity_cnn(),
        (1, 32, 32, 3),
        (3 * 3 * 3 * 24 + 24)
        + (3 * 3 * 24 * 32 + 3 * 3 * 32 * 32 + 2 * norms(32))
        + (3 * 3 * 32 * 128 + 3 * 3 * 128 * 128 + 2 * norms(128))
        + (3 * 3 * 128 * 256 + 3 * 3 * 256 * 256 + 2 * norms(256))
        + 256 * 10,
        2 * norms(32, 128, 256),
    ),
    # Published as 4.2 million (Howard et al. 2017, table 8); Keras's has this number of
    # trainable and of other weights.
    "mobilenet_v1": (
        mobilenet_v1(),
        (1, 224, 224, 3),
        (3 * 3 * 3 * 32 + norms(32))
        + (
            separable(32, 64)
            + separable(64, 128)
            + separable(128, 128)
            + separable(128, 256)
            + separable(256, 256)
        )
        + (
            separable(256, 512)
            + 5 * separable(512, 512)
            + separable(512, 1024)
            + separable(1024, 1024)
        )
        + (1024 * 1000 + 1000),
        norms(
            32, 32, 64, 64, 128, 128, 128, 128, 256, 256, 256, 256, *((512,) * 12), 1024, 1024, 1024
        ),
    ),
}


PUBLISHED = {
    "vgg16": (138_357_544, 0),
    "resnet20": (272_474, 1_568),
    "mobilenet_v1": (4_231_976, 21_888),
}


@pytest.mark.parametrize(
    ("name", "model", "x_shape", "parameters", "statistics"),
    daily(
        [pytest.param(name, *c, id=name) for name, c in COUNTS.items()],
        {*COUNTS} - {"resnet110", "mobilenet_v1", "vgg16"},
    ),
)
def test_parameters_are_those_of_the_hand_count_and_logits_one_for_each_class(
    name, model, x_shape, parameters, statistics
):
    assert (parameters, statistics) == PUBLISHED.get(name, (parameters, statistics))
    params, state = abstract_init(model, x_shape)
    assert (count(params), count(state)) == (parameters, statistics)
    classes = {"vgg16": 1000, "mobilenet_v1": 1000, "vgg without norms or hidden layers": 3}.get(
        name, 10
    )
    for batch, train in (
        (0, False),
        (1, True),
        (3, True),
    ):  # a batch normalisation has no statistics of no images
        x = jax.ShapeDtypeStruct((batch, *x_shape[1:]), jnp.float32)
        logits, new_state = jax.eval_shape(
            partial(model.apply, train=train), params, state, x, key=KEY
        )
        assert logits.shape == (batch, classes)
        assert new_state == state


def test_resnet20_without_its_projections_has_the_parameters_of_option_a():
    """He et al. pad with channels of zeros, which has none: 269,722 is the count known
    for their network."""
    params, _ = abstract_init(resnet20(), (1, 32, 32, 3))
    projections = [
        block["shortcut"]
        for name, block in params.items()
        if "residual" in name and "shortcut" in block
    ]
    assert len(projections) == 2
    assert count(params) - count(projections) == 269_722


@pytest.mark.parametrize("size", [(28, 28), (32, 32), (33, 20), (7, 8)])
def test_branches_of_resnet_meet_centre_on_centre(size):
    assert receptive_field(resnet20(), size).aligned
