"""Where and with what a result was computed, in one wording for every file of results:
versions, Python, system, device, cores, date."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import jax

import jaxcnn
from jaxcnn.ops._onednn.certain import certain_dtypes
from jaxcnn.ops._onednn.processor import CPUINFO, flags_of
from jaxcnn.programs.devices import usable_cores

FEATURES = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16")
"""Of a processor, on which the speed of a network depends."""


def environment(*packages: str) -> dict[str, Any]:
    """What a result depends on besides its options, as one flat dict for JSON.

    Its keys: date (UTC, ISO 8601); the versions of jaxcnn, jax, jaxlib, numpy and of
    `packages`, each under its name; python, system and machine; platform, device and
    devices as JAX has them; cores that this process may use; features, those of
    `FEATURES` that the processor says it has (Linux); onednn, the dtypes in which it
    computes convolutions on a CPU. A program adds what is its own, such as its command.

    Args:
      packages: names of distributions, as pip has them, whose versions matter too. One
        that is not installed has None.

    >>> found = environment("tyro", "no-such-package")
    >>> found["jax"] == jax.__version__, found["no-such-package"]
    (True, None)
    """
    device = jax.devices()[0]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "jaxcnn": jaxcnn.__version__,
        **{name: _version(name) for name in ("jax", "jaxlib", "numpy", *packages)},
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "platform": device.platform,
        "device": device.device_kind,
        "devices": jax.device_count(),
        "cores": usable_cores(),
        "features": _features(),
        "onednn": list(certain_dtypes()),
    }


def _features() -> list[str]:
    """In the order of `FEATURES`; none where there is no /proc/cpuinfo."""
    flags = flags_of(CPUINFO)
    return [feature for feature in FEATURES if feature in flags]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
