"""Training steps, timed side by side: plain JAX, jaxcnn's forward with autodiff,
jaxcnn, and PyTorch where it is installed.

The columns have the same network, initial parameters, images, optimiser and devices,
and take turns as `jaxcnn/programs/timing.py` says. That they compute the same is
checked first. PyTorch is on the CPU alone, with a thread for each core. It takes its
turns beside one device and beside several, and is the same both times.

    from rich.console import Console
    rows = list(measure_steps(["lenet"], 7, Console(), devices=(1, 2)))
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh
from rich.console import Console

from experiments.benchmark.agreement import (
    check_losses,
    first_losses,
    loss_after,
    torch_networks,
)
from experiments.benchmark.columns import OPS, PYTORCH
from experiments.benchmark.networks import (
    BATCHES_PER_CALL,
    CLASSES,
    MODES,
    NETWORKS,
    make_batch,
    place_batch,
    require_networks,
)
from experiments.benchmark.repetitions import (
    LEAST_REPETITIONS,
    ratios_to_explicit,
    seconds_of,
    time_calls,
)
from experiments.benchmark.training_steps import (
    make_dispatch,
    make_state,
    make_step,
    place_state,
    temporary_bytes,
)
from jaxcnn.programs.devices import make_mesh, use_all_cores
from jaxcnn.programs.messages import plural
from jaxcnn.programs.readable import seconds as readable_seconds
from jaxcnn.programs.timing import Timing, ratio
from jaxcnn.training import TrainState

Row = dict[str, Any]


def measure_steps(
    networks: Sequence[str], repetitions: int, console: Console, *, devices: Sequence[int]
) -> Iterator[Row]:
    """The time of every network, mode, column and number of devices; rows are JSON.

    JAX is told here to have a device for each core, which works only before it has
    computed anything.

    Raises:
      ValueError: on a network that is not in `NETWORKS`, or too few repetitions.
      ConfigError, DisagreementError: as `measure_network`.
    """
    require_networks(networks)
    if repetitions < LEAST_REPETITIONS:
        raise ValueError(f"repetitions must be at least {LEAST_REPETITIONS}, got {repetitions}")
    use_all_cores()
    jax.config.update("jax_enable_compilation_cache", False)  # the time to compile is asked for
    for network in networks:
        for count in devices:
            for row in measure_network(network, count, repetitions):
                say(
                    console,
                    row,
                    {
                        column: readable_seconds(1e-3 * found["ms"])
                        for column, found in row["columns"].items()
                    },
                )
                yield row


class Compiled(NamedTuple):
    step: jax.stages.Compiled
    seconds: float


def compile_steps(
    network: str, mode: str, mesh: Mesh, initial: TrainState, first: int = 0
) -> dict[str, Compiled]:
    """The steps of the JAX columns, each traced, lowered and compiled from nothing,
    beginning with the column number `first`."""
    state, batch = place_state(mesh, initial), place_batch(mesh, network, mode)
    columns = list(OPS)
    found = {}
    for column in columns[first:] + columns[:first]:
        found[column] = from_nothing(make_step(network, column, mode), state, batch)
    return {column: found[column] for column in columns}


def from_nothing(
    step: jax.stages.Wrapped,
    state: TrainState,
    batch: tuple[Array, Array],
    options: dict[str, str | bool] | None = None,
) -> Compiled:
    """The step, traced, lowered and compiled with these options of the compiler."""
    jax.jit(jnp.sin).lower(1.0).compile()  # whatever has to be set up once
    jax.clear_caches()
    start = time.perf_counter()
    compiled = step.lower(state, *batch).compile(options)
    return Compiled(compiled, time.perf_counter() - start)


def measure_network(network: str, devices: int, repetitions: int) -> Iterator[Row]:
    """A row for each mode.

    Raises:
      ConfigError: if there are not as many devices, or they do not divide a batch.
      DisagreementError: before anything is timed, if the columns do not compute the
        same.
    """
    batch, image = NETWORKS[network].batch, NETWORKS[network].image
    mesh = make_mesh(devices, batch // BATCHES_PER_CALL, math.prod(image[:2]))
    torch = torch_networks()
    if torch is not None:
        check_losses(first_losses(network, torch), f"{network}, first step")
    one_by_one = None
    for turn, mode in enumerate(MODES):
        initial = make_state(network, mode)
        compiled = compile_steps(network, mode, mesh, initial, turn % len(OPS))
        placed = place_batch(mesh, network, mode)
        dispatches = {
            column: make_dispatch(c.step, place_state(mesh, initial), placed)
            for column, c in compiled.items()
        }
        losses = {column: loss_after(2, dispatch) for column, dispatch in dispatches.items()}
        check_losses(losses, f"{network}, {mode}, after two steps on {plural(devices, 'device')}")
        if torch is not None:
            dispatches[PYTORCH] = torch.training(network, mode, *make_batch(network, mode), CLASSES)
        slowest = max(map(seconds_of, dispatches.values()))
        if mode == "one by one":
            one_by_one = make_dispatch(
                compiled["explicit"].step, place_state(mesh, initial), placed
            )
        extra = {"one by one": one_by_one} if mode == "in a scan" and one_by_one is not None else {}
        timings = time_calls({**dispatches, **extra}, repetitions, slowest)
        yield {
            "network": network,
            "batch": batch,
            "image": list(image),
            "mode": mode,
            "devices": devices,
            **figures(timings, compiled, BATCHES_PER_CALL if mode == "in a scan" else 1),
            "loss_after_two_steps": losses,
        }


def figures(timings: Mapping[str, Timing], compiled: Mapping[str, Compiled], steps: int) -> Row:
    """The columns of a row and their ratios, in times per step.

    Args:
      timings: of the columns, and of explicit's "one by one" where it took turns with
        explicit in a scan.
      compiled: the JAX columns.
      steps: of a call.
    """
    columns: dict[str, Row] = {}
    for column, timing in timings.items():
        if column == "one by one":
            continue
        step = compiled.get(column)
        columns[column] = {
            "ms": 1e3 * timing.median / steps,
            "quartiles_ms": [1e3 * timing.low / steps, 1e3 * timing.high / steps],
            "samples_ms": [1e3 * sample / steps for sample in timing.samples],
            "utilisation": timing.utilisation,
            "compile_seconds": step.seconds if step else None,
            "temp_bytes": temporary_bytes(step.step) if step else None,
        }
    explicit = timings["explicit"].samples
    found: Row = {
        "repetitions": len(explicit),
        "columns": columns,
        "ratios": ratios_to_explicit({column: timings[column] for column in columns}),
        "compile_ratio": compiled["explicit"].seconds / compiled["plain"].seconds,
        "scan_ratio": None,
    }
    if "one by one" in timings:
        per_step = [sample / steps for sample in explicit]
        found["scan_ratio"] = ratio(per_step, timings["one by one"].samples)._asdict()
    return found


def say(console: Console, row: Row, columns: Mapping[str, str]) -> None:
    where = [
        NETWORKS[row["network"]].title,
        row["mode"],
        *([plural(row["devices"], "device")] if "devices" in row else []),
    ]
    line = (
        f"{', '.join(where)}: {', '.join(f'{column} {text}' for column, text in columns.items())}"
    )
    console.print(line, highlight=False, soft_wrap=True, markup=False)
