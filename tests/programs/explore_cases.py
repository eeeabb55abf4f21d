"""Random problems for the page of `jaxcnn explore`, as the addresses that it reads."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from jaxcnn.window import Window, dilated

Rows = np.ndarray


class Case(NamedTuple):
    """A window on an input, and numbers: small integers, so that sums are exact.

    x, k and dy are rows and columns, or, if there are channels or images, arrays as the
    library has them.
    """

    operation: str
    window: Window
    x: Rows
    k: Rows
    dy: Rows
    more: str = ""
    b: Rows | None = None
    groups: int = 1

    @property
    def inputs(self) -> tuple[int, ...]:
        return self.x.shape if self.x.ndim == 2 else self.x.shape[1:3]

    @property
    def address(self) -> str:
        w = self.window
        sizes = {
            "input": self.inputs,
            "kernel": w.size,
            "stride": w.stride,
            "dilation": w.dilation,
            "before": [lo for lo, _ in w.pads],
            "after": [hi for _, hi in w.pads],
        }
        words = [f"op={self.operation}", *(f"{k}={v[0]}x{v[1]}" for k, v in sizes.items())]
        words += [f"{name}={_numbers(getattr(self, name))}" for name in ("x", "k", "dy")]
        if self.x.ndim > 2:
            planes = {"images": self.x.shape[0], "channels": self.x.shape[3]}
            planes |= {"outputs": self.k.shape[3], "groups": self.groups}
            words += [f"{name}={count}" for name, count in planes.items()]
        if self.b is not None:
            words.append(f"b={_numbers(self.b)}")
        return "&".join(words) + self.more


def random_case(operation: str, seed: int, values: tuple[float, ...] = (), more: str = "") -> Case:
    """A case of any sizes that the page has; x is drawn from `values` if given. Every
    eighth may be one without outputs, or one that a pool refuses."""
    draw = np.random.default_rng([seed, len(operation)])
    window, inputs = _sizes(draw, pool=operation != "conv")
    while seed % 8 and 0 in window.output_size(inputs):
        window, inputs = _sizes(draw, pool=operation != "conv")
    return case_of(operation, window, inputs, seed, values, more)


def deep_case(
    window: Window,
    inputs: tuple[int, int],
    planes: tuple[int, int, int, int] = (1, 2, 2, 1),
    seed: int = 0,
    *,
    bias: bool = True,
) -> Case:
    """A convolution with images, channels, outputs and groups, in this order."""
    draw = np.random.default_rng(seed)
    images, channels, outputs, groups = planes

    def numbers(*shape: int) -> Rows:
        return draw.integers(-9, 10, shape).astype(np.float32)

    return Case(
        "conv",
        window,
        numbers(images, *inputs, channels),
        numbers(*window.size, channels // groups, outputs),
        numbers(images, *window.output_size(inputs), outputs),
        b=numbers(outputs) if bias else None,
        groups=groups,
    )


def random_deep_case(seed: int) -> Case:
    """A convolution with any images, channels and outputs that the page has, and any
    sizes with outputs; of few products, because all of them are written out."""
    draw = np.random.default_rng([seed, 7])
    window, inputs = _sizes(draw, pool=False)
    while not 0 < math.prod(window.output_size(inputs)) * math.prod(window.size) < 200:
        window, inputs = _sizes(draw, pool=False)
    images, channels, outputs = (int(n) for n in draw.integers(1, [3, 4, 4]))
    groups = channels if channels == outputs and draw.random() < 0.7 else 1
    planes = (images, channels, outputs, groups)
    return deep_case(window, inputs, planes, seed, bias=bool(draw.random() < 0.5))


def case_of(
    operation: str,
    window: Window,
    inputs: tuple[int, int],
    seed: int = 0,
    values: tuple[float, ...] = (),
    more: str = "",
) -> Case:
    """A case of these sizes with random numbers."""
    draw = np.random.default_rng([seed, len(operation)])
    x = draw.choice(values, inputs) if values else draw.integers(-9, 10, inputs)
    return Case(
        operation,
        window,
        np.asarray(x, np.float32),
        draw.integers(-9, 10, window.size).astype(np.float32),
        draw.integers(-9, 10, _outputs(window, inputs, more)).astype(np.float32),
        more,
    )


def _outputs(window: Window, inputs: tuple[int, int], more: str) -> tuple[int, ...]:
    """The number of outputs, rounded up if `more` says so and the library does so."""
    up = "ceil" in more and all(hi >= 0 for _, hi in window.pads)
    return (window.ceil(inputs) if up else window).output_size(inputs)


def _sizes(draw: np.random.Generator, *, pool: bool) -> tuple[Window, tuple[int, int]]:
    """A window, and the size of its input. A pool's window is small, and its pads are
    smaller, so that few windows hold padding only."""
    size, stride, dilation, inputs = (
        (int(n), int(m)) for n, m in draw.integers(1, [4 if pool else 6, 5, 4, 9], (2, 4)).T
    )
    most = [min(dilated(k, d) - 1, 4) if pool else 4 for k, d in zip(size, dilation, strict=True)]
    pads = tuple((int(draw.integers(-3, p + 1)), int(draw.integers(-3, p + 1))) for p in most)
    return Window(size, stride, pads, dilation, (1, 1)), inputs


def random_norm(seed: int) -> Case:
    """A batch norm: of one channel, so only the number of values matters."""
    draw = np.random.default_rng(seed)
    shape = tuple(int(n) for n in draw.integers(2, 9, 2))
    one = Window((1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1), (1, 1))
    x, dy = (draw.integers(-9, 10, shape).astype(np.float32) for _ in range(2))
    return Case("batch_norm", one, x, np.ones((1, 1), np.float32), dy, f"&scale={seed + 0.5}")


def _numbers(rows: Rows) -> str:
    return ",".join(f"{value:g}" for value in rows.ravel())
