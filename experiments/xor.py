"""A network of two layers learns XOR: the smallest whole example of this library.

    python -m experiments.xor
    python -m experiments.xor --gradients autodiff --seed 1

No line separates {(0, 1), (1, 0)} from {(0, 0), (1, 1)}, so one layer is not enough
(Minsky and Papert 1969). The exit status is 0 if the network has all four right.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the slow imports
    from jaxcnn.programs.interruption import end_at_once

    end_at_once("xor")

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import optax

from jaxcnn import AUTODIFF, EXPLICIT, init_train_state, layers, make_train_step
from jaxcnn.programs.cli import parse, run_program
from jaxcnn.programs.interruption import leave
from jaxcnn.programs.options import require_seed

STEPS = 200
X = jnp.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = jnp.array([[0.0], [1.0], [1.0], [0.0]])


@dataclass(frozen=True)
class Config:
    """Teach XOR to a network of two dense layers, and print its truth table."""

    gradients: Literal["explicit", "autodiff"] = "explicit"
    """Whose derivatives: the rules written in this library, or JAX's."""
    seed: int = 0
    """Seed of the parameters that training starts from."""


def main(config: Config) -> bool:
    """Train and print; whether all four answers are right."""
    ops = {"explicit": EXPLICIT, "autodiff": AUTODIFF}[config.gradients]
    model = layers.serial(layers.dense(8), layers.tanh(), layers.dense(1))
    optimizer = optax.adam(0.1)
    state = init_train_state(model, optimizer, jax.random.key(config.seed), X.shape)
    step = make_train_step(model, optimizer, loss="sigmoid_binary_cross_entropy", ops=ops)
    for number in range(1, STEPS + 1):
        state, metrics = step(state, X, Y)
        if number in (1, 10, 50, STEPS):
            print(f"step {number:3}  loss {metrics['loss']:.4f}")

    logits, _ = model.apply(state.params, state.model_state, X, ops=ops)
    probabilities = ops.sigmoid(logits)
    print("\na b  a xor b  predicted probability of 1")
    for (a, b), y, p in zip(X, Y[:, 0], probabilities[:, 0], strict=True):
        print(f"{a:.0f} {b:.0f}     {y:.0f}     {p:.4f}")
    return bool(jnp.all((probabilities > 0.5) == (Y == 1)))


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status."""

    def body() -> int:
        config = parse(Config, "python -m experiments.xor", arguments)
        require_seed(config.seed)
        return 0 if main(config) else 1

    return run_program("xor", body)


if __name__ == "__main__":
    leave(command_line())
