"""Checks of arguments that the checkers share: which of them are differentiated, and
errors that say what came."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def labels(args: Sequence[Any], names: Sequence[str] | None = None) -> tuple[str, ...]:
    """One name per argument, for messages: the given ones, or "argument 0" and so
    on."""
    if isinstance(names, str):
        raise ValueError(
            f"names must be a sequence of strings, got the string {names!r}: write ({names!r},)"
        )
    if names is None:
        return tuple(f"argument {i}" for i in range(len(args)))
    if len(names) != len(args):
        raise ValueError(
            "names must have one entry per argument, those that are not differentiated too: got"
            f" {len(names)}, {tuple(names)}, for {len(args)} arguments"
        )
    return tuple(names)


def strong(args: Sequence[Any], names: Sequence[str] | None = None) -> tuple[Any, ...]:
    """Arguments as JAX arrays, none weakly typed, so that a Python float has the
    default dtype. Structs stay structs.

    Raises:
      ValueError: if one is no array, number or `jax.ShapeDtypeStruct`.

    >>> strong([2.0, jax.ShapeDtypeStruct((3,), "bfloat16")])
    (Array(2., dtype=float32), ShapeDtypeStruct(shape=(3,), dtype=bfloat16))
    """
    if isinstance(args, (jax.Array, jax.ShapeDtypeStruct, np.ndarray)):
        raise ValueError(
            f"args must be a sequence of arguments, got one array, of shape {args.shape}: write"
            " (x,)"
        )
    return tuple(_strong(a, label) for a, label in zip(args, labels(args, names), strict=True))


def _strong(a: Any, label: str) -> Any:
    if isinstance(a, jax.ShapeDtypeStruct):
        return a.update(weak_type=False)
    wrong = f"{label} must be an array, a number or a jax.ShapeDtypeStruct, got {type(a).__name__}"
    if isinstance(a, (list, tuple, dict)):
        raise ValueError(
            f"{wrong}: jnp.asarray makes an array of numbers; of a pytree, pass the leaves as"
            " arguments of their own"
        )
    if not isinstance(a, (jax.Array, np.ndarray, np.generic, bool, int, float, complex)):
        raise ValueError(wrong)
    try:
        array = jnp.asarray(a)
    except (TypeError, OverflowError) as error:
        raise ValueError(f"{wrong} of dtype {getattr(a, 'dtype', type(a).__name__)}") from error
    return jnp.asarray(array, array.dtype)  # a dtype that is given is not weak


def floating(args: Sequence[Any], names: Sequence[str] | None = None) -> tuple[int, ...]:
    """The numbers of the floating arguments, which are differentiated.

    Args:
      args: arrays, numbers or `jax.ShapeDtypeStruct`s.
      names: the arguments' names, for messages.

    Raises:
      ValueError: if one is no array, if none is floating, or if given data holds NaN or
        infinity.

    >>> floating([jnp.ones(3), jnp.arange(3), 0.5])
    (0, 2)
    """
    arrays = strong(args, names)
    numbers = tuple(i for i, a in enumerate(arrays) if jnp.issubdtype(a.dtype, jnp.floating))
    if not numbers:
        dtypes = [str(a.dtype) for a in arrays]
        hint = ""
        if any(jnp.issubdtype(a.dtype, jnp.complexfloating) for a in arrays):
            hint = "; complex arguments are not supported: pass real and imaginary part"
        elif any(jnp.issubdtype(a.dtype, jnp.integer) for a in arrays):
            hint = "; convert one, x.astype(jnp.float32)"
        raise ValueError(
            f"args must hold a floating array to differentiate, got dtypes {dtypes}{hint}"
        )
    for i in numbers:
        if not isinstance(arrays[i], jax.ShapeDtypeStruct):
            _check_finite(np.asarray(arrays[i]), labels(args, names)[i])
    return numbers


def _check_finite(data: np.ndarray, label: str) -> None:
    wrong = np.argwhere(~np.isfinite(data))
    if len(wrong):
        index = tuple(int(i) for i in wrong[0])
        raise ValueError(
            f"{label} must be finite for its gradient to be checked, got NaN or infinity in"
            f" {len(wrong)} of its {data.size} entries, the first at {index}: {data[index]}"
        )


def among(function: Callable, args: Sequence[Any], numbers: Sequence[int]) -> Callable:
    """The function of only the arguments with these numbers. The others are held fixed
    at their values in `args`.

    >>> among(lambda x, n, y: x * y + n, [None, 1, None], (0, 2))(2, 3)
    7
    """

    def function_of_some(*some):
        full = list(args)
        for i, a in zip(numbers, some, strict=True):
            full[i] = a
        return function(*full)

    return function_of_some


def check_differentiable(out: Any, of: str) -> None:
    """ValueError unless the result of `jax.eval_shape` is a pytree of floating arrays,
    with one leaf at least."""
    leaves = jax.tree_util.tree_leaves_with_path(out)
    if not leaves:
        raise ValueError(
            f"{of} must return an array or a pytree of arrays, got {out!r}: is a return missing?"
        )
    for path, leaf in leaves:
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            where = f" at {jax.tree_util.keystr(path)}" if path else ""
            raise ValueError(
                f"{of} must return floating arrays, for only these have gradients, got"
                f" {leaf.dtype}{where}: leave that output out, as in lambda *args: f(*args)[0]"
            )


def check_same_structure(explicit_out: Any, reference_out: Any) -> None:
    """ValueError unless both results of `jax.eval_shape` are floating and have one
    pytree structure. Shapes may differ.

    >>> x = jax.ShapeDtypeStruct((3,), "float32")
    >>> check_same_structure(x, (x, x))
    Traceback (most recent call last):
    ValueError: explicit and reference must return the same structure,
    got PyTreeDef(*) and PyTreeDef((*, *))
    """
    trees: list[Any] = [jax.tree.structure(out) for out in (explicit_out, reference_out)]
    if trees[0] != trees[1]:
        raise ValueError(
            f"explicit and reference must return the same structure, got {trees[0]} and {trees[1]}"
        )
    check_differentiable(explicit_out, "explicit")
    check_differentiable(reference_out, "reference")
