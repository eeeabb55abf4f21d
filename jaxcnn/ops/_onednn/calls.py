"""The custom calls of XLA's CPU runtime that compute by oneDNN.

Their configuration is the JSON of XLA's messages `OneDnnConvolutionConfig` and
`OneDnnMatMulConfig`. A description that does not fit ends the process.
"""

from __future__ import annotations

import json
from typing import Any

import jax
from jax import Array

from jaxcnn.window import Window


def convolution(x: Array, w: Array, window: Window, groups: int, dtype: Any) -> Array:
    """(1) of `convolution/rule.py`, channels last. The window has no base dilation and
    no negative pad, and no array is empty."""
    axes = len(window.size)
    space = list(range(1, axes + 1))
    images = {
        "dims": axes + 2,
        "data": {"batch_dim": 0, "feature_dim": axes + 1, "spatial_dims": space},
    }
    filters = {
        "input_feature_dim": axes,
        "output_feature_dim": axes + 1,
        "spatial_dims": list(range(axes)),
    }
    config = {
        "dims": axes + 2,
        "input": images,
        "kernel": {"dims": axes + 2, "filter": filters},
        "output": images,
        "window": {
            "size": list(window.size),
            "pad_left": [lo for lo, _ in window.pads],
            "pad_right": [hi for _, hi in window.pads],
            "strides": list(window.stride),
            "window_dilations": list(window.dilation),
        },
        "feature_groups": groups,
    }
    shape = (x.shape[0], *window.output_size(x.shape[1:-1]), w.shape[-1])
    return _call("convolution", {"onednn_conv_config": config}, shape, dtype, x, w)


def product(a: Array, b: Array, a_axis: int, b_axis: int, dtype: Any) -> Array:
    """The product of each matrix a[d] with b[d], summed over `a_axis` and `b_axis` (1
    or 2). No array is empty."""
    config = {"transpose_a": a_axis == 1, "transpose_b": b_axis == 2}
    shape = (a.shape[0], a.shape[3 - a_axis], b.shape[3 - b_axis])
    return _call("matmul", {"onednn_matmul_config": config}, shape, dtype, a, b)


def _call(
    name: str, config: dict[str, Any], shape: tuple[int, ...], dtype: Any, a: Array, b: Array
) -> Array:
    return jax.ffi.ffi_call(
        f"__onednn${name}",
        jax.ShapeDtypeStruct(shape, dtype),
        custom_call_api_version=2,
        legacy_backend_config=json.dumps(config),
    )(a, b)
