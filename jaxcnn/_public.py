"""The public names of jaxcnn, imported all at once when the first is asked for."""

from jaxcnn import check, layers, models
from jaxcnn.fields import ReceptiveField
from jaxcnn.layers import Layer
from jaxcnn.ops import (
    AUTODIFF,
    EXPLICIT,
    Ops,
    avg_pool,
    batch_norm,
    conv,
    convolve,
    dense,
    dropout,
    gelu,
    global_avg_pool,
    global_max_pool,
    layer_norm,
    leaky_relu,
    max_pool,
    mean_squared_error,
    relu,
    sigmoid,
    sigmoid_binary_cross_entropy,
    silu,
    softmax_cross_entropy,
    tanh,
)
from jaxcnn.ops.batch_normalization import BatchNormState
from jaxcnn.ops.convolution import methods
from jaxcnn.ops.convolution.functions import explain_conv
from jaxcnn.ops.convolution.general_dilated import conv_general_dilated
from jaxcnn.ops.convolution.gradients import conv_bias_grad, conv_input_grad, conv_kernel_grad
from jaxcnn.padding import make_window
from jaxcnn.receptive import receptive_field, receptive_fields
from jaxcnn.stored.loading import load
from jaxcnn.stored.model import StoredModel
from jaxcnn.stored.saving import save
from jaxcnn.training import (
    TrainState,
    find_nonfinite,
    init_train_state,
    make_eval_step,
    make_train_step,
    replicate,
    scan_steps,
    split_batch,
)
from jaxcnn.window import Window

__all__ = [
    "AUTODIFF",
    "EXPLICIT",
    "BatchNormState",
    "Layer",
    "Ops",
    "ReceptiveField",
    "StoredModel",
    "TrainState",
    "Window",
    "avg_pool",
    "batch_norm",
    "check",
    "conv",
    "conv_bias_grad",
    "conv_general_dilated",
    "conv_input_grad",
    "conv_kernel_grad",
    "convolve",
    "dense",
    "dropout",
    "explain_conv",
    "find_nonfinite",
    "gelu",
    "global_avg_pool",
    "global_max_pool",
    "init_train_state",
    "layer_norm",
    "layers",
    "leaky_relu",
    "load",
    "make_eval_step",
    "make_train_step",
    "make_window",
    "max_pool",
    "mean_squared_error",
    "methods",
    "models",
    "receptive_field",
    "receptive_fields",
    "relu",
    "replicate",
    "save",
    "scan_steps",
    "sigmoid",
    "sigmoid_binary_cross_entropy",
    "silu",
    "softmax_cross_entropy",
    "split_batch",
    "tanh",
]
