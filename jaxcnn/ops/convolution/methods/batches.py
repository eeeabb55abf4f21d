"""The kernel gradient of blocks of the batch, which a loop takes one after the other.
Each block is small enough for the cache. With images b q to b q + q - 1 in block b,

    dw[t, c, o] = sum_b dw_b[t, c, o]

The patches that are laid out are read several times, and those of a large batch come
from memory each time. Blocks of a few megabytes take 0.4 to 0.8 of the time. Shorter
sums are also more accurate.

If several devices share the batch, each has blocks of its own images, (d b q), and its
own sum: dw = sum_d sum_b dw_db. The sums meet once, after the loop. On one device there
is no axis d: XLA would copy the operands even for an axis of length 1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Num

from jaxcnn.ops._arrays import at_least_float32, moved
from jaxcnn.ops._onednn.products import as_operand
from jaxcnn.ops._sharding import devices_of, divides, varying_like
from jaxcnn.ops.convolution.methods.method import operand_dtype
from jaxcnn.ops.convolution.problem import Problem

Map = Callable[[Array, Array, Problem], Array]
Images = Callable[[int, Problem], int]
"""(number of images of a device, a problem) -> q, the number to treat at a time"""


def images_in_a_block(n: int, image_bytes: int, most_bytes: int, least: int = 1) -> int:
    """q, a divisor of n that is not below `least`: the largest with at most
    `most_bytes`, or else the smallest.

    >>> images_in_a_block(64, 2**18, 2**21), images_in_a_block(64, 2**21, 2**21, 2)
    (8, 2)
    >>> images_in_a_block(7, 2**21, 2**21, 2)
    7
    """
    divisors = [q for q in range(least, n + 1) if n % q == 0] or [n]
    return max((q for q in divisors if q * image_bytes <= most_bytes), default=divisors[0])


def summed_over_blocks(images: Images, *, of_one_device: bool = False) -> Callable[[Map], Map]:
    """Decorator of a kernel gradient (x, dy, problem) -> dw that lets it sum those of q
    images each, with q as above.

    With `of_one_device`, its images are those of one device, also where their types
    still name a mesh, as they do inside a call that the compiler divides.
    """

    def decorate(kernel_grad: Map) -> Map:
        @wraps(kernel_grad)
        def summed(
            x: Num[Array, "n *i gc"], dy: Num[Array, "n *j go"], problem: Problem
        ) -> Num[Array, "*t c go"]:
            n, devices = x.shape[0], 1 if of_one_device else devices_of(x, dy)
            q = images(n // devices, problem) if divides(devices, n) else n
            if q * devices >= n:
                return kernel_grad(x, dy, problem)
            dtype = problem.accumulation_dtype or operand_dtype(x, dy, problem)
            # Here, because inside the loop XLA would convert them for every tap.
            x, dy = as_operand(x), as_operand(dy)
            shape = (devices, *problem.w_shape) if devices > 1 else problem.w_shape
            zeros = varying_like(at_least_float32(jnp.zeros(shape, dtype)), x, dy)
            few = problem.of_images(q)._replace(accumulation_dtype=zeros.dtype)
            of_block = _on_each(devices, lambda x, dy: kernel_grad(x, dy, few))

            def add_block(total, b):
                return total + of_block(_block(x, b, q, devices), _block(dy, b, q, devices)), None

            total, _ = lax.scan(add_block, zeros, jnp.arange(n // (q * devices)))
            return (total if devices == 1 else jnp.sum(total, 0)).astype(dtype)

        return summed

    return decorate


def _block(a: Num[Array, "dbq *i c"], b: Array, q: int, devices: int) -> Array:
    """[(d b q), i, c] -> [d, q, i, c], block b of each device; on one device [q, i, c].

    A block is taken by its number inside the loop. If the blocks were the leading axis
    of a scan, XLA would copy all of them when devices share the batch.
    """
    d = () if devices == 1 else (devices,)

    def taken(a: Array, b: Array) -> Array:
        blocks = a.reshape(*d, -1, q, *a.shape[1:])
        return lax.dynamic_index_in_dim(blocks, b, len(d), keepdims=False)

    return moved(taken, a, b)


def _on_each(devices: int, function: Callable[..., Array]) -> Callable[..., Array]:
    return function if devices == 1 else jax.vmap(function)
