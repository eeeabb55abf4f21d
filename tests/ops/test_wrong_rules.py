"""A test of the tests: each known way to get a hand-written rule wrong, put into the
shipped operation, must be caught.

The wrong rules are those on record in other projects: a forgotten flip; groups mixed
(pytorch#51430); a lost stride remainder (FlagGems#1576); = instead of += over the batch
or over overlapping windows (NNlib#205); pool padding (NNlib#133); height and width
exchanged (np-conv2d#2); asymmetric SAME taken as symmetric (opacus#451); the bias
gradient over the wrong axes; a mean for a sum; the gradient of a tie split or doubled;
relu'(0) = 1/2; batch statistics taken as constants.

`WRONG_CONVOLUTIONS` and `WRONG_RULES` are the table of what catches what: the checks
that fail, all of them and no other, and what the certificate says of the mistake.
"""

from contextlib import contextmanager

import jax
import jax.numpy as jnp
import pytest

import jaxcnn
from jaxcnn.check import certify
from jaxcnn.ops import (
    _bias,
    _pool_windows,
    _windows,
    activation,
    average_pooling,
    max_pooling,
    norm,
)
from jaxcnn.ops.convolution.methods import AUTO

# Convolutions: `method._replace(...)` of the method that users get.


def forgotten_flip(dy, w, spec, x_shape):
    return AUTO.input_grad(dy, jnp.flip(w, axis=tuple(range(w.ndim - 2))), spec, x_shape)


def channels_of_groups_mixed(dy, w, spec, x_shape):
    dx = AUTO.input_grad(dy, w, spec, x_shape)
    return jnp.swapaxes(dx.reshape(*dx.shape[:-1], spec.groups, -1), -1, -2).reshape(dx.shape)


def lost_remainder_of_the_input(dy, w, spec, x_shape):
    tails = spec.window.remainder(x_shape[1:-1])
    touched = (x_shape[0], *(n - r for n, r in zip(x_shape[1:-1], tails, strict=True)), x_shape[-1])
    return jnp.pad(
        AUTO.input_grad(dy, w, spec, touched), [(0, 0), *((r, 0) for r in tails), (0, 0)]
    )


def lost_remainder_of_the_kernel(x, dy, spec, w_shape):
    tails = spec.window.remainder(x.shape[1:-1])
    shifted = jnp.roll(x, [-r for r in tails], axis=tuple(range(1, x.ndim - 1)))
    return AUTO.kernel_grad(shifted, dy, spec, w_shape)


def last_image_only(x, dy, spec, w_shape):
    return AUTO.kernel_grad(x[-1:], dy[-1:], spec, w_shape)


def height_and_width_exchanged(x, dy, spec, w_shape):
    return jnp.swapaxes(AUTO.kernel_grad(x, dy, spec, w_shape), 0, 1)


def mean_over_the_batch(x, dy, spec, w_shape):
    return AUTO.kernel_grad(x, dy, spec, w_shape) / x.shape[0]


def pads_exchanged(dy, w, spec, x_shape):
    """Asymmetric SAME, the odd zero at the wrong end."""
    pads = tuple((hi, lo) for lo, hi in spec.window.pads)
    return AUTO.input_grad(dy, w, spec._replace(window=spec.window._replace(pads=pads)), x_shape)


IMAGES, KERNEL = (2, 6, 6, 4), (3, 3, 4, 4)

SLOPES = {"accuracy", "adjoint", "differences", "second order"}
BILINEAR = {*SLOPES, "integers", "linearity"}
"""The checks that catch every wrong convolution."""

AS_FOR_THE_FLIPPED = "fits what is expected for w, flipped along axes 0 and 1"
THE_LAST_ALONE = "of which only the last entry of axis 0 counts (= instead of +=?)"

WRONG_CONVOLUTIONS = {
    "forgotten flip": ({"input_grad": forgotten_flip}, KERNEL, {}, "x", AS_FOR_THE_FLIPPED),
    "forgotten flip, depthwise": (
        {"input_grad": forgotten_flip},
        (3, 3, 1, 4),
        {"groups": 4},
        "x",
        AS_FOR_THE_FLIPPED,
    ),
    "groups mixed": (
        {"input_grad": channels_of_groups_mixed},
        (3, 3, 2, 4),
        {"groups": 2},
        "x",
        "fits what is expected, with the 2 groups of axis 3 mixed",
    ),
    "lost remainder, input": (
        {"input_grad": lost_remainder_of_the_input},
        KERNEL,
        {"stride": 2},
        "x",
        "fits what is expected, moved by 1 along axes 1 and 2",
    ),
    "lost remainder, kernel": (
        {"kernel_grad": lost_remainder_of_the_kernel},
        KERNEL,
        {"stride": 2},
        "w",
        "",
    ),
    "= over the batch": (
        {"kernel_grad": last_image_only},
        KERNEL,
        {},
        "w",
        f"fits what is expected for x {THE_LAST_ALONE}",
    ),
    "height and width exchanged": (
        {"kernel_grad": height_and_width_exchanged},
        KERNEL,
        {},
        "w",
        "fits what is expected, with axes 0 and 1 exchanged",
    ),
    "mean instead of sum": (
        {"kernel_grad": mean_over_the_batch},
        KERNEL,
        {},
        "w",
        "fits what is expected times 0.5",
    ),
    "asymmetric SAME exchanged": (
        {"input_grad": pads_exchanged},
        KERNEL,
        {"stride": 2, "padding": "same"},
        "x",
        "fits what is expected, moved by -1 along axes 1 and 2",
    ),
}

SKIP = ("jit", "vmap", "scan")  # a wrong formula is wrong in the same way there


def certify_conv(method, kernel, options):
    return certify(
        lambda x, w: jaxcnn.conv(x, w, method=method, **options),
        lambda x, w: jaxcnn.conv(x, w, autodiff=True, **options),
        [jax.ShapeDtypeStruct(IMAGES, "float32"), jax.ShapeDtypeStruct(kernel, "float32")],
        linear_in=(0, 1),
        names=("x", "w"),
        skip=SKIP,
    )


@pytest.mark.parametrize("mistake", WRONG_CONVOLUTIONS)
def test_wrong_convolution_is_caught(mistake):
    """By every check that can, blamed on the right argument, and called by its name."""
    wrong, kernel, options, argument, diagnosis = WRONG_CONVOLUTIONS[mistake]
    result = certify_conv(AUTO._replace(**wrong), kernel, options)
    assert {check.name for check in result.failures} == BILINEAR, f"\n{result}"
    told = [
        check for check in result.failures if check.name in ("integers", "accuracy", "linearity")
    ]
    assert {check.of for check in told} == {argument}, f"\n{result}"
    assert {check.diagnosis for check in told if check.name != "linearity"} == {diagnosis}, (
        f"\n{result}"
    )


# Other operations: the backward rule of the shipped core is exchanged, and put back.


@contextmanager
def rule(core, fwd, bwd):
    shipped = core.fwd, core.bwd
    core.defvjp(fwd or core.fwd, bwd)
    try:
        yield
    finally:
        core.defvjp(*shipped)


def keep_x(x):
    return activation._relu(x), x


def keep_x_and_y(x, window, input_size):
    y = max_pooling._max_pool(x, window, input_size)
    return y, (x, y)


def bias_over_channels(b, dy):
    return dy, jnp.broadcast_to(jnp.sum(dy), b.shape)


def bias_mean(b, dy):
    return dy, jnp.mean(dy, axis=tuple(range(dy.ndim - 1)))


def bias_without_the_batch(b, dy):
    return dy, jnp.sum(dy[-1], axis=tuple(range(dy.ndim - 2)))


def half_at_zero(x, dy):
    """What jnp.maximum(x, 0) has."""
    return (jnp.where(x < 0, 0, jnp.where(x == 0, dy / 2, dy)),)


def overwritten_in_overlaps(window, input_size, winners, dy):
    """= instead of +=: of overlapping windows, the last tap's share alone arrives."""
    for axis, winner in enumerate(reversed(winners)):
        size = _pool_windows.pooled_behind(axis, window, input_size)
        dx = jnp.zeros((dy.shape[0], *size, dy.shape[-1]), dy.dtype)
        for t in range(window.size[axis]):
            alone = [jnp.where((winner == t) & (u == t), dy, 0) for u in range(window.size[axis])]
            share = _windows.fold(alone, window.along(axis), size)
            dx = jnp.where(share != 0, share, dx)
        dy = dx
    return (dy,)


def tie_to_all(window, input_size, residuals, dy):
    x, y = residuals
    hit = [jnp.where(x_t == y, dy, 0) for x_t in _windows.unfold(x, window, fill=-jnp.inf)]
    return (_windows.fold(hit, window, x.shape[1:-1]),)


def tie_split(window, input_size, residuals, dy):
    x, y = residuals
    hits = [(x_t == y).astype(dy.dtype) for x_t in _windows.unfold(x, window, fill=-jnp.inf)]
    return (_windows.fold([dy * hit / sum(hits) for hit in hits], window, x.shape[1:-1]),)


def pool_padding_forgotten(window, input_size, counted, _, dy):
    moved = window._replace(pads=((0, 0),) * len(window.size))
    share = dy / _pool_windows.tap_counts(window, input_size, counted, dy.dtype)
    return (_windows.fold([share for _ in _windows.taps(window)], moved, input_size),)


def statistics_as_constants(axes, epsilon, residuals, cotangents):
    _, inv_std, _, _ = residuals
    return cotangents[0] * inv_std, None, None


def conv_and_bias(x, b, autodiff=False):
    return jaxcnn.conv(x, jnp.ones((2, 2, 2, 3)).astype(x.dtype), b, autodiff=autodiff)


def overlapping_max(x, autodiff=False):
    return jaxcnn.max_pool(x, 3, stride=1, padding=1, autodiff=autodiff)


def padded_mean(x, autodiff=False):
    return jaxcnn.avg_pool(x, 3, stride=1, padding=1, autodiff=autodiff)


def normalised(x, autodiff=False):
    state = jaxcnn.BatchNormState(jnp.zeros(2).astype(x.dtype), jnp.ones(2).astype(x.dtype))
    return jaxcnn.batch_norm(x, None, None, state, train=True, autodiff=autodiff)[0]


IMAGE = jax.ShapeDtypeStruct((2, 4, 4, 2), "float32")
BIAS = jax.ShapeDtypeStruct((3,), "float32")

WRONG_RULES = {
    "bias over channels": (
        (_bias._add_bias, None, bias_over_channels),
        (conv_and_bias, (IMAGE, BIAS)),
        {*SLOPES, "conservation"},
        "fits what is expected, summed over axis 0 too",
    ),
    "bias mean": (
        (_bias._add_bias, None, bias_mean),
        (conv_and_bias, (IMAGE, BIAS)),
        {*SLOPES, "conservation"},
        "fits what is expected times 0.0555556",
    ),
    "bias of one image": (
        (_bias._add_bias, None, bias_without_the_batch),
        (conv_and_bias, (IMAGE, BIAS)),
        {*SLOPES, "conservation"},
        f"fits what is expected for dy {THE_LAST_ALONE}",
    ),
    "relu'(0) = 1/2": (
        (activation._relu, keep_x, half_at_zero),
        (jaxcnn.relu, (IMAGE,)),
        {"integers"},
        "",
    ),
    "= over windows": (
        (max_pooling._max_pool, None, overwritten_in_overlaps),
        (overlapping_max, (IMAGE,)),
        {*SLOPES, "integers", "conservation"},
        "",
    ),
    "tie to all": (
        (max_pooling._max_pool, keep_x_and_y, tie_to_all),
        (overlapping_max, (IMAGE,)),
        {"integers", "conservation"},
        "",
    ),
    "tie split": (
        (max_pooling._max_pool, keep_x_and_y, tie_split),
        (overlapping_max, (IMAGE,)),
        {"integers"},
        "",
    ),
    "pool padding": (
        (average_pooling._avg_pool, None, pool_padding_forgotten),
        (padded_mean, (IMAGE,)),
        SLOPES,
        "fits what is expected, moved by 1 along axes 1 and 2",
    ),
    "statistics as constants": (
        (norm._batch_norm, None, statistics_as_constants),
        (normalised, (IMAGE,)),
        {*SLOPES, "conservation"},
        "",
    ),
}


@pytest.mark.parametrize("mistake", WRONG_RULES)
def test_wrong_rule_is_caught(mistake):
    broken, (operation, args), checks, diagnosis = WRONG_RULES[mistake]

    def verdict():
        whole = "integers" in checks
        return certify(
            operation, lambda *a: operation(*a, autodiff=True), args, integers=whole, skip=SKIP
        )

    with rule(*broken):
        result = verdict()
    assert {failure.name for failure in result.failures} == checks, f"\n{result}"
    assert {f.diagnosis for f in result.failures if f.name in ("integers", "accuracy")} == {
        diagnosis
    }, f"\n{result}"
    assert verdict().passed, "the shipped rule, put back"
