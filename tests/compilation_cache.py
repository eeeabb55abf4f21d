"""What XLA compiles for the tests, kept in the user's cache folder from run to run.

    $XDG_CACHE_HOME or ~/.cache
      jaxcnn/tests/
        <JAX's version>-<of the machine>/   compiled for one processor, for no other
          <one file for each program>       removed when two weeks unused

`JAXCNN_TEST_CACHE=off` leaves it alone: nothing is read, written or removed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import time
from pathlib import Path

import jax

SWITCH = "JAXCNN_TEST_CACHE"
TWO_WEEKS = 14 * 24 * 3600
HALF_WRITTEN = "ignore:Error reading persistent compilation cache entry"
"""A filter of warnings: JAX compiles anew where another process is still writing."""


def root() -> Path:
    """Of all versions and machines."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "jaxcnn" / "tests"


def folder() -> Path:
    """Of this version of JAX, on this machine."""
    return root() / f"{jax.__version__}-{machine()}"


def machine() -> str:
    """What tells processors of other abilities apart: their flags; where the system
    does not list them, the host."""
    described = platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        described += next(line for line in lines if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        described += platform.processor() + platform.node()
    return hashlib.sha256(described.encode()).hexdigest()[:12]


def is_off() -> bool:
    return os.environ.get(SWITCH, "").lower() in ("off", "0", "no", "false")


def use() -> None:
    """From now on, whatever it costs to compile and however large it is."""
    if not is_off():
        jax.config.update("jax_compilation_cache_dir", str(folder()))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
        jax.config.update("jax_compilation_cache_max_size", -1)


def variables() -> dict[str, str]:
    """The same for a process that a test starts. It must not be killed while it
    compiles: half an entry is never written again."""
    return {} if is_off() else {**kept_in(folder()), "PYTHONWARNINGS": HALF_WRITTEN}


def kept_in(path: Path) -> dict[str, str]:
    """For a process that may be killed: a folder of its own."""
    return {
        "JAX_COMPILATION_CACHE_DIR": str(path),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


def clean(unused: float = TWO_WEEKS) -> None:
    """Removes what has not been used for `unused` seconds, of other versions too."""
    if is_off():
        return
    oldest = time.time() - unused
    with contextlib.suppress(OSError):
        for path in sorted(root().rglob("*"), reverse=True):  # what is in a folder before it
            with contextlib.suppress(OSError):  # in use, or removed by another run
                if path.is_dir():
                    path.rmdir()  # refused, unless it is empty
                elif max(path.stat().st_atime, path.stat().st_mtime) < oldest:
                    path.unlink()
