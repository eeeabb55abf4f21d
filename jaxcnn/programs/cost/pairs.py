"""A pair: two functions that compute the same, one by jaxcnn's rules and one by plain
JAX, and what they are given."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxcnn.check._arguments import floating
from jaxcnn.check.gradients import value_and_gradients
from jaxcnn.layers import Layer
from jaxcnn.ops import EXPLICIT, Ops
from jaxcnn.programs.certify.cases.case import Case
from jaxcnn.programs.loading import in_one_line, load
from jaxcnn.programs.options import ConfigError
from jaxcnn.programs.plain import PLAIN
from jaxcnn.training import init_train_state, make_train_step

Shape = tuple[int, ...]


class Pair(NamedTuple):
    """Two functions of the same arguments.

    Attributes:
      name: for tables.
      kind: what is compared.
      explicit, plain: the functions; a jitted one keeps its donations.
      args: trees of arrays, or of `jax.ShapeDtypeStruct`s in their place.
      split: the numbers of the arguments whose first axis the devices share. The others
        are whole on each device.
    """

    name: str
    kind: Literal["operation", "step", "own"]
    explicit: Callable[..., Any]
    plain: Callable[..., Any]
    args: tuple[Any, ...]
    split: tuple[int, ...] = ()


def operation_pair(case: Case, dtype: str = "float32") -> Pair:
    """The value and all gradients of an operation, in one program."""
    args = case.args(dtype)
    numbers = floating([jnp.zeros(()) if _is_key(a) else a for a in args])
    numbers = tuple(i for i in numbers if not _is_key(args[i]))

    def of(ops: Ops) -> Callable[..., Any]:
        return value_and_gradients(case.of(ops), numbers)

    dy = jax.eval_shape(case.of(EXPLICIT), *args)
    return Pair(
        f"{case.operation}, {case.name}", "operation", of(EXPLICIT), of(PLAIN), (tuple(args), dy)
    )


def _is_key(a: Any) -> bool:
    return jnp.issubdtype(a.dtype, jax.dtypes.prng_key)


def step_pair(name: str, model: Layer, image: Shape, batch: int) -> Pair:
    """A whole training step: forward, backward, and SGD with momentum.

    Args:
      name: of the network.
      model: whose outputs are logits, (n, ..., classes); each is a classification.
      image: the shape of an image, channels last.
      batch: images in a step, on all devices together.

    Raises:
      ValueError: if the model does not take such images.
    """
    optimizer = optax.sgd(0.05, momentum=0.9)
    x = jax.ShapeDtypeStruct((batch, *image), "float32")
    init = partial(init_train_state, model, optimizer, input_shape=x.shape)
    state = jax.eval_shape(init, jax.random.key(0))
    logits, _ = jax.eval_shape(model.apply, state.params, state.model_state, x)
    labels = jax.ShapeDtypeStruct(logits.shape[:-1], "int32")
    explicit, plain = (make_train_step(model, optimizer, ops=ops) for ops in (EXPLICIT, PLAIN))
    args = (state, x, labels)
    return Pair(f"{name}, a step of {batch}", "step", explicit, plain, args, split=(1, 2))


def own_pair(path: str) -> Pair:
    """The pair of --pair: what the function of `path` returns.

    Raises:
      ConfigError: if there is no such function, it raises, or it returns anything else
        than (explicit, plain, args).
    """
    try:
        found = load("--pair", path)()
    except ConfigError:
        raise
    except Exception as error:  # whatever the person's function raises
        raise ConfigError(f"--pair: {path} raises {in_one_line(error)}") from error
    needed = f"--pair: {path} must return (explicit, plain, args), two functions and a tuple"
    if not isinstance(found, tuple) or len(found) != 3:
        raise ConfigError(f"{needed}; it returns {_described(found)}")
    explicit, plain, args = found
    if not callable(explicit) or not callable(plain) or not isinstance(args, (tuple, list)):
        raise ConfigError(
            f"{needed}; it returns {', '.join(map(_described, found))}: write (x,) for one argument"
        )
    return Pair(path, "own", explicit, plain, tuple(args))


def _described(value: Any) -> str:
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    return "a function" if callable(value) else f"a value of type {type(value).__name__}"
