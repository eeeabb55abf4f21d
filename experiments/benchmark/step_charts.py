"""What training steps cost, from the rows of `steps.py`: tables, stated targets and
whether they are met, and a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from experiments.benchmark.steps import MODES, NETWORKS, OPS, PYTORCH, TOGETHER
from jaxcnn.programs.files import write_whole
from jaxcnn.programs.messages import plural
from jaxcnn.programs.readable import NONE, TIMES, size

Row = Mapping[str, Any]
Result = Mapping[str, Sequence[Row]]

PLAIN_OVER_EXPLICIT = {"lenet": 2.0, "resnet20": 2.0, "mobilenet": 7.0}  # one by one, at least
SCAN_OVER_ONE_BY_ONE = 1.1  # of explicit, at most
NEVER_BELOW = 0.95  # the upper end of the interval of any column's time over explicit's
COMPILE_RATIO = 1.5  # explicit over plain, at most
MEMORY_RATIO = 1.0  # explicit over plain, at most

# Colours that people with colour-blindness can tell apart too (Okabe and Ito 2008).
COLUMNS = {
    "plain": ("plain JAX", "#999999"),
    "autodiff": ("jaxcnn's forward, autodiff", "#56B4E9"),
    "explicit": ("jaxcnn, explicit gradients", "#D55E00"),
    PYTORCH: ("PyTorch, eager", "#009E73"),
}
TITLES = {
    "one by one": "One step per call",
    "in a scan": f"In a scan of {TOGETHER} steps",
    "accumulated": f"One update of {TOGETHER} micro-batches",
}


class Verdict(NamedTuple):
    """A stated target and what came of it."""

    subject: str
    target: str
    got: str
    met: bool


# Targets.


def verdicts(result: Result) -> list[Verdict]:
    """Of every target that something was measured for; those of a ratio are judged by
    its median, unless they say otherwise."""
    found: list[Verdict] = []
    for network in dict.fromkeys(row["network"] for rows in result.values() for row in rows):
        steps = [row for row in result["steps"] if row["network"] == network]
        memory = [row for row in result["memory"] if row["network"] == network]
        for judge in (_against_plain, _in_a_scan, _against_pytorch, _never_slower, _compile_time):
            found += judge(NETWORKS[network].title, steps)
        found += _memory(NETWORKS[network].title, memory)
    return found


def _against_plain(title: str, rows: Sequence[Row]) -> Iterator[Verdict]:
    for row in rows:
        if row["mode"] == "one by one":
            found, target = row["ratios"]["plain/explicit"], PLAIN_OVER_EXPLICIT[row["network"]]
            subject = f"{title}, one by one, {plural(row['devices'], 'device')}: plain / explicit"
            yield Verdict(
                subject, f"at least {target:g}", interval(found), found["median"] >= target
            )


def _in_a_scan(title: str, rows: Sequence[Row]) -> Iterator[Verdict]:
    for row in rows:
        if row["scan_ratio"] is not None:
            found = row["scan_ratio"]
            subject = (
                f"{title}, explicit, {plural(row['devices'], 'device')}: in a scan / one by one"
            )
            yield Verdict(
                subject,
                f"at most {SCAN_OVER_ONE_BY_ONE:g}",
                interval(found),
                found["median"] <= SCAN_OVER_ONE_BY_ONE,
            )


def _against_pytorch(title: str, rows: Sequence[Row]) -> Iterator[Verdict]:
    """With the number of devices on which explicit is the faster, because PyTorch takes
    all cores by itself."""
    name = f"{PYTORCH}/explicit"
    for mode in MODES:
        measured = [row for row in rows if row["mode"] == mode and name in row["ratios"]]
        if measured:
            best = min(measured, key=lambda row: row["columns"]["explicit"]["ms"])
            found = best["ratios"][name]
            got = f"{interval(found)}, {plural(best['devices'], 'device')}"
            yield Verdict(
                f"{title}, {mode}: PyTorch / explicit", "at least 1", got, found["median"] >= 1
            )


def _never_slower(title: str, rows: Sequence[Row]) -> Iterator[Verdict]:
    for base in ("plain", "autodiff"):
        name = f"{base}/explicit"
        if rows:
            worst = min(rows, key=lambda row: row["ratios"][name]["high"])
            found = worst["ratios"][name]
            subject = f"{title}, everywhere: {base} / explicit, upper end"
            got = f"{interval(found)}, {_where(worst)}"
            yield Verdict(subject, f"at least {NEVER_BELOW:g}", got, found["high"] >= NEVER_BELOW)


def _compile_time(title: str, rows: Sequence[Row]) -> Iterator[Verdict]:
    if rows:
        worst = max(rows, key=lambda row: row["compile_ratio"])
        found = worst["compile_ratio"]
        got = f"{found:.2f}{TIMES}, {_where(worst)}"
        yield Verdict(
            f"{title}, everywhere: compile time / plain's",
            f"at most {COMPILE_RATIO:g}",
            got,
            found <= COMPILE_RATIO,
        )


def _memory(title: str, rows: Sequence[Row]) -> Iterator[Verdict]:
    for row in rows:
        subject = f"{title}, {row['mode']}: peak memory / plain's"
        found = row["ratio"]
        met = round(found, 2) <= MEMORY_RATIO  # of pages, which are not counted to the last one
        yield Verdict(subject, f"at most {MEMORY_RATIO:g}", f"{found:.2f}{TIMES}", met)


def _where(row: Row) -> str:
    return f"{row['mode']}, {plural(row['devices'], 'device')}"


def interval(found: Row) -> str:
    """2.14× (2.02 to 2.31)."""
    return f"{found['median']:.2f}{TIMES} ({found['low']:.2f} to {found['high']:.2f})"


# Tables.


def step_summary(result: Result) -> list[Table]:
    """Time, memory where it was measured, and targets."""
    tables = [_time_table(result["steps"])] if result["steps"] else []
    if result["memory"]:
        tables.append(_memory_table(result["memory"]))
    targets = Table(title="Targets of training steps", title_justify="left")
    for heading in ("of", "target", "got", "met"):
        targets.add_column(heading)
    for verdict in verdicts(result):
        targets.add_row(
            verdict.subject,
            verdict.target,
            verdict.got,
            "[green]yes[/]" if verdict.met else "[red]no[/]",
        )
    return [*tables, targets]


def _time_table(rows: Sequence[Row]) -> Table:
    """Milliseconds per step, ratios to explicit with their intervals, and seconds to
    compile."""
    columns = _columns(rows)
    bases = [column for column in columns if column != "explicit"]
    table = Table(
        title="Milliseconds per step; times as long as explicit; cores busy; seconds to compile",
        title_justify="left",
    )
    table.add_column("network, mode, devices")
    for heading in (
        *columns,
        *(f"{base} / explicit" for base in bases),
        "busy",
        "compile, / plain's",
    ):
        table.add_column(heading, justify="right")
    for row in rows:
        times = (
            f"{row['columns'][column]['ms']:.1f}" if column in row["columns"] else NONE
            for column in columns
        )
        ratios = (row["ratios"].get(f"{base}/explicit") for base in bases)
        explicit = row["columns"]["explicit"]
        table.add_row(
            f"{NETWORKS[row['network']].title}, {row['mode']}, {row['devices']}",
            *times,
            *(interval(found) if found else NONE for found in ratios),
            f"{explicit['utilisation']:.1f}",
            f"{explicit['compile_seconds']:.1f}, {row['compile_ratio']:.2f}{TIMES}",
        )
    return table


def _memory_table(rows: Sequence[Row]) -> Table:
    """What a process had at most while it trained, above what it had before; XLA's own
    figure in brackets."""
    columns = _columns(rows)
    table = Table(
        title="Peak memory of the steps, one device (in brackets: temporary, by XLA's own account)",
        title_justify="left",
    )
    table.add_column("network, mode")
    for heading in (*columns, "explicit / plain"):
        table.add_column(heading, justify="right")
    for row in rows:
        cells = []
        for column in columns:
            found = row["columns"].get(column)
            own = (
                ""
                if found is None or found["temp_bytes"] is None
                else f" ({size(found['temp_bytes'])})"
            )
            cells.append(NONE if found is None else f"{size(found['steps_bytes'])}{own}")
        table.add_row(
            f"{NETWORKS[row['network']].title}, {row['mode']}", *cells, f"{row['ratio']:.2f}{TIMES}"
        )
    return table


def _columns(rows: Sequence[Row]) -> list[str]:
    return [column for column in (*OPS, PYTORCH) if any(column in row["columns"] for row in rows)]


# The picture.


def draw_steps(result: Result, path: Path) -> None:
    """A PNG: a panel for each mode, a group of bars for each network and number of
    devices. It is drawn without pyplot."""
    rows = result["steps"]
    modes = [mode for mode in MODES if any(row["mode"] == mode for row in rows)]
    if not modes:
        raise ValueError("there is no step to draw")
    columns = _columns(rows)
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
