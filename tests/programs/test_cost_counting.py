"""`jaxcnn cost`: what is counted in the compiled texts of a GPU and of a TPU."""

import pytest

from jaxcnn.programs.cost.counting import counts
from jaxcnn.programs.cost.limits import SMALL, exceeded

GPU = """\
HloModule jit_f, is_scheduled=true

%fused (p.0: f32[8,4]) -> f32[8,4] {
  %p.0 = f32[8,4]{1,0} parameter(0)
  %dot.1 = f32[8,4]{1,0} dot(%p.0, %p.0), lhs_contracting_dims={1}
  ROOT %neg = f32[8,4]{1,0} negate(%p.0)
}

%command_buffer (q: f32[8,4]) -> f32[8,4] {
  %q = f32[8,4]{1,0} parameter(0)
  ROOT %copy.1 = f32[8,4]{0,1} copy(%q)
}

%body (t: (s32[], f32[8,4])) -> (s32[], f32[8,4]) {
  %t = (s32[], f32[8,4]{1,0}) parameter(0)
  %part = f32[8,4]{1,0} get-tuple-element(%t), index=1
  %scatter.1 = f32[8,4]{1,0} scatter(%part, %part, %part), to_apply=%add
  ROOT %next = (s32[], f32[8,4]{1,0}) tuple(%part, %scatter.1)
}

ENTRY %main (x: f32[8,4], n: pred[10]) -> f32[8,4] {
  %x = f32[8,4]{1,0} parameter(0), metadata={op_name="x"}
  %n = pred[10]{0} parameter(1)
  %fusion.1 = f32[8,4]{1,0} fusion(%x, %n, /*index=2*/%x), kind=kLoop, calls=%fused
  %cudnn-conv.1 = (f32[8,4]{1,0}, u8[100]{0}) custom-call(%x, %fusion.1), \
custom_call_target="__cudnn$convForward", control-predecessors={%n}
  %call.1 = f32[8,4]{1,0} call(%x), to_apply=%command_buffer
  %while.1 = (s32[], f32[8,4]{1,0}) while(%t0), condition=%cond, body=%body
  %pooled = f32[8,4]{1,0} select-and-scatter(%x, %x, %c), select=%ge, scatter=%add
  ROOT %view = f32[8,4]{1,0} bitcast(%pooled)
}
"""

TPU = """\
HloModule jit_f, is_scheduled=true

ENTRY %main.3 (x: bf16[128,28,28,32], dy: f32[4]) -> bf16[128,28,28,32] {
  %x = bf16[128,28,28,32]{0,3,2,1:T(8,128)(2,1)} parameter(0)
  %dy = f32[4]{0:T(128)} parameter(1)
  %copy-start = (f32[4]{0:T(128)S(1)}, f32[4]{0:T(128)}, u32[]{:S(2)}) copy-start(%dy)
  %copy-done = f32[4]{0:T(128)S(1)} copy-done(%copy-start)
  %all-reduce-start = f32[4]{0:T(128)} all-reduce-start(%copy-done), to_apply=%add
  %all-reduce-done = f32[4]{0:T(128)} all-reduce-done(%all-reduce-start)
  %all-gather.1 = f32[16]{0:T(128)} all-gather(%all-reduce-done), dimensions={0}
  ROOT %pool.9 = bf16[128,28,28,32]{0,3,2,1:T(8,128)(2,1)} select-and-scatter(%x, %x, %c), \
window={size=1x2x2x1}
}
"""


def test_a_gpus_text():
    """The kernels are the fusion, the library's call, the copy of the command buffer,
    the scatter of the loop's body, and the select-and-scatter."""
    found = counts(GPU, one_pass=False)
    assert found.kernels == 5
    assert found.library == {"__cudnn$convForward": 1, "dot": 1}
    assert found.scatters == 2
    assert found.collectives == {}
    array = 8 * 4 * 4
    fusion, conv, copy = 2 * array + 10, 3 * array + 100, 2 * array
    scatter, pool = 2 * array, 2 * array  # an operand that comes twice is read once
    assert found.bytes_moved == fusion + conv + copy + scatter + pool


def test_a_tpus_text():
    """A copy ahead of time is no kernel; a select-and-scatter is one pass."""
    found = counts(TPU, one_pass=True)
    assert found.kernels == 3
    assert found.scatters == 0
    assert found.collectives == {"all-gather": 1, "all-reduce": 1}
    assert found.bytes_moved == 2 * (2 * 128 * 28 * 28 * 32) + 2 * 16 + 16 + 64
    assert counts(TPU, one_pass=False).scatters == 1


def side(**changed):
    plain = {
        "kernels": 4,
        "library": {"dot": 1},
        "scatters": 0,
        "collectives": {},
        "bytes_moved": 1_000_000,
        "temp_bytes": 10_000_000,
    }
    return plain | changed


def row(chips=1, **changed):
    return {
        "platform": "v5e",
        "chips": chips,
        "pair": "a",
        "kind": "step",
        "explicit": side(**changed),
        "plain": side(scatters=3),
    }


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, []),
        ({"bytes_moved": 1_020_000}, []),
        ({"bytes_moved": 1_020_001}, ["moves 1.02\N{MULTIPLICATION SIGN} the bytes"]),
        ({"temp_bytes": 10_500_000 + SMALL}, []),
        ({"temp_bytes": 10_500_001 + SMALL}, ["more of temporary memory, 1.06"]),
        ({"kernels": 3}, []),
        ({"kernels": 5}, ["runs 5 kernels instead of 4"]),
        ({"scatters": 1}, ["scatters 1 times"]),
        ({"library": {}}, ["calls nothing instead of 1 `dot`"]),
        ({"chips": 4}, ["communicates by {} instead of one all-reduce"]),
        ({"chips": 4, "collectives": {"all-reduce": 1}}, []),
        ({"chips": 4, "collectives": {"all-reduce": 2}}, ["communicates by"]),
    ],
)
def test_the_limits(changed, words):
    found = exceeded(row(**changed))
    assert len(found) == len(words)
    assert all(word in sentence for word, sentence in zip(words, found, strict=True))


def test_a_side_that_does_not_compile_is_named():
    broken = row() | {"plain": {"error": "ValueError: no"}}
    assert exceeded(broken) == ["plain does not compile: ValueError: no"]
