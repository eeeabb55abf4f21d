"""A training step: state goes in and comes out, and one jitted function does all between.

    logits = model(params, x);   J = mean of loss(logits, y) over the batch;   params <- optimizer(params, dJ/dparams)

`jax.value_and_grad` does the chain rule's bookkeeping; the local derivatives are those of the `ops` that the model and the loss
were made with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxcnn.layers import Layer
from jaxcnn.ops import softmax_cross_entropy

Loss = Callable[[Array, Array], Array]
Metrics = dict[str, Array]


class TrainState(NamedTuple):
    """All that training changes, and the key that it draws from.

    Attributes:
      params, model_state: those of the model.
      opt_state: the optimiser's.
      step: the number of updates done, int32.
      key: the random key of the run; each step uses its own, folded from this one and `step`.
    """

    params: Any
    model_state: Any
    opt_state: Any
    step: Array
    key: Array


def init_train_state(model: Layer, optimizer: optax.GradientTransformation, key: Array, input_shape: Sequence[int]) -> TrainState:
    """The state before the first step, for inputs of `input_shape`, batch axis included.

    `key` itself is not kept: the step donates its state, and what is the caller's must stay alive.
    """
    init_key, step_key = jax.random.split(key)
    params, model_state = model.init(init_key, tuple(input_shape))
    return TrainState(params, model_state, optimizer.init(params), jnp.zeros((), jnp.int32), step_key)


def make_train_step(
    model: Layer, optimizer: optax.GradientTransformation, *, loss: Loss = softmax_cross_entropy
) -> jax.stages.Wrapped:
    """One update as a jitted function, step(state, x, y) -> (new_state, metrics).

    The state is donated: its buffers are used again for the new one, so read the new one only. The step can stand in the body
    of a `lax.scan`, and under `vmap` for several runs at once.

    Args:
      model: a layer; its y is what `loss` takes first.
      optimizer: any optax transformation.
      loss: (logits, labels) -> losses of any shape, whose mean is minimised. Take it from the `ops` that the model was made with,
        `ops.softmax_cross_entropy`, to have one kind of derivative everywhere; `functools.partial` gives it options.

    Returns:
      The step. Its metrics are scalars, of the batch and the parameters before the update: "loss", and "accuracy" where the
      labels are class numbers, that is integers with one axis less than the logits.

    >>> from jaxcnn import layers
    >>> model = layers.serial(layers.flatten(), layers.dense(2))
    >>> optimizer = optax.sgd(0.1)
    >>> state = init_train_state(model, optimizer, jax.random.key(0), (1, 4, 4, 1))
    >>> step = make_train_step(model, optimizer)
    >>> state, metrics = step(state, jnp.ones((3, 4, 4, 1)), jnp.array([0, 1, 1]))
    >>> int(state.step), sorted(metrics)
    (1, ['accuracy', 'loss'])
    """

    def objective(params, model_state, x, y, key):
        logits, model_state = model.apply(params, model_state, x, train=True, key=key)
        value = jnp.mean(loss(logits, y))
        return value, (model_state, logits)

    @partial(jax.jit, donate_argnums=0)
    def step(state: TrainState, x: Array, y: Array) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(state.key, state.step)
        (value, (model_state, logits)), grads = jax.value_and_grad(objective, has_aux=True)(
            state.params, state.model_state, x, y, key
        )
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        return TrainState(params, model_state, opt_state, state.step + 1, state.key), _metrics(value, logits, y)

    return step


def make_eval_step(model: Layer, *, loss: Loss = softmax_cross_entropy) -> jax.stages.Wrapped:
    """The metrics of `make_train_step` without training, evaluate(state, x, y) -> metrics, jitted. The state is not donated.

    >>> from jaxcnn import layers
    >>> model = layers.serial(layers.flatten(), layers.dense(2))
    >>> state = init_train_state(model, optax.sgd(0.1), jax.random.key(0), (1, 4, 4, 1))
    >>> metrics = make_eval_step(model)(state, jnp.zeros((3, 4, 4, 1)), jnp.array([0, 1, 1]))
    >>> round(float(metrics["loss"]), 4)  # log 2: the logits are all 0
    0.6931
    """

    @jax.jit
    def evaluate(state: TrainState, x: Array, y: Array) -> Metrics:
        logits, _ = model.apply(state.params, state.model_state, x, train=False)
        return _metrics(jnp.mean(loss(logits, y)), logits, y)

    return evaluate


def _metrics(value: Array, logits: Array, y: Array) -> Metrics:
    metrics = {"loss": value}
    if jnp.issubdtype(y.dtype, jnp.integer) and y.ndim == logits.ndim - 1:
        metrics["accuracy"] = jnp.mean(jnp.argmax(logits, axis=-1) == y)
    return metrics
