"""Which dtypes oneDNN is certain to compute in, as the flags of a processor and the
environment say."""

from __future__ import annotations

import pytest

from jaxcnn.ops._onednn import processor
from jaxcnn.ops._onednn.processor import AVX2, AVX512, dtypes_of, flags_of

NEWEST = AVX512 | {"avx512_bf16", "avx512_fp16", "amx_bf16"}
ALL = ("float32", "bfloat16", "float16")


@pytest.mark.parametrize(
    ("flags", "variables", "expected"),
    [
        (set(), {}, ()),
        ({"avx2"}, {}, ()),
        (AVX2, {}, ALL[:1]),
        (AVX512, {}, ALL[:1]),
        (AVX512 | {"avx512_bf16"}, {}, ALL[:2]),
        (NEWEST - {"avx512bw"}, {}, ALL[:1]),
        (NEWEST, {}, ALL),
        (NEWEST, {"ONEDNN_MAX_CPU_ISA": ""}, ALL),
        (NEWEST, {"ONEDNN_MAX_CPU_ISA": "all"}, ALL),
        (NEWEST, {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}, ALL[:1]),
        (NEWEST, {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"}, ALL[:2]),
        (NEWEST, {"ONEDNN_MAX_CPU_ISA": "avx2_vnni_2"}, ALL[:1]),
        (NEWEST, {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_AMX"}, ALL),
        (AVX2, {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_AMX"}, ALL[:1]),
        (NEWEST, {"ONEDNN_MAX_CPU_ISA": "AVX"}, ()),
        (NEWEST, {"ONEDNN_MAX_CPU_ISA": "a later one"}, ()),
        (NEWEST, {"DNNL_MAX_CPU_ISA": "AVX2"}, ALL[:1]),
        (NEWEST, {"DNNL_MAX_CPU_ISA": "AVX2", "ONEDNN_MAX_CPU_ISA": "DEFAULT"}, ALL),
    ],
)
def test_dtypes(flags, variables, expected):
    assert dtypes_of(flags, variables) == expected


def test_flags_are_those_that_all_processors_have(tmp_path):
    file = tmp_path / "cpuinfo"
    file.write_text(
        "processor : 0\nflags\t\t: fpu avx2 fma\nbugs : x\n\nprocessor : 1\nflags : avx2 fpu\n"
    )
    assert flags_of(file) == {"fpu", "avx2"}
    assert flags_of(tmp_path / "none") == frozenset()
    file.write_text("Features : asimd\n")
    assert flags_of(file) == frozenset()


@pytest.mark.parametrize(("system", "machine"), [("darwin", "x86_64"), ("linux", "aarch64")])
def test_nothing_is_certain_elsewhere(monkeypatch, system, machine):
    monkeypatch.setattr(processor.sys, "platform", system)
    monkeypatch.setattr(processor.platform, "machine", lambda: machine)
    processor.certain_dtypes.cache_clear()
    assert processor.certain_dtypes() == ()
    processor.certain_dtypes.cache_clear()
