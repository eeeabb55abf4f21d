"""What functions of JAX see, one family of primitives after another: the derived sets
against NaN and against other numbers, at every input position."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxcnn.seen import fields_of, verify

IMAGE = (1, 6, 5, 2)
LINE = (2, 9, 3)
VOLUME = (1, 4, 3, 4, 1)


def numbers(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def conv(x, w, **options):
    space = "DHW"[3 - (x.ndim - 2) :]
    stride = options.pop("stride", (1,) * len(space))
    names = (f"N{space}C", f"{space}IO", f"N{space}C")
    padding = options.pop("padding", "VALID")
    return lax.conv_general_dilated(x, w, stride, padding, dimension_numbers=names, **options)


def pool(x, operation, start, window, stride, padding, **options):
    return lax.reduce_window(x, start, operation, window, stride, padding, **options)


def any_order(x, w):
    """Space in the middle of nowhere: (w, c, n, h)."""
    return lax.conv_general_dilated(
        x, w, (2, 1), ((0, 1), (1, 0)), dimension_numbers=("WCNH", "IHOW", "HNWC")
    )


WINDOWS = {
    "conv": (lambda x: conv(x, numbers((3, 2, 2, 3))), IMAGE),
    "conv same, stride 2": (
        lambda x: conv(x, numbers((3, 3, 2, 3)), padding="SAME", stride=(2, 2)),
        IMAGE,
    ),
    "conv with holes": (
        lambda x: conv(x, numbers((3, 3, 2)), padding=((2, 1),), rhs_dilation=(2,)),
        (1, 9, 3),
    ),
    "conv of negative pads": (
        lambda x: conv(x, numbers((3, 2, 2, 1)), padding=((-1, 2), (1, -2))),
        IMAGE,
    ),
    "conv transposed": (
        lambda x: conv(x, numbers((3, 3, 2)), padding=((2, 1),), lhs_dilation=(3,)),
        LINE,
    ),
    "conv transposed, smaller than its stride": (
        lambda x: conv(x, numbers((2, 2, 2, 1)), padding=((1, 1),) * 2, lhs_dilation=(3, 2)),
        (1, 3, 4, 2),
    ),
    "conv of all at once": (
        lambda x: conv(
            x,
            numbers((3, 3, 2)),
            padding=((3, -1),),
            stride=(2,),
            lhs_dilation=(2,),
            rhs_dilation=(3,),
        ),
        LINE,
    ),
    "conv of a volume": (
        lambda x: conv(x, numbers((2, 1, 3, 1, 2)), padding=((0, 1), (0, 0), (2, 0))),
        VOLUME,
    ),
    "conv in groups": (
        lambda x: conv(x, numbers((3, 2, 4)), feature_group_count=2, padding="SAME"),
        (1, 7, 4),
    ),
    "conv in groups of the batch": (
        lambda x: lax.conv_general_dilated(
            x, numbers((3, 3, 4)), (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC"),
            batch_group_count=2,
        ),
        LINE,
    ),
    "conv by a kernel of the input": (
        lambda x: conv(x, x[0, :3, :, None] * numbers((1, 3, 2)), padding="SAME"),
        (1, 8, 3),
    ),
    "max pool": (
        lambda x: pool(x, lax.max, -jnp.inf, (1, 2, 3, 1), (1, 2, 1, 1), "VALID"),
        IMAGE,
    ),
    "average pool, dilated": (
        lambda x: pool(
            x, lax.add, 0.0, (1, 3, 1), (1, 2, 1), ((0, 0), (1, 1), (0, 0)),
            window_dilation=(1, 2, 1),
        ),
        LINE,
    ),
    "min pool, base dilated": (
        lambda x: pool(
            x, lax.min, jnp.inf, (1, 2, 1), (1, 1, 1), "SAME", base_dilation=(1, 2, 1)
        ),
        LINE,
    ),
    "window of any reduction": (
        lambda x: pool(x, lambda a, b: a * b + a, 1.0, (1, 2, 1), (1, 1, 1), "SAME"),
        LINE,
    ),
    "cumsum": (lambda x: jnp.cumsum(x, axis=1), LINE),
    "cumulative, from the end": (lambda x: lax.cumlogsumexp(x, axis=1, reverse=True), LINE),
    "cummax": (lambda x: lax.cummax(x, axis=2), IMAGE),
}  # fmt: skip

ELEMENTS = {
    "functions of one": (lambda x: jnp.tanh(x) ** 2 + jnp.exp(-jnp.abs(x)), IMAGE),
    "of two": (lambda x: x / (jnp.roll(x, 1, 1) + jax.nn.sigmoid(x)), LINE),
    "clamp": (lambda x: jnp.clip(x, -1e9, 1e9 + x[:, ::-1]), LINE),
    "known choice": (lambda x: jnp.where(np.arange(9)[:, None] % 3 == 0, x, 0.0), LINE),
    "known choice of two": (
        lambda x: jnp.where(np.eye(6, dtype=bool)[:, :5, None], x, x[:, ::-1]),
        IMAGE,
    ),
    "transpose": (lambda x: x.transpose(0, 2, 1, 3), IMAGE),
    "flip": (lambda x: x[:, ::-1, ::-1], IMAGE),
    "slice with steps": (lambda x: x[:, 1::2, :4:3], IMAGE),
    "pad": (lambda x: jnp.pad(x, ((0, 0), (2, 1), (0, 0))), LINE),
    "pad inside and negative": (
        lambda x: lax.pad(x, 0.0, ((0, 0, 0), (-1, 2, 2), (0, 0, 0))),
        LINE,
    ),
    "pad with what is seen": (
        lambda x: lax.pad(x, x[0, 0, 0], ((0, 0, 0), (1, 2, 0), (0, 0, 0))),
        LINE,
    ),
    "mirrored border": (lambda x: jnp.pad(x, ((0, 0), (2, 2), (0, 0)), mode="reflect"), LINE),
    "wrapped border": (lambda x: jnp.pad(x, ((0, 0), (2, 2), (0, 0)), mode="wrap"), LINE),
    "concatenation in space": (lambda x: jnp.concatenate([x, x[:, :3], x[:, ::2]], 1), LINE),
    "concatenation of channels, one taken": (
        lambda x: jnp.concatenate([x, jnp.roll(x, 1, 1)], -1)[..., :4],
        LINE,
    ),
    "stack and split": (
        lambda x: jnp.split(jnp.stack([x, x[:, ::-1]], 2).reshape(2, 18, 3), 3, 1)[1],
        LINE,
    ),
    "space to depth": (
        lambda x: x.reshape(1, 3, 2, 5, 2).transpose(0, 1, 3, 2, 4).reshape(1, 3, 5, 4),
        IMAGE,
    ),
    "depth to space": (
        lambda x: x.reshape(1, 6, 5, 1, 2, 1).swapaxes(2, 3).reshape(1, 6, 10, 1),
        IMAGE,
    ),
    "windows of space": (
        lambda x: x.reshape(1, 2, 3, 5, 2).sum(2, keepdims=True).reshape(1, 2, 5, 2),
        IMAGE,
    ),
    "tile": (lambda x: jnp.tile(x, (1, 2, 1)), LINE),
    "repeat": (lambda x: jnp.repeat(jnp.repeat(x, 2, 1), 3, 2), IMAGE),
    "roll": (lambda x: jnp.roll(x, (2, -1), (1, 2)), IMAGE),
}

SUMS = {
    "mean of space": (lambda x: x - x.mean((1, 2), keepdims=True), IMAGE),
    "sums of rows": (lambda x: x + x.sum(2, keepdims=True), IMAGE),
    "max of all": (lambda x: x.max((1, 2)), IMAGE),
    "softmax of channels": (lambda x: jax.nn.softmax(x), LINE),
    "dense": (lambda x: x @ numbers((3, 4)), LINE),
    "dense of the flattened": (lambda x: x.reshape(2, -1) @ numbers((27, 4)), LINE),
    "einsum over a row": (lambda x: jnp.einsum("nhwc,hwco->nho", x, numbers((6, 5, 2, 3))), IMAGE),
    "gram": (lambda x: jnp.einsum("nic,njc->nij", x, x), (1, 5, 2)),
    "attention": (
        lambda x: jnp.einsum("nij,njc->nic", jax.nn.softmax(jnp.einsum("nic,njc->nij", x, x)), x),
        LINE,
    ),
    "fft of rows": (lambda x: jnp.fft.rfft(x[..., 0]).real[..., None], IMAGE),
    "variance": (lambda x: jnp.var(x, axis=1, keepdims=True) + x, LINE),
}

LOOKUPS = {
    "take": (lambda x: x[:, np.array([4, 4, 0, 7])], LINE),
    "take of pairs": (lambda x: x[:, np.array([0, 1, 5]), np.array([4, 4, 0])], IMAGE),
    "take on two axes": (lambda x: x[:, np.array([0, 5])][:, :, np.array([3, 1])], IMAGE),
    "take or fill": (
        lambda x: jnp.take(x, np.array([1, 20, 3]), axis=1, mode="fill", fill_value=0.0),
        LINE,
    ),
    "nearest": (lambda x: jax.image.resize(x, (1, 9, 3, 2), "nearest"), IMAGE),
    "dynamic slice, known": (lambda x: lax.dynamic_slice(x, (0, 3, 0), (2, 4, 3)), LINE),
    "written over": (lambda x: x.at[:, 2:4].set(1.0), LINE),
    "written over by another part": (
        lambda x: lax.dynamic_update_slice(x, x[:, :2], (0, 5, 0)),
        LINE,
    ),
    "scattered": (lambda x: x.at[:, np.array([1, 4, 6])].set(x[:, :3]), LINE),
    "added to": (lambda x: x.at[:, np.array([1, 4, 6])].add(x[:, :3]), LINE),
}

CONTROL = {
    "jit": (jax.jit(lambda x: jnp.roll(x, 1, 1)), LINE),
    "custom jvp": (lambda x: jax.nn.relu(x) + jax.nn.silu(x[:, ::-1]), LINE),
    "checkpoint": (jax.checkpoint(lambda x: jnp.sin(x) * jnp.roll(x, 2, 1)), LINE),
    "scan of layers": (
        lambda x: lax.scan(
            lambda carry, w: (conv(carry, w, padding="SAME"), None), x, numbers((3, 3, 3, 3))
        )[0],
        LINE,
    ),
    "scan along space": (
        lambda x: lax.scan(lambda h, row: (h + row, h * row), x[:, 0], x.swapaxes(0, 1))[
            1
        ].swapaxes(0, 1),
        LINE,
    ),
    "scan from the end": (
        lambda x: lax.scan(
            lambda h, row: (h + row, h), jnp.zeros((2, 3)), x.swapaxes(0, 1), reverse=True
        )[1].swapaxes(0, 1),
        LINE,
    ),
    "fori loop": (lambda x: lax.fori_loop(0, 3, lambda i, y: y + jnp.roll(y, 1, 1), x), LINE),
    "while, known": (
        lambda x: lax.while_loop(
            lambda s: s[0] < 2, lambda s: (s[0] + 1, s[1] + s[1][:, ::-1]), (0, x)
        )[1],
        LINE,
    ),
    "cond, known": (lambda x: lax.cond(True, lambda y: y, lambda y: y[:, ::-1], x), LINE),
    "vmap": (jax.vmap(lambda row: jnp.convolve(row[:, 0], numbers((3,)), "same")[:, None]), LINE),
}

ALL = {**WINDOWS, **ELEMENTS, **SUMS, **LOOKUPS, **CONTROL}


@pytest.mark.parametrize(("function", "shape"), ALL.values(), ids=ALL)
def test_the_sets_are_those_of_nan(function, shape):
    result = verify(function, jnp.zeros(shape))
    assert result.seen.notes == ()
    assert result.equal, result
    assert result.confirmed > 0
    assert result.tried == result.of == np.prod(shape[1:-1])


def test_space_in_any_order():
    w = numbers((2, 3, 1, 2))
    result = verify(any_order, jnp.zeros((5, 2, 1, 6)), w, axes=(3, 0), output_axes=(0, 2))
    assert result.equal, result
    assert result.seen.output_size == (2, 5)
    turned = fields_of(any_order, jnp.zeros((5, 2, 1, 6)), w, axes=(0, 3), output_axes=(2, 0))
    assert (turned.whole() == result.seen.whole().transpose(1, 0, 3, 2)).all()


ORDERS = {
    "sort": (lambda x: jnp.sort(x, axis=2), IMAGE),
    "top k": (lambda x: lax.top_k(x.transpose(0, 2, 1), 4)[0].transpose(0, 2, 1), LINE),
    "argmax": (lambda x: jnp.argmax(x, axis=1), LINE),
    "comparison": (lambda x: x > jnp.roll(x, 1, 1), LINE),
    "rounded to ints": (lambda x: jnp.roll(x, 1, 1).astype(jnp.int32), LINE),
}


@pytest.mark.parametrize(("function", "shape"), ORDERS.values(), ids=ORDERS)
def test_what_hides_nan_is_inside_the_sets(function, shape):
    result = verify(function, jnp.zeros(shape))
    assert result.seen.notes == ()
    assert result.holds, result
    assert result.confirmed > 0


RESIZES = {
    "linear, up": ("linear", (1, 9, 10, 2)),
    "linear, down": ("linear", (1, 3, 5, 2)),
    "cubic": ("cubic", (1, 8, 3, 2)),
    "lanczos": ("lanczos3", (1, 6, 11, 2)),
}


@pytest.mark.parametrize(("method", "shape"), RESIZES.values(), ids=RESIZES)
def test_resizing_sees_the_weights_that_are_not_zero(method, shape):
    """NaN goes through the zeros too; other numbers do not."""
    result = verify(lambda x: jax.image.resize(x, shape, method), jnp.zeros(IMAGE))
    assert result.seen.exact
    assert result.holds, result
    assert result.equal, result
    assert not result.seen.whole().all()


def test_a_linear_resizing_by_hand():
    seen = fields_of(lambda x: jax.image.resize(x, (1, 8, 1), "linear"), jnp.zeros((1, 4, 1)))
    sets = [np.flatnonzero(seen.sees(j)).tolist() for j in range(8)]
    assert sets == [[0], [0, 1], [0, 1], [1, 2], [1, 2], [2, 3], [2, 3], [3]]


def test_zeros_of_a_kernel_are_holes():
    """A cross; a kernel that is zero everywhere sees all."""
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.float32)[:, :, None, None]
    x = jnp.zeros((1, 5, 6, 1))
    result = verify(lambda x, w: conv(x, w, padding="SAME"), x, jnp.asarray(cross))
    assert result.equal, result
    assert result.seen.sees((2, 2)).sum() == 5
    masked = fields_of(
        lambda x, w: conv(x, w * cross, padding="SAME"), x, jax.ShapeDtypeStruct((3, 3, 1, 1), "f")
    )
    assert (masked.whole() == result.seen.whole()).all()
    assert fields_of(lambda x: conv(x, 0 * cross, padding="SAME"), x).sees((2, 2)).sum() == 9


def test_each_channel_has_the_taps_of_its_own_kernel():
    """Patches are a convolution with a 1 for each channel."""

    def function(x, channel):
        patches = lax.conv_general_dilated_patches(
            x, (3, 3), (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return patches[..., channel : channel + 1]

    x = jnp.zeros((1, 5, 6, 2))
    for channel in (0, 5, 13):
        result = verify(lambda x, channel=channel: function(x, channel), x)
        assert result.equal, result
        assert result.seen.exact
        assert result.seen.sees((2, 2)).sum() == 1


def test_positions_that_depend_on_numbers_see_all_and_say_so():
    functions = {
        "gather": lambda x: x[:, jnp.argmax(x[0, :, 0])[None]],
        "slice": lambda x: lax.dynamic_slice(x, (0, jnp.argmax(x[0, :, 0]), 0), (2, 4, 3)),
        "update": lambda x: lax.dynamic_update_slice(x, x[:, :2], (0, jnp.argmax(x[0, :, 0]), 0)),
        "scatter": lambda x: x.at[:, jnp.argmax(x[0, :, 0])].set(x[:, 0]),
        "while": lambda x: lax.while_loop(
            lambda y: y.sum() > 1e9, lambda y: jnp.roll(y, 1, 1) / 2, x
        ),
    }
    for name, function in functions.items():
        result = verify(function, jnp.zeros(LINE))
        assert not result.seen.exact, name
        assert result.holds, (name, result)


def test_a_primitive_without_a_rule_sees_all_and_is_named():
    def function(x):
        there = jax.ShapeDtypeStruct(x.shape, x.dtype)
        return jax.pure_callback(lambda a: np.asarray(a), there, x)

    seen = fields_of(function, jnp.zeros(LINE))
    assert seen.whole().all()
    assert seen.notes == ("pure_callback has no rule, so that it counts as seeing everything",)


def test_a_branch_that_is_not_known_sees_both_and_what_chooses():
    def function(x):
        return lax.cond(x[0, 8, 0] > 0, lambda y: y, lambda y: jnp.roll(y, 1, 1), x)

    result = verify(function, jnp.zeros(LINE))
    assert result.holds
    assert np.flatnonzero(result.seen.sees(4)).tolist() == [3, 4, 8]


def test_gradients_are_functions_too():
    """The gradient of a pooling that takes the largest, and of a convolution."""

    def loss(x):
        y = conv(x, numbers((3, 3, 2)), padding="SAME")
        return jnp.sum(pool(y, lax.max, -jnp.inf, (1, 3, 1), (1, 2, 1), "VALID") ** 2)

    result = verify(jax.grad(loss), jnp.zeros((1, 9, 3)))
    assert result.holds, result
    assert result.seen.exact
    assert not result.seen.whole().all()
