"""How far from the truth are the hand-written gradients of a network, parameter by
parameter, and how far are JAX's own?

`EXPLICIT` is compared with `PLAIN` (`jaxcnn/programs/plain.py`): the operations as
JAX's users write them, differentiated by JAX.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.ops import EXPLICIT, Ops
from jaxcnn.programs.certify.network.given import Network, is_inside
from jaxcnn.programs.plain import PLAIN


class LayerGradient(NamedTuple):
    """The gradient of one parameter: the errors of the explicit one and of JAX's.

    Attributes:
      path: of the parameter, "0_conv/w".
      shape: of the parameter.
      norm: of the truth.
      explicit_error, autodiff_error: ||gradient - truth|| / ||truth||, both in float32.
      explicit_ulps, autodiff_ulps: the largest difference, in units of float32's
        spacing at the truth's largest entry.
      explicit64_error: the error of the explicit gradient computed in float64, as the
        truth is.
    """

    path: str
    shape: tuple[int, ...]
    norm: float
    explicit_error: float
    autodiff_error: float
    explicit_ulps: float
    autodiff_ulps: float
    explicit64_error: float

    @property
    def same_formula(self) -> bool:
        """Whether the explicit gradient in float64 is as much better than JAX's in
        float32 as float64 is finer, within a factor of 100.

        A sum that cancels makes both inexact, so it does not count against the explicit
        gradient. An error that exists in float32 alone does not show here.
        """
        return self.explicit64_error <= 100 * 2**-29 * max(self.autodiff_error, 2**-23)


def layer_gradients(
    network: Network, seed: int = 0, batch_size: int = 8, *, explicit: Ops = EXPLICIT
) -> list[LayerGradient]:
    """The gradients of the training loss to the parameters of a network, where training
    starts.

    The truth is JAX's gradient of the plain operations in float64, for the same float32
    parameters, images and dropout masks.

    The float32 errors tell how much rounding there is; `explicit64_error` tells whether
    the formulas are the same. Two things make a float32 error large though nothing is
    wrong. Both then show in autodiff's column too, or with another seed.

    - A sum that cancels. Between two batch normalisations with only a relu and a
      depthwise convolution between them, the second divides out what the first scales
      by. The gradient of that scale is nearly 0, and in MobileNet has a relative error
      of 1e-2.
    - A kink. A relu whose input is within rounding of 0, or a maximum with two
      candidates within rounding of each other, may go one way in one column and the
      other way in another. The gradients of all layers before it then differ by what
      goes through that one value.

    Args:
      network: the network with its images.
      seed: of the parameters and of dropout.
      batch_size: how many digits, the first of the training images. Few, because
        float64 convolutions can be slow on a CPU.
      explicit: the operations to judge.

    Returns:
      One entry for each parameter, in the order of the layers. Parameters of
      `network.not_compared` have none.
    """
    x, y = network.x[:batch_size], network.y[:batch_size]
    init_key, dropout_key = jax.random.split(jax.random.key(seed))
    params, state = jax.jit(lambda key: network.model.init(key, x.shape))(init_key)

    def gradients(ops: Ops, dtype: type) -> dict[str, np.ndarray]:
        @jax.jit
        def gradient(params, state, x):
            def loss(params):
                logits, _ = network.model.apply(
                    params, state, x, train=True, key=dropout_key, ops=ops
                )
                return jnp.mean(ops.softmax_cross_entropy(logits, y))

            return jax.grad(loss)(params)

        with jax.enable_x64(dtype is np.float64):
            tree = gradient(*jax.tree.map(lambda leaf: np.asarray(leaf, dtype), (params, state, x)))
        return _by_path(tree)

    truth, explicit64 = gradients(PLAIN, np.float64), gradients(explicit, np.float64)
    explicit32, autodiff32 = gradients(explicit, np.float32), gradients(PLAIN, np.float32)
    kept = [layer.path for layer in network.not_compared]
    return [
        LayerGradient(
            path,
            g.shape,
            float(np.linalg.norm(g)),
            _error(explicit32[path], g),
            _error(autodiff32[path], g),
            _ulps(explicit32[path], g),
            _ulps(autodiff32[path], g),
            _error(explicit64[path], g),
        )
        for path, g in truth.items()
        if not any(is_inside(path, layer) for layer in kept)
    ]


def _by_path(tree: Any) -> dict[str, np.ndarray]:
    """The arrays by path, in the order of the layers: "10_dense" is after "9_relu"."""
    leaves = {
        jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)
        for path, leaf in jax.tree.leaves_with_path(tree)
    }
    return dict(
        sorted(
            leaves.items(),
            key=lambda entry: [int(s) if s.isdigit() else s for s in re.split(r"(\d+)", entry[0])],
        )
    )


def _error(g: np.ndarray, truth: np.ndarray) -> float:
    """Relative; 0 where both are 0, infinite where only the truth is."""
    difference, scale = (
        float(np.linalg.norm(g.astype(np.float64) - truth)),
        float(np.linalg.norm(truth)),
    )
    return 0.0 if difference == 0 else difference / scale if scale else float("inf")


def _ulps(g: np.ndarray, truth: np.ndarray) -> float:
    return float(
        np.abs(g.astype(np.float64) - truth).max()
        / np.spacing(np.abs(truth).max().astype(np.float32))
    )
