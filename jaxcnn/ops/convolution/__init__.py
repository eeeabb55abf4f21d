"""Convolution: `rule.py` derives and wires it, `functions.py` is what users call,
`problem.py` describes one convolution, `methods` computes its three maps, and
`general_dilated.py` takes the place of `jax.lax.conv_general_dilated`.
"""
