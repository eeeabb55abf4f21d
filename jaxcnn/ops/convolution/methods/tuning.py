"""A method that obeys a file: for each convolution that was timed on this machine, the
method that was fastest, and AUTO for all others.

`jaxcnn tune` writes the file, a JSON object:

    {"choices": [{"map": "forward", "dtype": "float32", "method": "im2col",
                  "problem": {"x": [8, 28, 28, 64], "w": [3, 3, 64, 64],
                              "stride": [1, 1], "pads": [[1, 1], [1, 1]],
                              "dilation": [1, 1], "base_dilation": [1, 1],
                              "groups": 1}}]}
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial, wraps
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from jax import Array

from jaxcnn.ops.convolution.methods.method import Method, operand_dtype
from jaxcnn.ops.convolution.methods.portable import of_a_device
from jaxcnn.ops.convolution.problem import Problem
from jaxcnn.window import Window

Key = tuple[str, str, Problem]


def described(problem: Problem) -> dict[str, Any]:
    """A problem as JSON."""
    window = problem.window
    return {
        "x": problem.x_shape,
        "w": problem.w_shape,
        **{name: getattr(window, name) for name in Window._fields if name != "size"},
        "groups": problem.groups,
    }


def _problem(found: Mapping[str, Any]) -> Problem:
    x, w = tuple(found["x"]), tuple(found["w"])
    rest = {name: tuple(found[name]) for name in Window._fields if name not in ("size", "pads")}
    window = Window(size=w[:-2], pads=tuple((lo, hi) for lo, hi in found["pads"]), **rest)
    return Problem(x, w, window, int(found["groups"]))


def tuned(path: str | PathLike[str], methods: Mapping[str, Method]) -> Method:
    """The method of a file. Read it once: each call gives another method, for which
    everything is compiled anew.

    Raises:
      OSError: if it cannot be read.
      ValueError: if it is no such file, or names a method that is not among `methods`.
    """
    try:
        entries = json.loads(Path(path).read_text(encoding="utf-8"))["choices"]
        names = {
            (entry["map"], entry["dtype"], _problem(entry["problem"])): entry["method"].upper()
            for entry in entries
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no file of jaxcnn tune: {error!r}") from error
    unknown = sorted({name for name in names.values() if name not in methods})
    if unknown:
        raise ValueError(f"{path} names methods that are not here: {', '.join(unknown)}")
    choices = {key: methods[name] for key, name in names.items()}
    return Method.of(partial(_chosen, choices, methods["AUTO"]))


def with_default(conv: Callable[..., Array], method: Method) -> Callable[..., Array]:
    """A convolution of an `Ops`, with another method where none is named."""

    @wraps(conv)
    def convolution(*args: Any, **options: Any) -> Array:
        options["method"] = options.get("method") or method
        return conv(*args, **options)

    return convolution


def _chosen(
    choices: Mapping[Key, Method],
    otherwise: Method,
    map_name: str,
    a: Array,
    b: Array,
    problem: Problem,
) -> Array:
    """A map, by the choice for the images of one device."""
    plain = problem._replace(precision=None, accumulation_dtype=None, out_sharding=None)
    key = (map_name, np.dtype(operand_dtype(a, b, problem)).name, of_a_device(plain, a, b))
    return getattr(choices.get(key, otherwise), map_name)(a, b, problem)
