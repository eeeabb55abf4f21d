"""Maps of a convolution on blocks of the batch, one after the other in a loop, each small enough for the cache.

Forward and input gradient treat each image by itself; the kernel gradient is the sum of those of the blocks, b q to b q + q - 1:

    dw[t, c, o] = sum_b dw_b[t, c, o]

What XLA's CPU backend lays out for a map (patches; for a kernel gradient a transposed x) it reads several times. Of a large batch
that means from memory, each time: blocks of a few megabytes take 0.25 to 0.9 of the time. Shorter sums are more accurate, too.
Where several devices share the batch they would wait for one another at each block: there is no loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Num

from jaxcnn.ops._common import at_least_float32, devices_of, varying_like
from jaxcnn.ops.conv_methods.method import ConvSpec, operand_dtype

Map = Callable[..., Array]

BLOCK_BYTES = 2**21
"""What x and dy of a block may take in a kernel gradient."""


def images_in_a_block(n: int, image_bytes: int, most_bytes: int, least: int = 1) -> int:
    """q, a divisor of n that is not below `least`: the largest with at most `most_bytes`, or else the smallest.

    >>> images_in_a_block(64, 2**18, 2**21), images_in_a_block(64, 2**21, 2**21, 2), images_in_a_block(7, 2**21, 2**21, 2)
    (8, 2, 7)
    """
    divisors = [q for q in range(least, n + 1) if n % q == 0] or [n]
    return max((q for q in divisors if q * image_bytes <= most_bytes), default=divisors[0])


def mapped_over_blocks(images: Callable[..., int]) -> Callable[[Map], Map]:
    """Makes of a forward (x, w, spec) -> y or an input gradient (dy, w, spec, x_shape) -> dx one that treats q images at a time.

    `images` gives q for the map's own arguments.
    """

    def decorate(image_map: Map) -> Map:
        @wraps(image_map)
        def mapped(
            a: Num[Array, "n *i _"], w: Num[Array, "*t c go"], spec: ConvSpec, x_shape: Sequence[int] | None = None
        ) -> Num[Array, "n *j _"]:
            static = (spec,) if x_shape is None else (spec, x_shape)
            n, q = len(a), images(a, w, *static)
            if q == n or devices_of(a, w) > 1:
                return image_map(a, w, *static)
            blocks = lax.map(lambda block: image_map(block, w, *static), a.reshape(n // q, q, *a.shape[1:]))
            return blocks.reshape(n, *blocks.shape[2:])

        return mapped

    return decorate


def summed_over_blocks(images: Callable[..., int]) -> Callable[[Map], Map]:
    """Makes of a kernel gradient (x, dy, spec, w_shape) -> dw one that sums those of q images each; q as above."""

    def decorate(kernel_grad: Map) -> Map:
        @wraps(kernel_grad)
        def summed(
            x: Num[Array, "n *i gc"], dy: Num[Array, "n *j go"], spec: ConvSpec, w_shape: Sequence[int]
        ) -> Num[Array, "*t c go"]:
            n, q = len(x), images(x, dy, spec, w_shape)
            if q == n or devices_of(x, dy) > 1:
                return kernel_grad(x, dy, spec, w_shape)
            dtype = spec.accumulation_dtype or operand_dtype(x, dy, spec)
            total = varying_like(at_least_float32(jnp.zeros(w_shape, dtype)), x, dy)
            widened = spec._replace(accumulation_dtype=total.dtype)

            def add_block(total, block):
                return total + kernel_grad(*block, widened, w_shape), None

            blocks = tuple(a.reshape(n // q, q, *a.shape[1:]) for a in (x, dy))
            return lax.scan(add_block, total, blocks)[0].astype(dtype)

        return summed

    return decorate


def images_of_a_convolution(x: Array, dy: Array, spec: ConvSpec, w_shape: Sequence[int]) -> int:
    """For a kernel gradient by convolution: up to two blocks are not cut, which gains nothing.

    A block has at least 2 images, and 16 where there are at most 16 outputs: below that XLA takes a slower convolution.
    """
    n, image_bytes = len(x), 4 * (math.prod(x.shape[1:]) + math.prod(dy.shape[1:]))
    if n * image_bytes <= 2 * BLOCK_BYTES:
        return n
    return images_in_a_block(n, image_bytes, BLOCK_BYTES, 16 if w_shape[-1] <= 16 * spec.groups else 2)
