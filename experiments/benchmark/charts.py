"""The numbers as pictures: families against plain JAX, convolutions against a matrix
product, and growth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from experiments.benchmark.case import CONV_PASSES, PLACES
from experiments.benchmark.means import dtypes_of, families_of, family_spread
from jaxcnn.stored.files import write_whole

matplotlib.use("Agg")
from matplotlib import pyplot as plt

Row = Mapping[str, Any]

PLACE_TITLES = {"top level": "at the top level of a program", "scan": "in the body of a scan"}


def save(figure: Figure, path: Path) -> None:
    write_whole(path, lambda partial: figure.savefig(partial, dpi=130, format="png"))
    plt.close(figure)


def draw_operations(rows: Sequence[Any], title: str, path: Path) -> None:
    """For each family and place the geometric mean of plain JAX's time over ours, and
    the range."""
    families, dtypes = families_of(rows), dtypes_of(rows)
    places = [place for place in PLACES if any(row["place"] == place for row in rows)]
    height = 0.8 / len(dtypes)
    figure, axes = plt.subplots(
        1,
        len(places),
        figsize=(1.5 + 5 * len(places), 1.6 + 0.42 * len(families)),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axis, place in zip(axes[0], places, strict=True):
        for number, dtype in enumerate(dtypes):
            spreads = [family_spread(rows, (family,), place, dtype) for family in families]
            there = [(i, s) for i, s in enumerate(spreads) if s]
            if not there:
                continue
            at = np.array([i + height * (number - (len(dtypes) - 1) / 2) for i, _ in there])
            means = np.array([s.mean for _, s in there])
            ends = np.abs(np.array([(s.mean - s.low, s.high - s.mean) for _, s in there])).T
            axis.barh(at, means - 1, left=1, height=0.9 * height, color=f"C{number}", label=dtype)
            axis.errorbar(
                means, at, xerr=ends, fmt="none", ecolor="black", elinewidth=0.8, capsize=2
            )
        axis.axvline(1, color="black", linewidth=1)
        axis.set_title(PLACE_TITLES[place])
        axis.set_xlabel("times as fast as plain JAX and its autodiff (log scale)")
        _log_x(axis)
    axes[0, 0].set_yticks(range(len(families)), families)
    axes[0, 0].invert_yaxis()
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False
    )
    figure.suptitle(title)
    save(figure, path)


def _log_x(axis: Axes) -> None:
    axis.set_xscale("log")
    axis.grid(axis="x", alpha=0.3)
    axis.xaxis.set_major_formatter("{x:g}x")
    axis.xaxis.set_minor_formatter(NullFormatter())


def draw_peak(rows: Sequence[Any], title: str, path: Path) -> bool:
    """For each convolution and pass the share of a matrix product's rate that explicit
    reaches; False where there is none."""
    rows = [row for row in rows if row["peak_fraction"] is not None]
    if not rows:
        return False
    place = next(place for place in PLACES if any(row["place"] == place for row in rows))
    rows = [row for row in rows if row["place"] == place]
    cases, dtypes = (
        list(dict.fromkeys((row["family"], row["case"]) for row in rows)),
        dtypes_of(rows),
    )
    figure, axes = plt.subplots(
        1,
        len(dtypes),
        figsize=(3.5 + 4 * len(dtypes), 1.8 + 0.22 * len(cases)),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axis, dtype in zip(axes[0], dtypes, strict=True):
        for pass_name, marker in zip(CONV_PASSES, "o^s", strict=True):
            found = [row for row in rows if (row["dtype"], row["pass"]) == (dtype, pass_name)]
            if found:
                at = [cases.index((row["family"], row["case"])) for row in found]
                axis.plot(
                    [row["peak_fraction"] for row in found],
                    at,
                    marker,
                    markersize=5,
                    alpha=0.8,
                    label=pass_name,
                )
        for i in range(1, len(cases)):
            if cases[i][0] != cases[i - 1][0]:
                axis.axhline(i - 0.5, color="grey", linewidth=0.6)
        axis.axvline(1, color="black", linewidth=1)
        axis.set_title(dtype)
        axis.set_xlabel("share of a 1024 x 1024 matrix product's rate (log scale)")
        axis.set_xscale("log")
        axis.grid(alpha=0.3)
        axis.xaxis.set_major_formatter(lambda x, _: f"{100 * x:g} %")
        axis.xaxis.set_minor_formatter(NullFormatter())
    labels = [
        case if i and family == cases[i - 1][0] else f"{family}:  {case}"
        for i, (family, case) in enumerate(cases)
    ]
    axes[0, 0].set_yticks(range(len(cases)), labels, fontsize=8)
    axes[0, 0].margins(y=0.01)
    axes[0, 0].invert_yaxis()
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False
    )
    figure.suptitle(f"{title}, {place}")
    save(figure, path)
    return True


def draw_growth(rows: Sequence[Any], title: str, path: Path) -> None:
    """Time against size, a panel for each kind of convolution and axis, with
    quartiles."""
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    names = list(dict.fromkeys(row["axis"] for row in rows))
    figure, axes = plt.subplots(
        len(kinds),
        len(names),
        figsize=(1 + 3.2 * len(names), 1.2 + 2.4 * len(kinds)),
        sharey="row",
        sharex="col",
        squeeze=False,
        layout="constrained",
    )
    for across, kind in zip(axes, kinds, strict=True):
        for axis, name in zip(across, names, strict=True):
            found = sorted(
                (row for row in rows if (row["kind"], row["axis"]) == (kind, name)),
                key=lambda row: row[name],
            )
            sizes = [row[name] for row in found]
            for column in found[0]["columns"] if found else ():
                low, median, high = (
                    1e3 * np.array([r["columns"][column][key] for r in found])
                    for key in ("low", "median", "high")
                )
                axis.errorbar(
                    sizes,
                    median,
                    yerr=(median - low, high - median),
                    marker=".",
                    capsize=2,
                    label=column,
                )
            axis.set_xscale("log", base=2)
            axis.set_yscale("log")
            axis.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
            for formatted in (
                axis.xaxis.set_major_formatter,
                axis.yaxis.set_major_formatter,
                axis.yaxis.set_minor_formatter,
            ):
                formatted("{x:g}")
            axis.grid(alpha=0.3, which="both")
        across[0].set_ylabel(f"{kind}, ms")
    for axis, name in zip(axes[-1], names, strict=True):
        axis.set_xlabel({"image": "side of the image"}.get(name, name))
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False
    )
    figure.suptitle(title)
    save(figure, path)
