"""The place where a step first meets an infinity or a NaN."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxcnn.layers import Layer, outputs
from jaxcnn.ops import EXPLICIT, Ops
from jaxcnn.training.augmenting import Augment
from jaxcnn.training.calls import Batch, as_batch, as_state
from jaxcnn.training.memory import check_alive
from jaxcnn.training.objective import Loss, LossName, can_overflow, cast, make_objective
from jaxcnn.training.state import TrainState
from jaxcnn.training.trainable import Trainable, path_name


def find_nonfinite(
    model: Layer,
    state: TrainState,
    x: Batch,
    y: Batch,
    *,
    loss: Loss | LossName | None = None,
    ops: Ops = EXPLICIT,
    augment: Augment | None = None,
    compute_dtype: DTypeLike | None = None,
    trainable: Trainable = None,
) -> str | None:
    """The place where the step from `state` on this batch first meets an infinity or a
    NaN, in words; None if it meets none.

    The arguments are those of `make_train_step`. The search goes through the forward
    pass layer by layer (outputs, then new statistics), then the loss, then the
    gradients from the last layer back. So it names the place where the trouble begins,
    not a place that it has spread to.

    >>> import optax
    >>> from jaxcnn import init_train_state, layers
    >>> slip = layers.activation(lambda x: 1 / (x - x), "slip")
    >>> model = layers.serial(layers.dense(2), slip)
    >>> state = init_train_state(model, optax.sgd(0.1), jax.random.key(0), (1, 3))
    >>> find_nonfinite(model, state, jnp.zeros((4, 3)), jnp.zeros(4, int))
    "layer '1_slip': 8 of 8 outputs are not finite (largest input magnitude: 0)"
    """
    objective = make_objective(model, loss, ops, augment, compute_dtype, trainable)
    check_alive(as_state(state))

    @jax.jit
    def measure(state: TrainState, x: Array, y: Array) -> _Step:
        images, _, key = objective.inputs(state, x, y)
        params = cast(state.params, objective.compute_dtype)
        given = outputs(model, params, state.model_state, images, train=True, key=key, ops=ops)
        at = objective.evaluate(state, x, y)
        step = _Step(
            state.params, state.model_state, images, given, at.value, at.model_state, at.grads
        )
        return jax.tree.map(_finiteness, step)

    return _first(
        measure(state, as_batch("x", x), as_batch("y", y)), [entry for entry, _ in model.parts]
    )


class _Finiteness(NamedTuple):
    bad: Array  # the number of values that are not finite
    size: Array
    largest: Array  # the largest magnitude of the finite ones

    def of(self, values: str) -> str:
        """In words: "3 of 8 outputs are not finite"."""
        return f"{self.bad:,} of {self.size:,} {values} are not finite"


class _Step(NamedTuple):
    """The arrays that a step computes, in the order of the search, or a `_Finiteness`
    for each of them."""

    params: Any
    model_state: Any
    images: Any
    given: Any
    value: Any
    new_model_state: Any
    grads: Any


def _first(step: _Step, entries: list[str]) -> str | None:
    """The first array that is not finite, in words. `entries` are those of the model,
    in order."""
    for path, found in _bad(step.params):
        return f"parameter {path!r}: {found.of('values')}"
    lasting = dict(_bad(step.new_model_state))
    for path, found in _bad(step.model_state):
        if path in lasting:
            return (
                f"statistics {path!r} of the state: {found.of('values')}, before the step as after"
                " it"
            )
    if step.images.bad:
        return f"the images: {step.images.of('values')}"
    largest = step.images.largest
    for path, found in step.given.items():
        layer = f"layer {path!r}" if path else "the model"
        given = f"(largest input magnitude: {largest:.3g})"
        if found.bad:
            return f"{layer}: {found.of('outputs')} {given}"
        for entry, statistics in lasting.items():
            if not path or entry.startswith(f"{path}/"):
                return f"new statistics {entry!r} of {layer}: {statistics.of('values')} {given}"
        largest = found.largest
    if step.value.bad:
        return f"the loss is not finite (largest logit magnitude: {largest:.3g})"
    for path, found in lasting.items():
        return f"new statistics {path!r}: {found.of('values')}, though the loss is"
    order = {entry: position for position, entry in enumerate(entries)}
    bad = _bad(step.grads)
    if bad:
        path, found = max(bad, key=lambda item: order.get(item[0].split("/")[0], -1))
        return f"the gradient of {path!r}: {found.of('values')}, though the loss is"
    return None


def _finiteness(a: Array) -> _Finiteness:
    if not can_overflow(a):
        return _Finiteness(jnp.array(0), jnp.array(a.size), jnp.array(0.0))
    finite = jnp.isfinite(a)
    largest = jnp.max(jnp.where(finite, jnp.abs(a), 0), initial=0).astype(jnp.float32)
    return _Finiteness(jnp.sum(~finite), jnp.array(a.size), largest)


def _bad(tree: Any) -> list[tuple[str, _Finiteness]]:
    """The paths of the arrays that are not finite."""
    entries = jax.tree.leaves_with_path(tree, is_leaf=lambda node: isinstance(node, _Finiteness))
    return [(path_name(path), found) for path, found in entries if found.bad]
