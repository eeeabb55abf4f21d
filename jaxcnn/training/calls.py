"""Steps as a person calls them: typed, with lists accepted for arrays, and with a plain
error for memory that was donated."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import Any, Generic, TypeVar, cast

import jax
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxcnn.arguments import described
from jaxcnn.ops._arrays import as_array
from jaxcnn.training.memory import check_alive, each_in_its_own
from jaxcnn.training.objective import Metrics
from jaxcnn.training.state import TrainState

R = TypeVar("R")

Batch = ArrayLike | Sequence[float] | Sequence[Sequence[float]]
"""Arrays, and lists of numbers."""


class _Call(Generic[R]):
    """A jitted function of a state and a batch. It has the methods of `jax.jit`'s
    result, a `jax.stages.Wrapped`, and like it can stand in `jit`, `scan` and `vmap`.
    """

    def __init__(self, function: Callable[[TrainState, Array, Array], R], *, donate: bool):
        self._jitted: Any = jax.jit(function, donate_argnums=0 if donate else ())
        update_wrapper(self, function)

    def __call__(self, state: TrainState, x: Batch, y: Batch) -> R:
        arguments = _as_arguments(state, x, y)
        try:
            return self._jitted(*arguments)
        except (RuntimeError, ValueError) as error:
            # JAX would read the arrays, whose memory is gone.
            if "FloatingPointError" in type(error.__context__).__name__:
                raise FloatingPointError(
                    "a step has met a NaN or an infinity, and jax.debug_nans or debug_infs is set:"
                    " find_nonfinite says where it begins. Without them the step would have changed"
                    " nothing, metrics['finite'] False"
                ) from error
            check_alive(state, error)
            raise

    def trace(self, state: TrainState, x: Batch, y: Batch) -> jax.stages.Traced:
        return self._jitted.trace(*_as_arguments(state, x, y))

    def lower(self, state: TrainState, x: Batch, y: Batch) -> jax.stages.Lowered:
        return self._jitted.lower(*_as_arguments(state, x, y))

    def eval_shape(self, state: TrainState, x: Batch, y: Batch) -> Any:
        return self._jitted.eval_shape(*_as_arguments(state, x, y))

    def clear_cache(self) -> None:
        self._jitted.clear_cache()

    def _cache_size(self) -> int:
        return self._jitted._cache_size()


class TrainStep(_Call[tuple[TrainState, Metrics]]):
    """step(state, x, y) -> (new_state, metrics), compiled at its first call; the state
    is donated."""

    def __init__(self, function: Callable[[TrainState, Array, Array], tuple[TrainState, Metrics]]):
        super().__init__(function, donate=True)
        self._newest: tuple[int, Callable[[], Any]] = (0, lambda: None)

    def __call__(self, state: TrainState, x: Batch, y: Batch) -> tuple[TrainState, Metrics]:
        # The state that the last call returned is not checked again, so a loop of steps
        # pays for one check. A state that was changed by hand is another tuple.
        newest, step_of_newest = self._newest
        if newest != id(state) or step_of_newest() is not as_state(state).step:
            state = each_in_its_own(as_state(state))
        new, metrics = super().__call__(state, x, y)
        if isinstance(new.step, Array) and not isinstance(new.step, jax.core.Tracer):
            self._newest = (id(new), weakref.ref(new.step))
        return new, metrics


class EvalStep(_Call[Metrics]):
    """evaluate(state, x, y) -> metrics, compiled at its first call. The state is not
    donated."""

    def __init__(self, function: Callable[[TrainState, Array, Array], Metrics]):
        super().__init__(function, donate=False)


def as_state(state: Any) -> TrainState:
    if not isinstance(state, TrainState):
        raise ValueError(
            f"state must be a TrainState, as init_train_state makes it, got {described(state)}"
        )
    return state


def as_batch(name: str, value: Any) -> Array:
    """`value` as an array, of JAX or NumPy, or the description of one."""
    numbers = (
        isinstance(value, np.ndarray) and value.dtype.kind not in "OSUMm"
    )  # no objects, texts and dates
    return (
        cast(Array, value)
        if numbers or isinstance(value, Array | jax.ShapeDtypeStruct)
        else as_array(name, value)
    )


def _as_arguments(state: TrainState, x: Batch, y: Batch) -> tuple[TrainState, Array, Array]:
    return as_state(state), as_batch("x", x), as_batch("y", y)
