"""A function exported with symbolic sizes, and called with several."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

import jaxcnn
from jaxcnn.check import draw

COUNTS = (1, 3, 8)
ROOM = {"b": 3, "h": 9, "w": 8}
"""What symbolic sizes are tried as: one each, since each is a compilation. The program
that is loaded is tried at three."""


def exported(function, *shapes):
    """The exported function, and arguments to try it with."""
    scope = export.SymbolicScope()
    named = [export.symbolic_shape(", ".join(map(str, shape)), scope=scope) for shape in shapes]
    program = export.export(jax.jit(function))(
        *(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in named)
    )
    rng = np.random.default_rng(0)
    concrete = [tuple(ROOM.get(size, size) for size in shape) for shape in shapes]
    return program, [jnp.asarray(draw.distinct(rng, shape), jnp.float32) for shape in concrete]


def check(function, *shapes):
    program, args = exported(function, *shapes)
    for got, want in zip(
        jax.tree.leaves(program.call(*args)), jax.tree.leaves(jax.jit(function)(*args)), strict=True
    ):
        scale = max(1e-3, float(jnp.abs(want).max()))
        np.testing.assert_allclose(got / scale, want / scale, atol=3e-5)


def gradients(function):
    return lambda *args: jax.vjp(function, *args)[1](jnp.ones_like(function(*args)))


IMAGES = ("b", 8, 9, 4)
STATE = jaxcnn.BatchNormState(jnp.zeros(4), jnp.ones(4))


def conv(**options):
    return lambda x, w: jaxcnn.conv(x, w, jnp.ones(w.shape[-1]), **options)
