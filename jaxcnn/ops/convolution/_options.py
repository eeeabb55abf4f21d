"""The options of a convolution, checked for those that pass them on."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from jaxcnn.arguments import described
from jaxcnn.ops._layout import Layout, check_layout
from jaxcnn.ops.convolution.methods import AUTO, METHODS, Method
from jaxcnn.ops.convolution.problem import ConvOptions


def layout_among(function: str, options: Mapping[str, Any]) -> Layout:
    """The layout among the options. All options are checked."""
    check_options(function, options)
    layout = options.get("layout", "channels_last")
    check_layout(layout)
    return layout


def check_options(function: str, options: Mapping[str, Any]) -> None:
    """Raise TypeError for an unknown option, as Python does for other functions."""
    for name in options:
        if name not in ConvOptions.__annotations__:
            close = difflib.get_close_matches(name, ConvOptions.__annotations__, n=1)
            hint = f": did you mean {close[0]!r}?" if close else ""
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}{hint}")


def as_method(method: Method | None) -> Method:
    if method is None:
        return AUTO
    if isinstance(method, Method):
        return method
    known = isinstance(method, str) and method.upper() in METHODS
    hint = f": pass jaxcnn.methods.{method.upper()}" if known else ""
    raise ValueError(
        f"method must be one of jaxcnn.methods ({', '.join(METHODS)}), a Method of your own or"
        f" None, got {described(method)}{hint}"
    )
