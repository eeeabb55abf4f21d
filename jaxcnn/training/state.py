"""The state that training changes, and its beginning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxcnn.arguments import as_flag
from jaxcnn.layers import Layer
from jaxcnn.layers._checks import as_input_shape, check_key
from jaxcnn.layers.layer import as_layer
from jaxcnn.training.optimizer import as_optimizer, first_state
from jaxcnn.training.trainable import Frozen, Trainable, frozen_paths, trained_only


class TrainState(NamedTuple):
    """Everything that training changes, and the key of its random numbers.

    Attributes:
      params, model_state: the parameters and state of the model.
      opt_state: the state of the optimiser.
      step: the number of updates done, int32.
      key: the random key of the run; each step uses its own, folded from this one and
        `step`.
      average: a moving average of (params, model_state), or None.
      frozen: the paths of the parameters that are not trained, as the keys of a dict
        without values; None if all are trained.
    """

    params: Any
    model_state: Any
    opt_state: Any
    step: Array
    key: Array
    average: tuple[Any, Any] | None = None
    frozen: Frozen | None = None

    def eval_params(self) -> tuple[Any, Any]:
        """The (params, model_state) for predictions: the average, if one is kept."""
        return (self.params, self.model_state) if self.average is None else self.average


def init_train_state(
    model: Layer,
    optimizer: optax.GradientTransformation,
    key: Array,
    input_shape: Sequence[int],
    *,
    average: bool = False,
    trainable: Trainable = None,
) -> TrainState:
    """The state before the first step.

    All of its arrays are copies. The step donates its state, and the caller's arrays
    (`key`, or one that a `kernel_init` holds) must stay alive.

    Args:
      model: a layer.
      optimizer: an optax transformation; see `make_train_step`.
      key: one random key, `jax.random.key(0)`.
      input_shape: of the inputs, batch axis included, (1, 28, 28, 1).
      average: whether the state keeps a moving average of parameters and statistics.
      trainable: which parameters are trained, as in `make_train_step`, which must get
        the same.

    Raises:
      ValueError: if an argument is of another kind, if the optimiser cannot work in a
        step, or if nothing is trainable.

    >>> from jaxcnn import layers
    >>> model = layers.serial(layers.dense(3), layers.dense(2))
    >>> state = init_train_state(
    ...     model,
    ...     optax.adam(1e-3),
    ...     jax.random.key(0),
    ...     (1, 4),
    ...     trainable=lambda path: path == "1_dense/w",
    ... )
    >>> moments = state.opt_state[0].mu["1_dense"]
    >>> moments["w"].shape, moments["b"]
    ((3, 2), MaskedNode())
    """
    model, optimizer = as_layer("model", model), as_optimizer(optimizer)
    check_key(key, needed=True)
    init_key, step_key = jax.random.split(key)
    params, model_state = model.init(init_key, as_input_shape(input_shape))
    frozen = frozen_paths(trainable, params)
    opt_state = first_state(optimizer, trained_only(params, frozen))
    copy = (params, model_state) if as_flag("average", average) else None
    state = TrainState(
        params, model_state, opt_state, jnp.zeros((), jnp.int32), step_key, copy, frozen or None
    )
    return jax.tree.map(_own, state)


def _own(leaf: Any) -> Array:
    """A copy whose type is not weak, so that a step does not change it."""
    if hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jnp.copy(leaf)
    return jnp.array(leaf, dtype=jnp.result_type(leaf))
