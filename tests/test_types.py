"""Types as a type checker sees them in a program that uses the installed package: wrong
calls are found, right ones are not.

The program stands outside the repository, so that the package is found as any other is:
an editable install has to be visible.
"""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

PROGRAM = """
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax  # type: ignore[import-untyped]

import jaxcnn
from jaxcnn import layers, models

key, labels = jax.random.key(0), jnp.zeros(1, int)
x, w = jnp.ones((1, 8, 8, 3)), jnp.ones((3, 3, 3, 4))

# Operations.

y: jax.Array = jaxcnn.conv(x, w, stride=2, padding="same", method=jaxcnn.methods.LAX)
jaxcnn.conv(x, w, stride=(1, 2), padding=((1, 0), (0, 1)), layout="channels_last")
jaxcnn.conv(x, w, stride=[1, 2], padding=[1, 2])
jaxcnn.conv(x, w, padding="SAME")
jaxcnn.conv(x, w, pading=1)  # wrong
jaxcnn.conv(x, w, padding="sane")  # wrong
jaxcnn.conv(x, w, layout="NHWC")  # wrong
jaxcnn.conv(x, w, stride="2")  # wrong
jaxcnn.conv(x, w, stride={1, 2})  # wrong
jaxcnn.conv(x, w, method="im2col")  # wrong
jaxcnn.conv(x)  # wrong
jaxcnn.conv_kernel_grad(x, y, w.shape, stride=2, padding="same")
jaxcnn.conv_kernel_grad(x, y, (3, 3, 3, "4"))  # wrong
jaxcnn.conv_input_grad(y, w, x.shape, stride=(2, 2), layout="channels_last")
jaxcnn.conv_input_grad(y, w, x.shape, strides=2)  # wrong
jaxcnn.conv_input_grad(y, w, x.shape, layout="NHWC")  # wrong
jaxcnn.explain_conv((1, 8, 8, 3), (3, 3, 3, 4), padding="valid")
jaxcnn.explain_conv(x, (3, 3, 3, 4))  # wrong
jaxcnn.explain_conv((1, 8, 8, 3), (3, 3, 3, 4), pading="valid")  # wrong
jaxcnn.max_pool(x, 2, padding="valid", ceil_mode=True)
jaxcnn.max_pool(x, "2")  # wrong
jaxcnn.max_pool(x, 2, padding="sane")  # wrong
jaxcnn.max_pool(x, 2, ceil_mode="no")  # wrong
jaxcnn.avg_pool(x, 2, layout="NCHW")  # wrong
jaxcnn.global_avg_pool(x, layout="channels_first")
jaxcnn.global_avg_pool(x, layout="channels")  # wrong
statistics = jaxcnn.BatchNormState(jnp.zeros(3), jnp.ones(3))
y, statistics = jaxcnn.batch_norm(x, None, None, statistics, train=True)
jaxcnn.batch_norm(x, None, None, statistics, train="False")  # wrong
jaxcnn.batch_norm(x, None, None, None, train=False)  # wrong
jaxcnn.dropout(x, key, rate=0.5)
jaxcnn.dropout(x, key, rate="0.5")  # wrong
jaxcnn.make_window((3,), (8,), padding="same").output_size((8,))
jaxcnn.make_window((3,), (8,), padding="half")  # wrong
jaxcnn.EXPLICIT.conv(x, w, padding=1, groups=1)
jaxcnn.AUTODIFF.conv(x, w, padding="same", method=jaxcnn.methods.LAX)
jaxcnn.EXPLICIT.conv(x, w, pading=1)  # wrong
jaxcnn.EXPLICIT.conv(x, w, padding="sane")  # wrong
jaxcnn.AUTODIFF.convolve(x, w, stride="2")  # wrong
jaxcnn.EXPLICIT.max_pool(x, 2, ceil_mode="no")  # wrong
jaxcnn.EXPLICIT.dropout(x, key)  # wrong
jaxcnn.EXPLICIT.convolution(x, w)  # wrong
jaxcnn.conv(x, w, autodiff=True)  # wrong


def own_conv(x: Any, w: Any, b: Any = None, *, method: Any = None, **options: Any) -> jax.Array:
    return jaxcnn.conv(x, w, b, **options)


own = jaxcnn.EXPLICIT._replace(conv=own_conv)
jaxcnn.EXPLICIT._replace(conv=3)  # wrong

# Layers.

model = layers.serial(layers.conv(8, 3), layers.relu(), layers.flatten(), layers.dense(10))
layers.residual(
    layers.conv(8, 3, padding=1, kernel_init=layers.LECUN_NORMAL),
    layers.using(jaxcnn.AUTODIFF, layers.conv(8, 1)),
)
layers.conv(8, 1, ops=jaxcnn.AUTODIFF)  # wrong
layers.using(layers.relu(), jaxcnn.AUTODIFF)  # wrong
layers.pinned(model)[0].split("/")
layers.conv("8", 3)  # wrong
layers.conv(8, 3, padding="sane")  # wrong
layers.dense(10, bias="no")  # wrong
layers.layer_norm(axes=[1, 2])
layers.layer_norm(axes=1.0)  # wrong
layers.activation(3)  # wrong
layers.serial([layers.relu()])  # wrong
layers.serial(jax.nn.relu)  # wrong
params, state = model.init(key, x.shape)
params, state = model.init(key, [1, 8, 8, 3])
model.init(0, x.shape)  # wrong
model.init(key, (1, 8.0))  # wrong
model.init(key, 8)  # wrong
y, state = model.apply(params, state, x, train=True, key=key)
y, state = model.apply(params, state, x, ops=jaxcnn.AUTODIFF)
y, state = model.apply(params, state, x, ops=own)
model.apply(params, state, x, ops="autodiff")  # wrong
model.apply(params, state, x, train="False")  # wrong
model.apply(params, x, state)  # wrong
model.apply(params, state)  # wrong
model.apply(params, state, x)[0].nonsense  # wrong
layers.outputs(model, params, state, x)["0_conv"].shape
layers.outputs(model, params, state, x, ops=own)
layers.outputs(params, state, x)  # wrong
models.lenet(10, features=(6, 16), hidden=[120, 84])
models.lenet("10")  # wrong
models.lenet(features=6)  # wrong
models.vgg(features=64)  # wrong
models.resnet(ops="explicit")  # wrong
jaxcnn.receptive_field(model, (8, 8)).interval((0, 0))
jaxcnn.receptive_field(model, "8")  # wrong
jaxcnn.save("run", params, state, model="lenet", classes=["a"], image_size=(8, 8), fit="pad")
jaxcnn.save("run", params, state, model=None, classes=["a"], image_size=8, arguments={"n": 3})
jaxcnn.save("run", params, state, model="lenet", classes=["a"], image_size=8, fit="x")  # wrong
jaxcnn.save("run", params, state, model="lenet", classes=["a"], image_size="8")  # wrong
jaxcnn.save("run", params, state, classes=["a"], image_size=8)  # wrong
stored: jaxcnn.StoredModel = jaxcnn.load("run", model=models.lenet)
stored.predict(jnp.zeros((1, 8, 8, 1), jnp.uint8)).argmax(axis=-1)
stored.logits(stored.params, stored.state, x).shape
stored.predict([[1]])  # wrong
jaxcnn.load("run", model="lenet")  # wrong


def init(key: jax.Array, input_shape: Sequence[int]) -> tuple[dict[str, Any], dict[str, Any]]:
    return {"scale": jnp.ones(input_shape[-1])}, {}


def apply(
    params: dict[str, Any],
    state: dict[str, Any],
    x: jax.Array,
    *,
    train: bool = False,
    key: jax.Array | None = None,
) -> tuple[jax.Array, dict[str, Any]]:
    return params["scale"] * x, state


layers.serial(
    layers.Layer("scale", init, apply),  # it takes no ops
    layers.activation(jnp.sin),
    layers.activation(jax.nn.relu, "relu"),
)
layers.Layer("scale", apply, init)  # wrong

# Training.

optimizer = optax.sgd(0.1)
step = jaxcnn.make_train_step(model, optimizer)
train_state = jaxcnn.init_train_state(model, optimizer, key, x.shape)
train_state, metrics = step(train_state, x, labels)
float(metrics["loss"])
step(train_state, "nonsense")  # wrong
step(train_state, x, "nonsense")  # wrong
step(params, x, labels)  # wrong
jaxcnn.make_train_step("lenet", optimizer)  # wrong
jaxcnn.make_train_step(model, optimizer, loss="mean_squared_error", ops=jaxcnn.AUTODIFF)
jaxcnn.make_train_step(model, optimizer, loss=jaxcnn.sigmoid_binary_cross_entropy)
jaxcnn.make_train_step(model, optimizer, loss="mse")  # wrong
jaxcnn.make_train_step(model, optimizer, ops="explicit")  # wrong
jaxcnn.make_eval_step(model, loss="mse")  # wrong
jaxcnn.find_nonfinite(model, train_state, x, labels, loss="mean_squared_error", ops=own)
jaxcnn.find_nonfinite(model, train_state, x, labels, loss="relu")  # wrong
train_state, metrics = jaxcnn.scan_steps(step)(train_state, x[None], labels[None])
metrics = jaxcnn.make_eval_step(model)(train_state, x, labels)
jaxcnn.make_eval_step(model)(train_state, x)  # wrong
"""


@pytest.mark.slow
def test_mypy_finds_the_wrong_calls_and_no_others(tmp_path, pytestconfig):
    """By their lines, as many as are marked."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    cache = pytestconfig.cache.mkdir("mypy")  # JAX's types take long to read
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        f"--cache-dir={cache}",
        "--no-error-summary",
        program.name,
    ]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    found = {
        int(line) for line in re.findall(r"^program.py:(\d+): error:", result.stdout, re.MULTILINE)
    }
    marked = {
        number for number, line in enumerate(PROGRAM.splitlines(), 1) if line.endswith("# wrong")
    }
    assert found == marked, result.stdout + result.stderr
    assert len(marked) > 55
