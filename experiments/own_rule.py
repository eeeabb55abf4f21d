"""A deliberately different backward pass in ten lines: each convolution passes back
only the sign of its cotangent. It is certified as biased, then trained with.

    python -m experiments.own_rule

It stands for any rule that differs on purpose: quantised, clipped, guided. Training
takes it through `ops`, the argument that also switches between explicit gradients and
autodiff.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the slow imports
    from jaxcnn.programs.interruption import end_at_once

    end_at_once("own_rule")

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxcnn import (
    AUTODIFF,
    EXPLICIT,
    Ops,
    check,
    conv,
    init_train_state,
    make_eval_step,
    make_train_step,
    models,
)
from jaxcnn.programs.cli import parse, run_program
from jaxcnn.programs.data.dataset import digits, scaled
from jaxcnn.programs.data.order import shuffled_batches
from jaxcnn.programs.interruption import leave
from jaxcnn.programs.messages import plural
from jaxcnn.programs.options import MOST_EPOCHS, require_count, require_seed

BATCH = 32

# The rule. The forward pass is unchanged. The backward pass replaces each entry of dy
# by its sign times the mean size of all entries.


@jax.custom_vjp
def with_sign_of_cotangent(y):
    return y


def _bwd(_, dy):
    return (jnp.sign(dy) * jnp.mean(jnp.abs(dy)),)


with_sign_of_cotangent.defvjp(lambda y: (y, None), _bwd)


def sign_conv(x, w, b=None, **options):
    return with_sign_of_cotangent(conv(x, w, b, **options))


SIGN = EXPLICIT._replace(conv=sign_conv)


@dataclass(frozen=True)
class Config:
    """Certify a rule that keeps only the sign of the cotangent, and train LeNet on
    digits with it and without."""

    epochs: int = 10
    """How often to go through the training images."""
    seed: int = 0
    """Seed of the parameters, of dropout and of the order of the images."""


def certificate(label: Literal["exact", "biased"] = "biased") -> check.Certificate:
    """What is to be said of the rule under this label."""
    shapes = [
        jax.ShapeDtypeStruct(shape, "float32") for shape in ((2, 5, 5, 3), (3, 3, 3, 4), (4,))
    ]
    return check.certify(
        sign_conv, AUTODIFF.conv, shapes, label=label, integers=True, names=("x", "w", "b")
    )


def train(ops: Ops, config: Config) -> float:
    """LeNet on digits; its accuracy on the test images."""
    data = digits()
    x, x_test = scaled(data.train.images[:]), scaled(data.test.images[:])
    y, y_test = data.train.labels, data.test.labels
    model, optimizer = models.lenet(), optax.adam(2e-3)
    state = init_train_state(model, optimizer, jax.random.key(config.seed), x[:1].shape)
    step = make_train_step(model, optimizer, ops=ops)
    random = np.random.default_rng(config.seed)
    for _ in range(config.epochs):
        for batch in shuffled_batches(random, len(x), BATCH):
            state, _ = step(state, x[batch], y[batch])
    return float(make_eval_step(model, ops=ops)(state, x_test, y_test)["accuracy"])


def main(config: Config) -> bool:
    """Print the certificate and both accuracies; whether the rule is certified as
    biased."""
    result = certificate()
    print(result)
    print(f"\nas a biased rule: {'certified' if result.passed else 'refused'}")
    print(f"as an exact one: {'certified' if certificate('exact').passed else 'refused'}\n")
    for name, ops in (("the gradient", EXPLICIT), ("its sign in every convolution", SIGN)):
        print(
            f"test accuracy after {plural(config.epochs, 'epoch')} with {name}:"
            f" {train(ops, config):.2%}",
            flush=True,
        )
    return result.passed


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status, 1 if the rule
    is not certified as biased."""

    def body() -> int:
        config = parse(Config, "python -m experiments.own_rule", arguments)
        require_count("epochs", config.epochs, most=MOST_EPOCHS)
        require_seed(config.seed)
        return 0 if main(config) else 1

    return run_program("own_rule", body)


if __name__ == "__main__":
    leave(command_line())
