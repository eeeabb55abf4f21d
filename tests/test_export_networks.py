"""Networks exported with a symbolic batch, and loaded without this package."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn
from jaxcnn import layers
from jaxcnn.check import draw
from tests._export import COUNTS, check, exported

FAMILIES = {
    "lenet": jaxcnn.models.lenet(features=(2, 3), hidden=(8, 4), dropout_rate=0.0),
    "vgg": jaxcnn.models.vgg(features=((2, 2), (3,)), hidden=(8,), dropout_rate=0.0),
    "resnet": jaxcnn.models.resnet(features=(2, 4), blocks=1),
    "mobilenet": jaxcnn.models.mobilenet(stem=(4, 1), blocks=((6, 2),)),
}


@pytest.mark.slow
@pytest.mark.parametrize("rules", ["EXPLICIT", "AUTODIFF"])
@pytest.mark.parametrize("family", FAMILIES)
def test_networks(family, rules):
    """Loss and gradients of a training pass, by both kinds of derivatives."""
    ops = getattr(jaxcnn, rules)
    model = FAMILIES[family]
    params, state = model.init(jax.random.key(0), (1, 8, 8, 1))

    def loss(params, x):
        logits, _ = model.apply(params, state, x, train=True, ops=ops)
        return jnp.mean(ops.softmax_cross_entropy(logits, jnp.zeros(x.shape[0], jnp.int32)))

    flat, treedef = jax.tree.flatten(params)
    function = jax.value_and_grad(
        lambda x, *flat: loss(jax.tree.unflatten(treedef, flat), x),
        argnums=tuple(range(1, len(flat) + 1)),
    )
    check(function, ("b", 8, 8, 1), *(leaf.shape for leaf in flat))


def test_flax_through_lax_signature():
    """What Flax calls: a symbolic batch through `conv_general_dilated`."""

    def function(x, w):
        return jaxcnn.conv_general_dilated(
            x, w, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    check(function, ("b", "h", 8, 3), (3, 3, 3, 4))


LOADER = """
import sys

import jax
import numpy as np
from jax import export

folder = sys.argv[1]
for name in ("predict", "gradients"):
    program = export.deserialize(bytearray(open(f"{folder}/{name}", "rb").read()))
    for n in (1, 3, 8):
        got = jax.tree.leaves(program.call(np.load(f"{folder}/x{n}.npy")))
        for k, a in enumerate(got):
            expected = np.load(f"{folder}/{name}{n}-{k}.npy")
            np.testing.assert_allclose(a, expected, rtol=1e-4, atol=1e-5)
assert "jaxcnn" not in sys.modules
print("loaded")
"""


@pytest.mark.slow
def test_serialised_and_loaded_without_this_package(tmp_path):
    """In a process of its own, at 1, 3 and 8 images: a network's prediction, and the
    gradients of every kind of layer."""
    pytest.importorskip("flatbuffers", reason="what jax.export serialises with")
    model = layers.serial(
        layers.conv(4, 3),
        layers.batch_norm(),
        layers.relu(),
        layers.max_pool(2),
        layers.conv(4, 3, groups=4),
        layers.layer_norm(),
        layers.avg_pool(2),
        layers.conv(6, 1),
        layers.silu(),
        layers.global_avg_pool(),
        layers.dense(3),
    )
    params, state = model.init(jax.random.key(0), (1, 8, 8, 2))

    def predict(x):
        return jax.nn.softmax(model.apply(params, state, x)[0])

    def gradients_of_loss(x):
        def loss(params, x):
            return jnp.mean(
                jaxcnn.softmax_cross_entropy(
                    model.apply(params, state, x, train=True)[0], jnp.zeros(x.shape[0], jnp.int32)
                )
            )

        return jax.grad(loss, argnums=(0, 1))(params, x)

    rng = np.random.default_rng(0)
    for name, function in (("predict", predict), ("gradients", gradients_of_loss)):
        program, _ = exported(function, ("b", 8, 8, 2))
        (tmp_path / name).write_bytes(program.serialize())
        for n in COUNTS:
            x = draw.distinct(rng, (n, 8, 8, 2)).astype(np.float32)
            path = tmp_path / f"x{n}.npy"
            if name == "predict":
                np.save(path, x)
            for k, leaf in enumerate(jax.tree.leaves(function(np.load(path)))):
                np.save(tmp_path / f"{name}{n}-{k}.npy", leaf)
    loaded = subprocess.run(
        [sys.executable, "-c", LOADER, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert loaded.stdout.strip() == "loaded", loaded.stderr[-2000:]
