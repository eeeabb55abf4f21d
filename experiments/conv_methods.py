"""How fast is each way to compute a convolution's three maps?  python -m experiments.conv_methods

Times forward, input gradient and kernel gradient by every method, beside plain JAX (`lax.conv_general_dilated` and its autodiff),
at the top level of a program and in the body of a `scan`, in float32 on whatever device JAX finds. The columns take turns, as
`experiments/timing.py` says; the figure is the median over repetitions, and its spread the quartiles. `dispatch.py` decides by
this table. Beside the JSON lies a picture: the methods that it chose, against plain JAX.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import tyro
from jax import Array, lax
from rich.console import Console
from rich.progress import track
from rich.table import Table

from experiments.cases import SIZED_CONV_CASES, ConvCase
from experiments.plain import PLAIN
from experiments.timing import interleaved
from jaxcnn.ops.conv import make_spec
from jaxcnn.ops.conv_methods import CANONICAL, DIRECT, SHIFTED, ConvMethod, ConvSpec
from jaxcnn.ops.conv_methods.dispatch import choose

matplotlib.use("Agg")
from matplotlib import pyplot as plt


@dataclass(frozen=True)
class Config:
    """Time the ways to compute a convolution."""

    repetitions: int = 9
    """Timings of each map by each method; the median counts."""
    output: Path = Path("runs/conv_methods.json")
    """Where the numbers go."""


MAP_LABELS = {"forward": "forward", "input_grad": "input gradient", "kernel_grad": "kernel gradient"}
LENGTH = 2  # steps of the scan


def spec_of(case: ConvCase) -> ConvSpec:
    options = {"stride": 1, "padding": "valid", "dilation": 1, "groups": 1, **case.options}
    return make_spec(case.x, case.w, layout="channels_last", precision=None, preferred_element_type=None, **options)


def maps(case: ConvCase, method: ConvMethod | None) -> dict[str, Callable[[Array, Array, Array], Array]]:
    """The three maps of (x, w, dy), by a method, or for None as JAX's users write them."""
    spec = spec_of(case)
    if method is not None:
        return {
            "forward": lambda x, w, dy: method.forward(x, w, spec),
            "input_grad": lambda x, w, dy: method.input_grad(dy, w, spec, case.x),
            "kernel_grad": lambda x, w, dy: method.kernel_grad(x, dy, spec, case.w),
        }

    plain = partial(PLAIN.conv, **case.options)
    return {
        "forward": lambda x, w, dy: plain(x, w),
        "input_grad": lambda x, w, dy: jax.vjp(lambda x: plain(x, w), x)[1](dy)[0],
        "kernel_grad": lambda x, w, dy: jax.vjp(lambda w: plain(x, w), w)[1](dy)[0],
    }


def in_scan(function: Callable[[Array, Array, Array], Array]) -> Callable[[Array, Array, Array], Array]:
    """The sum over a few steps, each of different arrays, so that nothing can be moved out of the loop or left out."""

    def scanned(x, w, dy):
        def step(total, factor):
            return total + function(x * factor, w * factor, dy * factor), None

        zeros = jnp.zeros_like(jax.eval_shape(function, x, w, dy))
        return lax.scan(step, zeros, jnp.arange(1.0, LENGTH + 1))[0]

    return scanned


def measure(case: ConvCase, repetitions: int) -> list[dict[str, Any]]:
    methods: dict[str, ConvMethod | None] = {"plain JAX": None, "direct": DIRECT, "canonical": CANONICAL}
    if case.w[-2] == 1:
        methods["shifted"] = SHIFTED
    keys = jax.random.split(jax.random.key(0), 3)
    y_shape = (case.x[0], *spec_of(case).window.output_size(case.x[1:-1]), case.w[-1])
    args = [jax.random.normal(k, s) for k, s in zip(keys, (case.x, case.w, y_shape), strict=True)]
    rows = []
    for map_name in MAP_LABELS:
        for place in ("top level", "in scan"):
            wrap, steps = (in_scan, LENGTH) if place == "in scan" else (lambda f: f, 1)
            functions = {name: jax.jit(wrap(maps(case, method)[map_name])) for name, method in methods.items()}
            values = {name: np.asarray(f(*args)) for name, f in functions.items()}  # compiles, and checks before it times
            for value in values.values():
                np.testing.assert_allclose(value, values["plain JAX"], rtol=1e-3, atol=1e-3 * np.abs(values["plain JAX"]).max())
            timings = interleaved({name: partial(f, *args) for name, f in functions.items()}, repetitions)
            row: dict[str, Any] = {"case": case.id, "map": map_name, "place": place}
            for name, t in timings.items():
                row[name] = {"ms": 1e3 * t.median / steps, "quartiles_ms": [1e3 * t.low / steps, 1e3 * t.high / steps]}
            rows.append(row)
    return rows


def draw(rows: list[dict[str, Any]], title: str, path: Path) -> None:
    """One bar per map of each case: plain JAX's time over that of the method which `dispatch.py` chooses on this platform."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 5.2), sharex=True, sharey=True, layout="constrained")
    names = list(dict.fromkeys(row["case"] for row in rows))
    methods = {case.id: choose(case.options.get("groups", 1), case.w) for case in SIZED_CONV_CASES}
    for axis, place in zip(axes, ("top level", "in scan"), strict=True):
        for offset, (map_name, label) in enumerate(MAP_LABELS.items()):
            ratios = []
            for row in rows:
                if (row["place"], row["map"]) == (place, map_name):
                    by_platform = methods[row["case"]]
                    method = by_platform.get(jax.default_backend(), by_platform["default"]).__name__.rpartition(".")[-1]
                    ratios.append(row["plain JAX"]["ms"] / row[method]["ms"])
            axis.barh(np.arange(len(names)) + 0.27 * (offset - 1), np.array(ratios) - 1, left=1, height=0.25, label=label)
        axis.axvline(1, color="black", linewidth=1)
        axis.set_xscale("log")
        axis.grid(axis="x", alpha=0.3)
        axis.xaxis.set_major_formatter("{x:g}x")
        axis.set_xlabel("times as fast as plain JAX and its autodiff (log scale)")
        axis.set_title({"top level": "at the top level of a program", "in scan": "in the body of a scan"}[place])
    axes[0].set_yticks(np.arange(len(names)), names)
    axes[0].invert_yaxis()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(title)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main(config: Config) -> list[dict[str, Any]]:
    console = Console()
    console = console if console.is_terminal else Console(width=140)
    rows = [row for case in track(SIZED_CONV_CASES, "timing", console=console) for row in measure(case, config.repetitions)]
    table = Table(
        title=f"milliseconds, median of {config.repetitions}; how many times faster than plain JAX", title_justify="left"
    )
    columns = ("plain JAX", "direct", "canonical", "shifted")
    for heading in ("case", "map", "place", *columns):
        table.add_column(heading, justify="right" if heading in columns else "left")
    for row in rows:
        base = row["plain JAX"]["ms"]
        cells = [f"{row[name]['ms']:.2f}  {base / row[name]['ms']:5.1f}x" if name in row else "" for name in columns]
        table.add_row(row["case"], row["map"], row["place"], *cells)
    console.print(table)
    environment = {
        "command": f"python -m experiments.conv_methods --repetitions {config.repetitions}",
        "jax": jax.__version__,
        "device": jax.devices()[0].device_kind,
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "repetitions": config.repetitions,
    }
    config.output.parent.mkdir(parents=True, exist_ok=True)
    config.output.write_text(json.dumps({"environment": environment, "rows": rows}, indent=1) + "\n")
    picture = config.output.with_suffix(".png")
    draw(
        rows,
        f"Convolutions by jaxcnn, float32, {environment['device']} with {environment['cores']} cores, jax {jax.__version__}",
        picture,
    )
    console.print(f"written to {config.output} and {picture}")
    return rows


if __name__ == "__main__":
    main(tyro.cli(Config))
