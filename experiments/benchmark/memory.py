"""The peak memory of training steps, in a process of its own; one line of JSON.

    python -m experiments.benchmark.memory lenet explicit "one by one" float32

The resident set is measured: all memory that the process really has. It includes the
buffers that XLA's kernels take for themselves, which XLA's own figure, `temp_bytes`,
leaves out. On Linux the high-water mark is reset after compiling, so that
`steps_bytes`, the new mark less the memory before the first step, is of the steps
alone. Elsewhere it includes compiling, and `how` says so.
"""

from __future__ import annotations

import ctypes
import gc
import json
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from experiments.benchmark.agreement import torch_networks
from experiments.benchmark.columns import PYTORCH
from experiments.benchmark.networks import CLASSES, make_batch, network_of, place_batch
from experiments.benchmark.training_steps import (
    make_dispatch,
    make_state,
    make_step,
    place_state,
    temporary_bytes,
)
from jaxcnn.programs.devices import make_mesh

CALLS = 3
STATUS = Path("/proc/self/status")
FORGET = Path("/proc/self/clear_refs")


def measure(network: str, column: str, mode: str, dtype: str = "float32") -> dict[str, Any]:
    """The memory of a few calls of a step on one device, in bytes.

    Returns:
      before_bytes: there before the first compilation; compiled_bytes: before the first
      step; peak_bytes: the most, of the steps where `how` is "VmHWM", else of all
      before them too; steps_bytes: what the peak is above what was there; temp_bytes:
      XLA's own figure, None of PyTorch.
    """
    batch = make_batch(network, mode)
    compiled = None
    if column == PYTORCH:
        torch = torch_networks()
        if torch is None:
            raise ValueError("PyTorch is not installed, or JAX is not on the CPU")
        params = jax.device_get(make_state(network, mode).params)
        dispatch = torch.training(network, mode, *batch, CLASSES, params, dtype)
        before = resident()
    else:
        mesh = make_mesh(1, network_of(network).batch, 1)
        state, placed = (
            place_state(mesh, make_state(network, mode)),
            place_batch(mesh, network, mode),
        )
        before = resident()
        compiled = make_step(network, column, mode, dtype).lower(state, *placed).compile()
        dispatch = make_dispatch(compiled, state, placed)
        del state
    ready = resident()
    forgotten = forget_peak()
    for _ in range(CALLS):
        jax.block_until_ready(dispatch())
    peak = high_water_mark(forgotten)
    return {
        "how": "VmHWM" if forgotten else "ru_maxrss, with compilation",
        "before_bytes": before,
        "compiled_bytes": ready,
        "peak_bytes": peak,
        "steps_bytes": peak - (ready if forgotten else before),
        "temp_bytes": temporary_bytes(compiled) if compiled else None,
    }


def resident() -> int:
    """Bytes of the process that are in memory, after what is free went back to the
    system; where /proc is missing, their peak."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
    if trim is not None:
        trim(0)
    return _status("VmRSS") or _maximum()


def forget_peak() -> bool:
    """Whether the high-water mark could be set to what is in memory now."""
    try:
        FORGET.write_text("5")
    except OSError:
        return False
    return _status("VmHWM") is not None


def high_water_mark(forgotten: bool) -> int:
    """The most bytes since `forget_peak`, or if that was not possible, since the
    process began."""
    return (_status("VmHWM") if forgotten else None) or _maximum()


def _status(name: str) -> int | None:
    """A figure of Linux's, in bytes."""
    if not STATUS.exists():
        return None
    lines = [line for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:")]
    return 1024 * int(lines[0].split()[1]) if lines else None


def _maximum() -> int:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def main(arguments: Sequence[str]) -> int:
    print(json.dumps(measure(*arguments)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
