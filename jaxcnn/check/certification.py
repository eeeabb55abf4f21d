"""`certify`: is the gradient of one function right, and how accurate is it, judged by
another function that JAX differentiates?

f is the function, g_i = J_i' dy its gradient to argument i, F the reference and G_i the
reference's autodiff gradient. The truth is the reference in float64. In the arguments'
dtype the reference is measured but never trusted, because on a CPU lax's float32
gradient of a convolution can be garbage (openxla/xla#48713).

    check         what must hold                                              data
                    and the mistakes that it catches
    structure     shapes and dtypes of f = F; of g_i = argument i             -
                    wrong axes, dtypes that leak
    integers      f = F and g_i = G_i, bit for bit, in the arguments' dtype   integers
                    any wrong, lost or doubled term; ties
    accuracy      f ~ F and g_i ~ G_i in the arguments' dtype, as accurate    distinct
                  as autodiff is there
                    the same for functions with roundings; sums in too narrow a dtype
    linearity     <dy, f> = <g_i, argument i>, f linear in i                  distinct
                    any, without the reference
    conservation  sum g_i = k sum dy where f(a_i + c) = f + k c, k = 0, 1     both
                    pools and norms that lose or make some
    adjoint       <dy, J v> = <g, v> with J v from F's forward mode           distinct
                    a gradient that is no transpose
    differences   central differences of f: along random directions, and      distinct
                  every entry of a small Jacobian
                    any, without the reference; a forward
                    that is not the one differentiated
    reference     the same for F, along random directions                     distinct
                    an oracle that is wrong itself
    second order  the gradients of sum_i <g_i, u_i>: F's; slopes of g         distinct
                    residuals hidden from differentiation
    zeros         g_i = 0 for dy = 0; where arguments are 0, f and g_i are    distinct,
                  finite if F and G_i are                                     zeros
                    constants in a gradient; 0 / 0
    repeats       the same bits in every run                                  distinct
                    reads out of bounds, unordered sums
    jit, vmap,    the same called one operation after another, for two        integers
    scan          sets of arguments at once, and in a loop                    if exact
                    rules that do not compose

All checks but structure, integers, accuracy, zeros and those after zeros compute in
float64, where rounding cannot hide a mistake.

Only "integers" looks at kinks and ties, on whole numbers. If arrays are given, every
point is near them (relative to each entry, within their range), so that a function with
a restricted domain, such as a square root, can be certified. "integers" then goes to
other whole numbers only if the function is finite there.

A rule that differs on purpose has another label. In place of the checks that compare
its gradients with the exact ones, it has to pass:

    unbiased      the mean of g_i over random keys is G_i                     distinct
                    a scale or a threshold that is off
    bias          <g_i, G_i> > 0, and g is not the exact gradient             distinct
                    a step uphill; a label that is wrong
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.check import draw
from jaxcnn.check._arguments import among, check_same_structure, floating, labels, strong
from jaxcnn.check.applicability import CHECKS, KINKS, NEEDS, NOT_FOR
from jaxcnn.check.certificate import Certificate, Label
from jaxcnn.check.measure import Check
from jaxcnn.check.subject import Subject
from jaxcnn.layers.pinning import pinned_in


def certify(
    explicit: Callable,
    reference: Callable,
    args: Sequence[Any],
    *,
    linear_in: Sequence[int] = (),
    integers: bool | None = None,
    label: Label = "exact",
    names: Sequence[str] | None = None,
    tolerance: float | None = None,
    skip: Sequence[str] = (),
    seed: int = 0,
) -> Certificate:
    """Check the gradient of `explicit` against `reference`, in every way that applies.
    The table at the top of this file has the checks.

    Args:
      explicit: the function with the rule; takes `args`, returns an array or a pytree
        of arrays. Called under `jit`.
      reference: the same function, differentiated by JAX.
      args: arrays, or `jax.ShapeDtypeStruct`s, for which data is drawn from (-1, 1).
        Floating ones are differentiated, in their dtype and in float64; others (labels,
        keys) are passed on. A function with a restricted domain, such as a square root,
        needs arrays from its domain, and all points are then near them.
      linear_in: the numbers of the arguments in each of which the function is linear
        while the others are held fixed: (0, 1) for a convolution.
      integers: whether the function of whole numbers is exact in the arguments' dtype,
        as sums, products and selections are. The default is True if it is linear in any
        argument and the reference shows no rounding. With False, kinks and ties are not
        checked, which `left_out` says.
      label: what the gradient claims to be: "exact"; "unbiased", random with the exact
        mean, for which one of `args` must be a typed key; or "biased".
      names: the arguments' names, for the verdicts.
      tolerance: relative error allowed in "accuracy". By default 16 units in the last
        place or 3 times the error of autodiff's own gradient, whichever is larger, up
        to a limit for each dtype, `subject.TOLERANCE`.
      skip: checks to leave out, by name.
      seed: of the data.

    Returns:
      A `Certificate`: `.passed`, `.checks`, `.failures`, `.autodiff_wrong`,
        `.not_compared`; `str` of it is a table.

    Raises:
      ValueError: if nothing can be differentiated, an argument is no array or holds NaN
        or infinity, or the results of the two functions differ in structure or are not
        floating. (Results of other shapes and dtypes are a failed check.)

    >>> from jaxcnn.ops import AUTODIFF, EXPLICIT
    >>> x = jax.ShapeDtypeStruct((2, 5, 3), "float32")
    >>> w = jax.ShapeDtypeStruct((3, 3, 4), "float32")
    >>> certify(EXPLICIT.conv, AUTODIFF.conv, (x, w), linear_in=(0, 1)).passed
    True
    """
    args = strong(args, names)
    numbers = floating(args, names)
    _check_options(args, numbers, linear_in, label, skip)
    named = tuple(labels(args, names)[i] for i in numbers)
    rng = np.random.default_rng(seed)
    distinct = tuple(
        (
            draw.distinct(rng, args[i].shape)
            if isinstance(args[i], jax.ShapeDtypeStruct)
            else np.asarray(args[i], np.float64)
        )
        for i in numbers
    )
    structs = [jax.ShapeDtypeStruct(args[i].shape, args[i].dtype) for i in numbers]
    made: list[Check] = []
    left_out = {name: f"skipped: {KINKS}" if name == "integers" else "skipped" for name in skip}
    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        (traced, out), (other, expected) = (
            jax.make_jaxpr(among(function, args, numbers), return_shape=True)(*structs)
            for function in (explicit, reference)
        )
        check_same_structure(out, expected)
        pinned = tuple(path for path in pinned_in(traced) if path in pinned_in(other))
        subject = Subject(
            explicit,
            reference,
            args,
            numbers,
            named,
            distinct,
            came=tuple(not isinstance(args[i], jax.ShapeDtypeStruct) for i in numbers),
            out=out,
            seed=seed,
            tolerance=tolerance,
            linear_in=tuple(name for i, name in zip(numbers, named, strict=True) if i in linear_in),
            integers=integers,
            label=label,
        )
        if "integers" not in left_out and not subject.whole:
            exact = (
                "the reference is not exact on whole numbers; "
                if linear_in and integers is None
                else ""
            )
            left_out["integers"] = exact + NEEDS["integers"]
        for name in CHECKS:
            if name in left_out or name in NOT_FOR[label]:
                continue
            found, why = _make(name, subject)
            made += found
            if why:
                left_out[name] = why
            if name == "structure" and not all(check.passed for check in found):
                break  # arrays of other shapes cannot be compared
    return Certificate(label, tuple(made), left_out, pinned)


def _make(name: str, subject: Subject) -> tuple[list[Check], str]:
    """The verdicts of one check, or the reason why it does not apply."""
    check = CHECKS[name]
    if name == "adjoint":
        try:
            return check(subject), ""
        except TypeError as error:
            if "custom_vjp" not in str(error):
                raise
            return [], "the reference has no forward mode"
    if name in ("second order", "jit", "vmap", "scan"):
        try:
            return check(subject), ""
        except Exception as error:
            # If a rule does not compose, the exception that it raises is the verdict.
            lines = str(error).strip().splitlines() or [""]
            return [
                Check(
                    name, "all", False, float("inf"), 0.0, "", f"{type(error).__name__}: {lines[0]}"
                )
            ], ""
    found = check(subject)
    return found, "" if found else NEEDS.get(name, "there is nothing to check")


def _check_options(args, numbers, linear_in, label, skip) -> None:
    strange = [i for i in linear_in if i not in numbers]
    if strange:
        raise ValueError(
            f"linear_in must have numbers of floating arguments, {numbers}, got {tuple(linear_in)}"
        )
    if label not in NOT_FOR:
        raise ValueError(f"label must be 'exact', 'unbiased' or 'biased', got {label!r}")
    unknown = [name for name in skip if name not in CHECKS]
    if unknown:
        raise ValueError(
            f"skip must have names of checks, {', '.join(CHECKS)}; got"
            f" {', '.join(map(repr, unknown))}"
        )
    if label == "unbiased" and not any(
        jnp.issubdtype(jnp.result_type(a), jax.dtypes.prng_key) for a in args
    ):
        raise ValueError(
            "label='unbiased' needs a typed key among args, jax.random.key(0): the mean is"
            " taken over keys"
        )
