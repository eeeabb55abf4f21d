"""Keywords that an operation does not have: a TypeError that names them, and the likely
slip where there is one."""

from __future__ import annotations

import jax.numpy as jnp
import pytest

import jaxcnn

X, W, Y = jnp.ones((2, 6, 6, 4)), jnp.ones((3, 3, 4, 5)), jnp.ones((2, 4, 4, 5))


@pytest.mark.parametrize("ops", [jaxcnn.EXPLICIT, jaxcnn.AUTODIFF], ids=["explicit", "autodiff"])
@pytest.mark.parametrize("name", jaxcnn.Ops._fields)
def test_who_differentiates_is_not_said_to_an_operation(name, ops):
    """It is chosen with the operation."""
    with pytest.raises(TypeError, match="argument 'autodiff'"):
        getattr(ops, name)(*((X, W) if name == "convolve" else (X,)), autodiff=True)


BY_OPTIONS = {  # functions that hand their options on
    "convolve": lambda **options: jaxcnn.convolve(X, W, **options),
    "AUTODIFF.convolve": lambda **options: jaxcnn.AUTODIFF.convolve(X, W, **options),
    "conv_input_grad": lambda **options: jaxcnn.conv_input_grad(Y, W, X.shape, **options),
    "conv_kernel_grad": lambda **options: jaxcnn.conv_kernel_grad(X, Y, W.shape, **options),
    "explain_conv": lambda **options: jaxcnn.explain_conv(X.shape, W.shape, **options),
}


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ("pading", "did you mean 'padding'"),
        ("strides", "did you mean 'stride'"),
        ("dilations", "did you mean 'dilation'"),
        ("group", "did you mean 'groups'"),
        ("nonsense", "unexpected keyword argument"),
    ],
)
@pytest.mark.parametrize("name", BY_OPTIONS)
def test_an_option_of_a_convolution_that_is_none(name, option, hint):
    with pytest.raises(TypeError) as raised:
        BY_OPTIONS[name](**{option: 1})
    text = str(raised.value)
    assert text.startswith(f"{name.split('.')[-1]}() got an unexpected"), text
    assert f"{option!r}" in text and hint in text, text
