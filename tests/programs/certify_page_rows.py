"""Rows of a report of `jaxcnn certify`, made by hand, for the tests of its page."""

from __future__ import annotations

import math
from functools import cache

import jax
import jax.numpy as jnp

from jaxcnn.ops import AUTODIFF, EXPLICIT

INF, NAN = math.inf, math.nan


def check(name="accuracy", of="x", **changes):
    values = {
        "name": name,
        "of": of,
        "passed": True,
        "error": 8.1e-08,
        "tolerance": 1.9e-06,
        "data": "distinct",
        "ulps": None,
        "autodiff_error": None,
        "autodiff_ulps": None,
        "detail": "",
        "diagnosis": "",
        "a key to come": 0,
    }
    assert changes.keys() <= values.keys()
    return {**values, **changes}


def accurate(of="x", ours=8.1e-08, theirs=9.3e-08, eps=2**-23, **changes):
    return check(
        of=of,
        error=ours,
        ulps=ours / eps,
        autodiff_error=theirs,
        autodiff_ulps=theirs / eps,
        **changes,
    )


def usual_checks(names=("x", "w")):
    """As a case that passes has them."""
    of = ("value", *names)
    return [
        *(check("structure", o, error=0.0, tolerance=0.0, data="") for o in of),
        *(
            check(
                "integers",
                o,
                error=0.0,
                tolerance=0.0,
                data="integers",
                ulps=0.0,
                autodiff_error=0.0,
            )
            for o in of
        ),
        *(accurate(o, 8.1e-08 * (1 + i), 9.3e-08) for i, o in enumerate(of)),
        *(check("linearity", o, error=4e-17 * i, tolerance=1e-12) for i, o in enumerate(names)),
        check("adjoint", "all", error=2.2e-16, tolerance=1e-12),
        *(check("differences", o, error=7.7e-10, tolerance=1e-5) for o in names),
        *(check("zeros", o, error=0.0, tolerance=0.0) for o in names),
    ]


@cache
def jaxpr(autodiff: bool, dtype: str) -> str:
    ops = AUTODIFF if autodiff else EXPLICIT

    def value_and_gradients(x, w, dy):
        value, pull = jax.vjp(lambda x, w: ops.conv(x, w, stride=2, padding="same"), x, w)
        return value, pull(dy)

    shapes = ((2, 6, 6, 2), (3, 3, 2, 3), (2, 3, 3, 3))
    return str(jax.make_jaxpr(value_and_gradients)(*(jnp.zeros(shape, dtype) for shape in shapes)))


def cost(autodiff=False, dtype="float32", **changes):
    values = {
        "jaxpr": jaxpr(autodiff, dtype),
        "excerpt": (
            "%convolution.1 = f32[2,3,3,3]{3,2,1,0} convolution(%x, %w), window={size=3x3"
            " stride=2x2 pad=0_1x0_1}, dim_labels=b01f_01io->b01f\n%fusion = f32[3,3,2,3]"
            " fusion(%y), kind=kLoop, calls=%fused<1>"
        ),
        "convolutions": 3,
        "dots": 0,
        "fusions": 4,
        "custom_calls": 0,
        "loops": 0,
        "scatters": 0,
        "flops": 23_328.0,
        "residual_bytes": 1_008,
        "argument_bytes_kept": 792,
        "temp_bytes": 4_608,
        "output_bytes": 1_012,
        "a key to come": 0,
    }
    assert changes.keys() <= values.keys()
    return {**values, **changes}


def costs(ours=None, theirs=None, dtype="float32"):
    return {
        "explicit": cost(False, dtype, **(ours or {})),
        "autodiff": cost(True, dtype, **(theirs or {})),
    }


def timed(median, low, high, explicit=3.2e-3):
    def side(t, cores):
        return {"median": t, "low": 0.97 * t, "high": 1.06 * t, "utilisation": cores}

    return {
        "explicit": side(explicit, 1.7),
        "autodiff": side(median * explicit, 1.3),
        "ratio": {"median": median, "low": low, "high": high},
    }


def row(operation="conv", case="2d", **changes):
    values = {
        "operation": operation,
        "case": case,
        "dtype": "float32",
        "kind": "table",
        "description": "x (2, 6, 6, 2), w (3, 3, 2, 3), stride 2, padding same",
        "passed": True,
        "error": None,
        "checks": usual_checks(),
        "not_compared": [],
        "autodiff_wrong": [],
        "costs": None,
        "time": None,
    }
    assert changes.keys() <= values.keys()
    return {**values, **changes}
