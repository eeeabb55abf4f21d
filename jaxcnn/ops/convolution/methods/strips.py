"""Images cut into strips along their first axis of space, for a kernel gradient whose
patches of a single image are larger than the cache.

The sum over outputs is one over strips of q rows of outputs, and of rows within them:

    dw[t, c, o] = sum_{n, b} sum_{j < q} x[n, s (q b + j) + d t - p_lo, c]
                                         dy[n, q b + j, o]

so a strip is an image of its own, (n b), with q rows of dy and the s (q - 1) + d (k -
1) + 1 rows of x that its windows see, without padding. Neighbours share rows of x, and
the last strip is filled up with zeros.
"""

from __future__ import annotations

from functools import partial

from jaxtyping import Array, Num

from jaxcnn.ops._arrays import moved
from jaxcnn.ops._windows import by_strides
from jaxcnn.ops.convolution.problem import Problem

ENOUGH = 5 * 2**19
"""Bytes of patches that a strip should have: of 1 to 8 MiB, the fastest, or 5 % off."""


def in_strips(
    x: Num[Array, "n *i gc"], dy: Num[Array, "n *j go"], problem: Problem, image_bytes: int
) -> tuple[Num[Array, "nb *i gc"], Num[Array, "nb *j go"], Problem]:
    """The operands and the problem of strips, where an image has patches of so many
    bytes."""
    window, rows = problem.window, dy.shape[1]
    q = -(-rows // max(1, min(rows, image_bytes // ENOUGH)))
    strips = -(-rows // q)
    s, d, k, low = window.stride[0], window.dilation[0], window.size[0], window.pads[0][0]
    step, seen = s * q, s * (q - 1) + d * (k - 1) + 1

    def cut(a: Array, low: int, size: int, step: int) -> Array:
        return by_strides(a, 1, 2, (size, step, strips), low).reshape(-1, size, *a.shape[2:])

    x = moved(partial(cut, low=low, size=seen, step=step), x)
    dy = moved(partial(cut, low=0, size=q, step=q), dy)
    window = window._replace(pads=((0, 0), *window.pads[1:]))
    return x, dy, problem._replace(x_shape=x.shape, window=window)
