"""Losses, by way of their exponentials."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy

import jaxcnn.ops as ops
from jaxcnn.derive.definition import Definition, Statement, Step, cotangents, sums_of
from jaxcnn.derive.elementwise import s
from jaxcnn.derive.quantities import named, term

SOFTMAX, BINARY = "jaxcnn.ops.cross_entropy", "jaxcnn.ops.binary_cross_entropy"
SQUARED = "jaxcnn.ops.squared_error"


def softmax_cross_entropy(classes: int, *, batch: int = 1, seed: int = 0) -> Definition:
    """`jaxcnn.softmax_cross_entropy`, of labels drawn at random."""
    labels = np.random.default_rng(seed).integers(classes, size=batch)
    z, e = (named(letter, (batch, classes), ((0,), (1,))) for letter in "ze")
    total, loss = (named(letter, (batch,), ((0,),)) for letter in ("total", "loss"))
    steps = [
        Step("exponentials", e, sums_of(z.shape, lambda n, j: [term(sympy.exp(z[n, j]))])),
        Step(
            "totals",
            total,
            sums_of(total.shape, lambda n: [term(e[n, j]) for j in range(classes)]),
        ),
        Step(
            "losses",
            loss,
            sums_of(
                loss.shape, lambda n: [term(sympy.log(total[n])), term(-1, z[n, int(labels[n])])]
            ),
        ),
    ]
    dloss = cotangents(loss)

    def prediction_minus_target(n: int, j: int) -> list[Any]:
        found = [term(dloss[n], e[n, j] / total[n])]
        return [*found, term(-1, dloss[n])] if j == labels[n] else found

    statement = Statement(
        "z",
        "prediction minus target, p - [j = label], times dJ/dloss; p = e/total",
        sums_of(z.shape, prediction_minus_target),
        "value",
    )

    def run(arrays: Any) -> Any:
        return ops.softmax_cross_entropy(arrays["z"], labels)

    sources = {"y": (SOFTMAX, "loss = jnp.log1p("), "z": (SOFTMAX, "* off  # (2)")}
    return Definition({"z": z}, steps, [statement], run, sources)


def binary_cross_entropy(size: int) -> Definition:
    """`jaxcnn.sigmoid_binary_cross_entropy`, of logits x and labels t."""
    x, t, loss = (named(letter, (size,), ((0,),)) for letter in ("x", "t", "loss"))
    steps = [
        Step(
            "losses",
            loss,
            sums_of(
                x.shape,
                lambda i: [
                    term(-1, t[i], sympy.log(s(x[i]))),
                    term(-1, 1 - t[i], sympy.log(s(-x[i]))),
                ],
            ),
        )
    ]
    dloss = cotangents(loss)
    statements = [
        Statement(
            "x",
            "prediction minus label, s(x) - t, times dJ/dloss",
            sums_of(x.shape, lambda i: [term(dloss[i], s(x[i]) - t[i])]),
            "value",
        ),
        Statement(
            "t", "-x dJ/dloss", sums_of(x.shape, lambda i: [term(-1, dloss[i], x[i])]), "value"
        ),
    ]

    def run(arrays: Any) -> Any:
        return ops.sigmoid_binary_cross_entropy(arrays["x"], arrays["t"])

    sources = {"y": (BINARY, ")  # (1)"), "x": (BINARY, "# (2)"), "t": (BINARY, "# (3)")}
    return Definition({"x": x, "t": t}, steps, statements, run, sources)


def squared_error(size: int) -> Definition:
    """`jaxcnn.mean_squared_error`, of predictions p and targets t."""
    p, t = (named(letter, (size,), ((0,),)) for letter in "pt")
    loss = np.empty((), object)
    loss[()] = sympy.Symbol("loss", real=True)
    part = sympy.Rational(1, size)
    sums = sums_of((), lambda: [term(part, (p[i] - t[i]) ** 2) for i in range(size)])
    dloss = cotangents(loss)[()]

    def run(arrays: Any) -> Any:
        return ops.mean_squared_error(arrays["p"], arrays["t"])

    statements = [
        Statement(
            name,
            f"{sign}2/{size} (p - t) dJ/dloss",
            sums_of(p.shape, lambda i, f=factor: [term(f * 2 * part, dloss, p[i] - t[i])]),
            "value",
        )
        for name, sign, factor in (("p", "", 1), ("t", "-", -1))
    ]
    sources = {
        "y": (SQUARED, "# (1)"),
        "p": (SQUARED, "# (2)"),
        "t": (SQUARED, "return cotangent_like(dp, p), cotangent_like(-dp, t)"),
    }
    return Definition({"p": p, "t": t}, [Step("loss", loss, sums)], statements, run, sources)
