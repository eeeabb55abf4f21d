"""Derivations one can read: every output of an operation and every gradient as a sum,
with symbols and with numbers.

    from jaxcnn.derive import derive, to_text
    print(to_text(derive("conv", input_shape=(4, 4), kernel=(3, 3))))

The gradients are collected from the sums of the forward pass, term by term. Then they
are compared with what the derivations in `jaxcnn/ops` say that they are: the kernel
gradient of a convolution is a cross-correlation, its input gradient a full convolution.
And all numbers are compared with what the code computes. What differs raises an error,
so what is printed is right.

It needs SymPy: `pip install "jaxcnn[derive]"`. Nothing else of jaxcnn imports it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from jaxcnn.derive import convolutions, elementwise, losses, norms, pools
from jaxcnn.derive.definition import Definition
from jaxcnn.derive.derivation import Derivation, DisagreementError, derived
from jaxcnn.derive.latex import to_latex
from jaxcnn.derive.markup import to_html
from jaxcnn.derive.quantities import TooLargeError
from jaxcnn.derive.text import to_text

OPERATIONS: dict[str, Callable[..., Definition]] = {
    "conv": convolutions.conv,
    "convolve": partial(convolutions.conv, flipped=True),
    "dense": convolutions.dense,
    "max_pool": partial(pools.pool, "max"),
    "avg_pool": partial(pools.pool, "mean"),
    "global_max_pool": partial(pools.global_pool, "max"),
    "global_avg_pool": partial(pools.global_pool, "mean"),
    **{name: partial(elementwise.activation, name) for name in elementwise.FUNCTIONS},
    "batch_norm": partial(norms.norm, "batch"),
    "layer_norm": partial(norms.norm, "layer"),
    "dropout": elementwise.dropout,
    "softmax_cross_entropy": losses.softmax_cross_entropy,
    "sigmoid_binary_cross_entropy": losses.binary_cross_entropy,
    "mean_squared_error": losses.squared_error,
}

NOTES: dict[str, tuple[str, ...]] = {
    "conv": (
        'In the document "Deep Learning - CNN Basics" the term of dJ/dx13 with k11 has dJ/dy12:'
        " it belongs to dJ/dy13.",
        "Its code assigns (=) the kernel gradient inside the loop over images: each image adds"
        " (+=) to it.",
        'It takes the bias gradient "across all channels": it is the sum over images and space,'
        " for each channel.",
    )
}
"""What is said beside a derivation, by operation."""


def derive(
    operation: str, *, values: Mapping[str, Any] | None = None, seed: int = 0, **options: Any
) -> Derivation:
    """Every sum of an operation and of its gradients.

    Args:
      operation: a name in `OPERATIONS`.
      values: numbers for some of the inputs, by name ("x", "k", ..., and "dy" for dJ/d
        of the outputs), in the shape channels last, or flat. The others are drawn.
      seed: of the numbers that are drawn.
      options: shapes and options of the operation: for "conv" `input_shape`, `kernel`,
        `batch`, `channels`, `outputs`, `groups`, `bias`, `stride`, `padding` and
        `dilation`; pools have `input_shape` and `size`; "dense" `features` and
        `outputs`; norms `input_shape`, `batch`, `channels`; losses `classes` or `size`;
        others `size`.

    Raises:
      ValueError: on an operation that is not there, on options that make no sense, or
        on shapes with more sums than anybody reads (`TooLargeError`).
      DisagreementError: if the code computed something else.

    >>> found = derive("conv", input_shape=(4, 4), kernel=(3, 3), bias=False)
    >>> from jaxcnn.derive.text import said
    >>> said(found.sum_of("dJ/dx12"))
    'dJ/dy11 k12 + dJ/dy12 k11'
    """
    if operation not in OPERATIONS:
        raise ValueError(f"operation must be one of {', '.join(OPERATIONS)}, got {operation!r}")
    try:
        definition = OPERATIONS[operation](**options)
    except TypeError as error:
        raise ValueError(f"{operation}: {error}") from error
    return derived(operation, options, definition, NOTES.get(operation, ()), values, seed)


__all__ = [
    "OPERATIONS",
    "Derivation",
    "DisagreementError",
    "TooLargeError",
    "derive",
    "to_html",
    "to_latex",
    "to_text",
]
