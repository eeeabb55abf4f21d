"""The parts of the yardstick's networks in PyTorch, with the names and arguments of
`jax_parts.py`.

A part is a function (params, x) -> y. Params are those of jaxcnn's layer with PyTorch's
layout: a dict with the same entries. Images are (n, c, *space), in memory channels
last, which is PyTorch's fastest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812, its usual name

CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
AVG_POOL = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
MAX_POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}


class Part(NamedTuple):
    """What `Layer` is in jaxcnn."""

    name: str
    apply: Callable[[Mapping[str, Any], Tensor], Tensor]


# Combinators: entries are named as those of jaxcnn's.


def serial(*parts: Part) -> Part:
    entries = _numbered(parts)

    def apply(params, x):
        for entry, part in entries.items():
            x = part.apply(params.get(entry, {}), x)
        return x

    return Part("serial", apply)


def residual(inner: Part, shortcut: Part | None = None) -> Part:
    def apply(params, x):
        y = inner.apply(params.get("inner", {}), x)
        return y + (shortcut.apply(params.get("shortcut", {}), x) if shortcut else x)

    return Part("residual", apply)


def concatenated(*branches: Part) -> Part:
    return _joined("concatenated", lambda *ys: torch.cat(ys, 1), branches)


def gated(*branches: Part) -> Part:
    return _joined("gated", lambda a, b: torch.tanh(a) * torch.sigmoid(b), branches)


def excited(inner: Part) -> Part:
    def scale(x, weights):
        weights = torch.sigmoid(weights)
        return x * weights.reshape(*weights.shape, *[1] * (x.ndim - 2))

    return _joined("excited", scale, (_function("identity", lambda x: x), serial(mean(), inner)))


def _numbered(parts):
    return {f"{index}_{part.name}": part for index, part in enumerate(parts)}


def _joined(name, join, branches):
    entries = _numbered(branches)

    def apply(params, x):
        return join(*(part.apply(params.get(entry, {}), x) for entry, part in entries.items()))

    return Part(name, apply)


# With parameters.


def conv(
    features: int,
    size: int | Sequence[int],
    *,
    stride: int = 1,
    padding: int | str | None = None,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = True,
) -> Part:
    taps = [size] if isinstance(size, int) else list(size)
    around = tuple(dilation * (k - 1) // 2 for k in taps)

    def apply(params, x):
        pads = around * (x.ndim - 2) if isinstance(size, int) else around
        if padding == "causal":
            x, pads = F.pad(x, (dilation * (taps[0] - 1), 0)), (0,)
        elif padding is not None:
            pads = (padding,) * (x.ndim - 2)
        return CONV[x.ndim - 2](x, params["w"], params.get("b"), stride, pads, dilation, groups)

    return Part("conv", apply)


def transposed(features: int, size: int, *, stride: int, padding: int = 0) -> Part:
    return Part(
        "transposed",
        lambda params, x: TRANSPOSED[x.ndim - 2](x, params["w"], None, stride, padding),
    )


def dense(features: int) -> Part:
    return Part("dense", lambda params, x: F.linear(x, params["w"], params["b"]))


def batch_norm() -> Part:
    """By the batch's statistics; running ones are left out."""

    def apply(params, x):
        return F.batch_norm(x, None, None, params["scale"], params["bias"], training=True)

    return Part("batch_norm", apply)


def layer_norm() -> Part:
    """Over channels, at each position."""

    def apply(params, x):
        scale, bias = params["scale"], params["bias"]
        return F.layer_norm(x.movedim(1, -1), scale.shape, scale, bias, 1e-6).movedim(-1, 1)

    return Part("layer_norm", apply)


# Without.


def _function(name: str, function: Callable[[Tensor], Tensor]) -> Part:
    return Part(name, lambda params, x: function(x))


def relu() -> Part:
    return _function("relu", F.relu)


def leaky_relu() -> Part:
    return _function("leaky_relu", lambda x: F.leaky_relu(x, 0.2))


def silu() -> Part:
    return _function("silu", F.silu)


def gelu() -> Part:
    return _function("gelu", lambda x: F.gelu(x, approximate="tanh"))


def tanh() -> Part:
    return _function("tanh", torch.tanh)


def mean() -> Part:
    return _function("global_avg_pool", lambda x: x.mean(tuple(range(2, x.ndim))))


def maximum() -> Part:
    return _function("global_max_pool", lambda x: x.amax(tuple(range(2, x.ndim))))


def flatten() -> Part:
    """In the order of memory, as jaxcnn's."""
    return _function("flatten", lambda x: x.movedim(1, -1).flatten(1))


def avg_pool(size: int) -> Part:
    return _function("avg_pool", lambda x: AVG_POOL[x.ndim - 2](x, size))


def max_pool(size: Any, *, stride: int | None = None, padding: int = 0) -> Part:
    return _function("max_pool", lambda x: MAX_POOL[x.ndim - 2](x, size, stride, padding))


# A module of them.


class Network(nn.Module):
    """A network of parts, with the values of jaxcnn's params."""

    def __init__(self, part: Part, params: Mapping[str, Any]):
        super().__init__()
        self.part = part
        self.tree = _tree(params)
        self.all = nn.ParameterList(_leaves(self.tree))

    def forward(self, x: Tensor) -> Tensor:
        return self.part.apply(self.tree, x)


def _tree(params: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _tree(value) if isinstance(value, Mapping) else _parameter(np.asarray(value))
        for name, value in params.items()
    }


def _parameter(array: np.ndarray) -> nn.Parameter:
    """A matrix (c, o) -> (o, c), a kernel (*taps, c, o) -> (o, c, *taps)."""
    if array.ndim < 2:
        return nn.Parameter(torch.tensor(array))
    *taps, inputs, outputs = range(array.ndim)
    values = torch.tensor(np.ascontiguousarray(array.transpose(outputs, inputs, *taps)))
    return nn.Parameter(channels_last(values))


def _leaves(tree: Mapping[str, Any]) -> Iterator[nn.Parameter]:
    for value in tree.values():
        if isinstance(value, Mapping):
            yield from _leaves(value)
        else:
            yield value


FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}


def channels_last(x: Tensor) -> Tensor:
    """The same, in memory channels last; of one spatial axis PyTorch has no such
    format."""
    return x.contiguous(memory_format=FORMATS.get(x.ndim, torch.contiguous_format))
