"""Convolution, the convolution of signal processing, and the dense layer, as sums.

`correlated` is equation (1) of `jaxcnn/ops/convolution/rule.py`, entry by entry. Both
gradients are written out twice: collected from the forward's terms by the chain rule,
and as `correlated` again, of other operands, with the windows of `jaxcnn/window.py`:
then the same terms must come out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

import jaxcnn.ops as ops
from jaxcnn.derive.definition import Definition, Statement, Step, cotangents, sums_of
from jaxcnn.derive.quantities import Entries, Term, check_size, named, term
from jaxcnn.ops.convolution.problem import Problem
from jaxcnn.window import Window

RULE, BIAS = "jaxcnn.ops.convolution.rule", "jaxcnn.ops._bias"
FULLY = "jaxcnn.ops.fully_connected"


def image_groups(ndim: int) -> tuple[tuple[int, ...], ...]:
    """The axes of an image that are numbered together: batch, space, channels."""
    return ((0,), tuple(range(1, ndim - 1)), (ndim - 1,))


def kernel_groups(ndim: int) -> tuple[tuple[int, ...], ...]:
    """The same of a kernel: taps, inputs, outputs."""
    return (tuple(range(ndim - 2)), (ndim - 2,), (ndim - 1,))


def correlated(images: Entries, kernel: Entries, window: Window, groups: int = 1) -> Entries:
    """The terms of y[n, j, (g o)] = sum_{t, c} x[n, i, (g c)] w[t, c, (g o)], where the
    dilated input at s j + d t - p_lo is i; on padding there is no term.

    Args:
      images: (n, *space, (g c)).
      kernel: (*taps, c, (g o)).
      window: its size is that of the kernel.
    """
    n, *space, _ = images.shape
    *taps, c, outputs = kernel.shape
    of_group = outputs // groups

    def terms(image: int, *place: int) -> Iterator[Term]:
        *j, o = place
        first = o // of_group * c
        for tap in np.ndindex(*taps):
            i = met(j, tap, window, space)
            if i is not None:
                for channel in range(c):
                    yield term(images[(image, *i, first + channel)], kernel[(*tap, channel, o)])

    return sums_of((n, *window.output_size(space), outputs), terms)


def met(
    j: Sequence[int], tap: Sequence[int], window: Window, space: Sequence[int]
) -> tuple[int, ...] | None:
    """The input that a tap of window j meets; None on padding or between inputs."""
    found = []
    for axis, (a, t) in enumerate(zip(j, tap, strict=True)):
        low, apart = window.pads[axis][0], window.base_dilation[axis]
        at = window.stride[axis] * a + window.dilation[axis] * t - low
        if at % apart or not 0 <= at // apart < space[axis]:
            return None
        found.append(at // apart)
    return tuple(found)


def conv(
    input_shape: Sequence[int],
    kernel: Sequence[int],
    *,
    batch: int = 1,
    channels: int = 1,
    outputs: int = 1,
    groups: int = 1,
    bias: bool = True,
    flipped: bool = False,
    **window: Any,
) -> Definition:
    """`jaxcnn.conv`, or with `flipped` `jaxcnn.convolve`; `window` has stride, padding
    and dilation."""
    x_shape = (batch, *input_shape, channels)
    w_shape = (*kernel, channels // groups, outputs)
    problem = Problem.of(x_shape, w_shape, groups=groups, **window)
    check_size(math.prod(problem.y_shape) * problem.taps * problem.c)
    x = named("x", x_shape, image_groups(len(x_shape)))
    k = named("k", w_shape, kernel_groups(len(w_shape)))
    y = named("y", problem.y_shape, image_groups(len(x_shape)))
    axes = tuple(range(len(kernel)))
    used = np.flip(k, axes) if flipped else k
    sums = correlated(x, used, problem.window, groups)
    inputs = {"x": x, "k": k}
    if bias:
        b = inputs["b"] = named("b", (outputs,), ((0,),))
        for index in np.ndindex(*sums.shape):
            sums[index] = [*sums[index], term(b[index[-1]])]
    dy = cotangents(y)
    function = ops.convolve if flipped else ops.conv

    def run(arrays: Any) -> Any:
        return function(arrays["x"], arrays["k"], arrays.get("b"), groups=groups, **window)

    statements = [_of_the_kernel(x, dy, problem, flipped), _of_the_input(dy, used, problem)]
    sources = {
        "y": (RULE, "return method.forward(x, w, problem)"),
        "x": (RULE, "dx = _input_grad(dy, w, problem, method, like=x)  # (3)"),
        "k": (RULE, "dw = _kernel_grad(x, dy, problem, method, like=w)  # (2)"),
        "b": (BIAS, "return jnp.sum(at_least_float32(dy), axis=tuple(range(dy.ndim - 1)))"),
    }
    return Definition(inputs, [Step("outputs", y, sums)], statements, run, sources)


def _of_the_kernel(x: Entries, dy: Entries, problem: Problem, flipped: bool) -> Statement:
    """Images become what is summed over: x as [c, i, (g n)], dy as [j, n, (g o)]."""
    g, axes = problem.groups, tuple(range(len(problem.space)))
    n, *space, gc = x.shape
    images = np.moveaxis(x.reshape(n, *space, g, gc // g), (0, -1), (-1, 0))
    images = images.reshape(gc // g, *space, g * n)
    window = problem.window.kernel_grad(problem.space)
    found = correlated(images, np.moveaxis(dy, 0, -2), window, g)
    found = np.moveaxis(found, 0, -2)
    text = "the cross-correlation of x with dJ/dy" + (", flipped" if flipped else "")
    found = np.flip(found, axes) if flipped else found
    return Statement("k", f"{text}: {said(window, 'dJ/dy is the kernel')}", found, "terms")


def _of_the_input(dy: Entries, k: Entries, problem: Problem) -> Statement:
    """The flipped kernel, with inputs and outputs of each group exchanged."""
    g, axes = problem.groups, tuple(range(len(problem.space)))
    *taps, c, go = k.shape
    turned = np.flip(k, axes).reshape(*taps, c, g, go // g)
    turned = np.moveaxis(turned, (-1, -2), (-3, -2)).reshape(*taps, go // g, g * c)
    window = problem.window.input_grad(problem.space)
    text = f"the full convolution of dJ/dy with k: {said(window, 'k is flipped')}"
    return Statement("x", text, correlated(dy, turned, window, g), "terms")


def said(window: Window, what: str) -> str:
    """A window in words, for people; what is 1 or 0 everywhere is left out."""
    parts = [what]
    for name, values, usual in (
        ("stride", window.stride, 1),
        ("its taps apart by", window.dilation, 1),
        ("the image's entries apart by", window.base_dilation, 1),
    ):
        if set(values) != {usual}:
            parts.append(f"{name} {'x'.join(map(str, values))}")
    pads = ", ".join(f"({lo}, {hi})" for lo, hi in window.pads)
    return ", ".join([*parts, f"pads {pads}"])


def dense(features: int, outputs: int, *, batch: int = 1, bias: bool = True) -> Definition:
    """`jaxcnn.dense`."""
    x = named("x", (batch, features), ((0,), (1,)))
    w = named("w", (features, outputs), ((0, 1),))
    y = named("y", (batch, outputs), ((0,), (1,)))
    inputs = {"x": x, "w": w}
    if bias:
        inputs["b"] = named("b", (outputs,), ((0,),))

    def terms(n: int, o: int) -> Iterator[Term]:
        yield from (term(x[n, i], w[i, o]) for i in range(features))
        if bias:
            yield term(inputs["b"][o])

    dy = cotangents(y)
    statements = [
        Statement(
            "x",
            "dJ/dy times w transposed",
            sums_of(x.shape, lambda n, i: [term(dy[n, o], w[i, o]) for o in range(outputs)]),
            "terms",
        ),
        Statement(
            "w",
            "x transposed times dJ/dy",
            sums_of(w.shape, lambda i, o: [term(dy[n, o], x[n, i]) for n in range(batch)]),
            "terms",
        ),
    ]

    def run(arrays: Any) -> Any:
        return ops.dense(arrays["x"], arrays["w"], arrays.get("b"))

    sources = {
        "y": (FULLY, ")  # (1)"),
        "x": (FULLY, "# (2): dx = dy w^T"),
        "w": (FULLY, ")  # (3): dw = x^T dy"),
        "b": (BIAS, "return jnp.sum(at_least_float32(dy), axis=tuple(range(dy.ndim - 1)))"),
    }
    steps = [Step("outputs", y, sums_of(y.shape, terms))]
    return Definition(inputs, steps, statements, run, sources)
