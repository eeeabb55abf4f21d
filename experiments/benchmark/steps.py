"""Training steps, timed side by side: plain JAX, jaxcnn's forward with autodiff,
jaxcnn, and PyTorch where it is installed.

The columns have the same network, initial parameters, images, optimiser and devices,
and take turns as `jaxcnn/programs/timing.py` says; that they compute the same is
checked first. PyTorch is on the CPU alone, with a thread for each core: it takes its
turns beside one device and beside several, and is the same both times.

    from rich.console import Console
    rows = list(measure_steps(["lenet"], 7, Console(), devices=(1, 2)))
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax
from jax.sharding import Mesh
from rich.console import Console

from jaxcnn.layers import Layer
from jaxcnn.models import lenet, mobilenet, resnet20
from jaxcnn.ops import AUTODIFF, EXPLICIT
from jaxcnn.programs.devices import make_mesh, replicate, split, use_all_cores
from jaxcnn.programs.messages import plural
from jaxcnn.programs.plain import PLAIN
from jaxcnn.programs.readable import seconds as readable_seconds
from jaxcnn.programs.readable import size
from jaxcnn.programs.timing import Timing, interleaved, ratio
from jaxcnn.training import Loss, Metrics, TrainState, init_train_state, make_train_step, scan_steps

OPS = {"plain": PLAIN, "autodiff": AUTODIFF, "explicit": EXPLICIT}
PYTORCH = "pytorch"
MODES = ("one by one", "in a scan", "accumulated")
MEMORY_MODES = MODES[:2]  # of which memory is measured
TOGETHER = 2  # steps of a scan, micro-batches of an update
CLASSES = 10
LEAST_REPETITIONS = 6  # below them a ratio has no interval of 95 %
SLOW = 0.5  # seconds of a call, above which it is repeated that often and no more
TOLERANCE = 1e-3  # of a loss, relative
PROCESSES = 3  # for each figure of memory
REPOSITORY = Path(__file__).parents[2]

Dispatch = Callable[[], Any]  # trains for one dispatch and returns its losses
Row = dict[str, Any]


class Network(NamedTuple):
    """A network, and what a step gives it."""

    title: str
    model: Callable[..., Layer]
    batch: int
    image: tuple[int, int, int]
    without_dropout: Mapping[str, float] = {}
    """Options of the model, and of PyTorch's, that leave out dropout."""


NETWORKS = {
    "lenet": Network("LeNet", lenet, 128, (28, 28, 1), {"dropout_rate": 0.0}),
    "resnet20": Network("ResNet-20", resnet20, 64, (32, 32, 3)),
    "mobilenet": Network("MobileNet", mobilenet, 64, (32, 32, 3)),
}


class DisagreementError(ArithmeticError):
    """Columns that should compute the same do not."""


# The steps.


def make_accumulated_step(
    model: Layer, optimizer: optax.GradientTransformation, *, loss: Loss
) -> jax.stages.Wrapped:
    """One update by the mean of several micro-batches' gradients, step(state, xs, ys)
    -> (new_state, metrics), state donated.

    xs and ys have one axis more than a batch, in front. The statistics of batch
    normalisations go from one to the next.
    """

    def objective(params, model_state, x, y, key):
        logits, model_state = model.apply(params, model_state, x, train=True, key=key)
        return jnp.mean(loss(logits, y)), model_state

    @partial(jax.jit, donate_argnums=0)
    def step(state: TrainState, xs: Array, ys: Array) -> tuple[TrainState, Metrics]:
        def micro_batch(carry, batch):
            model_state, total = carry
            (value, model_state), grads = jax.value_and_grad(objective, has_aux=True)(
                state.params, model_state, *batch
            )
            return (model_state, jax.tree.map(jnp.add, total, grads)), value

        keys = jax.random.split(jax.random.fold_in(state.key, state.step), len(xs))
        start = (state.model_state, jax.tree.map(jnp.zeros_like, state.params))
        (model_state, total), values = lax.scan(micro_batch, start, (xs, ys, keys))
        grads = jax.tree.map(lambda g: g / len(xs), total)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        new = state._replace(
            params=params, model_state=model_state, opt_state=opt_state, step=state.step + 1
        )
        return new, {"loss": jnp.mean(values)}

    return step


def make_optimizer() -> optax.GradientTransformation:
    return optax.sgd(0.05, momentum=0.9)


def make_step(network: str, column: str, mode: str) -> jax.stages.Wrapped:
    """The jitted function of a dispatch, (state, x, y) -> (new state, metrics)."""
    ops, optimizer = OPS[column], make_optimizer()
    model = NETWORKS[network].model(CLASSES, ops=ops)
    if mode == "accumulated":
        return make_accumulated_step(model, optimizer, loss=ops.softmax_cross_entropy)
    step = make_train_step(model, optimizer, loss=ops.softmax_cross_entropy)
    return scan_steps(step) if mode == "in a scan" else step


def make_state(network: str) -> TrainState:
    """The state to begin with, the same for every column."""
    batch, image = NETWORKS[network].batch, NETWORKS[network].image
    model = NETWORKS[network].model(CLASSES)
    return init_train_state(model, make_optimizer(), jax.random.key(0), (batch, *image))


def place_state(mesh: Mesh, state: TrainState) -> TrainState:
    """A copy of the state, whole on every device, to be donated."""
    return replicate(mesh, _copy(state))


@jax.jit
def _copy(state: TrainState) -> TrainState:
    return jax.tree.map(jnp.copy, state)


def make_batch(network: str, mode: str) -> tuple[np.ndarray, np.ndarray]:
    """Random images and labels of a dispatch: a batch; several; or one in
    micro-batches."""
    batch, image = NETWORKS[network].batch, NETWORKS[network].image
    rng = np.random.default_rng(0)
    x = rng.standard_normal((TOGETHER * batch, *image), np.float32)
    y = rng.integers(CLASSES, size=TOGETHER * batch).astype(np.int32)
    if mode == "one by one":
        return x[:batch], y[:batch]
    if mode == "accumulated":
        x, y = x[:batch], y[:batch]
    return x.reshape(TOGETHER, -1, *image), y.reshape(TOGETHER, -1)


def place_batch(mesh: Mesh, network: str, mode: str) -> tuple[Array, Array]:
    """The batch, or each of several, split over the devices."""
    x, y = make_batch(network, mode)
    axis = 0 if mode == "one by one" else 1
    return split(mesh, x, axis), split(mesh, y, axis)


def make_dispatch(
    step: Callable[..., Any], state: TrainState, batch: tuple[Array, Array]
) -> Dispatch:
    """A function without arguments that trains on and on: a step takes its state's
    memory, so each call has the last one's."""

    def dispatch() -> Array:
        nonlocal state
        state, metrics = step(state, *batch)
        return metrics["loss"]

    return dispatch


def torch_networks() -> ModuleType | None:
    """`torch_networks.py`, which loads PyTorch; None where that is not installed, or
    where JAX is not on the CPU."""
    if find_spec("torch") is None or jax.default_backend() != "cpu":
        return None
    return import_module("experiments.benchmark.torch_networks")


# That the columns compute the same.


def loss_after_two_steps(dispatch: Dispatch) -> float:
    losses: list[float] = []
    while len(losses) <= 2:
        losses += np.ravel(np.asarray(dispatch())).tolist()
    return losses[2]


def check_losses(losses: Mapping[str, float], where: str) -> None:
    """Raises DisagreementError where a loss is not that of the first column."""
    first, expected = next(iter(losses.items()))
    for column, loss in losses.items():
        if not math.isclose(loss, expected, rel_tol=TOLERANCE):
            raise DisagreementError(
                f"{where}: the loss of {column} is {loss:.6g}, that of {first} is {expected:.6g}"
            )


def first_losses(network: str, torch: ModuleType) -> dict[str, float]:
    """Of the same parameters and images in plain JAX and in PyTorch; without dropout,
    whose masks are not the same."""
    options = NETWORKS[network].without_dropout
    x, y = make_batch(network, "one by one")
    model = NETWORKS[network].model(CLASSES, ops=PLAIN, **options)
    params, model_state = model.init(jax.random.key(0), x.shape)

    @jax.jit
    def loss(params, x, y):
        return jnp.mean(
            PLAIN.softmax_cross_entropy(model.apply(params, model_state, x, train=True)[0], y)
        )

    ours = float(loss(params, x, y))
    return {
        "plain": ours,
        PYTORCH: torch.first_loss(network, x, y, CLASSES, jax.device_get(params), **options),
    }


# Time.


class Compiled(NamedTuple):
    step: jax.stages.Compiled
    seconds: float


def compile_steps(
    network: str, mode: str, mesh: Mesh, initial: TrainState, first: int = 0
) -> dict[str, Compiled]:
    """The steps of the JAX columns, each traced, lowered and compiled from nothing; the
    column number `first` begins."""
    state, batch = place_state(mesh, initial), place_batch(mesh, network, mode)
    jax.jit(jnp.sin).lower(1.0).compile()  # whatever has to be set up once
    columns = list(OPS)
    found = {}
    for column in columns[first:] + columns[:first]:
        step = make_step(network, column, mode)
        jax.clear_caches()
        start = time.perf_counter()
        compiled = step.lower(state, *batch).compile()
        found[column] = Compiled(compiled, time.perf_counter() - start)
    return {column: found[column] for column in columns}


def measure_network(network: str, devices: int, repetitions: int) -> Iterator[Row]:
    """A row for each mode.

    Raises:
      ConfigError: if there are not as many devices, or they do not divide a batch.
      DisagreementError: before anything is timed, if the columns do not compute the
        same.
    """
    batch, image = NETWORKS[network].batch, NETWORKS[network].image
    mesh = make_mesh(devices, batch // TOGETHER, math.prod(image[:2]))
    torch = torch_networks()
    if torch is not None:
        check_losses(first_losses(network, torch), f"{network}, first step")
    initial = make_state(network)
    one_by_one = None
    for turn, mode in enumerate(MODES):
        compiled = compile_steps(network, mode, mesh, initial, turn % len(OPS))
        placed = place_batch(mesh, network, mode)
        dispatches = {
            column: make_dispatch(c.step, place_state(mesh, initial), placed)
            for column, c in compiled.items()
        }
        losses = {column: loss_after_two_steps(dispatch) for column, dispatch in dispatches.items()}
        check_losses(losses, f"{network}, {mode}, after two steps on {plural(devices, 'device')}")
        if torch is not None:
            dispatches[PYTORCH] = torch.training(network, mode, *make_batch(network, mode), CLASSES)
        slow = max(_seconds(dispatch) for dispatch in dispatches.values()) > SLOW
        if mode == "one by one":
            one_by_one = make_dispatch(
                compiled["explicit"].step, place_state(mesh, initial), placed
            )
        extra = {"one by one": one_by_one} if mode == "in a scan" and one_by_one is not None else {}
        timings = interleaved({**dispatches, **extra}, LEAST_REPETITIONS if slow else repetitions)
        yield {
            "network": network,
            "batch": batch,
            "image": list(image),
            "mode": mode,
            "devices": devices,
            **figures(timings, compiled, TOGETHER if mode == "in a scan" else 1),
            "loss_after_two_steps": losses,
        }


def _seconds(dispatch: Dispatch) -> float:
    start = time.perf_counter()
    jax.block_until_ready(dispatch())
    return time.perf_counter() - start


def figures(timings: Mapping[str, Timing], compiled: Mapping[str, Compiled], steps: int) -> Row:
    """What a row says of its columns, and what their ratios are, in times per step.

    Args:
      timings: of the columns, and of explicit's "one by one" where it took turns with
        explicit in a scan.
      compiled: the JAX columns.
      steps: of a dispatch.
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
        "ratios": {
            f"{column}/explicit": ratio(timings[column].samples, explicit)._asdict()
            for column in columns
            if column != "explicit"
        },
        "compile_ratio": compiled["explicit"].seconds / compiled["plain"].seconds,
        "scan_ratio": None,
    }
    if "one by one" in timings:
        per_step = [sample / steps for sample in explicit]
        found["scan_ratio"] = ratio(per_step, timings["one by one"].samples)._asdict()
    return found


def temporary_bytes(compiled: jax.stages.Compiled) -> int | None:
    """What a call needs besides its arguments and results, as XLA counts: without what
    its kernels take for themselves."""
    analysis = compiled.memory_analysis()
    return None if analysis is None else int(analysis.temp_size_in_bytes)


# Memory.


def measure_memory(network: str, mode: str, columns: Sequence[str]) -> Row:
    """A row of the columns' peak memory: medians over processes, in which `memory.py`
    runs one column each."""
    reports: dict[str, list[Row]] = {column: [] for column in columns}
    for _ in range(PROCESSES):
        for column in columns:
            reports[column].append(in_a_process(network, column, mode))
    found = {}
    for column, several in reports.items():
        middle = sorted(several, key=lambda report: report["steps_bytes"])[len(several) // 2]
        found[column] = {**middle, "samples_bytes": [report["steps_bytes"] for report in several]}
    return {
        "network": network,
        "mode": mode,
        "columns": found,
        "ratio": found["explicit"]["steps_bytes"] / max(1, found["plain"]["steps_bytes"]),
    }


def in_a_process(network: str, column: str, mode: str) -> Row:
    """What `python -m experiments.benchmark.memory` prints."""
    command = [sys.executable, "-m", "experiments.benchmark.memory", network, column, mode]
    # Large arrays go back to the system as soon as they are free, page by page: else
    # memory counts that was kept for later.
    environment = os.environ | {
        "MALLOC_MMAP_THRESHOLD_": str(2**17),
        "MALLOC_ARENA_MAX": "2",
        "GLIBC_TUNABLES": "",
    }
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(
            f"memory of {network}, {column}, {mode}:"
            f" {(done.stderr.strip() or 'no message').splitlines()[-1]}"
        )
    return json.loads(done.stdout.splitlines()[-1])


# All of it.


def measure_steps(
    networks: Sequence[str], repetitions: int, console: Console, *, devices: Sequence[int]
) -> Iterator[Row]:
    """The time of every network, mode, column and number of devices; rows are JSON.

    JAX is told here to have a device for each core, which it only heeds if nothing was
    computed yet.

    Raises:
      ValueError: on a network that is not in `NETWORKS`, or too few repetitions.
      ConfigError, DisagreementError: as `measure_network`.
    """
    _check_networks(networks)
    if repetitions < LEAST_REPETITIONS:
        raise ValueError(f"repetitions must be at least {LEAST_REPETITIONS}, got {repetitions}")
    use_all_cores()
    jax.config.update("jax_enable_compilation_cache", False)  # the time to compile is asked for
    for network in networks:
        for count in devices:
            for row in measure_network(network, count, repetitions):
                _say(
                    console,
                    row,
                    {
                        column: readable_seconds(1e-3 * found["ms"])
                        for column, found in row["columns"].items()
                    },
                )
                yield row


def measure_memories(networks: Sequence[str], console: Console) -> Iterator[Row]:
    """The peak memory of every network, each of `MEMORY_MODES` and every column; rows
    are JSON.

    Raises:
      ValueError: on a network that is not in `NETWORKS`.
    """
    _check_networks(networks)
    columns = [*OPS, *([PYTORCH] if torch_networks() else [])]
    for network in networks:
        for mode in MEMORY_MODES:
            row = measure_memory(network, mode, columns)
            _say(
                console,
                row,
                {column: size(found["steps_bytes"]) for column, found in row["columns"].items()},
            )
            yield row


def _check_networks(networks: Sequence[str]) -> None:
    unknown = [network for network in networks if network not in NETWORKS]
    if unknown:
        raise ValueError(f"networks are {', '.join(NETWORKS)}, got {', '.join(unknown)}")


def _say(console: Console, row: Row, columns: Mapping[str, str]) -> None:
    where = [
        NETWORKS[row["network"]].title,
        row["mode"],
        *([plural(row["devices"], "device")] if "devices" in row else []),
    ]
    line = (
        f"{', '.join(where)}: {', '.join(f'{column} {text}' for column, text in columns.items())}"
    )
    console.print(line, highlight=False, soft_wrap=True, markup=False)
