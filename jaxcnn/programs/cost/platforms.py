"""The devices that programs are compiled for. None of them has to be there: a compiler
alone makes their descriptions.

Each compiler is a library of its own, and some hundred megabytes, so each is an extra
of its own. It is best kept in an environment of its own, because JAX looks for devices
of every platform whose library is installed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

import jax
from jax.experimental import topologies

from jaxcnn.programs.cost.h100 import TARGET

NO_TPU_HERE = {
    "TPU_SKIP_MDS_QUERY": "1",  # no server is asked which TPU this machine has
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",  # several processes compile side by side
}
"""What libtpu would otherwise look for; whatever is set already stays."""
PODS = {1: "v5e:2x2", 4: "v5e:2x2", 64: "v5e:8x8"}
"""Topologies by the number of chips that are used."""


class MissingCompilerError(Exception):
    """A platform's compiler is not installed."""


class Platform(NamedTuple):
    """A device to compile for.

    Attributes:
      title: its name, for tables.
      extra: of jaxcnn, which installs its compiler.
      modules: that the compiler is found by.
      chips: how many of them a step can be split over.
      describe: (number of chips) -> JAX's descriptions of the devices.
      one_pass: whether a select-and-scatter is one pass over memory. On a GPU it is a
        scatter like any other, which adds with atomic operations.
    """

    title: str
    extra: str
    modules: tuple[str, ...]
    chips: tuple[int, ...]
    describe: Callable[[int], list[Any]]
    one_pass: bool


def _h100(chips: int) -> list[Any]:
    return topologies.get_topology_desc(
        platform="cuda", target_config=TARGET, topology="1x1x1"
    ).devices


def _v5e(chips: int) -> list[Any]:
    for name, value in NO_TPU_HERE.items():
        os.environ.setdefault(name, value)
    return topologies.get_topology_desc(platform="tpu", topology_name=PODS[chips]).devices


PLATFORMS = {
    "h100": Platform(
        "H100", "cost-h100", ("jax_cuda13_plugin", "jax_plugins.xla_cuda13"), (1,), _h100, False
    ),
    "v5e": Platform("TPU v5e", "cost-v5e", ("libtpu",), tuple(PODS), _v5e, True),
}


def devices(name: str, chips: int = 1) -> list[Any]:
    """Descriptions of so many chips of a platform, to compile for.

    Raises:
      MissingCompilerError: if its compiler is not installed, or does not start.
    """
    platform = PLATFORMS[name]
    if not all(map(_is_installed, platform.modules)):
        raise MissingCompilerError(
            f'the compiler for {platform.title} is missing: pip install "jaxcnn[{platform.extra}]"'
        )
    jax.config.update("jax_platforms", "cpu")  # nothing is computed on another device
    try:
        return platform.describe(chips)[:chips]
    except (RuntimeError, NotImplementedError) as error:
        raise MissingCompilerError(
            f"the compiler for {platform.title} does not start: {error}; it must be of jax"
            f' {jax.__version__}: pip install "jaxcnn[{platform.extra}]"'
        ) from error


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of the package that it is in
        return False
