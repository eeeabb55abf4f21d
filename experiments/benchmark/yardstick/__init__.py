"""Networks of papers on which no threshold was tuned: the yardstick of training steps.

Each is a file, and a function of the parts that it is made of: those of jaxcnn,
`jax_parts.py`, or of PyTorch, `torch_parts.py`.
"""

from __future__ import annotations
