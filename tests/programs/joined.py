"""A process that computes together with others, and prints what it has found."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn import replicate, split_batch
from jaxcnn.programs.cli import run_program
from jaxcnn.programs.devices import make_mesh
from jaxcnn.programs.machines.meeting import LostError
from jaxcnn.programs.machines.place import MachineOptions
from jaxcnn.programs.machines.together import Machines, abandon, together
from jaxcnn.training.placement import own_copy


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for name in ("processes", "process_id"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int)
    parser.add_argument("--coordinator")
    parser.add_argument("--act", default="compute")
    return parser.parse_args()


def compute(machines: Machines) -> dict[str, object]:
    index = machines.index
    mesh = make_mesh(2, 8, 1, machines)
    tree = {"key": jax.random.key(3), "raw": jax.random.PRNGKey(3), "w": np.arange(3.0), "n": 2}
    placed = replicate(tree, mesh)
    x = np.arange(16.0, dtype=np.float32).reshape(2, 8, 1) ** 2
    own = x[:, machines.share(8)]
    batch = split_batch(own, mesh, axis=1)

    @jax.jit
    def whole(tree, batch):
        noise = jax.random.normal(tree["key"], batch.shape)
        weights = jnp.arange(batch.size, dtype=jnp.float32).reshape(batch.shape)
        return jnp.sum(batch * weights) + tree["w"].sum() + tree["n"], noise.sum(), jnp.std(batch)

    found = {
        "sums": [float(value) for value in whole(placed, batch)],
        "agreed": jax.tree.map(int, machines.agree({"a": np.asarray(7 + index)}))["a"],
        "any": [machines.any(index == 1), machines.any(False)],
        "least": machines.least(5 - index),
        "rows": [machines.share(8).start, machines.share(8).stop],
        "processes": [device.process_index for device in mesh.devices],
        "again": len(replicate(placed, mesh)["w"].devices()),
    }
    if machines.is_writer:  # alone, while the others go on
        alone = own_copy(placed)
        found["own"] = float(jax.random.normal(alone["key"]) + alone["w"].sum())
    machines.same_everywhere({"seed": 1, "data_dir": "ümlaut"})
    return found


def act(machines: Machines, name: str) -> dict[str, object]:
    if name == "compute":
        return compute(machines)
    if name == "differ":
        machines.same_everywhere({"epochs": 3, "learning_rate": 0.1 * (machines.index + 1)})
    if name == "fail" and machines.index == 1:
        raise OSError(28, "No space left on device", "/full")
    if name == f"kill {machines.index}":
        os.kill(os.getpid(), signal.SIGKILL)
    return {"any": machines.any(True)}  # others wait in here for one that does not come


def main() -> int:
    options = read_options()
    jax.config.update("jax_num_cpu_devices", 2)
    own = MachineOptions(options.coordinator, options.processes, options.process_id)

    def body() -> None:
        with together(own, "joined", advice="; so there", arrival=60) as machines:
            print(json.dumps(act(machines, options.act)))

    status = run_program("joined", body, failed=(LostError,))
    abandon(status)
    return status


if __name__ == "__main__":
    sys.exit(main())
