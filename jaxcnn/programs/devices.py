"""Several devices: which to use, and how arrays lie on them."""

from __future__ import annotations

import os

import jax
import numpy as np
from jax.sharding import AxisType, Mesh

from jaxcnn.programs.machines.together import ALONE, Machines
from jaxcnn.programs.options import ConfigError

# With fewer pixels per device in a step's images, a second device on two CPU cores cost
# more time than it saved.
LEAST_PIXELS = 10_000


def usable_cores() -> int:
    """Number of CPU cores that this process may use, which can be fewer than the
    machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def use_all_cores() -> None:
    """Give JAX one virtual CPU device per usable core. Call it before JAX computes
    anything; afterwards it does nothing."""
    try:
        jax.config.update("jax_num_cpu_devices", usable_cores())
    except RuntimeError:  # JAX runs already, with the devices it has
        return


def make_mesh(
    devices: int | None, batch_size: int, pixels: int, machines: Machines = ALONE
) -> Mesh:
    """A mesh with one axis, "batch", over `devices` local devices of each process, in
    the order of the processes.

    Args:
      devices: how many. None takes as many as divide the batch and are likely to make
        a step faster: on an accelerator all, on a CPU those with `LEAST_PIXELS` each.
        Where processes would take different numbers, all take the smallest.
      batch_size: images in a step.
      pixels: of an image.
      machines: the processes of the run.

    Raises:
      ConfigError: if there are not that many devices, or they do not divide the batch.
    """
    available = jax.local_devices()
    share = machines.share(batch_size)
    batch_size = share.stop - share.start  # of each process
    if devices is None:
        most = len(available)
        if available[0].platform == "cpu":
            most = min(most, max(1, batch_size * pixels // LEAST_PIXELS))
        most = machines.least(most)
        devices = max(count for count in range(1, most + 1) if batch_size % count == 0)
    if not 1 <= devices <= len(available):
        raise ConfigError(
            f"--devices must be between 1 and the {len(available)} that JAX finds here, got"
            f" {devices}"
        )
    if batch_size % devices:
        raise ConfigError(f"--devices must divide the batch of {batch_size} images, got {devices}")
    chosen = [
        device
        for index in range(machines.count)
        for device in [each for each in jax.devices() if each.process_index == index][:devices]
    ]
    return Mesh(np.array(chosen), ("batch",), axis_types=(AxisType.Auto,))
