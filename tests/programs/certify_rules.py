"""Modules as a person may have them in the current folder: rules for --pair, networks
for --model."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def modules(folder: Path, texts: Mapping[str, str]) -> Iterator[None]:
    """Inside, `folder` is the current one and has a module for each text; after it they
    are forgotten."""
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", list(sys.path))  # the program adds the current folder
        try:
            yield
        finally:
            for name in texts:
                sys.modules.pop(name, None)


RULES = '''
"""Rules as a user may have them."""

import jax
import jax.numpy as jnp
from jax import lax


def conv(x, w):
    return lax.conv_general_dilated(x, w, (1,), "VALID", dimension_numbers=("NWC", "WIO", "NWC"))


def gradients(x, w, dy):
    return jax.vjp(conv, x, w)[1](dy)


def _with(backward):
    f = jax.custom_vjp(conv)
    f.defvjp(lambda x, w: (conv(x, w), (x, w)), lambda operands, dy: backward(*operands, dy))
    return f


right = _with(gradients)
flipped = _with(lambda x, w, dy: (gradients(x, jnp.flip(w, 0), dy)[0], gradients(x, w, dy)[1]))
sign = _with(lambda x, w, dy: gradients(x, w, jnp.sign(dy)))
tanh = jnp.tanh
number = 3


def both(x):
    return {"tanh": jnp.tanh(x), "sum": jnp.sum(x)}


def wide(x):
    return jnp.tanh(x)[None]


def widened(x):
    return jnp.tanh(x).astype(jnp.float32)
'''

MODULES = {
    "my_rules": RULES,
    "my_mistake": 'raise RuntimeError("no luck,\\nnone at all")\n',
    "my_script": "import sys\n\nsys.exit(0)\n",
}

NETWORKS = '''
"""Networks as a person may have them."""

from jaxcnn import EXPLICIT, layers

number = 3
kept = EXPLICIT._replace(conv=lambda x, w, b=None, **options: EXPLICIT.conv(x, w, b, **options))


def network(*some):
    return layers.serial(*some, layers.global_avg_pool(), layers.dense(10))


def pinned():
    conv = layers.using(kept, layers.conv(2, 3))
    return network(layers.conv(2, 3), layers.using(kept, layers.relu()), conv)


def whole():
    return layers.using(kept, pinned())


def own():
    dense = layers.dense(3)

    def apply(params, state, x, *, train=False, key=None):
        return dense.apply(params, state, x)

    return network(layers.conv(2, 3), layers.Layer("mine", dense.init, apply))


def wrong():
    raise RuntimeError("no luck,\\nnone at all")


def number_of():
    return number


def uncalled():
    return layers.relu


def seven():
    return layers.serial(layers.flatten(), layers.dense(7))


def deep():
    return network(*[layers.max_pool(2)] * 4)


def empty():
    return layers.serial(layers.flatten(), layers.activation(lambda x: x[:, :10]))


def needs(classes):
    return network()
'''
