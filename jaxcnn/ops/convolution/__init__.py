"""Convolution.

`rule.py` has its derivation and its rule, `functions.py` and `gradients.py` the
functions that users call. `problem.py` describes one convolution, `methods` has the
ways to compute its three maps, and `general_dilated.py` a function that takes the place
of `jax.lax.conv_general_dilated`.
"""
