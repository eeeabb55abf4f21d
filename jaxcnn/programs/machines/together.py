"""Several processes that train together: they meet, and each knows which it is.

    with together(options, "jaxcnn train") as machines:
        mesh = make_mesh(..., machines)
        rows = machines.share(batch_size)
        if machines.is_writer: ...

All processes run the same program with the same options. What JAX computes on a mesh
of all their devices, they compute together: each has to start the same computations in
the same order.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxcnn.programs.interruption import ignored, word_and_status
from jaxcnn.programs.machines.meeting import (
    LostError,
    bind_address,
    reach_first,
    receive_others,
)
from jaxcnn.programs.machines.place import MachineOptions, Place, find_place
from jaxcnn.programs.machines.relay import Relay
from jaxcnn.programs.machines.watch import SILENCE, Watch
from jaxcnn.programs.options import ConfigError, shown

ARRIVAL = 300.0
"""Seconds in which all processes must come."""
VERDICT = 3.0
"""Seconds that an error waits for the watch, which may know the process that caused
it."""
LAST = 10
"""Seconds that JAX may take to end in all processes, once all are done."""
NEVER = 10**6
"""Seconds after which JAX itself would miss a process."""


@dataclass(frozen=True)
class Machines:
    """Which process of a run this is.

    Attributes:
      index: its number, from 0.
      count: how many there are.
    """

    index: int = 0
    count: int = 1

    @property
    def is_writer(self) -> bool:
        """Whether this is the one process that writes files and prints."""
        return self.index == 0

    def share(self, rows: int) -> slice:
        """The rows of a batch that this process reads and computes.

        >>> Machines(1, 4).share(32)
        slice(8, 16, None)

        Raises:
          ConfigError: if the processes do not divide the batch.
        """
        if rows % self.count:
            raise ConfigError(
                f"--batch-size must be a multiple of the {self.count} processes, got {rows}"
            )
        each = rows // self.count
        return slice(self.index * each, (self.index + 1) * each)

    def agree(self, tree: Any) -> Any:
        """The arrays of process 0, as NumPy arrays. All processes must call it, with
        trees of one structure, and arrays of the same shapes and dtypes."""
        if self.count == 1:
            return jax.tree.map(np.asarray, tree)
        return jax.tree.map(np.asarray, multihost_utils.broadcast_one_to_all(tree))

    def any(self, here: bool) -> bool:
        """Whether it is true in any of the processes, all of which must call it."""
        return bool(self._gathered(np.asarray(here)).any())

    def least(self, here: int) -> int:
        """The smallest of the numbers that the processes, all of them, call it with."""
        return int(self._gathered(np.asarray(here)).min())

    def same_everywhere(self, options: Mapping[str, object]) -> None:
        """Compare the options of all processes, which must all call it.

        Args:
          options: names and values that JSON can hold; others as their `str`.

        Raises:
          ConfigError: in every process, naming an option that differs.
        """
        if self.count == 1:
            return
        text = json.dumps(options, sort_keys=True, default=str).encode()
        longest = int(self._gathered(np.asarray(len(text))).max())
        texts = self._gathered(np.frombuffer(text.ljust(longest), np.uint8))
        first, *others = (json.loads(bytes(each)) for each in texts)
        for index, other in enumerate(others, 1):
            for name in sorted({*first, *other}):
                if first.get(name) != other.get(name):
                    raise ConfigError(
                        f"--{name.replace('_', '-')} must be the same in every process, got"
                        f" {shown(first.get(name))} in process 0 and {shown(other.get(name))} in"
                        f" process {index}"
                    )

    def _gathered(self, array: np.ndarray) -> np.ndarray:
        """The arrays of all processes, (count, ...)."""
        if self.count == 1:
            return array[None]
        return np.asarray(multihost_utils.process_allgather(array))


ALONE = Machines()


@contextmanager
def together(
    options: MachineOptions,
    program: str,
    *,
    advice: str = "",
    refused: tuple[type[Exception], ...] = (),
    arrival: float = ARRIVAL,
    silence: float = SILENCE,
) -> Iterator[Machines]:
    """Inside, the processes of a run work together; `ALONE` where there is only one.

    A process that is killed, or fails, ends the others: within seconds, or within
    `silence` if its machine or its network is gone. They write one line that names it
    and end with status 1, or 2 if it refused its options. A signal that ends one
    process is raised in the others too, which then have `INTERRUPTION` seconds. At the
    end each waits for all to be done.

    Call it before JAX computes anything, and `abandon` after an error. In a program
    that has called `jax.distributed.initialize` itself, the processes are those that it
    named, and nothing is watched.

    Args:
      options: as of the command line. What they leave open is taken from the
        environment, see `find_place`.
      program: its name in front of the line.
      advice: the end of the line, such as "; --resume goes on from the last
        checkpoint".
      refused: more exceptions than ConfigError that mean wrong options, as of
        `run_program`.
      arrival: seconds in which all processes must come.
      silence: seconds without a sign of life after which a process counts as gone.

    Raises:
      ConfigError: if the options make no sense, or are not the same everywhere.
      LostError: if a process does not come, or a computation with the others failed.
    """
    if jax.distributed.is_initialized():
        yield Machines(jax.process_index(), jax.process_count())
        return
    place = find_place(options, os.environ)
    if place is None:
        yield ALONE
        return
    if place.index:
        lines, port = reach_first(place, arrival)
        peers = {0: lines}
    else:
        peers, port = receive_others(place, arrival)
    watch = Watch(place, peers, program, advice, silence=silence)
    relay = Relay((place.host, port)) if place.index else None
    try:
        _start_jax(place, port if relay is None else relay.port)
        yield Machines(place.index, place.count)
    except KeyboardInterrupt as error:
        with ignored():
            word, status = word_and_status(error)
            watch.tell_interruption(word, status - 128)
        raise
    except BaseException as error:
        with ignored():
            why = None
            if not isinstance(error, (ConfigError, OSError, *refused)):
                # If another is gone, then mostly the watch ends this one meanwhile.
                why = watch.verdict(VERDICT)
            text = " ".join(str(error).split()) or type(error).__name__
            status = 2 if isinstance(error, (ConfigError, *refused)) else 1
            watch.tell_failure(f"ended ({text[:500]})", status)
        if _is_of_others(error):
            failed = f"a computation with the other processes failed: {why or error}"
            raise LostError(failed) from error
        raise
    watch.finish()
    with suppress(jax.errors.JaxRuntimeError):  # all are done: what fails here costs nothing
        jax.distributed.shutdown()
    watch.close()
    if relay is not None:
        relay.close()


def abandon(status: int) -> None:
    """End the process, at once, if JAX still counts on other processes: its clean-up
    would wait for them, and complain. Call it when everything has been said."""
    if jax.distributed.is_initialized():
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        os._exit(status)


def _start_jax(place: Place, port: int) -> None:
    if "NCCL_DEBUG" not in os.environ:
        _without_chatter()
    # A proxy for the internet is none for the loopback, which gRPC does not know.
    os.environ["no_grpc_proxy"] = "127.0.0.1"  # noqa: SIM112
    jax.config.update("jax_check_proxy_envs", False)
    jax.config.update("jax_enable_preemption_service", False)  # it takes SIGTERM for itself
    bound = bind_address(place.host)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "all")
    jax.distributed.initialize(
        f"127.0.0.1:{port}",
        place.count,
        place.index,
        # One accelerator for each process of a machine, if they see them all.
        local_device_ids=(
            [place.beside]
            if place.beside is not None and (visible == "all" or "," in visible)
            else None
        ),
        cluster_detection_method="deactivate",
        coordinator_bind_address=f"[{bound}]:{port}" if ":" in bound else f"{bound}:{port}",
        heartbeat_timeout_seconds=NEVER,
        shutdown_timeout_seconds=LAST,
    )


def _without_chatter() -> None:
    """Keep this program's standard output for itself. Gloo, which adds up arrays of
    CPUs, tells there of each of its connections, and nothing can stop it."""
    stdout = sys.__stdout__
    if stdout is None or sys.stdout is not stdout:
        return  # it goes elsewhere already
    stdout.flush()
    own, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    sys.stdout = os.fdopen(own, "w", buffering=1, encoding=stdout.encoding)


def _is_of_others(error: BaseException) -> bool:
    """Whether a computation of several processes failed in the middle."""
    words = ("Gloo", "NCCL", "coordination", "CoordinationService")
    return isinstance(error, (jax.errors.JaxRuntimeError, ValueError)) and any(
        word in str(error) for word in words
    )
