"""The sums of a depthwise kernel gradient, over images and space, tap by tap.

XLA's CPU backend does not vectorise a sum over the leading axes. So a loop adds up
blocks of a few rows of an image elementwise, two blocks per step, in sums that are
small enough for the cache. Space is summed once, at the end. The q images of a block
are n / q apart, so that each device adds up its own if the batch is split over devices.
The sum is plain if the type says that the batch is sharded, or if one block has
everything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Num

from jaxcnn.ops._sharding import sharding_of, varying_like
from jaxcnn.ops._tap_loops import in_phases, tap_slice, tap_starts
from jaxcnn.ops._windows import taps, unfold
from jaxcnn.ops.convolution.methods import lax as lax_method
from jaxcnn.ops.convolution.methods.method import interleaved
from jaxcnn.sizes import is_known
from jaxcnn.window import Window, dilated

UNROLLED_SUMS = 25
"""Up to this many taps, a step of `kernel_grad`'s loop takes two blocks. This takes 15
to 25 % less time, and twice as long to compile."""

SUMS_BYTES = 2**20
"""Most bytes of the running sums of `kernel_grad`, which are read and written for every
image and have to stay in the cache."""

MOST_IMAGES = 8
"""The largest number of images that `kernel_grad` adds up at once, and so the largest
number of devices that it can be split over."""


def sums_of_taps(
    x: Num[Array, "n *i c"], dy: Num[Array, "n *j cm"], window: Window
) -> Num[Array, "t cm"]:
    """All taps at once."""
    sharding = sharding_of(dy)
    q, rows = block_size(window, dy.shape)
    if (sharding is not None and sharding.spec[0] is not None) or (q, rows) == dy.shape[:2]:
        sums = _products(x, dy, window)
    else:
        sums = _sums_of_blocks(x, dy, window, q, rows)
    return jnp.stack([jnp.sum(total.reshape(-1, dy.shape[-1]), axis=0) for total in sums])


def sums_tap_by_tap(
    x: Num[Array, "n *i c"], dy: Num[Array, "n *j cm"], window: Window
) -> Num[Array, "t cm"]:
    """One tap after another, so that the program does not grow with the taps."""
    phases, outputs = in_phases(x, window), dy.shape[-1]

    def of_tap(start):
        products = repeat(tap_slice(phases, start, dy.shape[1:-1]), outputs) * dy
        return jnp.sum(products.reshape(-1, outputs), axis=0)

    return lax.map(of_tap, tap_starts(window))


def _products(
    x: Num[Array, "n *i c"], dy: Num[Array, "n *j cm"], window: Window
) -> list[Num[Array, "n *j cm"]]:
    """For each tap, the terms of its gradient."""
    return [repeat(x_t, dy.shape[-1]) * dy for x_t in unfold(x, window)]


def _sums_of_blocks(
    x: Num[Array, "n *i c"], dy: Num[Array, "n *j cm"], window: Window, q: int, rows: int
) -> list[Num[Array, "q r *k cm"]]:
    """For each tap, the sum over all blocks of `rows` rows of q images."""
    outputs = dy.shape[-1]
    if (
        sharding_of(dy) is None
        and window.stride[-1] == window.base_dilation[-1] == 1
        and x.shape[-1] == outputs
    ):  # one long row of channels, since short inner loops are slow
        x, dy = (a.reshape(*a.shape[:-2], -1, 1) for a in (x, dy))
        window = interleaved(window, outputs)
        rows = rows * outputs if len(window.size) == 1 else rows  # of all channels
    x, window = _pad(x, window)
    n, height, *others = dy.shape
    blocks = height // rows
    x, dy = (a.reshape(q, n // q, *a.shape[1:]) for a in (x, dy))
    stride, span = (
        window.stride[0],
        window.stride[0] * (rows - 1) + dilated(window.size[0], window.dilation[0]),
    )

    def add_block(sums, index):
        image, block = index // blocks, index % blocks
        x_block = _block(x, image, block * rows * stride, span)
        dy_block = _block(dy, image, block * rows, rows)
        return [
            total + product
            for total, product in zip(sums, _products(x_block, dy_block, window), strict=True)
        ], None

    zeros = varying_like(jnp.zeros((q, rows, *others), dy.dtype), dy)
    steps = n // q * blocks
    unroll = (
        2 if steps > 2 and math.prod(window.size) <= UNROLLED_SUMS else 1
    )  # two unrolled steps are no loop, so the sum is plain
    return lax.scan(add_block, [zeros for _ in taps(window)], jnp.arange(steps), unroll=unroll)[0]


def _pad(x: Array, window: Window) -> tuple[Array, Window]:
    """The image under the window, padded, cropped and base-dilated, and the window
    without its pads and base dilation."""
    slices, window = window.crop(x.shape[1:-1])
    axes = range(len(slices))
    return lax_method.pad_explicitly(x[(slice(None), *slices)], window, range(1, x.ndim - 1), axes)


def block_size(window: Window, dy_shape: Sequence[int]) -> tuple[int, int]:
    """The numbers of images and of rows of each in a block: 4 rows of up to
    `MOST_IMAGES`, or more, as long as the sums, one per tap, take at most `SUMS_BYTES`.
    """
    n, height, *others = dy_shape
    if not is_known(n, height):
        return n, height
    row = 4 * math.prod(window.size) * math.prod(others)
    images = _largest_divisor(n, min(MOST_IMAGES, SUMS_BYTES // (min(4, height) * row)))
    return images, _largest_divisor(height, SUMS_BYTES // (images * row))


def _largest_divisor(n: int, limit: int) -> int:
    return next((d for d in range(min(n, limit), 1, -1) if n % d == 0), 1)


def _block(
    a: Num[Array, "q m i *s"], image: Array, first: Array, rows: int
) -> Num[Array, "q r *s"]:
    """Rows of q images."""
    return lax.dynamic_slice_in_dim(
        lax.dynamic_index_in_dim(a, image, 1, keepdims=False), first, rows, 1
    )


def repeat(x: Array, outputs: int) -> Array:
    """x for each of its outputs: c -> (c m)"""
    return x if x.shape[-1] == outputs else jnp.repeat(x, outputs // x.shape[-1], axis=-1)
