"""The time of a training step of one network in one dtype, by every column.

    plain      lax as people write it, differentiated by JAX
    option     the same, compiled with the option that takes convolutions from YNNPACK,
               which holds them to one core
    explicit   jaxcnn with its rules
    pytorch    PyTorch, channels last; bfloat16 by autocast

The columns have the same network, parameters, batch and optimiser, and take turns.
Their losses are compared first. PyTorch, whose gradients in bfloat16 are wrong for some
shapes, is left out where its loss is another then. Then each is timed alone, because
what a neighbour leaves in the allocator and the caches counts. In a scan explicit takes
turns with itself one by one; plain JAX, which can take minutes there, is timed once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax

from experiments.benchmark.agreement import (
    DisagreementError,
    check_losses,
    loss_after,
    torch_networks,
)
from experiments.benchmark.columns import PYTORCH
from experiments.benchmark.memory_processes import in_a_process
from experiments.benchmark.networks import (
    BATCHES_PER_CALL,
    CLASSES,
    MODES,
    make_batch,
    network_of,
    place_batch,
)
from experiments.benchmark.repetitions import ratios_to_explicit, seconds_of, time_calls
from experiments.benchmark.steps import Compiled, from_nothing
from experiments.benchmark.training_steps import (
    Dispatch,
    make_dispatch,
    make_state,
    make_step,
    place_state,
)
from jaxcnn.programs.devices import make_mesh
from jaxcnn.programs.timing import interleaved, ratio

Row = dict[str, Any]

ONE, SCAN, _ = MODES
OPTION: dict[str, str | bool] = {
    "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"
}
COLUMNS = {"plain": ("plain", None), "option": ("plain", OPTION), "explicit": ("explicit", None)}
"""The operations of each column of JAX, and the options of its compiler."""
TOLERANCES = {"float32": 1e-3, "bfloat16": 0.1}
"""Of the losses after an update, relative. In bfloat16 the gradient of DCGAN is off by
a fifth, plain JAX's as well as explicit's, and its loss then by some percent."""


def measure(network: str, dtype: str, repetitions: int) -> Row:
    """One row, JSON.

    Raises:
      DisagreementError: before anything is timed, if the columns do not compute the
        same.
    """
    jax.config.update("jax_enable_compilation_cache", False)
    names = [name for name in COLUMNS if name != "option" or jax.default_backend() == "cpu"]
    steps = {name: build(network, name, ONE, dtype) for name in names}
    calls = {name: start(network, ONE, built) for name, built in steps.items()}
    torch = torch_networks()
    if torch is not None:
        params = jax.device_get(make_state(network, ONE).params)
        batch = make_batch(network, ONE)
        calls[PYTORCH] = torch.training(network, ONE, *batch, CLASSES, params, dtype)
    losses = {name: loss_after(1, call) for name, call in calls.items()}
    disagrees = compare(losses, network, dtype)
    for name in disagrees:
        del calls[name]

    timings = time_calls(calls, repetitions, max(map(seconds_of, calls.values())))
    alone = {name: interleaved({name: call}, repetitions)[name] for name, call in calls.items()}
    return {
        "network": network,
        "dtype": dtype,
        "batch": network_of(network).batch,
        "image": list(network_of(network).image),
        "ms": {name: 1e3 * timing.median for name, timing in timings.items()},
        "quartiles_ms": {name: [1e3 * t.low, 1e3 * t.high] for name, t in timings.items()},
        "alone_ms": {name: 1e3 * timing.median for name, timing in alone.items()},
        "ratios": ratios_to_explicit(timings),
        "utilisation": {name: timing.utilisation for name, timing in timings.items()},
        "repetitions": len(timings["explicit"].samples),
        "compile_seconds": {name: built.seconds for name, built in steps.items()},
        "scan": in_scan(network, dtype, calls["explicit"], repetitions),
        "memory_bytes": {
            name: in_a_process(network, name, ONE, dtype)["steps_bytes"]
            for name in calls
            if name != "option"
        },
        # JSON has no NaN and no infinity.
        "losses": {name: loss if math.isfinite(loss) else None for name, loss in losses.items()},
        "disagrees": disagrees,
    }


def compare(losses: Mapping[str, float], network: str, dtype: str) -> list[str]:
    """The columns that are not worth timing: PyTorch, if it is wrong in 16 bits.

    Raises:
      DisagreementError: on any other disagreement.
    """
    where, tolerance = f"{network}, {dtype}, after a step", TOLERANCES[dtype]
    check_losses({name: losses[name] for name in losses if name != PYTORCH}, where, tolerance)
    # With dropout, its masks are others.
    if PYTORCH in losses and not network_of(network).without_dropout:
        try:
            check_losses(losses, where, tolerance)
        except DisagreementError:
            if dtype == "float32":
                raise
            return [PYTORCH]
    return []


def build(network: str, column: str, mode: str, dtype: str) -> Compiled:
    """The compiled step of a column."""
    ops, options = COLUMNS[column]
    state, batch = make_state(network, mode), place_batch(mesh_of(network), network, mode)
    return from_nothing(make_step(network, ops, mode, dtype), state, batch, options)


def start(network: str, mode: str, built: Compiled) -> Dispatch:
    """A function that trains by this step, from the beginning."""
    mesh = mesh_of(network)
    batch = place_batch(mesh, network, mode)
    return make_dispatch(built.step, place_state(mesh, make_state(network, mode)), batch)


def mesh_of(network: str) -> jax.sharding.Mesh:
    return make_mesh(1, network_of(network).batch, 1)


def in_scan(
    network: str, dtype: str, one_by_one: Callable[[], Any], repetitions: int
) -> dict[str, Any]:
    """Times of a step in a scan: explicit's over its time one by one, and one sample of
    plain JAX's, both in milliseconds a step too."""
    explicit = start(network, SCAN, build(network, "explicit", SCAN, dtype))
    timings = interleaved({SCAN: explicit, ONE: one_by_one}, repetitions)
    per_step = [seconds / BATCHES_PER_CALL for seconds in timings[SCAN].samples]
    plain = start(network, SCAN, build(network, "plain", SCAN, dtype))
    return {
        "explicit_ms": 1e3 * timings[SCAN].median / BATCHES_PER_CALL,
        "plain_ms": 1e3 * seconds_of(plain) / BATCHES_PER_CALL,
        "explicit_over_one_by_one": ratio(per_step, timings[ONE].samples)._asdict(),
    }
