"""The checks that there are, and those that apply to a function."""

from __future__ import annotations

from collections.abc import Callable

from jaxcnn.check import checks, composing, differences, estimates, identities
from jaxcnn.check.measure import Check
from jaxcnn.check.subject import Subject

CHECKS: dict[str, Callable[[Subject], list[Check]]] = {
    "structure": checks.structure,
    "integers": checks.integers,
    "accuracy": checks.accuracy,
    "linearity": identities.linearity,
    "conservation": identities.conservation,
    "adjoint": identities.adjoint,
    "differences": differences.differences,
    "reference": differences.reference,
    "second order": checks.second_order,
    "unbiased": estimates.unbiased,
    "bias": estimates.bias,
    "zeros": checks.zeros,
    "repeats": composing.repeats,
    "jit": composing.jit,
    "vmap": composing.vmap,
    "scan": composing.scan,
}
"""In the order in which they are made."""

KINKS = "kinks and ties (a relu at 0, a maximum of equal numbers) were not looked at"

NEEDS = {
    "integers": f"{KINKS}: pass integers=True if the function is exact on whole numbers",
    "linearity": "the function is not said to be linear in an argument",
    "conservation": "a constant added to an argument does not come out as one",
    "differences": "the reference has a kink where the arguments lie, or is not finite about it",
    "reference": "the reference has a kink where the arguments lie, or is not finite about it",
}
"""Why a check may not apply."""

EXACT = ("linearity", "conservation", "adjoint", "differences", "second order")

NOT_FOR = {
    "exact": ("unbiased", "bias"),
    "unbiased": (*EXACT, "bias"),
    "biased": (*EXACT, "unbiased"),
}
"""For each label, the checks that do not apply to it."""
