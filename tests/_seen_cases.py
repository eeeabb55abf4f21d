"""Functions of JAX, one family of primitives after another, each with the shape of its
input."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

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
    "conv in groups of channels that differ": (
        lambda x: conv(
            jnp.concatenate([x, jnp.roll(x, 2, 1)], -1), numbers((1, 3, 4)), feature_group_count=2
        )[..., :2],
        LINE,
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
    "sum of a diagonal": (
        lambda x: x.reshape(1, 30, 2)[:, np.array([0, 6, 12])].sum(1, keepdims=True),
        IMAGE,
    ),
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

ORDERS = {
    "sort": (lambda x: jnp.sort(x, axis=2), IMAGE),
    "top k": (lambda x: lax.top_k(x.transpose(0, 2, 1), 4)[0].transpose(0, 2, 1), LINE),
    "argmax": (lambda x: jnp.argmax(x, axis=1), LINE),
    "comparison": (lambda x: x > jnp.roll(x, 1, 1), LINE),
    "rounded to ints": (lambda x: jnp.roll(x, 1, 1).astype(jnp.int32), LINE),
}
