"""One definition, two functions: the operation with its rule, and its autodiff twin."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import update_wrapper, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def reverse_mode_only(function: Callable[P, R]) -> Callable[P, R]:
    """A public function with a `custom_vjp` rule, which raises an error that names it
    when it is called in forward mode.

    Under `jit` and in a `scan`, JAX notices only after the function has returned, and
    raises its own message.
    """

    @wraps(function)
    def named(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            if "forward-mode" not in str(error):
                raise
            raise TypeError(
                f"{function.__name__} is differentiated by an explicit rule, for reverse mode"
                " (grad, vjp, jacrev) alone, not for forward-mode autodiff (jvp, jacfwd,"
                " linear_transpose): take the operation from jaxcnn.AUTODIFF for these"
            ) from error

    return named


def operation(both: Callable[Concatenate[bool, P], R]) -> Callable[P, R]:
    """The public operation, differentiated by its rule.

    `both` takes one more argument, in front, which says whether JAX differentiates the
    definition instead. Values do not depend on it. `autodiff_twin` gives the operation
    with True for this argument.
    """

    def by_rule(*args: P.args, **kwargs: P.kwargs) -> R:
        return both(False, *args, **kwargs)

    def by_jax(*args: P.args, **kwargs: P.kwargs) -> R:
        return both(True, *args, **kwargs)

    explicit = reverse_mode_only(_named_as(both, by_rule))
    vars(explicit)["by_jax"] = _named_as(both, by_jax)
    return explicit


def autodiff_twin(explicit: Any) -> Any:
    """The same operation, differentiated by JAX."""
    return vars(explicit)["by_jax"]


def _named_as(both: Callable[..., Any], function: Callable[P, R]) -> Callable[P, R]:
    """The function, with the name and docstring of `both`, and with its signature
    without the first argument."""
    update_wrapper(function, both, updated=())
    signature = inspect.signature(both)
    first, *others = signature.parameters.values()
    function.__annotations__ = {
        name: hint for name, hint in both.__annotations__.items() if name != first.name
    }
    vars(function)["__signature__"] = signature.replace(parameters=others)
    return function
