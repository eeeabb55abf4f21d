"""A training step: state goes in and comes out, and one jitted function does all
between.

    logits = model(params, x)
    J      = mean of loss(logits, y) over the batch
    params <- optimizer(params, dJ/dparams)

`jax.value_and_grad` does the chain rule's bookkeeping; the local derivatives are those
of `ops`, which is said once, where the step is made.

On several devices nothing changes but where the arrays lie: give the step a state that
every device holds whole and a batch that is split over them (`jax.device_put` with a
`NamedSharding` on a mesh of Auto axes), and it computes what one device would, the
statistics of a batch normalisation over the whole batch included.
"""

from jaxcnn.training.calls import EvalStep, TrainStep
from jaxcnn.training.evaluation import make_eval_step
from jaxcnn.training.nonfinite import find_nonfinite
from jaxcnn.training.objective import Augment, Loss, LossName, Metrics
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
