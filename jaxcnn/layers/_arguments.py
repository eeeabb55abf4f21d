"""What a person passes to a layer, turned into what its operation needs, or refused by
name.

When a layer is made the images are not known yet, and so neither is how many spatial
axes they have: whatever is given per axis says so, and must agree with the rest. What
depends on the images is looked at in `init`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, export

from jaxcnn.arguments import as_flag, as_int, as_ints, as_number, described, is_several, per_axis
from jaxcnn.ops import Ops
from jaxcnn.ops.convolution.methods import METHODS, Method
from jaxcnn.sizes import is_known
from jaxcnn.window import Window, dilated, make_window

RAW_KEY_SHAPES = {"threefry2x32": (2,), "rbg": (4,), "unsafe_rbg": (4,)}


# When a layer is made.


def as_ops(ops: Any) -> Ops:
    if not isinstance(ops, Ops):
        raise ValueError(
            "ops must be jaxcnn.EXPLICIT, jaxcnn.AUTODIFF or an Ops of your own, got"
            f" {described(ops)}"
        )
    for name, operation in ops._asdict().items():
        if not callable(operation):
            raise ValueError(f"ops must hold functions, got ops.{name} = {described(operation)}")
    return ops


def as_function(name: str, value: Any, needed: str) -> Callable[..., Any]:
    if not callable(value):
        raise ValueError(f"{name} must be a function, {needed}, got {described(value)}")
    return value


def as_rate(name: str, value: Any) -> float:
    rate = as_number(name, value)
    if not 0 <= rate < 1:
        hint = "; to drop everything is to multiply by 0" if rate == 1 else ""
        raise ValueError(
            f"{name} is the probability to drop an element and must be in [0, 1), got {rate}{hint}"
        )
    return rate


def as_epsilon(value: Any) -> float:
    epsilon = as_number("epsilon", value)
    if not 0 <= epsilon < math.inf:
        raise ValueError(f"epsilon must be finite and not negative, got {epsilon}")
    return epsilon


def as_method(method: Any) -> Method | None:
    if method is None or isinstance(method, Method):
        return method
    hint = (
        f": pass jaxcnn.methods.{method.upper()}"
        if isinstance(method, str) and method.upper() in METHODS
        else ""
    )
    raise ValueError(
        f"method must be one of {', '.join(METHODS)}, a Method of your own or None, got"
        f" {described(method)}{hint}"
    )


def as_axes(axes: Any) -> tuple[int, ...]:
    """The axes of a layer normalisation. Whether x has them is seen in `init`."""
    if not is_several(axes):
        return (as_int("axes", axes),)
    several = as_ints("axes", axes, "an int or several")
    if not several or len(set(several)) < len(several):
        raise ValueError(f"axes must be one or more distinct axes of x, got {described(axes)}")
    return several


def per_some_axis(name: str, value: Any) -> int | tuple[int, ...]:
    """`value`, one int or one per spatial axis, however many there are.

    >>> per_some_axis("size", 3), per_some_axis("size", np.array([3, 5]))
    (3, (3, 5))
    """
    several = is_several(value)
    values = per_axis(name, value, len(value) if several else 1)
    if not 1 <= len(values) <= 3:
        raise ValueError(
            f"{name} must be an int, or one int for each of 1 to 3 spatial axes, got"
            f" {described(value)}"
        )
    return values if several else values[0]


def geometry(
    *, size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool = False
) -> dict[str, Any]:
    """The options of a window, each by itself and together: as many entries of each as
    of the others.

    >>> geometry(size=(3, 5), stride=2, padding="same", dilation=1)
    {'size': (3, 5), 'stride': 2, 'padding': 'same', 'dilation': 1}
    """
    given = {
        "size": per_some_axis("size", size),
        "stride": per_some_axis("stride", stride),
        "padding": _padding(padding),
        "dilation": per_some_axis("dilation", dilation),
    }
    entries = {name: len(value) for name, value in given.items() if isinstance(value, tuple)}
    if len(set(entries.values())) > 1:
        counts = " and ".join(f"{count} of {name}" for name, count in entries.items())
        raise ValueError(
            f"{' and '.join(entries)} must have one entry per spatial axis each, got {counts}"
        )
    axes = next(iter(entries.values()), 1)
    space = (1,) * axes  # any: what is refused here does not depend on it
    taps = given["size"] if isinstance(given["size"], tuple) else (given["size"],) * axes
    window = make_window(
        taps, space, stride=given["stride"], padding=given["padding"], dilation=given["dilation"]
    )
    if ceil_mode:
        window.ceil(space)
    return given


def _padding(padding: Any) -> Any:
    """Several entries as a tuple, pairs as tuples; `make_window` refuses what is none
    of the forms."""
    if not is_several(padding):
        return padding
    if not 1 <= len(padding) <= 3:
        raise ValueError(
            f"padding must have one entry for each of 1 to 3 spatial axes, got {described(padding)}"
        )
    return tuple(
        as_ints("padding", entry, "(low, high) pairs of ints") if is_several(entry) else entry
        for entry in padding
    )


# What networks are made by.


def as_entries(name: str, value: Any, entries: int | None = None) -> tuple[int, ...]:
    """Several positive ints, as many as `entries` if that is given.

    >>> as_entries("features", [6, 16], 2)
    (6, 16)
    """
    needed = "several ints" if entries is None else f"{entries} ints"
    ints = as_ints(name, value, needed, least=1)
    if entries not in (None, len(ints)):
        raise ValueError(f"{name} must be {needed}, got {described(value)}")
    return ints


def as_rows(
    name: str, value: Any, needed: str, *, entries: int | None = None, least: int = 0
) -> list[tuple[int, ...]]:
    """Several rows of positive ints, `least` of them at least, with as many ints each
    as `entries`, or one at least.

    >>> blocks = np.array([[32, 1], [64, 2]])
    >>> as_rows("blocks", blocks, "a pair of ints for each block", entries=2)
    [(32, 1), (64, 2)]
    """
    rows: list[Any] = list(value) if is_several(value) else [None]
    for row in rows:
        if not is_several(row) or len(row) == 0 or entries not in (None, len(row)):
            raise ValueError(f"{name} must be {needed}, got {described(value)}")
    if len(rows) < least:
        raise ValueError(f"{name} must be {needed}, {least} at least, got {described(value)}")
    return [as_entries(name, row) for row in rows]


# In init and apply.


def as_train(train: Any) -> bool:
    if isinstance(train, jax.core.Tracer):
        raise ValueError(
            "train must be True or False, got a traced value: jax.jit(..., static_argnames='train')"
            " leaves it alone"
        )
    return as_flag("train", train)


def check_key(key: Any, *, needed: bool = False) -> None:
    """None passes where no key is needed."""
    if key is None:
        if needed:
            raise ValueError(
                "key must be a JAX random key, got None: pass jax.random.key(0), or of another seed"
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
    """The shape of x as a tuple. A symbolic size passes, as `jax.export` makes them.

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
    """The sizes along the axes, which parameters are made by: ints, not symbols, of at
    least `least`."""
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
    """That `given`, params or state, is a dict with the entries that `init` made; with
    `only`, with no others."""
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
    """That the kernel in params is one of this layer, (*taps, any, features); no taps
    for a matrix."""
    shape = getattr(w, "shape", None)
    if shape is None:
        return  # the operation says that it is no array
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
