"""One update, as a step."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.typing import DTypeLike

from jaxcnn.arguments import as_number
from jaxcnn.layers import Layer
from jaxcnn.ops import EXPLICIT, Ops
from jaxcnn.ops._arrays import at_least_float32
from jaxcnn.training.augmenting import Augment
from jaxcnn.training.calls import TrainStep
from jaxcnn.training.evaluation import metrics_of
from jaxcnn.training.objective import (
    Evaluated,
    Loss,
    LossName,
    Metrics,
    all_finite,
    can_overflow,
    make_objective,
)
from jaxcnn.training.optimizer import as_optimizer, update
from jaxcnn.training.state import TrainState
from jaxcnn.training.trainable import Trainable, trained_only, with_frozen


def make_train_step(
    model: Layer,
    optimizer: optax.GradientTransformation,
    *,
    loss: Loss | LossName | None = None,
    ops: Ops = EXPLICIT,
    augment: Augment | None = None,
    compute_dtype: DTypeLike | None = None,
    average_decay: float = 0.999,
    trainable: Trainable = None,
) -> TrainStep:
    """One update as a jitted function, step(state, x, y) -> (new_state, metrics).

    The state is donated: its buffers are reused for the new one, so read only the new
    one. The step can be used in the body of a `lax.scan` (`scan_steps`), and under
    `vmap` for several runs at once. A step that meets a value that is not finite, see
    "finite" below, changes nothing, and its metrics say so. `find_nonfinite` then finds
    the layer.

    Args:
      model: a layer, whose y is the first argument of `loss`.
      optimizer: an optax transformation; `optax.MultiSteps` accumulates gradients over
        several batches. Some need more than the gradient (a line search as in
        `optax.lbfgs`, `reduce_on_plateau`, `polyak_sgd`, `momo`, `sam`). They get
        `value`, the loss; `grad`; and `value_fn`, also called `obj_fn`, and `grad_fn`,
        the loss and its gradient as functions of the parameters, on the same batch and
        with the same key. Each call of these costs a pass through the model. `jax.jvp`
        of them needs `ops=AUTODIFF`. Optimisers are refused if they need the gradient
        of each example (`dpsgd`, `differentially_private_aggregate`), parameters in
        pairs (`lookahead`) or other arguments than these, or if their state changes its
        structure (`monitor`).
      loss: (logits, labels) -> losses of any shape, whose mean is minimised. The
        default is `ops.softmax_cross_entropy`. A string is the name of another loss of
        `ops`, "mean_squared_error" or "sigmoid_binary_cross_entropy". For a loss with
        options pass a `functools.partial`.
      ops: who differentiates, in the model and in a loss that is not given as a
        function: `EXPLICIT`, `AUTODIFF`, or an `Ops` of your own.
      augment: (key, x) -> x, which changes the images of a batch before the model gets
        them. Or (key, x, y) -> (x, y), which changes the labels too, to probabilities
        for instance, of any shape that the loss takes. Or (key, x, y, step) -> (x, y),
        which is also told how many steps the state has made, an int32. It gets as many
        arguments as it cannot do without. The key is another one in each step.
      compute_dtype: the dtype of parameters and images inside the model, such as
        jnp.bfloat16; None leaves them as they are. Parameters, statistics, the loss and
        the update keep their own dtypes.
      average_decay: the weight of the old average in the new one, if the state keeps an
        average. In the first steps it is smaller, (1 + step) / (10 + step), so that the
        start is soon forgotten.
      trainable: which parameters are trained, the same as in `init_train_state`; None
        for all. It is a predicate on the path of a parameter, `lambda path:
        path.startswith("4_dense/")`, or a tree of bools like the parameters, or a
        prefix of one, `{"0_conv": False, "4_dense": True}`. The others are frozen:
        their gradients are not computed, the optimiser does not see them and keeps
        nothing for them, and weight decay does not move them. The running statistics of
        a batch normalisation are not parameters. They move in training even if its
        scale is frozen.

    Returns:
      The step. Its metrics are scalars, of the batch and the parameters before the
        update: "loss"; "finite", whether the loss, all gradients and the new state of
        the model are finite; and "accuracy", if the labels are class numbers, that is,
        integers with one axis less than the logits. Where `augment` made probabilities
        of class numbers, an answer is right if it is the likeliest class. If an update
        overflows although its gradient does not (a learning rate of 1e38), the next
        step finds it.

    Raises:
      ValueError: if an argument is of another kind. When the step is traced: if the
        state was made for another optimiser or `trainable`, or if the optimiser is
        refused. When it is called: if the state has been donated already.

    >>> from jaxcnn import init_train_state, layers
    >>> model = layers.serial(layers.flatten(), layers.dense(2))
    >>> optimizer = optax.sgd(0.1)
    >>> state = init_train_state(model, optimizer, jax.random.key(0), (1, 4, 4, 1))
    >>> step = make_train_step(model, optimizer)
    >>> state, metrics = step(state, jnp.ones((3, 4, 4, 1)), jnp.array([0, 1, 1]))
    >>> int(state.step), sorted(metrics)
    (1, ['accuracy', 'finite', 'loss'])
    """
    objective, optimizer = (
        make_objective(model, loss, ops, augment, compute_dtype, trainable),
        as_optimizer(optimizer),
    )
    decay = _as_decay(average_decay)

    def step(state: TrainState, x: Array, y: Array) -> tuple[TrainState, Metrics]:
        at = objective.evaluate(state, x, y)
        trained, opt_state = update(
            optimizer, state.opt_state, at.params, at.value, at.grads, at.value_fn
        )
        new = state._replace(
            params=with_frozen(trained, state.params, at.frozen),
            model_state=at.model_state,
            opt_state=opt_state,
            step=state.step + 1,
            average=_averaged(state, at, trained, decay),
        )
        finite = all_finite((at.value, at.grads, at.model_state))
        metrics = metrics_of(at.value, at.logits, _classes(at.labels, y))
        return select(finite, new, state), metrics | {"finite": finite}

    return TrainStep(step)


def _classes(labels: Array, given: Array) -> Array:
    """The labels, as class numbers if those that were given are."""
    were_classes = jnp.issubdtype(given.dtype, jnp.integer)
    if were_classes and jnp.issubdtype(labels.dtype, jnp.floating) and labels.ndim > given.ndim:
        return jnp.argmax(labels, axis=-1)
    return labels


def _as_decay(average_decay: float) -> float:
    decay = as_number("average_decay", average_decay)
    if not 0 <= decay <= 1:
        raise ValueError(
            f"average_decay is the weight of the old average and must be in [0, 1], got {decay}"
        )
    return decay


def _averaged(
    state: TrainState, at: Evaluated, trained: Any, decay: float
) -> tuple[Any, Any] | None:
    """The new average, if one is kept. Frozen parameters stay as they are. Counters and
    keys have no average, so their newest value is taken."""
    if state.average is None:
        return None
    seen = state.step.astype(jnp.float32)
    weight = 1 - jnp.minimum(decay, (1 + seen) / (10 + seen))

    def mixed(new: Array, old: Array) -> Array:
        if not can_overflow(old):
            return new
        wide = at_least_float32(old).dtype
        return (
            weight.astype(wide) * new.astype(wide) + (1 - weight).astype(wide) * old.astype(wide)
        ).astype(old.dtype)

    params, model_state = state.average
    params = with_frozen(
        jax.tree.map(mixed, trained, trained_only(params, at.frozen)), params, at.frozen
    )
    return params, jax.tree.map(mixed, at.model_state, model_state)


def select(condition: Array, new: TrainState, old: TrainState) -> TrainState:
    return jax.tree.map(partial(jnp.where, condition), new, old)
