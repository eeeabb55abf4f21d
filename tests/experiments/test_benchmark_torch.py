"""PyTorch's networks are ours: they have the same parameters, logits and gradients, and
train alike."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn
from experiments.benchmark import networks, training_steps
from experiments.benchmark.networks import MODES, NETWORKS
from jaxcnn.programs.devices import make_mesh
from jaxcnn.programs.plain import PLAIN


def torch_and_ours(name, side=8):
    """PyTorch's network with our parameters, ours, a batch of four, and no dropout."""
    torch_networks = pytest.importorskip(
        "experiments.benchmark.torch_networks", exc_type=ImportError
    )
    network = NETWORKS[name]
    image = (side, side, network.image[-1])
    model = network.model(10, **network.without_dropout)
    params, state = jax.jit(lambda key: model.init(key, (4, *image)))(jax.random.key(0))
    theirs = torch_networks.NETWORKS[name](image, 10, **network.without_dropout)
    rng = np.random.default_rng(0)
    moved = jax.tree.map(
        lambda p: p + 0.1 * rng.standard_normal(p.shape, np.float32), params
    )  # biases and scales tell more
    torch_networks.load(theirs, moved)
    batch = rng.standard_normal((4, *image), np.float32), np.arange(4, dtype=np.int32)
    return torch_networks, theirs, model, moved, state, batch


@pytest.mark.parametrize("name", NETWORKS)
def test_parameter_counts(name):
    torch_networks = pytest.importorskip(
        "experiments.benchmark.torch_networks", exc_type=ImportError
    )
    network = NETWORKS[name]
    theirs = torch_networks.NETWORKS[name](network.image, 10)
    params, _ = jax.eval_shape(
        lambda key: network.model(10).init(key, (1, *network.image)), jax.random.key(0)
    )
    assert sum(p.numel() for p in theirs.parameters()) == sum(
        p.size for p in jax.tree.leaves(params)
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "side"), [("lenet", 8), ("resnet20", 8), ("mobilenet", 8), ("mobilenet", 9)]
)
def test_pytorch_has_our_logits_and_gradients(name, side):
    torch_networks, theirs, model, params, state, (x, labels) = torch_and_ours(name, side)

    @jax.jit
    @jax.grad
    def grad(params):
        return jnp.mean(
            PLAIN.softmax_cross_entropy(
                model.apply(params, state, x, train=True, ops=PLAIN)[0], jnp.array(labels)
            )
        )

    images, targets = torch_networks.batch_of(x, labels)
    logits = theirs(images)
    ours = jax.jit(lambda params: model.apply(params, state, x, train=True, ops=PLAIN)[0])(params)
    np.testing.assert_allclose(
        logits.detach().numpy(), ours, rtol=1e-3, atol=1e-3 * np.abs(ours).max()
    )
    torch_networks.F.cross_entropy(logits, targets).backward()
    for parameter, expected in torch_networks.pairs(theirs, grad(params)):
        atol = 2e-3 * max(np.abs(expected).max(), 1e-3)
        np.testing.assert_allclose(parameter.grad.numpy(), expected, rtol=2e-3, atol=atol)


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_pytorch_trains_as_we_do(monkeypatch, mode):
    """The losses of three dispatches, from our parameters: the optimiser and the modes
    are the same, too."""
    torch_networks = pytest.importorskip(
        "experiments.benchmark.torch_networks", exc_type=ImportError
    )
    quiet = NETWORKS["lenet"]._replace(
        batch=8,
        image=(8, 8, 1),
        model=lambda classes, **o: jaxcnn.models.lenet(dropout_rate=0, **o),
    )
    monkeypatch.setitem(NETWORKS, "lenet", quiet)
    monkeypatch.setitem(
        torch_networks.NETWORKS,
        "lenet",
        lambda image, classes: torch_networks.lenet(image, classes, 0.0),
    )
    mesh = make_mesh(1, 8, 64)
    state = training_steps.place_state(mesh, training_steps.make_state("lenet", mode))
    params = jax.device_get(state.params)
    step = training_steps.make_step("lenet", "plain", mode)
    ours = training_steps.make_dispatch(step, state, networks.place_batch(mesh, "lenet", mode))
    theirs = torch_networks.training("lenet", mode, *networks.make_batch("lenet", mode), 10, params)
    for _ in range(3):
        assert theirs() == pytest.approx(float(np.ravel(ours())[-1]), rel=1e-4)
