"""Costs, as the compiled program tells: what stands in it, flops, bytes."""

import json

import jax
import jax.numpy as jnp
import pytest

import jaxcnn
from jaxcnn.check.costs import Comparison, _flops, compare_costs, cost
from tests.check._costs import (
    DEPTHWISE,
    N,
    W,
    X,
    canonical_conv,
    in_scan,
    plain_conv,
    plain_max_pool,
    shape,
)


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
        result = compare_costs(jaxcnn.tanh, jnp.exp, [shape(2, 4, 4, 3, dtype="float64")])
    assert (result.explicit.argument_bytes_kept, result.reference.residual_bytes) == (8 * N, 8 * N)


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
