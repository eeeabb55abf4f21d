"""The receptive field of any function of JAX: of a network of Flax, Equinox or Haiku,
or of plain code.

`jaxcnn.receptive_field` reads layers that say their window. Here the program of the
function is followed instead, so that branches, dilation, transposed convolutions,
resizing, attention and slices are seen as they are, with their holes:

    fields_of     which input positions each output sees, and which outputs each reaches
    verify        the same found by running the function, with NaN at one position

It is imported by its name, `import jaxcnn.seen`, not with `jaxcnn`.

Read `sets.py` for how the sets are kept, `moves.py` and `relations.py` for how they
change, `program.py` for the walk, and `elements.py`, `windows.py`, `sums.py`,
`lookups.py` and `control.py` for the rules of JAX's primitives.
"""

from jaxcnn.seen.following import fields_of
from jaxcnn.seen.probing import Verification, verify
from jaxcnn.seen.result import Seen

__all__ = ["Seen", "Verification", "fields_of", "verify"]
