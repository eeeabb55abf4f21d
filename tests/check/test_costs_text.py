"""Costs: the text of other backends' programs, and excerpts of it."""

import jax.numpy as jnp

from jaxcnn.check.costs import cost
from jaxcnn.check.hlo import EXCERPT_LINES, count, excerpt
from tests.check._costs import W, X, in_scan, plain_conv, shape

GPU = """\
HloModule jit_f, entry_computation_layout={(f32[8]{0})->f32[8]{0}}

fused_dot (p.0: f32[4,8], p.1: f32[8,4]) -> f32[4,4] {
  p.0 = f32[4,8]{1,0} parameter(0)
  p.1 = f32[8,4]{1,0} parameter(1)
  ROOT dot.1 = f32[4,4]{1,0} dot(p.0, p.1), lhs_contracting_dims={1}, rhs_contracting_dims={0}
}

ENTRY main {
  x = f32[2,8,8,4]{3,2,1,0:T(8,128)(2,1)} parameter(0), metadata={op_name="convolution(x)"}
  cudnn-conv.1 = (f32[2,8,8,4]{3,2,1,0}, u8[0]{0}) custom-call(x, w), \
custom_call_target="__cudnn$convForward", window={size=3x3}
  cudnn-conv.2 = (f32[3,3,4,4]{3,2,1,0}, u8[0]{0}) custom-call(x, w), \
custom_call_target="__cudnn$convBackwardFilter"
  gemm.1 = f32[4,4]{1,0} custom-call(a, b), custom_call_target="__cublas$lt$matmul", \
backend_config={"gemm":{"alpha":1}}
  sort.1 = (f32[4]{0}, s32[4]{0}) custom-call(a), custom_call_target="__cub$DeviceRadixSort"
  start = ((f32[4]{0}, /*index=1*/f32[4]{0}), (f32[4]{0}), u32[]) while(t), condition=c, body=b
  triton = f32[4,4]{1,0} fusion(a, b), kind=kCustom, calls=fused_dot, \
metadata={op_name="jit(f)/dot" stack_frame_id=4}
  ROOT pooled = f32[8]{0} select-and-scatter(a, b, c), window={size=2}, select=ge, scatter=add
}
"""


def test_libraries_of_other_backends():
    assert count(GPU) == {
        "convolutions": 2,
        "dots": 2,
        "fusions": 1,
        "custom_calls": 4,
        "loops": 1,
        "scatters": 1,
    }
    assert (
        excerpt(GPU)
        == """\
fused_dot:
  dot.1 = f32[4,4] dot(p.0, p.1), lhs_contracting_dims={1}, rhs_contracting_dims={0}
main:
  cudnn-conv.1 = (2 arrays) custom-call(x, w), custom_call_target="__cudnn$convForward", \
window={size=3x3}
  cudnn-conv.2 = (2 arrays) custom-call(x, w), custom_call_target="__cudnn$convBackwardFilter"
  gemm.1 = f32[4,4] custom-call(a, b), custom_call_target="__cublas$lt$matmul"
  sort.1 = (2 arrays) custom-call(a), custom_call_target="__cub$DeviceRadixSort"
  start = (4 arrays) while(t), condition=c, body=b
  triton = f32[4,4] fusion(a, b), kind=kCustom, calls=fused_dot
  pooled = f32[8] select-and-scatter(a, b, c), window={size=2}, select=ge, scatter=add"""
    )


def test_no_source_locations():
    """Two calls of one function differ in nothing else."""
    hlo = cost(in_scan(plain_conv), [X, W]).hlo
    for noise in ("FileNames", "StackFrames", ".py", "stack_frame_id"):
        assert noise not in hlo
    assert 'metadata={op_name="jit(value_and_gradients)/' in hlo
    assert hlo.count(" while(") == 2


def test_excerpt_without_noise():
    text = cost(in_scan(plain_conv), [X, W]).excerpt
    for noise in ("metadata", "backend_config", "{3,2,1,0}", "%", "parameter(", "ROOT"):
        assert noise not in text


def test_a_long_excerpt_drops_fusions_first_and_then_ends():
    lines = excerpt(GPU, lines=9).splitlines()
    assert len(lines) == 9
    assert lines[-1] == "... and 2 lines more"

    def deep(x, w):
        for _ in range(12):
            x = jnp.tanh(x @ w)
        return x

    text = cost(deep, [shape(8, 24), shape(24, 24)]).excerpt
    assert len(text.splitlines()) <= EXCERPT_LINES
    assert "kind=kLoop" not in text
