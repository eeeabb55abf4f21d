"""The benchmark's networks in PyTorch, eager, on a CPU: as its users write them, with
the values of `jaxcnn.models`.

Images are channels last in memory, which PyTorch writes (n, c, height, width).
Importing this file makes idle threads of PyTorch sleep, since spinning ones would take
the cores from whatever is timed next.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when PyTorch's OpenMP is loaded
os.environ.setdefault("KMP_BLOCKTIME", "0")

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812, its usual name

from experiments.benchmark.networks import PAPERS
from experiments.benchmark.yardstick import torch_parts
from jaxcnn.programs.devices import usable_cores

Batch = tuple[Tensor, Tensor]  # images and labels
CHANNELS_LAST: dict[str, Any] = {"memory_format": torch.channels_last}


class Flatten(nn.Module):
    """(n, c, height, width) -> (n, height * width * c), in the order of memory, as
    jaxcnn's; no copy is made."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


class Mean(nn.Module):
    """The mean over space, (n, c, height, width) -> (n, c)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


class SameConv(nn.Conv2d):
    """A strided convolution padded as "same" is there: ceil(size / stride) outputs, and
    where pads are uneven, more behind."""

    def forward(self, x: Tensor) -> Tensor:
        pads: list[int] = []
        for n, taps, stride in zip(
            x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True
        ):  # last axis first
            total = max((-(-n // stride) - 1) * stride + taps - n, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(x, pads))


class Residual(nn.Module):
    """inner(x) + shortcut(x)."""

    def __init__(self, inner: nn.Module, shortcut: nn.Module):
        super().__init__()
        self.inner, self.shortcut = inner, shortcut

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) + self.shortcut(x)


def lenet(image: Sequence[int], classes: int, dropout_rate: float = 0.25) -> nn.Module:
    """`jaxcnn.models.lenet` for images (height, width, c)."""
    height, width, channels = image
    return nn.Sequential(
        nn.Conv2d(channels, 16, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        Flatten(),
        nn.Dropout(dropout_rate),
        nn.Linear((height // 4) * (width // 4) * 32, 128),
        nn.ReLU(),
        nn.Dropout(dropout_rate),
        nn.Linear(128, 64),
        nn.ReLU(),
        nn.Linear(64, classes),
    )


def resnet20(image: Sequence[int], classes: int) -> nn.Module:
    """`jaxcnn.models.resnet20` for images (height, width, c) of any size."""
    channels = 16
    parts: list[nn.Module] = [
        nn.Conv2d(image[-1], channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
    ]
    for features in (16, 32, 64):
        for block in range(3):
            stride = 2 if features > 16 and block == 0 else 1
            inner = nn.Sequential(
                nn.Conv2d(channels, features, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(features),
                nn.ReLU(),
                nn.Conv2d(features, features, 3, padding=1, bias=False),
                nn.BatchNorm2d(features),
            )
            projection = nn.Sequential(
                nn.Conv2d(channels, features, 1, stride=stride, bias=False),
                nn.BatchNorm2d(features),
            )
            parts += [Residual(inner, projection if stride == 2 else nn.Identity()), nn.ReLU()]
            channels = features
    return nn.Sequential(*parts, Mean(), nn.Linear(channels, classes))


def mobilenet(image: Sequence[int], classes: int) -> nn.Module:
    """`jaxcnn.models.mobilenet` for images (height, width, c) of any size."""
    channels = 16
    parts: list[nn.Module] = [
        nn.Conv2d(image[-1], channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
    ]
    for features, stride in ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1)):
        options: dict[str, Any] = {"groups": channels, "bias": False}
        depthwise = (
            SameConv(channels, channels, 3, stride=stride, **options)
            if stride > 1
            else nn.Conv2d(channels, channels, 3, padding=1, **options)
        )
        pointwise = nn.Conv2d(channels, features, 1, bias=False)
        parts += [
            depthwise,
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            pointwise,
            nn.BatchNorm2d(features),
            nn.ReLU(),
        ]
        channels = features
    return nn.Sequential(*parts, Mean(), nn.Linear(channels, classes))


NETWORKS: dict[str, Callable[..., nn.Module]] = {
    model.__name__: model for model in (lenet, resnet20, mobilenet)
}


def pairs(
    network: nn.Module, params: Mapping[str, Any]
) -> Iterator[tuple[nn.Parameter, np.ndarray]]:
    """Each parameter of the network with that array of jaxcnn's `params`, or of their
    gradients, in PyTorch's layout."""
    modules = [
        module
        for module in network.modules()
        if isinstance(module, (nn.Conv2d, nn.Linear, nn.BatchNorm2d))
    ]
    for module, entry in zip(modules, _entries(params), strict=True):
        if isinstance(module, nn.BatchNorm2d):
            yield module.weight, np.asarray(entry["scale"])
        else:
            yield (
                module.weight,
                (
                    np.asarray(entry["w"]).T
                    if isinstance(module, nn.Linear)
                    else np.transpose(entry["w"], (3, 2, 0, 1))
                ),
            )
        if module.bias is not None:
            yield (
                module.bias,
                np.asarray(entry["bias" if isinstance(module, nn.BatchNorm2d) else "b"]),
            )


def _entries(params: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The params of each layer, in the order of the network; names of entries begin
    with their number there."""
    if not any(isinstance(value, Mapping) for value in params.values()):
        yield params
        return
    for name in sorted(
        params,
        key=lambda name: (int(head) if (head := name.partition("_")[0]).isdigit() else 0, name),
    ):
        yield from _entries(params[name])


def load(network: nn.Module, params: Mapping[str, Any]) -> None:
    """Give the network the parameters of jaxcnn's."""
    with torch.no_grad():
        for parameter, array in pairs(network, params):
            parameter.copy_(torch.tensor(array))


def make(
    name: str, image: Sequence[int], classes: int, params: Mapping[str, Any] | None
) -> nn.Module:
    """The network, with the values of jaxcnn's `params`; without, those of PyTorch,
    which the networks of papers do not have."""
    if name in PAPERS:
        if params is None:
            raise ValueError(f"{name} needs the params of jaxcnn's network")
        return torch_parts.Network(PAPERS[name][1].network(torch_parts, classes), params)
    network = NETWORKS[name](image, classes)
    if params is not None:
        load(network, params)
    return network.to(**CHANNELS_LAST)


def batch_of(x: np.ndarray, labels: np.ndarray) -> Batch:
    """Images (n, *space, c) and labels as PyTorch takes them."""
    images = torch_parts.channels_last(torch.tensor(x).movedim(-1, 1))
    return images, torch.tensor(labels, dtype=torch.int64)


def first_loss(
    name: str,
    x: np.ndarray,
    labels: np.ndarray,
    classes: int,
    params: Mapping[str, Any],
    **options: Any,
) -> float:
    """The loss of these parameters on a batch, in training mode."""
    network = NETWORKS[name](x.shape[1:], classes, **options)
    load(network, params)
    images, targets = batch_of(x, labels)
    with torch.no_grad():
        return float(F.cross_entropy(network(images), targets))


def training(
    name: str,
    mode: str,
    xs: np.ndarray,
    labels: np.ndarray,
    classes: int,
    params: Mapping[str, Any] | None = None,
    dtype: str = "float32",
) -> Callable[[], float]:
    """A function that trains for one dispatch of the mode and returns the last loss, on
    as many threads as there are cores.

    Args:
      name: of the network.
      mode: "one by one", "in a scan" (which here are two steps one after another), or
        "accumulated".
      xs, labels: a batch, or of the other two modes several, with one axis more in
        front.
      classes: the number of classes.
      params: jaxcnn's, to begin with; None for PyTorch's own.
      dtype: "bfloat16" lets autocast choose what is computed in it.
    """
    torch.set_num_threads(usable_cores())
    if mode == "one by one":
        xs, labels = xs[None], labels[None]
    network = make(name, xs.shape[2:], classes, params)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    batches = [batch_of(*batch) for batch in zip(xs, labels, strict=True)]
    updates = [batches] if mode == "accumulated" else [[batch] for batch in batches]

    def dispatch() -> float:
        for micro_batches in updates:
            loss = update(network, optimizer, micro_batches, dtype)
        return loss

    return dispatch


def update(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    micro_batches: Sequence[Batch],
    dtype: str = "float32",
) -> float:
    """One update by the mean of the micro-batches' gradients; the mean of their losses
    before it."""
    optimizer.zero_grad()
    total = 0.0
    for x, labels in micro_batches:
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
            loss = F.cross_entropy(network(x), labels) / len(micro_batches)
        loss.backward()
        total += loss.item()
    optimizer.step()
    return total
