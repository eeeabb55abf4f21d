"""`fields_of`: what the outputs of a function of JAX see of its input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from jaxcnn.arguments import as_ints, described
from jaxcnn.seen import elements, lookups, sums, windows
from jaxcnn.seen.control import CONTROL
from jaxcnn.seen.factors import MOST_BOOLEANS
from jaxcnn.seen.moves import transposed
from jaxcnn.seen.program import RULES, Program
from jaxcnn.seen.relations import reduced
from jaxcnn.seen.result import Seen
from jaxcnn.seen.sets import Field, image
from jaxcnn.seen.values import Value, given

LONGEST = int(MOST_BOOLEANS**0.5)
FILES = (elements, lookups, sums, windows)  # each registers its rules in RULES
assert RULES


def fields_of(
    function: Callable[..., Any],
    x: Any,
    *others: Any,
    axes: int | Sequence[int] | None = None,
    output_axes: int | Sequence[int] | None = None,
) -> Seen:
    """What each output position of a function sees of its input, from the function
    itself.

    The function is traced, not run: its program is followed operation by operation,
    with a set of input positions for each element. It may be of Flax, Equinox, Haiku or
    plain JAX, in any layout.

    Args:
      function: of x and the others, which gives one array.
      x: the input, an array or a `jax.ShapeDtypeStruct`; its numbers do not matter.
      *others: more arguments, such as parameters: arrays or trees of them. Only where
        they are zero matters, or for ints and bools what they are.
      axes: the axes of x that are space, by default all but the first and the last.
      output_axes: those of the output. By default those of x, if it has as many axes;
        else all but the first and the last, none of (n, classes).

    Outputs are told apart by their position in space alone: a position sees what any of
    its channels sees, of any channel and in any example of the batch.

    Arrays of floats that are zero in some places count as such there, for example a
    mask over a kernel; those that are zero everywhere count as weights before training.

    Raises:
      ValueError: if an argument is not what it should be, an axis has more than 8,192
        positions, or the function does not give one array.

    >>> import jax.numpy as jnp
    >>> from jax import lax
    >>> def atrous(x, w):  # taps at -2, 0 and 2
    ...     return lax.conv_general_dilated(x, w, (1,), "SAME", rhs_dilation=(2,),
    ...                                     dimension_numbers=("NWC", "WIO", "NWC"))
    >>> seen = fields_of(atrous, jnp.zeros((1, 9, 1)), jnp.zeros((3, 1, 1)))
    >>> np.flatnonzero(seen.sees(4)), seen.size, seen.exact
    (array([2, 4, 6]), (5,), True)
    """
    space = checked_axes(function, x, axes)
    program, tree = traced(function, x, others)
    out = output_space(x, space, tree, output_axes)
    return follow(program, x, others, space, out, holes=True)


def checked_axes(
    function: Callable[..., Any], x: Any, axes: int | Sequence[int] | None
) -> tuple[int, ...]:
    """The axes of x that are space, none negative."""
    if not callable(function):
        raise ValueError(
            f"function must be a function of arrays, got {described(function)}: a module is"
            " called in one, lambda x: module.apply(params, x)"
        )
    if not hasattr(x, "shape") or not hasattr(x, "dtype"):
        raise ValueError(
            f"x must be an array or a jax.ShapeDtypeStruct, got {described(x)}: parameters come"
            " behind the input"
        )
    space = _axes("axes", axes, len(x.shape), tuple(range(1, max(len(x.shape) - 1, 1))))
    if not space:
        raise ValueError(
            f"x has no space, got {described(x)}: by default its first axis is the batch and its"
            " last one the channels; pass axes=(0, 1) for an image (h, w)"
        )
    for axis in space:
        if not 1 <= x.shape[axis] <= LONGEST:
            raise ValueError(
                f"x must have 1 to {LONGEST:,} positions per axis, got {x.shape[axis]:,} on axis"
                f" {axis} of {described(x)}: what an output sees of a shorter one says as much"
            )
    return space


def _axes(name: str, value: Any, count: int, default: tuple[int, ...]) -> tuple[int, ...]:
    if value is None:
        return default
    needed = f"different axes of {count}"
    one = isinstance(value, int | np.integer) and not isinstance(value, bool)
    ints = as_ints(name, (value,) if one else value, needed)
    space = tuple(axis % count if -count <= axis < count else -1 for axis in ints)
    if -1 in space or len(set(space)) != len(space):
        raise ValueError(f"{name} must be {needed}, got {described(value)}")
    return space


def traced(function: Callable[..., Any], x: Any, others: Sequence[Any]) -> tuple[Any, Any]:
    """The program of a function, and the shape of what it gives."""
    try:
        program, tree = jax.make_jaxpr(function, return_shape=True)(x, *others)
    except Exception as error:
        error.add_note(
            f"jaxcnn.seen: the function was traced with {described(x)}"
            + (f" and {len(others)} more arguments" if others else " alone")
        )
        raise
    if not hasattr(tree, "shape"):
        raise ValueError(
            f"function must give one array, got {jax.tree.structure(tree)}: take the one you mean"
            " in a lambda, such as lambda x: function(x)[0]"
        )
    return program, tree


def output_space(
    x: Any, space: tuple[int, ...], y: Any, output_axes: int | Sequence[int] | None
) -> tuple[int, ...]:
    """The axes of the output that are space."""
    count = len(y.shape)
    same = count == len(x.shape)
    default = space if same else tuple(range(1, max(count - 1, 1)))
    return _axes("output_axes", output_axes, count, default)


def follow(
    program: Any,
    x: Any,
    others: Sequence[Any],
    space: tuple[int, ...],
    out: tuple[int, ...],
    *,
    holes: bool,
) -> Seen:
    """The program's result, with or without the holes of known zeros."""
    walk = Program(holes, CONTROL)
    operands = [Value(image(x.shape, space)), *(given(leaf) for leaf in jax.tree.leaves(others))]
    (found,) = walk.run(program, operands)
    field = _of_space(found.field, out)
    return Seen(
        tuple(x.shape[axis] for axis in space),
        field.shape,
        tuple(sorted(field.notes)),
        field,
        tuple(walk.joints),
    )


def _of_space(found: Field, out: Sequence[int]) -> Field:
    """The field over the output's space alone, in the order of `out`."""
    rest = [dim for dim in range(len(found.shape)) if dim not in out]
    order = [sorted(out).index(axis) for axis in out]
    return transposed(reduced(found, rest), order)
