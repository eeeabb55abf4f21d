"""Wrong arguments of batch and layer normalisation, and unusual ones."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.ops._norm_arguments import check_axes
from jaxcnn.ops.batch_normalization import BatchNormState, batch_norm
from jaxcnn.ops.layer_normalization import layer_norm
from tests.ops._norms import inferred

three = jnp.ones(3)
state_of_3 = BatchNormState(three, three)


def bn(x, scale=None, bias=None, state=state_of_3, train=True, **options):
    return batch_norm(x, scale, bias, state, train=train, **options)


ERRORS = {
    "rank": (
        lambda: bn(jnp.ones(3)),
        r"x must have a batch, a channel and 0 to 3 spatial axes, got shape \(3,\)",
    ),
    "integers": (lambda: bn(np.ones((4, 3), np.int32)), "x must have a floating dtype, got int32"),
    "layout": (
        lambda: bn(jnp.ones((4, 3)), layout="NCHW"),
        "layout must be 'channels_last' or 'channels_first', got 'NCHW'",
    ),
    "scale_shape": (
        lambda: bn(jnp.ones((4, 3)), jnp.ones(2)),
        r"scale must have the shape .* \(3,\) for x of \(4, 3\), got",
    ),
    "bias_shape": (
        lambda: bn(jnp.ones((4, 3)), None, jnp.ones((1, 3))),
        r"bias must .*bias.reshape\(\(3,\)\) has it",
    ),
    "mean_shape": (lambda: bn(jnp.ones((4, 2))), r"state.mean must have the shape .* \(2,\)"),
    "other_layout": (
        lambda: bn(jnp.ones((2, 3, 5, 5))),
        r"state.mean .* pass layout='channels_first'\?",
    ),
    "state_missing": (
        lambda: bn(jnp.ones((4, 3)), state=(None, None)),
        "state must have a mean and a var",
    ),
    "integer_scale": (
        lambda: bn(jnp.ones((4, 3)), jnp.ones(3, jnp.int32)),
        "scale must have a floating dtype",
    ),
    "momentum": (
        lambda: bn(jnp.ones((4, 3)), momentum=1.5),
        r"momentum .* must be in \[0, 1\], got 1.5",
    ),
    "epsilon": (lambda: bn(jnp.ones((4, 3)), epsilon=-1e-5), "epsilon must not be negative"),
    "one_value": (
        lambda: bn(jnp.ones((1, 3))),
        r"two values per channel when train=True, got one value, shape \(1, 3\)",
    ),
    "one_pixel": (lambda: bn(jnp.ones((1, 1, 1, 3))), "got one value"),
    "no_batch": (lambda: bn(jnp.ones((0, 5, 3))), "got no values"),
    "no_axis": (
        lambda: layer_norm(jnp.float32(1), None, None),
        "axes must be one or more axes of x, which has 0, got -1",
    ),
    "train_word": (
        lambda: bn(jnp.ones((4, 3)), train="False"),
        "train must be True or False, got 'False'",
    ),
    "train_number": (lambda: bn(jnp.ones((4, 3)), train=1), "train must be True or False, got 1"),
    "train_array": (
        lambda: bn(jnp.ones((4, 3)), train=jnp.array(True)),
        "train must be True or False, got an array of bool",
    ),
    "train_traced": (
        lambda: jax.jit(lambda train: bn(jnp.ones((4, 3)), train=train))(True),
        "train must be True or False, got an",
    ),
    "no_state": (
        lambda: bn(jnp.ones((4, 3)), state=None),
        r"state must be a BatchNormState, a mean and a var, got None",
    ),
    "state_dict": (
        lambda: bn(jnp.ones((4, 3)), state={"mean": three, "var": three}),
        "state must be a BatchNormState",
    ),
    "state_array": (
        lambda: bn(jnp.ones((4, 3)), state=jnp.ones((2, 3))),
        r"got an array of float32, shape \(2, 3\)",
    ),
    "state_of_3": (
        lambda: bn(jnp.ones((4, 3)), state=(three,) * 3),
        "state must be a BatchNormState",
    ),
    "state_words": (
        lambda: bn(jnp.ones((4, 3)), state=("mean", "var")),
        "state.mean must be an array, got str",
    ),
    "state_integers": (
        lambda: bn(jnp.ones((4, 3)), state=([1] * 3, three)),
        "state.mean must have a floating dtype",
    ),
    "negative_variance": (
        lambda: bn(jnp.ones((4, 3)), state=(three, -three), train=False),
        "state.var must not be negative, got -1",
    ),
    "negative_variance_in_training": (
        lambda: bn(jnp.ones((4, 3)), state=(three, [1.0, 2.0, -0.5])),
        "negative, got -0.5",
    ),
    "momentum_word": (
        lambda: bn(jnp.ones((4, 3)), momentum="0.9"),
        r"momentum must be the weight .* number in \[0, 1\], got '0.9'",
    ),
    "momentum_none": (
        lambda: bn(jnp.ones((4, 3)), momentum=None),
        "momentum must be the weight .*, got None",
    ),
    "momentum_flag": (
        lambda: bn(jnp.ones((4, 3)), momentum=True),
        "momentum must be the weight .*, got True",
    ),
    "momentum_nan": (
        lambda: bn(jnp.ones((4, 3)), momentum=np.nan),
        "momentum must be the weight .*, got nan",
    ),
    "momentum_traced": (
        lambda: jax.jit(lambda m: bn(jnp.ones((4, 3)), momentum=m))(0.9),
        "momentum must be the weight .*, got an",
    ),
    "epsilon_word": (
        lambda: layer_norm(jnp.ones(3), None, None, epsilon="1e-5"),
        "epsilon must be a number .*, got '1e-5'",
    ),
    "epsilon_array": (
        lambda: layer_norm(jnp.ones(3), None, None, epsilon=jnp.ones(3)),
        "epsilon must be a number .*, got an array",
    ),
    "epsilon_nan": (
        lambda: layer_norm(jnp.ones(3), None, None, epsilon=np.nan),
        "epsilon must be a number .*, got nan",
    ),
    "epsilon_infinite": (
        lambda: bn(jnp.ones((4, 3)), epsilon=np.inf),
        "epsilon must not be negative, nor infinite, got inf",
    ),
    "complex": (
        lambda: layer_norm(jnp.ones(3, complex), None, None),
        "x must have a floating dtype, got complex64",
    ),
    "no_x": (lambda: layer_norm(None, None, None), "x must be an array, got None"),
    "ragged": (lambda: layer_norm([[1.0], [1.0, 2.0]], None, None), "x must be an array, got list"),
    "object": (lambda: layer_norm(object(), None, None), "x must be an array, got object"),
    "scale_word": (
        lambda: layer_norm(jnp.ones(3), "ones", None),
        "scale must be an array, got str",
    ),
    "bias_of_complex": (
        lambda: layer_norm(jnp.ones(3), None, jnp.ones(3, complex)),
        "bias must have a floating dtype",
    ),
    "axes_float": (
        lambda: layer_norm(jnp.ones((4, 3)), None, None, axes=1.0),
        r"axes must be an int, got 1.0 \(float\)",
    ),
    "axes_of_floats": (
        lambda: layer_norm(jnp.ones((4, 3)), None, None, axes=(0, 1.0)),
        r"axes must be an int or ints, got \(0, 1.0\)",
    ),
    "axes_flag": (
        lambda: layer_norm(jnp.ones((4, 3)), None, None, axes=True),
        "axes must be an int, got True",
    ),
    "axes_none": (
        lambda: layer_norm(jnp.ones((4, 3)), None, None, axes=None),
        "axes must be an int, got None",
    ),
    "axes_set": (
        lambda: layer_norm(jnp.ones((4, 3)), None, None, axes={0, 1}),
        "axes must be an int, got {0, 1}",
    ),
    "axes_word": (
        lambda: layer_norm(jnp.ones((4, 3)), None, None, axes="01"),
        "axes must be an int, got '01'",
    ),
    "axes_huge": (
        lambda: layer_norm(jnp.ones((4, 3)), None, None, axes=2**70),
        "axes must be below",
    ),
    "axes_outside": (
        lambda: layer_norm(jnp.ones((4, 3)), None, None, axes=2),
        "axes must .* which has 2, got 2",
    ),
    "axes_empty": (
        lambda: layer_norm(jnp.ones((4, 3)), None, None, axes=()),
        "axes must be one or more",
    ),
    "axes_twice": (
        lambda: layer_norm(jnp.ones((4, 3)), None, None, axes=(1, -1)),
        "axes must be distinct and in increasing",
    ),
    "axes_order": (
        lambda: layer_norm(jnp.ones((4, 3, 3)), None, None, axes=(2, 1)),
        "axes must be distinct and in increasing",
    ),
    "layer_scale": (
        lambda: layer_norm(jnp.ones((4, 3)), jnp.ones(4), None),
        r"scale must .* axes \(1,\), \(3,\) for x of",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case):
    call, message = ERRORS[case]
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    "axes", [[1, 2], np.array([1, 2]), (np.int64(1), jnp.array(2)), range(1, 3), (-2, -1)], ids=repr
)
def test_axes_of_any_kind_of_ints(axes):
    x = jnp.ones((2, 3, 4))
    assert check_axes(axes, x) == (1, 2)
    assert (
        jax.eval_shape(partial(layer_norm, axes=axes), x, jnp.ones((3, 4)), None).shape == x.shape
    )


def test_a_variance_that_is_traced_is_not_looked_at():
    y = jax.jit(lambda var: inferred(jnp.ones((4, 3)), three, var))(-three)
    assert np.isnan(y).all()
