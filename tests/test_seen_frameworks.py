"""What networks of Flax, Equinox and Haiku see, against NaN."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

import jaxcnn
from jaxcnn.seen import verify

pytestmark = pytest.mark.usefixtures("standard_promotion")


def check(function, shape=(1, 16, 16, 3), most=12):
    result = verify(function, jnp.zeros(shape), most=most)
    assert result.equal, result
    assert result.seen.exact
    return result.seen


@pytest.mark.slow
def test_flax_linen():
    linen = pytest.importorskip("flax.linen")

    class Network(linen.Module):
        @linen.compact
        def __call__(self, x):
            x = linen.relu(linen.BatchNorm(use_running_average=True)(linen.Conv(4, (3, 3))(x)))
            y = linen.Conv(4, (3, 3), strides=2, kernel_dilation=1)(x)
            y = linen.ConvTranspose(4, (2, 2), strides=(2, 2))(linen.gelu(y))
            return linen.Conv(2, (1, 1))(jnp.concatenate([x, y], -1))

    network = Network()
    variables = network.init(jax.random.key(0), jnp.zeros((1, 16, 16, 3)))
    seen = check(lambda x: network.apply(variables, x))
    assert seen.interval((8, 8)) == ((7, 11), (7, 11))


def test_flax_linen_attention_and_scan_over_layers():
    linen = pytest.importorskip("flax.linen")

    class Block(linen.Module):
        @linen.compact
        def __call__(self, x, _):
            return x + linen.Conv(3, (3,))(linen.LayerNorm()(x)), None

    class Network(linen.Module):
        @linen.compact
        def __call__(self, x):
            scanned = linen.scan(
                Block, variable_axes={"params": 0}, split_rngs={"params": True}, length=3
            )
            return scanned()(x, None)[0]

    network = Network()
    x = jnp.zeros((1, 12, 3))
    variables = network.init(jax.random.key(0), x)
    seen = check(lambda x: network.apply(variables, x), (1, 12, 3))
    assert (seen.size, seen.stride, seen.padding) == ((7,), (1,), (3,))
    attention = linen.MultiHeadDotProductAttention(num_heads=1)
    variables = attention.init(jax.random.key(0), x, x)
    assert check(lambda x: attention.apply(variables, x, x), (1, 12, 3)).whole().all()


@pytest.mark.slow
def test_flax_nnx():
    nnx = pytest.importorskip("flax.nnx")
    rngs = nnx.Rngs(0)
    first = nnx.Conv(3, 4, (3, 3), strides=2, rngs=rngs)
    norm = nnx.GroupNorm(4, num_groups=2, rngs=rngs)
    second = nnx.Conv(4, 2, (3, 3), rngs=rngs, conv_general_dilated=jaxcnn.conv_general_dilated)
    seen = check(lambda x: second(nnx.relu(nnx.max_pool(first(x), (2, 2)))))
    assert (seen.size, seen.stride, seen.padding) == ((9, 9), (2, 2), (2, 2))
    assert check(lambda x: norm(first(x))).whole().all()


def test_equinox():
    equinox = pytest.importorskip("equinox")
    keys = jax.random.split(jax.random.key(0), 3)
    network = equinox.nn.Sequential(
        [
            equinox.nn.Conv2d(3, 4, 3, padding=1, key=keys[0]),
            equinox.nn.Lambda(jax.nn.relu),
            equinox.nn.MaxPool2d(2, 2),
            equinox.nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1, key=keys[1]),
        ]
    )
    result = verify(network, jnp.zeros((3, 12, 12)), axes=(1, 2), most=12)
    assert result.equal, result
    assert result.seen.exact


def test_haiku():
    haiku = pytest.importorskip("haiku")

    def forward(x):
        x = jax.nn.relu(haiku.Conv2D(4, 3, rate=2)(x))
        x = haiku.Conv2D(4, 3, stride=2)(x) + haiku.AvgPool((1, 2, 2, 1), (1, 2, 2, 1), "SAME")(x)
        return haiku.Conv2DTranspose(2, 4, stride=2)(x)

    network = haiku.without_apply_rng(haiku.transform(forward))
    params = network.init(jax.random.key(0), jnp.zeros((1, 16, 16, 3)))
    seen = check(lambda x: network.apply(params, x))
    assert seen.output_size == (16, 16)
