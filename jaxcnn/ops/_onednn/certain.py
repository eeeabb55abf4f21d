"""The dtypes in which this process calls oneDNN.

It does where all of this holds:

    the variable JAXCNN_ONEDNN, read once when jaxcnn is imported, is not 0
    jaxlib has the calls: a version on the list, or one that `jaxcnn onednn --probe`
    found good on this processor, and not one that it found bad
    the processor has the instructions (`processor.py`)

Elsewhere the portable methods compute. A jaxlib that nobody tried is named once, in a
warning.
"""

from __future__ import annotations

import json
import os
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jaxlib
import numpy as np
from jax import lax

from jaxcnn.ops._onednn.processor import certain_dtypes as dtypes_of_the_processor
from jaxcnn.ops._onednn.processor import identity

VARIABLE = "JAXCNN_ONEDNN"
TESTED = ("0.10.0", "0.10.1", "0.10.2", "0.11.0", "0.11.1", "0.11.2", "0.12.0", "0.12.0.1")
"""The versions of jaxlib for which the tests of this project passed."""


def _switched_on() -> bool:
    value = os.environ.get(VARIABLE, "1")
    if value not in ("0", "1"):
        raise ValueError(f"the variable {VARIABLE} must be 0 or 1, got {value!r}")
    return value == "1"


SWITCHED_ON = _switched_on()
MECHANISM = getattr(jax._src.dispatch, "prim_requires_devices_during_lowering", None)
"""JAX's set of primitives that a mesh's devices must be known for. It is private: where
it is missing, oneDNN is not called."""


NOT_KEPT = r"Error writing persistent compilation cache entry for .*std::bad_alloc"
"""What JAX warns of where it keeps compiled programs: XLA cannot write one with such a
call to a file. The program works, and the next process compiles it anew."""
if SWITCHED_ON:
    warnings.filterwarnings("ignore", NOT_KEPT, UserWarning)

_assumed: list[tuple[str, ...]] = []


def assume(*dtypes: str) -> None:
    """Take these dtypes for certain from now on, whatever is known: for a trial, in a
    process that may die. It must come before anything is traced."""
    _assumed[:] = [dtypes]
    certain_dtypes.cache_clear()


@cache
def certain_dtypes() -> tuple[str, ...]:
    """Their names; none where it is not certain."""
    if _assumed:
        return _assumed[0]
    there = dtypes_of_the_processor()
    if not (SWITCHED_ON and there and MECHANISM is not None):
        return ()
    verdict = read_verdicts().get(key())
    if verdict is not None:
        return tuple(dtype for dtype in there if dtype in verdict)
    if jaxlib.__version__ in TESTED:
        return there
    warnings.warn(
        f"jaxlib {jaxlib.__version__} was not tried with oneDNN, so convolutions take slower"
        " methods. `jaxcnn onednn --probe` tries it once and keeps the verdict;"
        f" {VARIABLE}=0 silences this",
        stacklevel=2,
    )
    return ()


def operand_of(dtype: Any) -> np.dtype | None:
    """The dtype in which oneDNN takes operands of `dtype`: the same, or float32 for a
    16-bit float whose instructions are missing. None if it is not certain.

    >>> print(operand_of("int32"))
    None
    """
    dtype = np.dtype(dtype)
    wide = np.dtype(np.float32) if dtype.name in ("bfloat16", "float16") else dtype
    return next((d for d in (dtype, wide) if d.name in certain_dtypes()), None)


def is_plain(precision: lax.PrecisionLike) -> bool:
    """Whether a precision asks for no other products than the dtype's own."""
    both = precision if isinstance(precision, tuple) else (precision,)
    return all(
        isinstance(one, lax.Precision) or one in (None, "default", "high", "highest")
        for one in both
    )


def key() -> str:
    """What a verdict depends on: jaxlib and what the processor may use."""
    return f"jaxlib {jaxlib.__version__}, {identity()}"


def verdicts_file() -> Path:
    """Where verdicts are kept: in the folder for caches of this person."""
    cache_home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache_home) / "jaxcnn" / "onednn.json"


def read_verdicts() -> dict[str, list[str]]:
    """The dtypes that a probe found good, by `key`. A file that cannot be read counts
    as none."""
    try:
        found = json.loads(verdicts_file().read_text(encoding="utf-8"))
    except (OSError, RuntimeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
