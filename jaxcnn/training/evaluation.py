"""Evaluation without an update, and the metrics that training has too."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from jaxcnn.layers import Layer
from jaxcnn.layers._arguments import as_ops
from jaxcnn.layers.calling import apply_layer
from jaxcnn.layers.layer import as_layer
from jaxcnn.ops import EXPLICIT, Ops
from jaxcnn.training.calls import EvalStep
from jaxcnn.training.objective import Loss, LossName, Metrics, as_loss, mean_loss
from jaxcnn.training.state import TrainState


def make_eval_step(
    model: Layer, *, loss: Loss | LossName | None = None, ops: Ops = EXPLICIT
) -> EvalStep:
    """The metrics of `make_train_step` without training, evaluate(state, x, y) ->
    metrics, jitted. The state is not donated.

    If the state keeps an average, the metrics are those of the average.

    >>> import jax
    >>> import optax
    >>> from jaxcnn import init_train_state, layers
    >>> model = layers.serial(layers.flatten(), layers.dense(2))
    >>> state = init_train_state(model, optax.sgd(0.1), jax.random.key(0), (1, 4, 4, 1))
    >>> x, y = jnp.zeros((3, 4, 4, 1)), jnp.array([0, 1, 1])
    >>> metrics = make_eval_step(model)(state, x, y)
    >>> round(float(metrics["loss"]), 4)  # log 2: the logits are all 0
    0.6931
    """
    model, ops = as_layer("model", model), as_ops(ops)
    of_batch = as_loss(loss, ops)

    def evaluate(state: TrainState, x: Array, y: Array) -> Metrics:
        logits, _ = apply_layer(model, *state.eval_params(), x, train=False, key=None, ops=ops)
        return metrics_of(mean_loss(of_batch, logits, y), logits, y)

    return EvalStep(evaluate)


def metrics_of(value: Array, logits: Array, y: Array) -> Metrics:
    metrics = {"loss": value}
    if jnp.issubdtype(y.dtype, jnp.integer) and y.ndim == logits.ndim - 1:
        metrics["accuracy"] = jnp.mean(jnp.argmax(logits, axis=-1) == y)
    return metrics
