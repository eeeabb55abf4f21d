"""A test of the tests: each known way to get a hand-written rule wrong, put into the
shipped operation, must be caught.

The wrong rules are those on record in other projects: = instead of += over
overlapping windows (NNlib#205); pool padding (NNlib#133); the bias gradient over the
wrong axes; the gradient of a tie split or doubled; relu'(0) = 1/2; batch statistics
taken as constants.

`WRONG_RULES` is the table of what catches what: the checks that fail, all of
them and no other, and what the certificate says of the mistake.
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
    batch_normalization,
    max_pooling,
)
from tests.daily import daily
from tests.ops._verdicts import SKIP, SLOPES, THE_LAST_ALONE
from tests.ops.naive_elementwise import twin

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


def overwritten_in_overlaps(window, input_size, kept, dy):
    """= instead of +=: of overlapping windows, the last tap's share alone arrives."""
    _, winners = kept
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


def conv_and_bias(x, b, ops=jaxcnn.EXPLICIT):
    return ops.conv(x, jnp.ones((2, 2, 2, 3)).astype(x.dtype), b)


def overlapping_max(x, ops=jaxcnn.EXPLICIT):
    return ops.max_pool(x, 3, stride=1, padding=1)


def padded_mean(x, ops=jaxcnn.EXPLICIT):
    return ops.avg_pool(x, 3, stride=1, padding=1)


def normalised(x, ops=jaxcnn.EXPLICIT):
    state = jaxcnn.BatchNormState(jnp.zeros(2).astype(x.dtype), jnp.ones(2).astype(x.dtype))
    return ops.batch_norm(x, None, None, state, train=True)[0]


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
        (batch_normalization._batch_norm, None, statistics_as_constants),
        (normalised, (IMAGE,)),
        {*SLOPES, "conservation"},
        "",
    ),
}


@pytest.mark.parametrize("mistake", daily(WRONG_RULES, {"relu'(0) = 1/2"}))
def test_wrong_rule_is_caught(mistake):
    broken, (operation, args), checks, diagnosis = WRONG_RULES[mistake]

    def verdict():
        whole = "integers" in checks
        return certify(operation, twin(operation), args, integers=whole, skip=SKIP)

    with rule(*broken):
        result = verdict()
    assert {failure.name for failure in result.failures} == checks, f"\n{result}"
    assert {f.diagnosis for f in result.failures if f.name in ("integers", "accuracy")} == {
        diagnosis
    }, f"\n{result}"
    assert verdict().passed, "the shipped rule, put back"
