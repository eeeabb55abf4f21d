"""Ways to compute the three maps of a convolution.

Each is one file with `forward`, `input_grad` and `kernel_grad`:

    LAX               lax.conv_general_dilated, as in the derivation
    NHWC              the same, with each operand in the order that XLA's fast CPU path
                      needs
    SIDE_BY_SIDE      NHWC of several images side by side, so that rows are long enough
                      for all cores
    IM2COL            one matrix product of all windows' inputs; its adjoint for the
                      input gradient
    GROUPWISE         each group by itself, as a dense convolution
    DEPTHWISE         one elementwise multiply-add per tap, for depthwise convolutions
    PORTABLE          for each map the one of those above that measurements favour for
                      such shapes on a CPU
    ONEDNN            oneDNN's convolution; where that is not certain to work, PORTABLE
    AUTO              the default: ONEDNN or PORTABLE on a CPU, LAX elsewhere

A `Problem` describes the convolution to them. `jaxcnn.explain_conv` says which method
AUTO takes, and `docs/methods.md` has the measurements behind each.
"""

from os import PathLike

from jaxcnn.ops.convolution.methods import (
    auto,
    depthwise,
    groupwise,
    im2col,
    nhwc,
    onednn,
    portable,
    side_by_side,
    tuning,
)
from jaxcnn.ops.convolution.methods import lax as lax_method
from jaxcnn.ops.convolution.methods.method import Method
from jaxcnn.ops.convolution.problem import Problem

LAX = Method(lax_method.forward, lax_method.input_grad, lax_method.kernel_grad)
NHWC = Method(nhwc.forward, nhwc.input_grad, nhwc.kernel_grad)
DEPTHWISE = Method(depthwise.forward, depthwise.input_grad, depthwise.kernel_grad)
SIDE_BY_SIDE = Method(side_by_side.forward, side_by_side.input_grad, side_by_side.kernel_grad)
IM2COL = Method(im2col.forward, im2col.input_grad, im2col.kernel_grad)
GROUPWISE = Method(groupwise.forward, groupwise.input_grad, groupwise.kernel_grad)
PORTABLE = Method(portable.forward, portable.input_grad, portable.kernel_grad)
ONEDNN = Method(onednn.forward, onednn.input_grad, onednn.kernel_grad)
AUTO = Method(auto.forward, auto.input_grad, auto.kernel_grad)

METHODS = {
    "LAX": LAX,
    "NHWC": NHWC,
    "SIDE_BY_SIDE": SIDE_BY_SIDE,
    "IM2COL": IM2COL,
    "GROUPWISE": GROUPWISE,
    "DEPTHWISE": DEPTHWISE,
    "PORTABLE": PORTABLE,
    "ONEDNN": ONEDNN,
    "AUTO": AUTO,
}


def tuned(path: str | PathLike[str]) -> Method:
    """The method that obeys a file of `jaxcnn tune`: see `tuning.py`.

    Raises:
      OSError: if it cannot be read.
      ValueError: if it is no such file.
    """
    return tuning.tuned(path, METHODS)


__all__ = [
    "AUTO",
    "DEPTHWISE",
    "GROUPWISE",
    "IM2COL",
    "LAX",
    "METHODS",
    "NHWC",
    "ONEDNN",
    "PORTABLE",
    "SIDE_BY_SIDE",
    "Method",
    "Problem",
    "tuned",
]
