"""Ways to compute the three maps of a convolution.

Each is one file with `forward`, `input_grad` and `kernel_grad`:

    DIRECT      lax.conv_general_dilated, as the derivation reads
    CANONICAL   the same with every operand in the order that XLA's fast CPU path takes
    SHIFTED     one multiply-add per tap, for depthwise convolutions
    DISPATCH    the default: the fastest of them by shape and platform, as measured
"""

from jaxcnn.ops.conv_methods import canonical, direct, dispatch, shifted
from jaxcnn.ops.conv_methods.method import ConvMethod, ConvSpec

DIRECT = ConvMethod(direct.forward, direct.input_grad, direct.kernel_grad)
CANONICAL = ConvMethod(canonical.forward, canonical.input_grad, canonical.kernel_grad)
SHIFTED = ConvMethod(shifted.forward, shifted.input_grad, shifted.kernel_grad)
DISPATCH = ConvMethod(dispatch.forward, dispatch.input_grad, dispatch.kernel_grad)

__all__ = ["CANONICAL", "DIRECT", "DISPATCH", "SHIFTED", "ConvMethod", "ConvSpec"]
