"""The columns of JAX: who computes a pass, and the program that is compiled for it at
each place.

    plain      lax as people write it, differentiated by JAX (`programs/plain.py`)
    autodiff   jaxcnn's forward, differentiated by JAX
    explicit   jaxcnn with its rules
    others     jaxcnn with its rules, by one of the methods of
               `jaxcnn.ops.convolution.methods`; for convolutions only

A program takes only the operands that its pass needs. In a scan operands and results
are stacked, so that XLA can move nothing out of the loop and leave nothing out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

import jaxcnn
from experiments.benchmark.case import Case, ConvolutionCase, OperationCase
from jaxcnn.ops.convolution.methods import AUTO, Method
from jaxcnn.ops.convolution.methods import METHODS as BY_NAME
from jaxcnn.ops.convolution.problem import Problem
from jaxcnn.ops.convolution.rule import input_grad_map
from jaxcnn.programs.plain import PLAIN, SPACE

PYTORCH = "pytorch"  # the column that is not JAX's, of `peers.py`
OPS = {"plain": PLAIN, "autodiff": jaxcnn.AUTODIFF, "explicit": jaxcnn.EXPLICIT}
METHODS: dict[str, Method] = {name.lower(): method for name, method in BY_NAME.items()}

SCAN_LENGTH = 2  # steps of the scan


def function(case: Case, column: str) -> Callable[..., Any]:
    """The operation, of its own arguments; a batch norm gives its new statistics
    too."""
    if isinstance(case, OperationCase):
        return _operation(case, column)
    if case.transposed:
        return _transposed(case, column)
    method = METHODS.get(column)
    ops = jaxcnn.EXPLICIT if method else OPS[column]
    return lambda x, w: ops.conv(x, w, method=method, **case.options)


def _operation(case: OperationCase, column: str) -> Callable[..., Any]:
    operation = getattr(OPS[column], case.operation)
    if case.operation == "batch_norm":
        channels = case.shapes[0][-1:]
        return lambda *args: operation(
            *args,
            jaxcnn.BatchNormState(jnp.zeros(channels), jnp.ones(channels)),
            train=True,
            **case.options,
        )
    return lambda *args: operation(*args, **case.options)


def _transposed(case: ConvolutionCase, column: str) -> Callable[..., Any]:
    if column == "plain":
        space = SPACE[len(case.x) - 2]
        window = case.window
        return lambda x, w: lax.conv_transpose(
            x,
            w,
            window.stride,
            window.input_grad(case.x[1:-1]).pads,
            rhs_dilation=window.dilation,
            dimension_numbers=(f"N{space}C", f"{space}IO", f"N{space}C"),
            transpose_kernel=True,
        )
    if column == "autodiff":
        problem = Problem.of(case.x, case.w, **case.options)
        return lambda x, w: input_grad_map(x, w, problem, AUTO)  # the pass without its rule
    return lambda x, w: jaxcnn.conv_input_grad(
        x, w, case.x, method=METHODS.get(column), **case.options
    )


# Passes.


def operands(case: Case, pass_name: str) -> tuple[str, ...]:
    """The names of the arrays that a pass needs, in the order in which its programs
    take them."""
    return {
        "forward": tuple(case.arguments),
        "input gradient": ("dy", "w"),
        "kernel gradient": ("x", "dy"),
        "gradient": (*case.arguments, "dy"),
    }[pass_name]


def operand_shapes(case: Case, pass_name: str, dtype: str) -> list[jax.ShapeDtypeStruct]:
    shapes = {
        name: jax.ShapeDtypeStruct(shape, "int32" if name == "labels" else dtype)
        for name, shape in case.arguments.items()
    }
    shapes["dy"] = jax.tree.leaves(jax.eval_shape(function(case, "explicit"), *shapes.values()))[0]
    return [shapes[name] for name in operands(case, pass_name)]


def make_pass(case: Case, column: str, pass_name: str) -> Callable[..., Any]:
    """The pass as a function of its operands.

    A convolution is linear in each argument, so its gradient with respect to one does
    not depend on the value of that one, and zeros stand for it.
    """
    f = function(case, column)
    if pass_name == "forward":
        return f

    if pass_name == "gradient":

        def gradient(*args: Array) -> tuple[Array, ...]:
            *inputs, dy = args
            floating = [i for i, name in enumerate(case.arguments) if name != "labels"]

            def of_floating(*values: Array) -> Array:
                given = dict(zip(floating, values, strict=True))
                return jax.tree.leaves(f(*(given.get(i, a) for i, a in enumerate(inputs))))[0]

            return jax.vjp(of_floating, *(inputs[i] for i in floating))[1](dy)

        return gradient

    if pass_name == "input gradient":
        return lambda dy, w: jax.vjp(lambda x: f(x, w), jnp.zeros(case.arguments["x"], w.dtype))[1](
            dy
        )[0]
    return lambda x, dy: jax.vjp(lambda w: f(x, w), jnp.zeros(case.arguments["w"], x.dtype))[1](dy)[
        0
    ]


def value_and_gradients(
    case: ConvolutionCase, column: str
) -> Callable[[Array, Array, Array], tuple[Array, Array, Array]]:
    """All three passes of a convolution in one, of (x, w, dy)."""
    evaluate = jaxcnn.check.value_and_gradients(function(case, column))

    def together(x, w, dy):
        y, gradients = evaluate((x, w), dy)
        return (y, *gradients)

    return together


def in_scan(f: Callable[..., Any]) -> Callable[..., Any]:
    """The results of several steps, stacked, from operands that are stacked."""
    return lambda *stacked: lax.scan(lambda _, args: (None, f(*args)), None, stacked)[1]


def compile_pass(
    case: Case, column: str, pass_name: str, place: str, dtype: str
) -> jax.stages.Compiled | None:
    """The compiled program of a pass; None where a method refuses the case."""
    f: Callable[..., Any] = make_pass(case, column, pass_name)
    shapes: Sequence[jax.ShapeDtypeStruct] = operand_shapes(case, pass_name, dtype)
    if place == "scan":
        f, shapes = (
            in_scan(f),
            [jax.ShapeDtypeStruct((SCAN_LENGTH, *s.shape), s.dtype) for s in shapes],
        )
    try:
        lowered = jax.jit(f).lower(*shapes)
    except ValueError:
        if column in METHODS:
            return None
        raise
    return lowered.compile()
