"""A training step: one jitted function that takes a state and returns the next one.

    logits = model(params, x)
    J      = mean of loss(logits, y) over the batch
    params <- optimizer(params, dJ/dparams)

`jax.value_and_grad` does the chain rule's bookkeeping. The local derivatives are those
of `ops`, which is given once, where the step is made.

On several devices only the placement of the arrays changes. Replicate the state and
split the batch (`jax.device_put` with a `NamedSharding` on a mesh of Auto axes), and
the step computes the same as on one device. A batch normalisation then takes its
statistics over the whole batch.
"""

from jaxcnn.training.augmenting import Augment
from jaxcnn.training.calls import EvalStep, TrainStep
from jaxcnn.training.evaluation import make_eval_step
from jaxcnn.training.nonfinite import find_nonfinite
from jaxcnn.training.objective import Loss, LossName, Metrics
from jaxcnn.training.scan import scan_steps
from jaxcnn.training.state import TrainState, init_train_state
from jaxcnn.training.steps import make_train_step
from jaxcnn.training.trainable import Trainable

__all__ = [
    "Augment",
    "EvalStep",
    "Loss",
    "LossName",
    "Metrics",
    "TrainState",
    "TrainStep",
    "Trainable",
    "find_nonfinite",
    "init_train_state",
    "make_eval_step",
    "make_train_step",
    "scan_steps",
]
