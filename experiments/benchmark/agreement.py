"""Checks that the columns of training steps compute the same, before they are timed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmark.columns import PYTORCH
from experiments.benchmark.networks import CLASSES, NETWORKS, make_batch
from experiments.benchmark.training_steps import Dispatch
from jaxcnn.programs.plain import PLAIN

LOSS_TOLERANCE = 1e-3  # relative


class DisagreementError(ArithmeticError):
    """Columns that should compute the same do not."""


def torch_networks() -> ModuleType | None:
    """`torch_networks.py`, which loads PyTorch; None where PyTorch is not installed, or
    JAX is not on the CPU."""
    if find_spec("torch") is None or jax.default_backend() != "cpu":
        return None
    return import_module("experiments.benchmark.torch_networks")


def loss_after(updates: int, dispatch: Dispatch) -> float:
    losses: list[float] = []
    while len(losses) <= updates:
        losses += np.ravel(np.asarray(dispatch())).tolist()
    return losses[updates]


def check_losses(
    losses: Mapping[str, float], where: str, tolerance: float = LOSS_TOLERANCE
) -> None:
    """Raises DisagreementError where a loss is not that of the first column."""
    first, expected = next(iter(losses.items()))
    for column, loss in losses.items():
        if not math.isclose(loss, expected, rel_tol=tolerance):
            raise DisagreementError(
                f"{where}: the loss of {column} is {loss:.6g}, that of {first} is {expected:.6g}"
            )


def first_losses(network: str, torch: ModuleType) -> dict[str, float]:
    """The losses of plain JAX and PyTorch for the same parameters and images. Dropout
    is left out, because its masks differ."""
    options = NETWORKS[network].without_dropout
    x, y = make_batch(network, "one by one")
    model = NETWORKS[network].model(CLASSES, **options)
    params, model_state = model.init(jax.random.key(0), x.shape)

    @jax.jit
    def loss(params, x, y):
        logits, _ = model.apply(params, model_state, x, train=True, ops=PLAIN)
        return jnp.mean(PLAIN.softmax_cross_entropy(logits, y))

    return {
        "plain": float(loss(params, x, y)),
        PYTORCH: torch.first_loss(network, x, y, CLASSES, jax.device_get(params), **options),
    }
