"""The column of PyTorch, where it is installed and JAX is on the CPU: the same passes,
as PyTorch computes them fastest.

Images and kernels lie channels last, and PyTorch has a thread for each core. Each
gradient of a convolution is one call of `convolution_backward` that asks for this
gradient alone. The gradient of another operation is a forward and autograd's backward.
Idle threads sleep, since spinning ones would take a core while JAX is timed; the
variables that say so are read when PyTorch is loaded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.benchmark.case import Case, ConvolutionCase, OperationCase
from jaxcnn.arguments import per_axis
from jaxcnn.programs.devices import usable_cores

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("KMP_BLOCKTIME", "0")
torch: Any = import_module("torch") if find_spec("torch") else None
F: Any = torch.nn.functional if torch else None

IMAGES = (
    "conv",
    "max_pool",
    "avg_pool",
    "global_max_pool",
    "global_avg_pool",
    "batch_norm",
)  # that have a channel axis


class Prepared(NamedTuple):
    call: Callable[[], Any]
    """Computes the pass."""
    read: Callable[[Any], list[np.ndarray]]
    """What it returned, channels last in float32."""


def available() -> bool:
    return torch is not None and jax.default_backend() == "cpu"


def use_all_cores() -> None:
    torch.set_num_threads(usable_cores())


def prepare(case: Case, pass_name: str, arrays: Sequence[np.ndarray], dtype: str) -> Prepared:
    """The pass of these operands, those of `columns.operands`; all that PyTorch would
    have at hand is made here, once."""
    tensors = [torch.from_numpy(np.array(a)) for a in arrays]
    tensors = [t.to(getattr(torch, dtype)) if t.is_floating_point() else t.long() for t in tensors]
    if isinstance(case, OperationCase):
        return _operation(case, pass_name, tensors)
    return _convolution(case, pass_name, tensors)


# Layout.


def _channels_first(image: Any) -> Any:
    """(n, *space, c) -> (n, c, *space), in memory channels last."""
    return _contiguous(image.movedim(-1, 1))


def _channels_last(image: Any) -> Any:
    return image.movedim(1, -1)


def _kernel_first(w: Any) -> Any:
    """(*taps, c, o) -> (o, c, *taps)"""
    return _contiguous(w.permute(w.ndim - 1, w.ndim - 2, *range(w.ndim - 2)))


def _kernel_last(w: Any) -> Any:
    return w.permute(*range(2, w.ndim), 1, 0)


def _contiguous(a: Any) -> Any:
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    return a.contiguous(memory_format=formats.get(a.ndim, torch.contiguous_format))


def _numpy(a: Any) -> np.ndarray:
    return a.detach().float().numpy()


# Convolutions.


def _convolution(case: ConvolutionCase, pass_name: str, operands: Sequence[Any]) -> Prepared:
    window, groups = case.window, case.groups
    axes, space = len(window.size), case.x[1:-1]
    symmetric = all(lo == hi for lo, hi in window.pads)
    if case.transposed and not symmetric:
        raise NotImplementedError(
            f"PyTorch transposes convolutions with symmetric pads only: {case.id}"
        )
    pads = [lo if symmetric else 0 for lo, _ in window.pads]
    around = (
        [] if symmetric else [pad for pair in reversed(window.pads) for pad in pair]
    )  # PyTorch begins at the last axis
    output_padding = window.remainder(space) if case.transposed else (0,) * axes
    settings = (window.stride, pads, window.dilation, case.transposed, output_padding, groups)
    convolution, backward = torch.ops.aten.convolution, torch.ops.aten.convolution_backward

    def pad(x: Any) -> Any:
        return F.pad(x, around) if around else x

    def crop(dx: Any) -> Any:
        for axis, ((lo, _), n) in enumerate(zip(window.pads, space, strict=True) if around else ()):
            dx = dx.narrow(2 + axis, lo, n)
        return dx

    if pass_name == "forward":
        x, w = _channels_first(operands[0]), _kernel_first(operands[1])
        return Prepared(
            lambda: convolution(pad(x), w, None, *settings), lambda y: [_numpy(_channels_last(y))]
        )

    if pass_name == "input gradient":
        dy, w = _channels_first(operands[0]), _kernel_first(operands[1])
        x = pad(
            _channels_first(torch.zeros(case.arguments["x"], dtype=w.dtype))
        )  # of which the shape is read
        return Prepared(
            lambda: crop(backward(dy, x, w, None, *settings, (True, False, False))[0]),
            lambda dx: [_numpy(_channels_last(dx))],
        )

    x, dy = (_channels_first(a) for a in operands)
    w = _kernel_first(torch.zeros(case.w, dtype=x.dtype))
    return Prepared(
        lambda: backward(dy, pad(x), w, None, *settings, (False, True, False))[1],
        lambda dw: [_numpy(_kernel_last(dw))],
    )


# Other operations.


def _operation(case: OperationCase, pass_name: str, operands: Sequence[Any]) -> Prepared:
    f = _function(case, operands[0].dtype)
    images = case.operation in IMAGES
    names = (*case.arguments, "dy")[: len(operands)]

    def kind(name: str, a: Any) -> str:
        if images and name == "w":
            return "kernel"
        return "image" if images and a.ndim > 2 else "array"

    convert = {"kernel": _kernel_first, "image": _channels_first, "array": lambda a: a}
    back = {"kernel": _kernel_last, "image": _channels_last, "array": lambda a: a}
    kinds = {name: kind(name, a) for name, a in zip(names, operands, strict=True)}
    tensors = {name: convert[kinds[name]](a) for name, a in zip(names, operands, strict=True)}

    if pass_name == "forward":

        def forward() -> Any:
            with torch.no_grad():
                return f(*tensors.values())

        def read(values: Any) -> list[np.ndarray]:
            values = values if isinstance(values, tuple) else (values,)
            return [_numpy(back[kind("y", v)](v)) for v in values]

        return Prepared(forward, read)

    floating = [name for name in case.arguments if name != "labels"]
    dy = tensors.pop("dy")
    for name in floating:
        tensors[name].requires_grad_()

    def gradient() -> Any:
        y = f(*tensors.values())
        y = y[0] if isinstance(y, tuple) else y
        return torch.autograd.grad(y, [tensors[name] for name in floating], dy)

    return Prepared(
        gradient,
        lambda grads: [
            _numpy(back[kinds[name]](g)) for name, g in zip(floating, grads, strict=True)
        ],
    )


def _function(case: OperationCase, dtype: Any) -> Callable[..., Any]:
    """The operation in PyTorch's words; of what these cases have, not of all that
    jaxcnn's have."""
    options = dict(case.options)
    if case.operation in ("max_pool", "avg_pool"):
        pool = {"max_pool": F.max_pool2d, "avg_pool": F.avg_pool2d}[case.operation]
        return lambda x: pool(x, options["size"], options.get("stride"), options.get("padding", 0))
    if case.operation == "batch_norm":
        channels = case.shapes[0][-1]
        mean, var = torch.zeros(channels, dtype=dtype), torch.ones(channels, dtype=dtype)

        def batch_norm(x: Any, scale: Any, bias: Any) -> Any:
            return (
                F.batch_norm(x, mean, var, scale, bias, training=True, momentum=0.1, eps=1e-5),
                mean,
                var,
            )

        return batch_norm
    if case.operation == "conv":
        taps = case.shapes[1][:-2]
        stride, dilation = (
            list(per_axis(name, options.get(name, 1), len(taps))) for name in ("stride", "dilation")
        )
        padding = options.get("padding", 0)
        return lambda x, w, b: F.conv2d(x, w, b, stride, padding, dilation)
    return {
        "global_max_pool": lambda x: F.adaptive_max_pool2d(x, 1).flatten(1),
        "global_avg_pool": lambda x: x.mean((2, 3)),
        "layer_norm": lambda x, scale, bias: F.layer_norm(x, scale.shape, scale, bias, 1e-5),
        "relu": F.relu,
        "gelu": lambda x: F.gelu(x, approximate="tanh"),
        "softmax_cross_entropy": lambda logits, labels: F.cross_entropy(
            logits, labels, reduction="none"
        ),
        "dense": lambda x, w, b: torch.addmm(b, x, w),
    }[case.operation]
