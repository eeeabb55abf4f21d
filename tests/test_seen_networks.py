"""What networks see: of this library, Flax, Equinox and Haiku, and U-Nets, transformers
and mixtures of them in plain JAX."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxcnn
from jaxcnn import layers, models
from jaxcnn.seen import fields_of, verify

pytestmark = pytest.mark.usefixtures("standard_promotion")


def weights(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def conv(x, w, stride=1, dilation=1):
    return lax.conv_general_dilated(
        x,
        w,
        (stride, stride),
        "SAME",
        rhs_dilation=(dilation, dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def pool(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def up(x, w):
    return lax.conv_transpose(x, w, (2, 2), "VALID")


def u_net(x):
    skip = jax.nn.relu(conv(x, weights(3, 3, 1, 2)))
    deep = jax.nn.relu(conv(pool(skip), weights(3, 3, 2, 3)))
    return conv(jnp.concatenate([skip, up(deep, weights(2, 2, 3, 2))], -1), weights(1, 1, 4, 1))


def test_a_u_net():
    result = verify(u_net, jnp.zeros((1, 16, 16, 1)), most=40)
    assert result.equal, result
    seen = result.seen
    assert seen.exact
    assert seen.aligned
    assert seen.size == (None, None)  # outputs of even and odd rows see other parts
    assert seen.interval((7, 8)) == ((3, 10), (5, 12))


def test_a_shift_of_the_upsampled_branch_is_not_aligned():
    def shifted(x):
        deep = up(pool(x), weights(2, 2, 1, 1))
        return x + jnp.roll(deep, 1, 1)

    assert fields_of(
        lambda x: x + up(pool(x), weights(2, 2, 1, 1)), jnp.zeros((1, 16, 16, 1))
    ).aligned
    assert not fields_of(shifted, jnp.zeros((1, 16, 16, 1))).aligned


def attention(x):
    t = x.reshape(x.shape[0], -1, x.shape[-1])
    q, k, v = (t @ weights(x.shape[-1], 4, seed=seed) for seed in range(3))
    scores = jax.nn.softmax(jnp.einsum("nqc,nkc->nqk", q, k) / 2)
    return jnp.einsum("nqk,nkc->nqc", scores, v).reshape(*x.shape[:-1], 4)


def test_attention_sees_all():
    seen = fields_of(
        lambda x: attention(conv(x, weights(2, 2, 3, 4), 2)), jnp.zeros((1, 32, 32, 3))
    )
    assert seen.exact
    assert seen.output_size == (16, 16)
    assert seen.sees((3, 7)).all()
    assert seen.size == (None, None)


def test_attention_in_windows_sees_its_window():
    def function(x):
        n, h, w, c = x.shape
        x = x.reshape(n, h // 4, 4, w // 4, 4, c).transpose(0, 1, 3, 2, 4, 5)
        x = attention(x.reshape(-1, 4, 4, c))
        x = x.reshape(n, h // 4, w // 4, 4, 4, 4).transpose(0, 1, 3, 2, 4, 5)
        return x.reshape(n, h, w, 4)

    def shifted(x):
        return function(jnp.roll(function(x), (-2, -2), (1, 2)))

    result = verify(function, jnp.zeros((1, 8, 8, 2)))
    assert result.equal, result
    seen = fields_of(function, jax.ShapeDtypeStruct((1, 96, 96, 3), jnp.float32))
    assert seen.exact
    assert seen.interval((9, 94)) == ((8, 11), (92, 95))
    assert seen.sees((9, 94)).sum() == 16
    result = verify(shifted, jnp.zeros((1, 12, 12, 2)), most=30)
    assert result.equal, result


def test_patches_as_tokens():
    def function(x):
        x = conv(x, weights(4, 4, 3, 6), 4)
        return x.reshape(x.shape[0], -1, 6) @ weights(6, 5)

    seen = fields_of(function, jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32))
    assert seen.exact
    assert seen.output_size == (56 * 56,)
    assert seen.interval(57) == ((4, 7), (4, 7))
    assert seen.reached_by((5, 6)).nonzero()[0].tolist() == [57]
    assert (seen.size, seen.along(0).shape) == ((None, None), (3136, 224))


def test_an_atrous_pyramid_has_holes():
    def pyramid(x):
        return sum(conv(x, weights(3, 3, 1, 1), dilation=d) for d in (2, 4))

    result = verify(pyramid, jnp.zeros((1, 13, 13, 1)), most=60)
    assert result.equal, result
    seen = result.seen
    assert (seen.size, seen.stride, seen.padding, seen.aligned) == ((9, 9), (1, 1), (4, 4), True)
    assert np.argwhere(seen.sees((6, 6))).tolist() == sorted(
        [6 + d * a, 6 + d * b] for d in (2, 4) for a in (-1, 0, 1) for b in (-1, 0, 1)
        if d == 2 or (a, b) != (0, 0)
    )  # fmt: skip


def test_a_cross_is_no_rectangle():
    def function(x):
        for seed in range(3):
            x = conv(x, weights(1, 3, 1, 1, seed=seed)) + conv(x, weights(3, 1, 1, 1, seed=seed))
        return x

    result = verify(function, jnp.zeros((1, 9, 9, 1)))
    assert result.equal, result
    far = np.abs(np.indices((9, 9)) - 4).sum(axis=0)
    assert (result.seen.sees((4, 4)) == (far <= 3)).all()


def test_masked_convolutions_see_what_came_before():
    """As in PixelCNN: the rows above, and what stands on the left."""
    mask = np.ones((3, 3, 1, 1), np.float32)
    mask[1, 2:] = mask[2] = 0

    def function(x, ws):
        for w in ws:
            x = jax.nn.relu(conv(x, w * mask)) + x
        return x

    result = verify(function, jnp.zeros((1, 7, 7, 1)), weights(3, 3, 3, 1, 1))
    assert result.holds, result
    seen = result.seen.sees((4, 4))
    assert not seen[5:].any()
    assert seen[4].tolist() == [False, True, True, True, True, False, False]
    assert seen[3].tolist() == [False, True, True, True, True, True, False]


def of_layer(model, shape, path, ops=jaxcnn.EXPLICIT):
    """What a layer inside a model sees, with parameters of which the shapes are
    known."""
    params, state = jax.eval_shape(lambda key: model.init(key, shape), jax.random.key(0))

    def function(x, params, state):
        return layers.outputs(model, params, state, x, ops=ops)[path]

    return fields_of(function, jax.ShapeDtypeStruct(shape, jnp.float32), params, state)


@pytest.mark.parametrize("ops", [jaxcnn.EXPLICIT, jaxcnn.AUTODIFF], ids=["explicit", "autodiff"])
def test_layers_of_this_library(ops):
    """The numbers of the layers' own windows, from either of the two programs."""
    model = layers.serial(
        layers.conv(4, 3, stride=2),
        layers.residual(layers.serial(layers.conv(4, 3, dilation=2), layers.gelu())),
        layers.batch_norm(),
        layers.max_pool(3, stride=2, padding=1),
        layers.avg_pool(2, stride=1),
        layers.conv(4, 3, groups=2),
    )
    shape = (1, 33, 29, 2)
    for path, expected in jaxcnn.receptive_fields(model, shape[1:-1]).items():
        seen = of_layer(model, shape, path, ops)
        assert seen.exact, path
        assert seen.output_size == expected.output_size
        assert seen.aligned == expected.aligned
        for j in np.ndindex(seen.output_size):
            assert seen.interval(j) == expected.clipped(j), path


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("vgg", 32),
        ("resnet20", 64),
        pytest.param("vgg16", 224, marks=pytest.mark.slow),
        pytest.param("mobilenet", 160, marks=pytest.mark.slow),
    ],
)
def test_models_have_the_numbers_of_their_windows(name, size):
    """Those of the deepest layer of which some outputs see no padding."""
    model, image = models.MODELS[name](), (1, size, size, 3)
    path, expected = [
        (path, field)
        for path, field in jaxcnn.receptive_fields(model, image[1:3]).items()
        if max(field.size) + 3 * max(field.stride) < size and "shortcut" not in path
    ][-1]
    seen = of_layer(model, image, path)
    assert seen.exact
    assert seen.output_size == expected.output_size
    assert (seen.size, seen.stride) == (expected.size, expected.stride)
    assert seen.padding == expected.padding
    assert seen.aligned == expected.aligned


def test_one_and_three_axes_of_this_library():
    for axes in (1, 3):
        model = layers.serial(layers.conv(2, 3, dilation=2), layers.max_pool(2))
        shape = (1, *(11, 12, 9)[:axes], 2)
        seen = of_layer(model, shape, "1_max_pool")
        expected = jaxcnn.receptive_field(model, shape[1:-1])
        assert seen.exact
        assert (seen.size, seen.stride) == (expected.size, expected.stride)
        assert seen.padding == expected.padding


def test_a_resized_branch():
    def function(x):
        return x + jax.image.resize(pool(x), x.shape, "bilinear")

    result = verify(function, jnp.zeros((1, 16, 16, 3)), most=12)
    assert result.equal, result
    seen = result.seen
    assert seen.aligned
    assert not seen.whole().all()
