"""The three maps of a grouped convolution, group by group. Each group is a dense
convolution of its own channels.

XLA's CPU backend computes all groups in one slow loop. Groups of very few channels are
joined first, until they have `MIN_INPUT_CHANNELS` input channels, with a kernel that is
0 between the channels of different groups. f joined groups cost f times the arithmetic
but less time, because narrow convolutions are slow. With h joined groups of f each,
(g) = (h f),

    w'[t, (f c), (h f' o)] = w[t, c, (h f o)]  where f = f', else 0

so that dw is read off the blocks f = f' of dw'.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Num

from jaxcnn.ops.convolution.methods import nhwc
from jaxcnn.ops.convolution.problem import Problem

MIN_INPUT_CHANNELS = 16


def forward(
    x: Num[Array, "n *i gc"], w: Num[Array, "*t c go"], problem: Problem
) -> Num[Array, "n *j go"]:
    """y[n, j, (h f o)]: for each h, the dense convolution of x[n, i, (f c)] with w'"""
    h, alone, w = *_alone(problem), _join(w, problem)
    parts = zip(_parts(x, h), _parts(w, h), strict=True)
    return jnp.concatenate([nhwc.forward(x_h, w_h, alone) for x_h, w_h in parts], axis=-1)


def input_grad(
    dy: Num[Array, "n *j go"], w: Num[Array, "*t c go"], problem: Problem
) -> Num[Array, "n *i gc"]:
    """dx[n, i, (h f c)]: for each h, the dense input gradient of dy[n, j, (f o)] and
    w'"""
    h, alone, w = *_alone(problem), _join(w, problem)
    parts = zip(_parts(dy, h), _parts(w, h), strict=True)
    return jnp.concatenate([nhwc.input_grad(dy_h, w_h, alone) for dy_h, w_h in parts], axis=-1)


def kernel_grad(
    x: Num[Array, "n *i gc"], dy: Num[Array, "n *j go"], problem: Problem
) -> Num[Array, "*t c go"]:
    """dw'[t, (f c), (h f' o)]: for each h, the dense kernel gradient of x[n, i, (f c)]
    and dy[n, j, (f' o)]"""
    h, alone = _alone(problem)
    parts = zip(_parts(x, h), _parts(dy, h), strict=True)
    # [t, (f c), h, (f' o)]
    dw = jnp.stack([nhwc.kernel_grad(x_h, dy_h, alone) for x_h, dy_h in parts], axis=-2)
    *taps, c, go = problem.w_shape
    joined = problem.groups // h
    blocks = dw.reshape(*taps, joined, c, h, joined, go // problem.groups)
    dw = jnp.stack([blocks[..., f, :, :, f, :] for f in range(joined)], axis=-2)
    return dw.reshape(problem.w_shape)


def joined_groups(groups: int, channels: int) -> int:
    """The number of groups of c input channels that are computed as one: the smallest
    divisor of `groups` with which they have `MIN_INPUT_CHANNELS` channels.

    >>> joined_groups(32, 4), joined_groups(4, 16)
    (4, 1)
    """
    return next(
        (f for f in range(1, groups) if groups % f == 0 and f * channels >= MIN_INPUT_CHANNELS),
        groups,
    )


def _parts(a: Array, h: int) -> list[Array]:
    return jnp.split(a, h, axis=-1)


def _alone(problem: Problem) -> tuple[int, Problem]:
    """The number h of joined groups, and the problem of one of them."""
    joined = joined_groups(problem.groups, problem.c)
    h = problem.groups // joined
    x_shape = (*problem.x_shape[:-1], problem.x_shape[-1] // h)
    w_shape = (*problem.w_shape[:-2], joined * problem.c, problem.outputs // h)
    return h, problem._replace(x_shape=x_shape, w_shape=w_shape, groups=1)


def _join(w: Num[Array, "*t c go"], problem: Problem) -> Num[Array, "*t fc go"]:
    """w'"""
    g, joined = problem.groups, joined_groups(problem.groups, problem.c)
    if joined == 1:
        return w
    *taps, c, go = w.shape
    split = w.reshape(*taps, 1, c, g // joined, joined, go // g)
    same = jnp.eye(joined, dtype=bool).reshape(joined, 1, 1, joined, 1)
    return jnp.where(same, split, 0).reshape(*taps, joined * c, go)
