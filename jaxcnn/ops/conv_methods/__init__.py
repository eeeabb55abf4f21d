"""Ways to compute the three maps of a convolution.

Each is one file with `forward`, `input_grad` and `kernel_grad`:

    DIRECT      lax.conv_general_dilated, as the derivation reads
    CANONICAL   the same with every operand in the order that XLA's fast CPU path takes
    WIDE        canonical, with several images side by side in one: rows long enough
                for all cores
    BLOCKED     canonical, with neighbouring outputs as channels of one: for few
                output channels
    PATCHES     one matrix product of what all windows see; its adjoint for the
                input gradient
    GROUPWISE   each group by itself, a dense convolution
    SHIFTED     one multiply-add per tap, for depthwise convolutions: elementwise
    DISPATCH    the default: the fastest of them, map by map, by shape and platform,
                as measured
"""

from jaxcnn.ops.conv_methods import (
    blocked,
    canonical,
    direct,
    dispatch,
    groupwise,
    patches,
    shifted,
    wide,
)
from jaxcnn.ops.conv_methods.method import ConvMethod, ConvSpec

DIRECT = ConvMethod(direct.forward, direct.input_grad, direct.kernel_grad)
CANONICAL = ConvMethod(canonical.forward, canonical.input_grad, canonical.kernel_grad)
SHIFTED = ConvMethod(shifted.forward, shifted.input_grad, shifted.kernel_grad)
WIDE = ConvMethod(wide.forward, wide.input_grad, wide.kernel_grad)
BLOCKED = ConvMethod(blocked.forward, blocked.input_grad, blocked.kernel_grad)
PATCHES = ConvMethod(patches.forward, patches.input_grad, patches.kernel_grad)
GROUPWISE = ConvMethod(groupwise.forward, groupwise.input_grad, groupwise.kernel_grad)
DISPATCH = ConvMethod(dispatch.forward, dispatch.input_grad, dispatch.kernel_grad)

METHODS = {
    "DIRECT": DIRECT,
    "CANONICAL": CANONICAL,
    "WIDE": WIDE,
    "BLOCKED": BLOCKED,
    "PATCHES": PATCHES,
    "GROUPWISE": GROUPWISE,
    "SHIFTED": SHIFTED,
    "DISPATCH": DISPATCH,
}

__all__ = [
    "BLOCKED",
    "CANONICAL",
    "DIRECT",
    "DISPATCH",
    "GROUPWISE",
    "METHODS",
    "PATCHES",
    "SHIFTED",
    "WIDE",
    "ConvMethod",
    "ConvSpec",
]
