"""A training step: one jitted function that takes a state and returns the next one.

    logits = model(params, x)
    J      = mean of loss(logits, y) over the batch
    params <- optimizer(params, dJ/dparams)

`jax.value_and_grad` does the chain rule's bookkeeping. The local derivatives are those
of `ops`, which is given once, where the step is made.

On several devices only the placement of the arrays changes. With `replicate(state,
mesh)` and `split_batch(x, mesh)`, on a mesh of Auto axes, the step computes the same as
on one device, also where the devices belong to several processes. A batch normalisation
takes its statistics over the whole batch.
"""

from jaxcnn.training.augmenting import Augment
from jaxcnn.training.calls import EvalStep, TrainStep
from jaxcnn.training.evaluation import make_eval_step
from jaxcnn.training.nonfinite import find_nonfinite
from jaxcnn.training.objective import Loss, LossName, Metrics
from jaxcnn.training.placement import replicate, split_batch
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
    "replicate",
    "scan_steps",
    "split_batch",
]
