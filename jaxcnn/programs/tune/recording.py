"""The distinct convolutions of a network: every map that a training step computes, with
its problem and dtype."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxcnn.ops import EXPLICIT, Ops
from jaxcnn.ops.convolution.functions import conv
from jaxcnn.ops.convolution.methods import LAX, Method
from jaxcnn.ops.convolution.methods.method import operand_dtype
from jaxcnn.ops.convolution.methods.tuning import with_default
from jaxcnn.ops.convolution.problem import Problem


class Map(NamedTuple):
    """One map of a convolution in a dtype."""

    name: str
    problem: Problem
    dtype: str

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Of its two operands."""
        x, w, y = self.problem.x_shape, self.problem.w_shape, self.problem.y_shape
        return {"forward": (x, w), "input_grad": (y, w), "kernel_grad": (x, y)}[self.name]


def recorded(run: Callable[[Ops], Any]) -> list[Map]:
    """The maps that `run` computes with the operations that it gets, each once.

    `run` is traced, not computed: it takes an `Ops` and calls `jax.eval_shape`.
    """
    found: dict[Map, None] = {}

    def note(name: str, a: Array, b: Array, problem: Problem) -> Array:
        found[Map(name, problem, jnp.dtype(operand_dtype(a, b, problem)).name)] = None
        return getattr(LAX, name)(a, b, problem)

    maps = (partial(note, name) for name in Method._fields)
    run(EXPLICIT._replace(conv=with_default(conv, Method(*maps))))
    return list(found)


def of_training(model: Any, x_shape: tuple[int, ...], dtype: Any) -> list[Map]:
    """The maps of the gradient of a model, to its parameters. The input gradient of the
    first layer is among them, though the compiler leaves it out."""

    def run(ops: Ops) -> None:
        params, state = jax.eval_shape(lambda: model.init(jax.random.key(0), x_shape))

        def loss(params: Any, state: Any, x: Array) -> Array:
            params = jax.tree.map(lambda a: a.astype(dtype), params)
            y, _ = model.apply(params, state, x, train=True, key=jax.random.key(0), ops=ops)
            return jnp.sum(y.astype(jnp.float32))

        jax.eval_shape(jax.grad(loss), params, state, jax.ShapeDtypeStruct(x_shape, dtype))

    return recorded(run)
