"""The operations of a convolutional network: pure functions, each with its own
derivative.

Notation, the same in every equation, einsum string and comment:

    n   image in the batch      i   input position, per axis      x   input
    c   input channel           j   output position, per axis     y   output
    o   output channel          t   kernel tap, per axis          w   kernel
    g   group                                                     b   bias

    s, d, (p_lo, p_hi)   stride, dilation and pads of a window
    dy                   a cotangent coming in
    dx dw db             cotangents going out

Shapes and subscripts stand channels last, x[n, i, c], w[t, c, o], with i, j and t
standing for one, two or three axes. (g c) is one merged axis with index
g * size(c) + c.

`EXPLICIT` and `AUTODIFF` hold the same operations. Those of `EXPLICIT` have the rules
that are written in these files; those of `AUTODIFF` are differentiated by JAX. A
network's `apply` takes either as its `ops` argument, and so do the functions that train
a network.
"""

from typing import NamedTuple

from jaxcnn.ops import signatures
from jaxcnn.ops._operation import autodiff_twin
from jaxcnn.ops.activation import gelu, leaky_relu, relu, sigmoid, silu, tanh
from jaxcnn.ops.average_pooling import avg_pool
from jaxcnn.ops.batch_normalization import batch_norm
from jaxcnn.ops.binary_cross_entropy import sigmoid_binary_cross_entropy
from jaxcnn.ops.convolution.functions import conv, convolve
from jaxcnn.ops.cross_entropy import softmax_cross_entropy
from jaxcnn.ops.fully_connected import dense
from jaxcnn.ops.global_pooling import global_avg_pool, global_max_pool
from jaxcnn.ops.inverted_dropout import dropout
from jaxcnn.ops.layer_normalization import layer_norm
from jaxcnn.ops.max_pooling import max_pool
from jaxcnn.ops.squared_error import mean_squared_error


class Ops(NamedTuple):
    """The operations that a network is made of, all differentiated in one way.

    `ops._replace(conv=...)` gives a network a backward pass of your own.
    """

    conv: signatures.Convolution
    convolve: signatures.Convolution
    max_pool: signatures.MaxPool
    avg_pool: signatures.AvgPool
    global_max_pool: signatures.GlobalPool
    global_avg_pool: signatures.GlobalPool
    dense: signatures.Dense
    relu: signatures.Activation
    leaky_relu: signatures.LeakyRelu
    sigmoid: signatures.Activation
    tanh: signatures.Activation
    silu: signatures.Activation
    gelu: signatures.Gelu
    batch_norm: signatures.BatchNorm
    layer_norm: signatures.LayerNorm
    dropout: signatures.Dropout
    softmax_cross_entropy: signatures.SoftmaxCrossEntropy
    sigmoid_binary_cross_entropy: signatures.Loss
    mean_squared_error: signatures.Loss


EXPLICIT = Ops(
    conv,
    convolve,
    max_pool,
    avg_pool,
    global_max_pool,
    global_avg_pool,
    dense,
    relu,
    leaky_relu,
    sigmoid,
    tanh,
    silu,
    gelu,
    batch_norm,
    layer_norm,
    dropout,
    softmax_cross_entropy,
    sigmoid_binary_cross_entropy,
    mean_squared_error,
)
AUTODIFF = Ops(*map(autodiff_twin, EXPLICIT))
