"""What a gradient costs: counts of real programs against what stands in them, bytes and
operations against hand counts."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxcnn
from jaxcnn.check.costs import (
    EXCERPT_LINES,
    Comparison,
    _flops,
    compare_costs,
    cost,
    count,
    excerpt,
)


def shape(*dims, dtype="float32"):
    return jax.ShapeDtypeStruct(dims, dtype)


def plain_conv(x, w, *, stride=1, padding="SAME", groups=1):
    return lax.conv_general_dilated(
        x,
        w,
        (stride, stride),
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )


def canonical_conv(x, w, *, padding="SAME"):
    return jaxcnn.conv(x, w, padding=padding, method=jaxcnn.methods.NHWC)


def plain_max_pool(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def in_scan(conv):
    return lambda x, w: lax.scan(lambda carry, _: (conv(carry, w), None), x, None, length=3)[0]


X, W, DEPTHWISE = shape(2, 8, 8, 24), shape(3, 3, 24, 24), shape(3, 3, 1, 24)


# The compiled program.


@pytest.mark.parametrize("channels", [24, 12], ids=["in a fusion", "bare"])
@pytest.mark.parametrize("conv", [plain_conv, canonical_conv], ids=["plain", "ours"])
def test_a_convolution_has_three_maps(conv, channels):
    """Wherever they end up: on a CPU, many channels go into a fusion for YNNPACK, few
    stay bare for Eigen."""
    result = cost(conv, [shape(2, 8, 8, channels), shape(3, 3, channels, channels)])
    assert (
        result.convolutions,
        result.dots,
        result.loops,
        result.scatters,
        result.custom_calls,
    ) == (3, 0, 0, 0, 0)
    assert result.excerpt.count(" convolution(") == 3
    in_fusions = result.excerpt.count("kind=kCustom")
    assert in_fusions == (3 if channels == 24 else 0)


@pytest.mark.parametrize(
    "conv",
    [
        lambda x, w: plain_conv(x, w, stride=2),
        lambda x, w: jaxcnn.conv(x, w, padding="same", stride=2, method=jaxcnn.methods.LAX),
    ],
    ids=["plain", "ours"],
)
def test_strided_convolution(conv):
    result = cost(conv, [X, W])
    assert result.convolutions == 3
    assert "lhs_dilate=2x2" in result.excerpt, "the input gradient"
    assert "rhs_dilate=2x2" in result.excerpt, "the kernel gradient"


def test_what_stands_in_a_loop_counts_once():
    once = cost(plain_conv, [X, W])
    for conv in (plain_conv, canonical_conv):
        result = cost(in_scan(conv), [X, W])
        assert (result.convolutions, result.loops) == (3, 2)
        assert result.flops == pytest.approx(once.flops, rel=0.01)
        assert " = (4 arrays) while(" in result.excerpt


def test_depthwise_convolution():
    result = compare_costs(
        lambda x, w: jaxcnn.conv(x, w, padding="same", groups=24, method=jaxcnn.methods.DEPTHWISE),
        lambda x, w: plain_conv(x, w, groups=24),
        [X, DEPTHWISE],
    )
    assert (result.explicit.convolutions, result.reference.convolutions) == (0, 3)
    assert result.reference.flops > 5 * result.explicit.flops, (
        "XLA makes the kernel gradient a dense one"
    )


def test_max_pool():
    result = compare_costs(lambda x: jaxcnn.max_pool(x, 2), plain_max_pool, [X])
    assert (result.explicit.scatters, result.reference.scatters) == (0, 1)
    assert " scatter(" in result.reference.excerpt
    assert " reduce-window(" in result.reference.excerpt
    assert result.explicit.temp_bytes < result.reference.temp_bytes


def test_dots_and_fusions():
    result = cost(lambda x, w: jnp.tanh(x @ w), [shape(8, 64), shape(64, 32)])
    assert result.dots == 3
    assert result.fusions >= 1
    assert result.convolutions == 0


@pytest.mark.parametrize("conv", [plain_conv, canonical_conv], ids=["plain", "ours"])
def test_flops_of_a_dense_convolution(conv):
    """Without padding each of the three maps takes a multiplication and an addition per
    output, tap and input channel."""
    result = cost(lambda x, w: conv(x, w, padding="VALID"), [shape(2, 8, 9, 24), W])
    assert result.flops == pytest.approx(3 * 2 * (2 * 6 * 7 * 24) * (3 * 3 * 24), rel=0.01)


def test_flops_of_one_map():
    whole = cost(plain_conv, [X, W]).flops
    for i in (0, 1):
        assert cost(plain_conv, [X, W], differentiate=(i,)).flops == pytest.approx(
            2 / 3 * whole, rel=0.01
        )


@pytest.mark.parametrize("analysis", [None, {}, {"flops": -1.0}])
def test_flops_that_a_backend_does_not_tell(analysis):
    assert _flops(analysis) is None


def test_bytes_of_results():
    """Value and cotangents, and the tuple of pointers to them."""
    result = cost(plain_conv, [X, W])
    assert 0 <= result.output_bytes - 4 * (2 * X.size + W.size) < 64
    assert result.temp_bytes > 0


# What is kept.

N = 2 * 4 * 4 * 3  # entries of an image
IMAGE, KERNEL, CHANNEL = shape(2, 4, 4, 3), shape(3, 3, 3, 5), shape(3)
STATE = jaxcnn.BatchNormState(jnp.zeros(3), jnp.ones(3))


def multiply_twice(x):
    y = jnp.exp(x)
    return jax.jit(lambda y: y * y)(y) * y


KEPT = {
    # function, arguments, bytes computed and kept, bytes of arguments kept
    "relu: a mask": (jaxcnn.relu, [IMAGE], N, 0),
    "jax.nn.relu: a mask; zeros are no array": (jax.nn.relu, [IMAGE], N, 0),
    "relu in jit": (jax.jit(jaxcnn.relu), [IMAGE], N, 0),
    "autodiff of relu: zeros from an inner jit": (jaxcnn.AUTODIFF.relu, [IMAGE], N, 0),
    "tanh: x": (jaxcnn.tanh, [IMAGE], 0, 4 * N),
    "tanh, bfloat16": (jaxcnn.tanh, [shape(2, 4, 4, 3, dtype="bfloat16")], 0, 2 * N),
    "jnp.tanh: y and 1 - y": (jnp.tanh, [IMAGE], 8 * N, 0),
    "max pool: three bytes per output": (lambda x: jaxcnn.max_pool(x, 2), [IMAGE], 3 * N // 4, 0),
    "lax's max pool: x": (plain_max_pool, [IMAGE], 0, 4 * N),
    "convolution: x and w": (jaxcnn.conv, [IMAGE, KERNEL], 0, 4 * (N + 135)),
    "lax's convolution: x and w": (plain_conv, [IMAGE, KERNEL], 0, 4 * (N + 135)),
    "convolution in jit": (
        jax.jit(lambda x, w: 2 * jaxcnn.conv(x, w)),
        [IMAGE, KERNEL],
        0,
        4 * (N + 135),
    ),
    "convolution, channels first: a copy of each": (
        lambda x, w: jaxcnn.conv(x, w, layout="channels_first"),
        [shape(2, 3, 4, 4), shape(5, 3, 3, 3)],
        4 * (N + 135),
        0,
    ),
    "checkpoint: the argument": (jax.checkpoint(lambda x: jnp.sin(jnp.sin(x))), [IMAGE], 0, 4 * N),
    "an array twice": (lambda x: x * x, [IMAGE], 0, 4 * N),
    "an array three times, once in jit": (multiply_twice, [IMAGE], 8 * N, 0),
    "linear": (lambda x: 3 * x, [IMAGE], 0, 0),
    "a constant": (lambda x: jnp.arange(3.0) * x, [IMAGE], 0, 0),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_is_kept(name):
    function, args, computed, of_arguments = KEPT[name]
    result = cost(function, args)
    assert (result.residual_bytes, result.argument_bytes_kept) == (computed, of_arguments)


def test_a_scan_keeps_every_step():
    one, many = (
        cost(
            lambda x, steps=steps: lax.scan(
                lambda carry, _: (jnp.sin(carry), None), x, None, length=steps
            )[0],
            [IMAGE],
        )
        for steps in (1, 5)
    )
    assert many.residual_bytes == 5 * one.residual_bytes == 5 * 4 * N


def test_batch_norm_keeps_one_image():
    """Its argument; the rest is of a channel's size. Autodiff keeps three of its
    own."""
    result = compare_costs(
        *(
            lambda x, w, b, ops=ops: ops.batch_norm(x, w, b, STATE, train=True)[0]
            for ops in (jaxcnn.EXPLICIT, jaxcnn.AUTODIFF)
        ),
        [IMAGE, CHANNEL, CHANNEL],
    )
    assert result.explicit.residual_bytes <= 5 * 12
    assert 4 * N <= result.explicit.argument_bytes_kept <= 4 * N + 2 * 12
    assert result.reference.residual_bytes >= 12 * N


def test_dropout_keeps_a_key_or_a_mask():
    key = jax.random.key(0)
    result = cost(
        lambda x, key: jaxcnn.dropout(x, key, rate=0.5),
        [IMAGE, jax.ShapeDtypeStruct((), key.dtype)],
    )
    kept = result.residual_bytes, result.argument_bytes_kept
    assert kept in ((0, key.dtype.itemsize), (N, 0))


# Arguments.


def test_nothing_is_computed():
    """Data that is given stands for its shape and dtype."""
    given = [np.full(s.shape, np.nan, s.dtype) for s in (X, W)]
    assert cost(plain_conv, given) == cost(plain_conv, [X, W])


def test_labels_keys_and_results_in_a_pytree():
    def loss(logits, labels, key, scale):
        noisy = (logits + jax.random.normal(key, logits.shape, logits.dtype)) * scale
        return {"loss": jaxcnn.softmax_cross_entropy(noisy, labels), "noisy": (noisy,)}

    args = [shape(4, 3), jnp.array([0, 1, 2, 0]), jax.random.key(0), 2.0]
    result = compare_costs(loss, loss, args)
    assert result.explicit == result.reference
    assert result.explicit.output_bytes > 0
    # The value has 4 + 12 entries, logits and scale have 12 + 1; labels and key have no
    # cotangent.
    assert result.explicit.output_bytes < 4 * (4 + 12 + 12 + 1) + 64


def test_bfloat16_and_float64():
    double = cost(
        plain_conv, [shape(1, 4, 4, 2, dtype="bfloat16"), shape(2, 2, 2, 2, dtype="bfloat16")]
    )
    assert double.convolutions == 3
    with jax.enable_x64(True):
        result = compare_costs(jaxcnn.tanh, jnp.tanh, [shape(2, 4, 4, 3, dtype="float64")])
    assert (result.explicit.argument_bytes_kept, result.reference.residual_bytes) == (8 * N, 16 * N)


def test_arrays_on_two_devices():
    mesh = jax.make_mesh((2,), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))
    x = jax.device_put(
        jnp.ones((4, 6)), jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("batch"))
    )
    result = cost(lambda x, w: x @ w, [x, jnp.ones((6, 2))])
    assert "all-reduce" in result.hlo, "dw is a sum over devices"


def test_plain_results():
    result = compare_costs(plain_conv, plain_conv, [X, W])
    assert isinstance(result, Comparison)
    again = json.loads(json.dumps(result.explicit._asdict()))
    assert again == result.explicit._asdict()
    assert "conv_general_dilated" in result.explicit.jaxpr
    assert result.explicit.hlo.startswith("HloModule")


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (
            [shape(3, dtype="int32")],
            {},
            (
                r"args must hold a floating array to differentiate, got dtypes \['int32'\];"
                r" convert one"
            ),
        ),
        ([X, "same"], {}, "argument 1 must be an array, .* got str"),
        (
            [X, W],
            {"differentiate": (0, 2)},
            r"numbers of floating arguments, which are \(0, 1\), got 2",
        ),
        ([X, W], {"differentiate": (1, 1)}, r"none twice, got \(1, 1\)"),
        ([X, W], {"differentiate": ()}, r"at least one number and none twice, got \(\)"),
    ],
)
def test_arguments_that_do_not_fit(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        cost(lambda *a: a[0], arguments, **options)


@pytest.mark.parametrize(
    ("explicit", "reference", "message"),
    [
        (
            lambda x: x,
            lambda x: (x, x),
            r"the same structure, got PyTreeDef\(\*\) and PyTreeDef\(\(\*, \*\)\)",
        ),
        (lambda x: x > 0, lambda x: x, "explicit must return floating arrays, .* got bool"),
        (lambda x: None, lambda x: None, "explicit must return an array .*: is a return missing?"),
    ],
)
def test_results_that_do_not_fit(explicit, reference, message):
    with pytest.raises(ValueError, match=message):
        compare_costs(explicit, reference, [X])


# The text of other backends.

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
