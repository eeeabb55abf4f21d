"""A report of `jaxcnn certify` with some of everything, for the tests of its page."""

from __future__ import annotations

from certify_page_rows import INF, NAN, accurate, check, costs, row, timed

GARBAGE = "worst at (0, 1, 2, 0): 3.4e+28, expected 0.25; 40% of the entries differ"


def rows():
    return [
        row(
            case="2d-crop-low-pad-high",
            description="x (2, 5, 5, 3), w (2, 2, 3, 4), padding ((-1, 2), (-1, 2))",
            checks=[
                accurate("x", 9e-08, 1.4e29),
                accurate("w", 1.1e-07, 1.1e-07),
                accurate("value"),
            ],
            autodiff_wrong=[{"of": "x", "detail": GARBAGE}],
            costs=costs(),
        ),
        row(
            case="2d-same",
            dtype="bfloat16",
            checks=[accurate("x", 2.1e-3, 2.1e-3, 2**-7), accurate("w", 1.9e-3, 1.7e-3, 2**-7)],
            costs=costs(dtype="bfloat16"),
        ),
        row(
            "max_pool",
            "random-17",
            kind="random",
            description="x (2, 7, 5), window 3, stride 2",
            passed=False,
            checks=[
                check("structure", "value", error=0.0, tolerance=0.0, data=""),
                check(
                    "integers",
                    "x",
                    passed=False,
                    error=0.71,
                    tolerance=0.0,
                    data="integers",
                    detail="worst at (0, 3, 1): 2.0, expected 0.0; 12% of the entries differ",
                    diagnosis="fits what is expected, moved by 1 along axis 1",
                ),
                accurate(
                    "x",
                    0.43,
                    0.0,
                    passed=False,
                    detail="worst at (1, 2, 0): NaN, expected -0.5",
                    tolerance=1.9e-06,
                ),
            ],
        ),
        row(
            "dropout",
            "rate-0.5",
            kind="random",
            passed=False,
            error="TypeError: <lambda>() missing 1 required argument: 'key' & more\n  in line 12",
            checks=[],
        ),
        row(
            "gelu",
            "large",
            passed=False,
            checks=[
                accurate("x", INF, NAN, passed=False, diagnosis="not finite"),
                check("bias", "x", error=0.1, tolerance=INF, detail="cosine 0.9990"),
            ],
        ),
        row("relu", "2d", dtype="float64", checks=[accurate("x", 0.0, 0.0)]),
        row(
            case="resnet-3x3",
            kind="sized",
            costs=costs(
                {"residual_bytes": 3_211_264, "temp_bytes": 18_874_368},
                {"residual_bytes": 3_211_264, "temp_bytes": 20_512_000},
            ),
            time=timed(1.04, 0.98, 1.11),
        ),
        row(
            case="mobilenet-depthwise",
            kind="sized",
            costs=costs(
                {"residual_bytes": 0, "temp_bytes": 0},
                {"residual_bytes": 1_200_000, "temp_bytes": 0},
            ),
            time=timed(143.0, 120.0, 160.0),
        ),
        row(
            "max_pool",
            "vgg-2x2",
            dtype="bfloat16",
            kind="sized",
            checks=[accurate("x", 0.0, 0.0)],
            costs=costs(
                {"residual_bytes": 65_536, "temp_bytes": None}, {"residual_bytes": 0}, "bfloat16"
            ),
            time=timed(0.32, 0.29, 0.35),
        ),
        row(
            "mine.py:quantised<int8>",
            "given & own",
            kind="own",
            checks=[accurate("w<b>")],
            costs=costs({"flops": None}),
        ),
    ]


MODEL = {
    "name": "lenet",
    "data": "digits, batch 8",
    "gradients": [
        {
            "path": path,
            "shape": shape,
            "norm": 0.37,
            "explicit_error": ours,
            "autodiff_error": theirs,
            "explicit_ulps": 1.3,
            "autodiff_ulps": 1.7,
            "explicit64_error": 2.9e-16,
        }
        for path, shape, ours, theirs in (
            ("0_conv/w", [5, 5, 1, 16], 3.1e-07, 3.4e-07),
            ("0_conv/b", [16], 2.2e-07, NAN),
            ("6_dense/w", [400, 120], 9.8e-08, 9.8e-08),
        )
    ],
    "not_compared": [],
    "sentences": ["All 10 gradients agree with float64 to 4e-07.", "Autodiff's are as near."],
    "passed": True,
    "figure": (
        '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="600pt"'
        ' height="220pt" viewBox="0 0 600 220"><rect width="600" height="220" fill="#fff"/><path'
        ' d="M40 180 L200 90 L560 40" fill="none" stroke="#2a74b8"/><text x="40"'
        ' y="210">0_conv</text></svg>'
    ),
}

ENVIRONMENT = {
    "command": "jaxcnn certify --random 300",
    "date": "2025-11-03",
    "jaxcnn": "0.1.0",
    "jax": "0.10.2",
    "jaxlib": "0.10.2",
    "numpy": "2.3.4",
    "python": "3.11.2",
    "platform": "cpu",
    "device": "cpu",
    "devices": 1,
    "machine": "x86_64",
    "cores": 2,
    "system": "Linux",
}


def report(rows_=None, model=None):
    return {
        "environment": ENVIRONMENT,
        "seconds": 754.2,
        "rows": rows() if rows_ is None else rows_,
        "model": model,
    }
