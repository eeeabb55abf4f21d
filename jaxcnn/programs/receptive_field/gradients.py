"""The effective field of any function of one array: how much its centre output depends
on each input position, equation (1) of `spread.py`.

The gradient is one more probe of what `jaxcnn.seen` derives: it must be 0 wherever the
output is said to see nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.programs.messages import times
from jaxcnn.programs.options import ConfigError
from jaxcnn.programs.receptive_field.function_table import centre
from jaxcnn.seen import Seen
from jaxcnn.seen.following import checked_axes, output_space, traced

MOST_OF_IT = 0.9


class Effective(NamedTuple):
    """The effective field of the centre output.

    Attributes:
      field: the mean over the inputs of |gradient|, of the shape of the input's space,
        scaled to the sum 1; all 0 if there is no gradient.
      inputs: how many there were.
      outside: how many positions that the output does not see have a gradient.
    """

    field: np.ndarray
    inputs: int
    outside: int


def effective(
    function: Callable[..., Any],
    inputs: np.ndarray,
    seen: Seen,
    axes: Sequence[int] | None,
    output_axes: Sequence[int] | None,
) -> Effective:
    """The effective field of the centre output of `function`.

    Args:
      function: of one array of floats; its parameters are closed over.
      inputs: (count, *shape).
      seen: what `jaxcnn.seen.fields_of` says of it.
      axes, output_axes: as there.

    Raises:
      ValueError: if a gradient is not finite. What the function and JAX raise, if it
        has no gradient, is passed on.
    """
    x = jax.ShapeDtypeStruct(inputs.shape[1:], inputs.dtype)
    space = checked_axes(function, x, axes)
    _, y = traced(function, x, ())
    places = dict(
        zip(output_space(x, space, y, output_axes), centre(seen.output_size), strict=True)
    )
    index = tuple(places.get(axis, slice(None)) for axis in range(len(y.shape)))
    gradient = jax.jit(jax.grad(lambda x: jnp.sum(function(x)[index])))
    rest = tuple(axis for axis in range(len(x.shape)) if axis not in space)
    field = np.zeros([x.shape[axis] for axis in sorted(space)])
    for given in inputs:
        field += np.abs(np.asarray(gradient(given), np.float64)).mean(axis=rest)  # (1)
    if not np.isfinite(field).all():
        raise ValueError("the gradient is not finite")
    field = field.transpose([sorted(space).index(axis) for axis in space])
    outside = int(np.count_nonzero(field[~seen.sees(centre(seen.output_size))]))
    return Effective(field / (field.sum() or 1.0), len(inputs), outside)


def drawn_inputs(shape: Sequence[int], count: int) -> np.ndarray:
    """Inputs of independent normal numbers, (count, *shape)."""
    return np.random.default_rng(0).standard_normal((count, *shape), np.float32)


def read_inputs(file: Path, shape: tuple[int, ...], count: int) -> np.ndarray:
    """At most `count` inputs of a file of NumPy, (count, *shape): without their batch
    axis if that is 1.

    Raises:
      ConfigError: if it holds no such array.
    """
    try:
        with file.open("rb") as opened:
            found = np.lib.format.read_array(opened, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        said = getattr(error, "strerror", None) or error
        raise ConfigError(f"--inputs {file} is no array of numpy.save: {said}") from error
    if not np.issubdtype(found.dtype, np.floating):
        raise ConfigError(
            f"--inputs must hold floats, as the function sees them, got {found.dtype} in {file}:"
            " a gradient with respect to ints does not exist"
        )
    if found.shape == shape:
        found = found[None]
    elif shape[:1] == (1,) and found.shape[1:] == shape[1:]:
        found = found[:, None]
    if found.shape[1:] != shape or not len(found):
        raise ConfigError(
            f"--inputs must hold inputs of {times(shape)}, one behind the other, got"
            f" {times(found.shape)} in {file}"
        )
    return found[:count].astype(np.float32)


def most_of_it(field: np.ndarray) -> int:
    """How many positions have 90 % of the field, the heaviest first.

    >>> most_of_it(np.array([0.0, 0.05, 0.55, 0.4]))
    2
    """
    return int(np.searchsorted(np.cumsum(np.sort(field, axis=None)[::-1]), MOST_OF_IT - 1e-9)) + 1
