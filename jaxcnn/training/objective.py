"""The objective that a step minimises on one batch, and the check that it is finite."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxcnn.arguments import described
from jaxcnn.layers import Layer
from jaxcnn.layers._arguments import as_ops
from jaxcnn.layers.calling import apply_layer
from jaxcnn.layers.layer import as_layer
from jaxcnn.ops import Ops
from jaxcnn.ops._arrays import as_array
from jaxcnn.training.augmenting import Augment, augmented, check_augment
from jaxcnn.training.state import TrainState
from jaxcnn.training.trainable import Trainable, agreed, path_name, trained_only, with_frozen

Loss = Callable[[Array, Array], Array]
"""(logits, labels) -> losses of any shape"""
LossName = Literal["softmax_cross_entropy", "sigmoid_binary_cross_entropy", "mean_squared_error"]
Metrics = dict[str, Array]


class Evaluated(NamedTuple):
    """An objective at the parameters of a state.

    Attributes:
      value: J.
      logits, model_state: the results of the model.
      labels: after augmentation.
      frozen: the paths of the parameters that are not trained.
      params, grads: the parameters that are trained, and dJ/dparams.
      value_fn: trained parameters -> J, on the same batch and with the same key.
    """

    value: Array
    logits: Array
    model_state: Any
    labels: Array
    frozen: dict[str, None]
    params: Any
    grads: Any
    value_fn: Callable[[Any], Array]


class Objective(NamedTuple):
    model: Layer
    loss: Loss
    ops: Ops
    augment: Augment | None
    compute_dtype: DTypeLike | None
    trainable: Trainable

    def inputs(self, state: TrainState, x: Array, y: Array) -> tuple[Array, Array, Array]:
        """The images after augmentation and casting, the labels after augmentation, and
        the model's key."""
        key = jax.random.fold_in(state.key, state.step)
        augment_key, model_key = jax.random.split(key)
        if self.augment is not None:
            x, y = augmented(self.augment, augment_key, x, y, state.step)
        return cast(x, self.compute_dtype), y, model_key

    def evaluate(self, state: TrainState, x: Array, y: Array) -> Evaluated:
        frozen = agreed(self.trainable, state.params, state.frozen)

        def objective(trained: Any) -> tuple[Array, tuple[Any, Array, Array]]:
            images, labels, key = self.inputs(state, x, y)
            params = cast(with_frozen(trained, state.params, frozen), self.compute_dtype)
            logits, model_state = apply_layer(
                self.model, params, state.model_state, images, train=True, key=key, ops=self.ops
            )
            if self.compute_dtype is not None and jnp.finfo(logits.dtype).bits < 32:
                logits = logits.astype(jnp.float32)
            return mean_loss(self.loss, logits, labels), (model_state, logits, labels)

        params = trained_only(state.params, frozen)
        _check_differentiable(params)
        (value, (model_state, logits, labels)), grads = jax.value_and_grad(objective, has_aux=True)(
            params
        )
        return Evaluated(
            value,
            logits,
            model_state,
            labels,
            frozen,
            params,
            grads,
            lambda params: objective(params)[0],
        )


def make_objective(
    model: Layer,
    loss: Loss | LossName | None,
    ops: Ops,
    augment: Augment | None,
    compute_dtype: DTypeLike | None,
    trainable: Trainable,
) -> Objective:
    """The objective. Its parts are checked."""
    check_augment(augment)
    model, ops = as_layer("model", model), as_ops(ops)
    dtype = _as_floating(compute_dtype)
    return Objective(model, as_loss(loss, ops), ops, augment, dtype, trainable)


def as_loss(loss: Loss | LossName | None, ops: Ops) -> Loss:
    """The loss function: the one given, or that of `ops` with the given name."""
    if callable(loss):
        return loss
    if loss is None:
        return ops.softmax_cross_entropy
    if isinstance(loss, str) and loss in get_args(LossName):
        return getattr(ops, loss)
    raise ValueError(
        "loss must be a function, (logits, labels) -> losses, or one of"
        f" {', '.join(map(repr, get_args(LossName)))}, got {described(loss)}"
    )


def mean_loss(loss: Loss, logits: Array, y: Array) -> Array:
    """J"""
    losses = as_array("what loss gives", loss(logits, y))
    if not jnp.issubdtype(losses.dtype, jnp.floating):
        raise ValueError(f"loss must give floating losses, got {described(losses)}")
    return jnp.mean(losses)


def cast(tree: Any, dtype: DTypeLike | None) -> Any:
    """The tree with its floating leaves in `dtype`, or as they are if that is None."""
    if dtype is None:
        return tree
    return jax.tree.map(
        lambda leaf: leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf, tree
    )


def all_finite(tree: Any) -> Array:
    """Whether all numbers of the tree are finite; integers and keys always are. One
    reduction serves all arrays of a shape."""
    alike: dict[Any, Array] = {}
    for leaf in jax.tree.leaves(tree):
        if can_overflow(leaf):
            finite = jnp.isfinite(leaf)
            kind = jax.typeof(finite)  # with its sharding, where that is part of the type
            alike[kind] = alike[kind] & finite if kind in alike else finite
    return jnp.all(jnp.array([jnp.all(finite) for finite in alike.values()]))


def can_overflow(leaf: Array) -> bool:
    return jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)


def _as_floating(compute_dtype: DTypeLike | None) -> DTypeLike | None:
    if compute_dtype is None:
        return None
    try:
        dtype = jnp.dtype(compute_dtype)
    except TypeError:
        dtype = jnp.dtype(bool)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(
            "compute_dtype must be a floating dtype, jnp.bfloat16, or None, got"
            f" {described(compute_dtype)}"
        )
    return dtype


def _check_differentiable(params: Any) -> None:
    for path, leaf in jax.tree.leaves_with_path(params):
        if not can_overflow(leaf):
            raise ValueError(
                f"parameter {path_name(path)!r} has the dtype {leaf.dtype}, and so no gradient:"
                " leave it out by trainable=, or keep it in the model's state"
            )
