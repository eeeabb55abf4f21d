"""Checks of the arguments of `init` and `apply`: shapes, keys, flags, parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, export

from jaxcnn.arguments import as_flag, as_ints, described, is_several
from jaxcnn.sizes import is_known
from jaxcnn.window import Window, dilated

RAW_KEY_SHAPES = {"threefry2x32": (2,), "rbg": (4,), "unsafe_rbg": (4,)}


# In init and apply.


def as_train(train: Any) -> bool:
    if isinstance(train, jax.core.Tracer):
        raise ValueError(
            "train must be True or False, got a traced value: jax.jit(..., static_argnames='train')"
            " leaves it alone"
        )
    return as_flag("train", train)


def check_key(key: Any, *, needed: bool = False) -> None:
    """A single random key; None is accepted if no key is needed."""
    if key is None:
        if needed:
            raise ValueError(
                "key must be a JAX random key, got None: pass jax.random.key(0), or another seed"
            )
        return
    if isinstance(key, int | float | np.number) and not isinstance(key, bool):
        raise ValueError(
            f"key must be a JAX random key, got {key!r}: is it a seed? pass jax.random.key({key})"
        )
    dtype: Any = getattr(key, "dtype", None)
    shape: Any = getattr(key, "shape", None)
    if dtype is None or shape is None:
        raise ValueError(f"key must be a JAX random key, got {described(key)}")
    typed = jnp.issubdtype(dtype, jax.dtypes.prng_key)
    if not typed and dtype != np.uint32:
        hint = (
            ": is it a seed? pass jax.random.key(seed)"
            if shape == () and jnp.issubdtype(dtype, jnp.integer)
            else ""
        )
        raise ValueError(f"key must be a JAX random key, got {described(key)}{hint}")
    single = (
        ()
        if typed
        else RAW_KEY_SHAPES.get(getattr(jax.config, "jax_default_prng_impl", ""), tuple(shape))
    )
    if tuple(shape) != single:
        several = len(shape) == len(single) + 1
        hint = ": pass one of them, or call this under jax.vmap" if several else ""
        raise ValueError(f"key must be one JAX random key, got {described(key)}{hint}")


def as_input_shape(input_shape: Any) -> tuple[int, ...]:
    """The shape of x as a tuple. Symbolic sizes, those of `jax.export`, are accepted.

    >>> as_input_shape(np.array([1, 28, 28, 1]))
    (1, 28, 28, 1)
    """
    if (
        not is_several(input_shape)
        or getattr(input_shape, "ndim", 1) != 1
        or isinstance(input_shape, jax.ShapeDtypeStruct)
    ):
        hint = (
            ": pass its shape"
            if hasattr(input_shape, "shape") and hasattr(input_shape, "dtype")
            else ""
        )
        raise ValueError(
            f"input_shape must be the shape of x, several ints, got {described(input_shape)}{hint}"
        )
    if any(isinstance(size, jax.core.Tracer) for size in (input_shape, *input_shape)):
        raise ValueError(
            "input_shape must be ints, got traced values: jax.jit(lambda key: layer.init(key,"
            " input_shape)) leaves it alone"
        )
    sizes = tuple(input_shape)
    as_ints(
        "input_shape", [size for size in sizes if not export.is_symbolic_dim(size)], "ints", least=0
    )
    if not sizes:
        raise ValueError("input_shape must have a batch axis and others, got ()")
    return tuple(size if export.is_symbolic_dim(size) else int(size) for size in sizes)


def check_images(input_shape: Sequence[int], axes: Sequence[int] = (1, 2, 3)) -> None:
    """(n, *space, c), with a number of spatial axes out of `axes`."""
    if len(input_shape) - 2 not in axes:
        hint = "; is the batch axis missing?" if len(input_shape) - 1 in axes else ""
        raise ValueError(
            f"input_shape must have a batch, a channel and {axes[0]} to {axes[-1]} spatial axes,"
            f" got {tuple(input_shape)}{hint}"
        )


def known(input_shape: Sequence[int], axes: Sequence[int], *, least: int = 0) -> tuple[int, ...]:
    """The sizes along the axes that determine the shapes of parameters: ints of at
    least `least`, not symbols."""
    sizes = tuple(input_shape[axis] for axis in axes)
    for size in sizes:
        if export.is_symbolic_dim(size):
            raise ValueError(
                f"input_shape must be known along the axes that parameters have, got {size} in"
                f" {input_shape}"
            )
        if size < least:
            raise ValueError(
                f"input_shape must hold at least {least} along the axes that parameters have, got"
                f" {input_shape}"
            )
    return sizes


def check_fits(window: Window, space: Sequence[int]) -> None:
    for axis, (n, k, d, (lo, hi), m) in enumerate(
        zip(
            space, window.size, window.dilation, window.pads, window.output_size(space), strict=True
        )
    ):
        if is_known(m) and m == 0:
            raise ValueError(
                f"the window is larger than the padded input on spatial axis {axis}: it spans"
                f" {dilated(k, d)} ({k} taps, dilation {d}), the input {n + lo + hi} ({n} with pads"
                f" {(lo, hi)})"
            )


def draw(kernel_init: Callable[..., Any], key: Any, shape: tuple[int, ...]) -> Array:
    """kernel_init(key, shape), if it is an array of that shape."""
    check_key(key, needed=True)
    needed = f"kernel_init must give a floating array of shape {shape} for (key, shape)"
    try:
        kernel = kernel_init(key, shape)
    except TypeError as error:
        raise ValueError(f"{needed}, it raised a TypeError: {error}") from error
    if not hasattr(kernel, "dtype") or not hasattr(kernel, "shape"):
        hint = (
            f": is it what makes one? pass {kernel_init.__name__}()"
            if callable(kernel) and hasattr(kernel_init, "__name__")
            else ""
        )
        raise ValueError(f"{needed}, got {described(kernel)}{hint}")
    if tuple(kernel.shape) != shape or not jnp.issubdtype(kernel.dtype, jnp.floating):
        raise ValueError(f"{needed}, got {described(kernel)}")
    return jnp.asarray(kernel)


def check_entries(name: str, given: Any, needed: Sequence[str], *, only: bool) -> None:
    """Check that `given`, params or state, is a dict with the entries that `init` made
    and, with `only`, with no others."""
    if not isinstance(given, Mapping):
        hint = ": init gives (params, state)" if isinstance(given, tuple) else ""
        raise ValueError(
            f"{name} must be a dict, {{}} where there are none, got {described(given)}{hint}"
        )
    missing = [entry for entry in needed if given.get(entry) is None]
    unknown = [entry for entry in given if entry not in needed] if only else []
    if missing or unknown:
        which = f"{missing[0]!r} is missing" if missing else f"{unknown[0]!r} is not one of them"
        made = f"the entries {list(needed)} that init made" if needed else "no entries"
        raise ValueError(
            f"{name} must have {made}, got {list(given)}: {which}; is it of another model?"
        )


def check_kernel(w: Any, taps: int | tuple[int, ...] | None, features: int) -> None:
    """Check that the kernel in params fits this layer: (*taps, any, features), without
    taps for a matrix."""
    shape = getattr(w, "shape", None)
    if shape is None:
        return  # the operation raises the error about it
    if taps is None:
        fits, expected = len(shape) == 2, "c"
    elif isinstance(taps, int):
        fits, expected = len(shape) > 2 and all(k == taps for k in shape[:-2]), f"{taps}, ..., c"
    else:
        fits, expected = tuple(shape[:-2]) == taps, f"{', '.join(map(str, taps))}, c"
    if not fits or shape[-1] != features:
        raise ValueError(
            f"params must have a kernel 'w' of shape ({expected}, {features}), got {tuple(shape)}:"
            " is it of another model?"
        )
