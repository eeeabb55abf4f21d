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

from jaxcnn.ops.convolution.methods import tuning
from jaxcnn.ops.convolution.methods.auto import AUTO
from jaxcnn.ops.convolution.methods.depthwise import DEPTHWISE
from jaxcnn.ops.convolution.methods.groupwise import GROUPWISE
from jaxcnn.ops.convolution.methods.im2col import IM2COL
from jaxcnn.ops.convolution.methods.lax import LAX
from jaxcnn.ops.convolution.methods.method import Method
from jaxcnn.ops.convolution.methods.nhwc import NHWC
from jaxcnn.ops.convolution.methods.onednn import ONEDNN
from jaxcnn.ops.convolution.methods.portable import PORTABLE
from jaxcnn.ops.convolution.methods.side_by_side import SIDE_BY_SIDE
from jaxcnn.ops.convolution.problem import Problem

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
