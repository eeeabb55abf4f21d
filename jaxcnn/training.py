"""A training step: state goes in and comes out, and one jitted function does all between.

    logits = model(params, x);   J = mean of loss(logits, y) over the batch;   params <- optimizer(params, dJ/dparams)

`jax.value_and_grad` does the chain rule's bookkeeping; the local derivatives are those of the `ops` that the model and the loss
were made with.

On several devices nothing changes but where the arrays lie: give the step a state that every device holds whole and a batch that
is split over them (`jax.device_put` with a `NamedSharding` on a mesh of Auto axes), and it computes what one device would, the
statistics of a batch normalisation over the whole batch included.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array, lax
from jax.typing import DTypeLike

from jaxcnn.layers import Layer, outputs
from jaxcnn.ops import softmax_cross_entropy

Loss = Callable[[Array, Array], Array]
Augment = Callable[[Array, Array], Array]
Metrics = dict[str, Array]


class TrainState(NamedTuple):
    """All that training changes, and the key that it draws from.

    Attributes:
      params, model_state: those of the model.
      opt_state: the optimiser's.
      step: the number of updates done, int32.
      key: the random key of the run; each step uses its own, folded from this one and `step`.
      average: a moving average of (params, model_state), or None.
    """

    params: Any
    model_state: Any
    opt_state: Any
    step: Array
    key: Array
    average: tuple[Any, Any] | None = None

    def best_guess(self) -> tuple[Any, Any]:
        """The (params, model_state) to predict with: the average where one is kept."""
        return (self.params, self.model_state) if self.average is None else self.average


def init_train_state(
    model: Layer, optimizer: optax.GradientTransformation, key: Array, input_shape: Sequence[int], *, average: bool = False
) -> TrainState:
    """The state before the first step, for inputs of `input_shape`, batch axis included; with `average`, one that keeps it.

    `key` itself is not kept: the step donates its state, and what is the caller's must stay alive.
    """
    init_key, step_key = jax.random.split(key)
    params, model_state = model.init(init_key, tuple(input_shape))
    copy = jax.tree.map(jnp.copy, (params, model_state)) if average else None
    return TrainState(params, model_state, optimizer.init(params), jnp.zeros((), jnp.int32), step_key, copy)


def make_train_step(
    model: Layer,
    optimizer: optax.GradientTransformation,
    *,
    loss: Loss = softmax_cross_entropy,
    augment: Augment | None = None,
    compute_dtype: DTypeLike | None = None,
    average_decay: float = 0.999,
) -> jax.stages.Wrapped:
    """One update as a jitted function, step(state, x, y) -> (new_state, metrics).

    The state is donated: its buffers are used again for the new one, so read the new one only. The step can stand in the body
    of a `lax.scan` (`scan_steps`), and under `vmap` for several runs at once. A step whose loss or gradients are not all finite
    changes nothing, and its metrics say so; `find_nonfinite` then finds the layer.

    Args:
      model: a layer; its y is what `loss` takes first.
      optimizer: any optax transformation; `optax.MultiSteps` accumulates gradients over several batches.
      loss: (logits, labels) -> losses of any shape, whose mean is minimised. Take it from the `ops` that the model was made with,
        `ops.softmax_cross_entropy`, to have one kind of derivative everywhere; `functools.partial` gives it options.
      augment: (key, x) -> x, what is done to the images of a batch before the model sees them.
      compute_dtype: the dtype of parameters and images inside the model, jnp.bfloat16 for instance; None leaves them as they are.
        Parameters, statistics, the loss and the update keep their own.
      average_decay: the weight of the old average in the new one, where the state keeps an average. In the first steps it is
        smaller, (1 + step) / (10 + step), so that the start is soon forgotten.

    Returns:
      The step. Its metrics are scalars, of the batch and the parameters before the update: "loss"; "finite", whether the loss and
      all gradients are; and "accuracy" where the labels are class numbers, that is integers with one axis less than the logits.

    >>> from jaxcnn import layers
    >>> model = layers.serial(layers.flatten(), layers.dense(2))
    >>> optimizer = optax.sgd(0.1)
    >>> state = init_train_state(model, optimizer, jax.random.key(0), (1, 4, 4, 1))
    >>> step = make_train_step(model, optimizer)
    >>> state, metrics = step(state, jnp.ones((3, 4, 4, 1)), jnp.array([0, 1, 1]))
    >>> int(state.step), sorted(metrics)
    (1, ['accuracy', 'finite', 'loss'])
    """
    objective = _Objective(model, loss, augment, compute_dtype)

    @partial(jax.jit, donate_argnums=0)
    def step(state: TrainState, x: Array, y: Array) -> tuple[TrainState, Metrics]:
        (value, (model_state, logits)), grads = objective.value_and_grad(state, x, y)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        average = None
        if state.average is not None:
            seen = state.step.astype(jnp.float32)
            weight = 1 - jnp.minimum(average_decay, (1 + seen) / (10 + seen))
            average = optax.incremental_update((params, model_state), state.average, weight)
        new = TrainState(params, model_state, opt_state, state.step + 1, state.key, average)
        finite = jnp.isfinite(value) & jnp.all(jnp.array([jnp.all(jnp.isfinite(g)) for g in jax.tree.leaves(grads)]))
        return _select(finite, new, state), _metrics(value, logits, y) | {"finite": finite}

    return step


def scan_steps(step: Callable[[TrainState, Array, Array], tuple[TrainState, Metrics]]) -> jax.stages.Wrapped:
    """Several steps in one dispatch, steps(state, xs, ys) -> (new_state, metrics), jitted, the state donated.

    xs and ys have one axis more, in front, and so have the metrics: one entry per step. After a step that is not finite, those
    behind it change nothing either: the state is the one in which the trouble came.

    >>> from jaxcnn import layers
    >>> model, optimizer = layers.dense(2), optax.sgd(0.1)
    >>> state = init_train_state(model, optimizer, jax.random.key(0), (1, 3))
    >>> steps = scan_steps(make_train_step(model, optimizer))
    >>> state, metrics = steps(state, jnp.ones((5, 4, 3)), jnp.zeros((5, 4), int))
    >>> int(state.step), metrics["loss"].shape
    (5, (5,))
    """

    def body(carry, batch):
        state, going = carry
        new, metrics = step(state, *batch)
        going = going & metrics["finite"]
        return (_select(going, new, state), going), metrics

    @partial(jax.jit, donate_argnums=0)
    def steps(state: TrainState, xs: Array, ys: Array) -> tuple[TrainState, Metrics]:
        if len(xs) == 1:  # no loop: XLA's CPU backend computes some convolutions more slowly in one
            state, metrics = step(state, xs[0], ys[0])
            return state, jax.tree.map(lambda metric: metric[None], metrics)
        (state, _), metrics = lax.scan(body, (state, jnp.array(True)), (xs, ys))
        return state, metrics

    return steps


def make_eval_step(model: Layer, *, loss: Loss = softmax_cross_entropy) -> jax.stages.Wrapped:
    """The metrics of `make_train_step` without training, evaluate(state, x, y) -> metrics, jitted. The state is not donated.

    Where the state keeps an average, the metrics are the average's.

    >>> from jaxcnn import layers
    >>> model = layers.serial(layers.flatten(), layers.dense(2))
    >>> state = init_train_state(model, optax.sgd(0.1), jax.random.key(0), (1, 4, 4, 1))
    >>> metrics = make_eval_step(model)(state, jnp.zeros((3, 4, 4, 1)), jnp.array([0, 1, 1]))
    >>> round(float(metrics["loss"]), 4)  # log 2: the logits are all 0
    0.6931
    """

    @jax.jit
    def evaluate(state: TrainState, x: Array, y: Array) -> Metrics:
        logits, _ = model.apply(*state.best_guess(), x, train=False)
        return _metrics(jnp.mean(loss(logits, y)), logits, y)

    return evaluate


def find_nonfinite(
    model: Layer,
    state: TrainState,
    x: Array,
    y: Array,
    *,
    loss: Loss = softmax_cross_entropy,
    augment: Augment | None = None,
    compute_dtype: DTypeLike | None = None,
) -> str | None:
    """Where the step from `state` on this batch first meets an infinity or a NaN, in words; None if it meets none.

    The arguments are those of `make_train_step`. The forward pass is searched layer by layer, then the loss, then the gradients
    from the last layer back, so what is named is where the trouble begins, not where it has spread to.

    >>> from jaxcnn import layers
    >>> model = layers.serial(layers.dense(2), layers.activation(lambda x: 1 / (x - x), "slip"))
    >>> state = init_train_state(model, optax.sgd(0.1), jax.random.key(0), (1, 3))
    >>> find_nonfinite(model, state, jnp.zeros((4, 3)), jnp.zeros(4, int))
    "layer '1_slip' gives 8 values of 8 that are not finite; what it was given has none larger than 0"
    """
    objective = _Objective(model, loss, augment, compute_dtype)

    @jax.jit
    def measure(state: TrainState, x: Array, y: Array):
        images, key = objective.inputs(x, jax.random.fold_in(state.key, state.step))
        given = outputs(model, _cast(state.params, compute_dtype), state.model_state, images, train=True, key=key)
        (value, _), grads = objective.value_and_grad(state, x, y)
        return jax.tree.map(_finiteness, (state.params, images, given, value, grads))

    params, images, given, value, grads = measure(state, x, y)
    for path, entry in _by_path(params):
        if entry.bad:
            return f"parameter {path!r} has {entry.bad:,} values of {entry.size:,} that are not finite"
    if images.bad:
        return f"the images have {images.bad:,} values of {images.size:,} that are not finite"
    largest = images.largest
    for path, entry in given.items():
        if entry.bad:
            before = f"what it was given has none larger than {largest:.3g}"
            return f"layer {path!r} gives {entry.bad:,} values of {entry.size:,} that are not finite; {before}"
        largest = entry.largest
    if value.bad:
        return f"the loss is not finite, while no logit is larger than {largest:.3g}"
    order = {entry: position for position, (entry, _) in enumerate(model.parts)}
    bad_grads = [(path, entry) for path, entry in _by_path(grads) if entry.bad]
    if bad_grads:
        path, entry = max(bad_grads, key=lambda item: order.get(item[0].split("/")[0], -1))
        return f"the gradient of {path!r} has {entry.bad:,} values of {entry.size:,} that are not finite, though the loss is"
    return None


class _Objective(NamedTuple):
    """What a step minimises, for one batch."""

    model: Layer
    loss: Loss
    augment: Augment | None
    compute_dtype: DTypeLike | None

    def inputs(self, x: Array, key: Array) -> tuple[Array, Array]:
        """The images as the model gets them, and its key."""
        augment_key, model_key = jax.random.split(key)
        if self.augment is not None:
            x = self.augment(augment_key, x)
        return _cast(x, self.compute_dtype), model_key

    def value_and_grad(self, state: TrainState, x: Array, y: Array):
        """(J, (new model state, logits)), dJ/dparams."""

        def objective(params):
            images, key = self.inputs(x, jax.random.fold_in(state.key, state.step))
            logits, model_state = self.model.apply(
                _cast(params, self.compute_dtype), state.model_state, images, train=True, key=key
            )
            if self.compute_dtype is not None and jnp.finfo(logits.dtype).bits < 32:
                logits = logits.astype(jnp.float32)
            return jnp.mean(self.loss(logits, y)), (model_state, logits)

        return jax.value_and_grad(objective, has_aux=True)(state.params)


def _cast(tree: Any, dtype: DTypeLike | None) -> Any:
    """The tree with its floating leaves in `dtype`, or as they are if that is None."""
    if dtype is None:
        return tree
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf, tree)


def _select(condition: Array, new: TrainState, old: TrainState) -> TrainState:
    return jax.tree.map(partial(jnp.where, condition), new, old)


def _metrics(value: Array, logits: Array, y: Array) -> Metrics:
    metrics = {"loss": value}
    if jnp.issubdtype(y.dtype, jnp.integer) and y.ndim == logits.ndim - 1:
        metrics["accuracy"] = jnp.mean(jnp.argmax(logits, axis=-1) == y)
    return metrics


class _Finiteness(NamedTuple):
    bad: Array  # how many values are not finite
    size: Array
    largest: Array  # the largest magnitude of those that are


def _finiteness(a: Array) -> _Finiteness:
    finite = jnp.isfinite(a)
    largest = jnp.max(jnp.where(finite, jnp.abs(a), 0), initial=0).astype(jnp.float32)
    return _Finiteness(jnp.sum(~finite), jnp.array(a.size), largest)


def _by_path(tree: Any) -> list[tuple[str, _Finiteness]]:
    entries = jax.tree.leaves_with_path(tree, is_leaf=lambda node: isinstance(node, _Finiteness))
    return [(jax.tree_util.keystr(path, simple=True, separator="/"), entry) for path, entry in entries]
