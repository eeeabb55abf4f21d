"""What the processor can do, as far as oneDNN is concerned.

oneDNN asks the processor which instructions it has, unless the variable
ONEDNN_MAX_CPU_ISA (or DNNL_MAX_CPU_ISA, its old name) names the most that it may use.
A convolution in a dtype for which instructions are missing ends the process, so it is
asked here first. With AVX-512 but without its instructions for bfloat16, oneDNN
computes convolutions in bfloat16, but a matrix product never returns: so that dtype
needs them too.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")

AVX2 = frozenset({"avx2", "fma"})
AVX512 = AVX2 | {"avx512f", "avx512bw", "avx512vl", "avx512dq"}
NEEDED = {
    "float32": AVX2,
    "bfloat16": AVX512 | {"avx512_bf16"},
    "float16": AVX512 | {"avx512_bf16", "avx512_fp16"},
}
"""The instructions without which a dtype is not certain, as Linux names them."""

ALLOWED = {
    "AVX2": AVX2,
    "AVX2_VNNI": AVX2,
    "AVX2_VNNI_2": AVX2,
    "AVX512_CORE": AVX512,
    "AVX512_CORE_VNNI": AVX512,
    "AVX512_CORE_BF16": NEEDED["bfloat16"],
    "AVX10_1_512": NEEDED["float16"],
    "AVX512_CORE_FP16": NEEDED["float16"],
    "AVX10_1_512_AMX": NEEDED["float16"],
    "AVX512_CORE_AMX": NEEDED["float16"],
    "AVX10_1_512_AMX_FP16": NEEDED["float16"],
    "AVX512_CORE_AMX_FP16": NEEDED["float16"],
}
"""What a limit leaves of `NEEDED`. One that is not here, such as SSE41 or a name of a
later version, leaves nothing."""


def dtypes_of(flags: Collection[str], variables: Mapping[str, str]) -> tuple[str, ...]:
    """The dtypes that are certain, for the flags of a processor and the environment.

    >>> dtypes_of(AVX512 | {"avx512_bf16"}, {})
    ('float32', 'bfloat16')
    >>> dtypes_of(AVX512 | {"avx512_bf16"}, {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"})
    ('float32',)
    >>> dtypes_of(AVX2, {"ONEDNN_MAX_CPU_ISA": "SSE41"})
    ()
    """
    there, limit = set(flags), limit_of(variables)
    if limit not in ("ALL", "DEFAULT"):
        there &= ALLOWED.get(limit, frozenset())
    return tuple(dtype for dtype, needed in NEEDED.items() if needed <= there)


def limit_of(variables: Mapping[str, str]) -> str:
    """The name of the limit that the environment sets, in capitals."""
    return next((variables[name].upper() for name in LIMITS if variables.get(name)), "DEFAULT")


@cache
def certain_dtypes() -> tuple[str, ...]:
    """`dtypes_of` this process; none but on Linux on x86-64."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return ()
    return dtypes_of(flags_of(CPUINFO), os.environ)


def flags_of(path: Path) -> frozenset[str]:
    """What all processors of /proc/cpuinfo have; nothing where it cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    flags = [set(line.partition(":")[2].split()) for line in lines if line.startswith("flags")]
    return frozenset(set.intersection(*flags) if flags else ())


def identity() -> str:
    """The instructions that count, and the limit: what a verdict depends on."""
    flags = flags_of(CPUINFO) & set().union(*ALLOWED.values(), {"amx_bf16", "amx_fp16"})
    return f"{' '.join(sorted(flags))}, {limit_of(os.environ)}"
