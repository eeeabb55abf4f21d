"""The words of the page: what each check says, kinds of cases, costs."""

from __future__ import annotations

import re
from collections.abc import Mapping

HOLDS = {
    "structure": (
        "The value has the shapes and dtypes of the reference; each gradient has those of its"
        " argument."
    ),
    "integers": (
        "On whole numbers, where sums are exact and ties occur, value and gradients equal the"
        " reference bit for bit."
    ),
    "accuracy": (
        "Value and gradients are as close to the float64 reference as their dtype allows and"
        " as autodiff's are."
    ),
    "linearity": (
        "⟨dy, f(x)⟩ = ⟨g, x⟩ for an argument in which the function is linear; needs no reference."
    ),
    "conservation": (
        "If adding a constant to all of x adds it to the value, g sums to what dy sums to; if it"
        " leaves the value alone, g sums to 0."
    ),
    "adjoint": (
        "⟨dy, Jv⟩ = ⟨g, v⟩, with Jv from forward mode: the gradient is the transpose of the"
        " derivative."
    ),
    "differences": (
        "The gradients are the slopes of the function itself, by central differences in float64."
    ),
    "reference": (
        "The reference's own gradients are the slopes of the reference, so the judge is right."
    ),
    "second order": "The gradient can be differentiated again, and that is right too.",
    "zeros": (
        "A zero cotangent gives zero gradients; where arguments are 0, whatever is finite in the"
        " reference is finite."
    ),
    "repeats": "Every run gives the same bits.",
    "jit": "It gives the same outside jit, step by step.",
    "vmap": "It gives the same under vmap.",
    "scan": "It gives the same in the body of a scan.",
    "unbiased": (
        "The mean over many random keys is the exact gradient; the error is in standard errors."
    ),
    "bias": (
        "The gradient differs from the exact one on purpose, and points the same way; the error"
        " says how far."
    ),
}
"""What each check says, by name. A name that is not here is shown without a sentence.
"""

KINDS = {
    "table": "hand-picked small cases",
    "random": "cases drawn at random",
    "sized": "shapes from real networks, also timed",
    "own": "your own function",
}

COSTS: Mapping[str, tuple[str, str]] = {
    "convolutions": ("convolutions", "count"),
    "dots": ("matrix products", "count"),
    "fusions": ("fusions", "count"),
    "custom_calls": ("library calls", "count"),
    "loops": ("loops", "count"),
    "scatters": ("scatters", "count"),
    "flops": ("flops", "flops"),
    "residual_bytes": ("residuals", "size"),
    "argument_bytes_kept": ("arguments kept", "size"),
    "temp_bytes": ("temporary memory", "size"),
    "output_bytes": ("output", "size"),
}
"""The costs shown, in order: words, and how the number is written."""


def of_words(of: str) -> str:
    """What a check looked at, in words.

    >>> of_words("x"), of_words("value 1")
    ('gradient to x', 'value 1')
    """
    return f"gradient to {of}" if is_gradient(of) else of


def is_gradient(of: str) -> bool:
    """Whether a check looked at a gradient, and not at the value."""
    return re.fullmatch(r"value( \d+)?", of) is None
