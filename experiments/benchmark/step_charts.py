"""What training steps cost, as a picture."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from experiments.benchmark.columns import PYTORCH
from experiments.benchmark.networks import BATCHES_PER_CALL, MODES, NETWORKS
from experiments.benchmark.step_tables import columns_of
from experiments.benchmark.step_targets import Result
from jaxcnn.programs.messages import plural
from jaxcnn.stored.files import write_whole

# Colours that people with colour-blindness can tell apart too (Okabe and Ito 2008).
COLUMNS = {
    "plain": ("plain JAX", "#999999"),
    "autodiff": ("jaxcnn's forward, autodiff", "#56B4E9"),
    "explicit": ("jaxcnn, explicit gradients", "#D55E00"),
    PYTORCH: ("PyTorch, eager", "#009E73"),
}
TITLES = {
    "one by one": "One step per call",
    "in a scan": f"In a scan of {BATCHES_PER_CALL} steps",
    "accumulated": f"One update of {BATCHES_PER_CALL} micro-batches",
}


def draw_steps(result: Result, path: Path) -> None:
    """A PNG: a panel for each mode, a group of bars for each network and number of
    devices. It is drawn without pyplot."""
    rows = result["steps"]
    modes = [mode for mode in MODES if any(row["mode"] == mode for row in rows)]
    if not modes:
        raise ValueError("there is no step to draw")
    columns = columns_of(rows)
    groups = list(dict.fromkeys((row["network"], row["devices"]) for row in rows))
    figure = Figure(
        figsize=(max(6.0, 2.0 + 1.5 * len(groups)), 0.9 + 2.6 * len(modes)), layout="constrained"
    )
    panels = figure.subplots(len(modes), 1, squeeze=False, sharex=True, sharey=True)[:, 0]
    width = 0.84 / len(columns)
    for panel, mode in zip(panels, modes, strict=True):
        for index, column in enumerate(columns):
            label, colour = COLUMNS[column]
            for row in rows:
                if row["mode"] != mode or column not in row["columns"]:
                    continue
                position = groups.index((row["network"], row["devices"])) + width * (
                    index - (len(columns) - 1) / 2
                )
                found = row["columns"][column]
                ms, (low, high) = found["ms"], found["quartiles_ms"]
                panel.bar(position, ms, 0.94 * width, color=colour, label=label)
                panel.errorbar(
                    position,
                    ms,
                    [[ms - low], [high - ms]],
                    color="black",
                    linewidth=0.8,
                    capsize=1.5,
                )
                panel.annotate(
                    _short(ms),
                    (position, high),
                    (0, 2),
                    textcoords="offset points",
                    ha="center",
                    fontsize=7,
                )
        panel.set_yscale("log")
        panel.set_ylabel("ms per update (log)" if mode == "accumulated" else "ms per step (log)")
        panel.set_title(TITLES[mode], fontsize=10, loc="left")
        panel.grid(axis="y", alpha=0.3)
        panel.set_axisbelow(True)
    times = [found["ms"] for row in rows for found in row["columns"].values()]
    panels[-1].set_ylim(
        min(times) / 3, max(times) * 2
    )  # with room for the figures above the slowest
    labels = [
        f"{NETWORKS[network].title}\n{plural(devices, 'device')}" for network, devices in groups
    ]
    panels[-1].set_xticks(np.arange(len(groups)), labels)
    handles = {
        label: handle
        for panel in panels
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=2, frameon=False)
    figure.suptitle("Time of a training step: median and quartiles", fontsize=11)
    write_whole(path, partial(figure.savefig, format="png", dpi=130))


def _short(ms: float) -> str:
    return f"{ms:,.0f}" if ms >= 99.5 else f"{ms:.2g}"
