"""Which process of a run this is, and where to find process 0: by the options, or by
what SLURM, Open MPI or Kubernetes put into the environment."""

from __future__ import annotations

import hashlib
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from jaxcnn.programs.options import ConfigError, require, require_count, shown

PORTS = range(61440, 65536)
"""Ports that are chosen here: the same one in all processes of a job, and probably
different ones in two jobs that share a machine."""
MOST_PROCESSES = 100_000
KUBERNETES_PORT = 55527
"""The pods of a job have their network to themselves."""


@dataclass(frozen=True)
class MachineOptions:
    """Several processes that train together, usually one on each machine."""

    coordinator: str | None = None
    """Several processes: HOST:PORT where process 0 listens for the others. SLURM and
    Open MPI say it, an indexed Kubernetes job too."""
    processes: int | None = None
    """Several processes: how many train together. SLURM and Open MPI say it."""
    process_id: int | None = None
    """Several processes: which of them this is, from 0. SLURM, Open MPI and Kubernetes
    say it."""


@dataclass(frozen=True)
class Place:
    """A process among the `count` of a run.

    Attributes:
      index: its number, from 0.
      count: how many there are.
      host, port: where process 0 listens.
      beside: its number among the processes of this machine, if the launcher says that
        there are several; each then takes one accelerator, as JAX does.
    """

    index: int
    count: int
    host: str
    port: int
    beside: int | None = None


@dataclass(frozen=True)
class _Launched:
    """What a launcher says; None for what it does not say."""

    launcher: str
    index: int | None = None
    count: int | None = None
    address: str | None = None
    beside: int | None = None


def find_place(
    options: MachineOptions,
    environment: Mapping[str, str],
    own_name: Callable[[], str] = socket.getfqdn,
) -> Place | None:
    """The place of this process, or None if it is alone.

    An option overrides what the launcher says.

    Args:
      options: of the command line.
      environment: the environment variables.
      own_name: the name of this machine with its domain, for Kubernetes.

    Raises:
      ConfigError: if only a part is known, or something known cannot be.

    >>> find_place(MachineOptions("node7:5000", 4, 2), {})
    Place(index=2, count=4, host='node7', port=5000, beside=None)
    >>> find_place(MachineOptions(), {}) is None
    True
    """
    if options.processes is not None:
        require_count("processes", options.processes, most=MOST_PROCESSES)
    launched = (
        _slurm(environment)
        or _open_mpi(environment)
        or _kubernetes(options, environment, own_name)
        or _Launched("")
    )
    found = {
        "coordinator": launched.address if options.coordinator is None else options.coordinator,
        "processes": launched.count if options.processes is None else options.processes,
        "process-id": launched.index if options.process_id is None else options.process_id,
    }
    if all(value is None for value in found.values()):
        return None
    address, count, index = found["coordinator"], found["processes"], found["process-id"]
    if count == 1 and index in (None, 0):
        return None
    missing = [f"--{name}" for name, value in found.items() if value is None]
    if missing:
        given = [f"--{name}" for name, value in found.items() if value is not None]
        raise ConfigError(
            f"a run of several processes needs {' and '.join(missing)} too"
            + (f", which {launched.launcher} does not say" if launched.launcher else "")
            + f", got {' and '.join(given)} alone"
        )
    assert isinstance(address, str) and isinstance(count, int) and isinstance(index, int)
    require(
        "process-id", f"from 0 to {count - 1}, with {count} processes", 0 <= index < count, index
    )
    return Place(index, count, *_host_and_port(address), launched.beside)


def _host_and_port(address: str) -> tuple[str, int]:
    """
    >>> _host_and_port("[::1]:5000")
    ('::1', 5000)
    """
    match = re.fullmatch(r"\[([^\[\]/]+)\]:(\d{1,5})|([^:/\s]+):(\d{1,5})", address)
    host, port = (match[1] or match[3], int(match[2] or match[4])) if match else ("", 0)
    require(
        "coordinator",
        "HOST:PORT with a port from 1 to 65535, as in node7:5000 or [::1]:5000",
        match is not None and 1 <= port <= 65535,
        address,
    )
    return host, port


def _slurm(environment: Mapping[str, str]) -> _Launched | None:
    """A task of a job step, that is, started by `srun`. A batch script itself is none,
    although SLURM_NTASKS is set in it."""
    names = ("SLURM_STEP_NUM_TASKS", "SLURM_STEP_NODELIST", "SLURM_PROCID", "SLURM_JOB_ID")
    if any(name not in environment for name in names):
        return None
    tasks, nodes, index, job = (environment[name] for name in names)
    count = _number("SLURM_STEP_NUM_TASKS", tasks)
    if count == 1:
        return None
    step = environment.get("SLURM_STEP_ID", "0")
    on_machine = environment.get("SLURM_STEP_TASKS_PER_NODE", "1")
    several = on_machine.split("(")[0].split(",")[0] != "1"
    return _Launched(
        "SLURM",
        _number("SLURM_PROCID", index),
        count,
        f"{first_node(nodes)}:{_port(f'slurm {job}.{step}')}",
        _number("SLURM_LOCALID", environment.get("SLURM_LOCALID", "0")) if several else None,
    )


def first_node(nodes: str) -> str:
    """The first name in one of SLURM's lists.

    >>> [first_node(nodes) for nodes in ("node[007-010,012],b", "rack2-n[1-4]", "a,b")]
    ['node007', 'rack2-n1', 'a']
    """
    first = re.match(r"(?:[^,\[]|\[[^\]]*\])*", nodes)
    return re.sub(r"\[([^\],-]+)[^\]]*\]", r"\1", first[0] if first else nodes)


def _open_mpi(environment: Mapping[str, str]) -> _Launched | None:
    """A process of `mpirun`. Where they are on one machine that is where process 0 is;
    otherwise Open MPI 4 says where mpirun runs, which is taken for the machine of
    process 0, as JAX takes it. Open MPI 5 says neither."""
    if "OMPI_COMM_WORLD_SIZE" not in environment or "OMPI_COMM_WORLD_RANK" not in environment:
        return None
    size, rank, local_size, local_rank = (
        _number(name, environment.get(name, "1" if name.endswith("SIZE") else "0"))
        for name in (
            "OMPI_COMM_WORLD_SIZE",
            "OMPI_COMM_WORLD_RANK",
            "OMPI_COMM_WORLD_LOCAL_SIZE",
            "OMPI_COMM_WORLD_LOCAL_RANK",
        )
    )
    if size == 1:
        return None
    runtime = environment.get("OMPI_MCA_orte_hnp_uri", "")
    listed = re.search(r"tcp6?://\[?([^\],]+?)(?:[,\]]|:\d+$)", runtime)
    host = "127.0.0.1" if local_size == size else listed[1] if listed else None
    job = runtime.split(".")[0] or environment.get("PMIX_NAMESPACE", "")
    address = None
    if host is not None:
        address = f"{f'[{host}]' if ':' in host else host}:{_port(f'openmpi {job}')}"
    return _Launched("Open MPI", rank, size, address, local_rank if local_size > 1 else None)


def _kubernetes(
    options: MachineOptions, environment: Mapping[str, str], own_name: Callable[[], str]
) -> _Launched | None:
    """A pod of an indexed job. Such jobs are used for runs that have nothing to do with
    one another too, and do not say how many pods they have, so --processes decides.

    The pod of index 2 is called JOB-2, and found by the others as JOB-2.SERVICE.... if
    the job has a headless service.
    """
    if "JOB_COMPLETION_INDEX" not in environment or options.processes is None:
        return None
    index = _number("JOB_COMPLETION_INDEX", environment["JOB_COMPLETION_INDEX"])
    label, dot, domain = own_name().partition(".")
    if not dot or not label.endswith(f"-{index}"):  # without a headless service
        return _Launched("Kubernetes without a headless service", index)
    first = f"{label.removesuffix(f'-{index}')}-0.{domain}"
    return _Launched("Kubernetes", index, None, f"{first}:{KUBERNETES_PORT}")


def _port(job: str) -> int:
    digest = hashlib.sha256(job.encode()).digest()
    return PORTS[int.from_bytes(digest[:4], "big") % len(PORTS)]


def _number(name: str, value: str) -> int:
    if not re.fullmatch(r"\d{1,9}", value):
        raise ConfigError(f"{name} must be a number, as its launcher sets it, got {shown(value)}")
    return int(value)
