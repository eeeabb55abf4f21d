"""The shapes written in jaxtyping annotations are true: every operation runs with them
checked, in a process of its own.

The import hook turns errors of the library into its own, so the other tests run without
it.
"""

import subprocess
import sys

import pytest

PROGRAM = """
from jaxtyping import install_import_hook

with install_import_hook("jaxcnn", "beartype.beartype"):
    import jaxcnn
    from jaxcnn.ops.convolution.methods import Problem
    from jaxcnn.ops.convolution.rule import forward_map

import jax
import jax.numpy as jnp
import pytest

M = jaxcnn.methods
x = jnp.linspace(-1.0, 1.0, 2 * 6 * 6 * 4).reshape(2, 6, 6, 4)
operations = [
    *(
        lambda x, w, method=method, groups=groups: jaxcnn.conv(
            x, w[:, :, : 4 // groups], w[0, 0, 0],
            groups=groups, stride=2, padding=((2, 0), (-1, 1)), method=method,
        )
        for method in (M.LAX, M.NHWC, M.ONEDNN, M.IM2COL, None)
        for groups in (1, 2, 4)
    ),
    lambda x, w: jaxcnn.conv(x, w[:, :, :1], groups=4, method=jaxcnn.methods.DEPTHWISE),
    lambda x, w: jaxcnn.conv_general_dilated(
        x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    ),
    lambda x, w: jaxcnn.max_pool(x, 2) * w[0, 0, 0],
    lambda x, w: jaxcnn.avg_pool(x, 3, stride=1, padding=1) * w[0, 0, 0],
    lambda x, w: jaxcnn.global_max_pool(x) + jaxcnn.global_avg_pool(x) * w[0, 0, 0],
    lambda x, w: jaxcnn.dense(x, w[0, 0], w[1, 1, 0]),
    *(
        lambda x, w, name=name: getattr(jaxcnn, name)(x * w[0, 0, 0])
        for name in ("relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid")
    ),
    *(
        lambda x, w, train=train: jaxcnn.batch_norm(
            x, w[0, 0, 0], w[1, 1, 0], jaxcnn.BatchNormState(jnp.zeros(4), jnp.ones(4)), train=train
        )[0]
        for train in (True, False)
    ),
    lambda x, w: jaxcnn.layer_norm(x, w[0, 0, 0], None),
    lambda x, w: jaxcnn.dropout(x * w[0, 0, 0], jax.random.key(0), rate=0.5),
    lambda x, w: jaxcnn.softmax_cross_entropy(
        x * w[0, 0, 0], jnp.zeros(x.shape[:-1], int), label_smoothing=0.1
    ),
    lambda x, w: jaxcnn.sigmoid_binary_cross_entropy(x * w[0, 0, 0], jnp.full_like(x, 0.5)),
    lambda x, w: jaxcnn.mean_squared_error(x * w[0, 0, 0], x),
]
w = jnp.linspace(-1.0, 1.0, 3 * 3 * 4 * 4).reshape(3, 3, 4, 4)
for operation in operations:
    gradient = jax.grad(lambda x, w: jnp.sum(operation(x, w) ** 2), argnums=(0, 1))
    jax.jit(gradient)(x, w)
    jax.vmap(gradient, in_axes=(None, 0))(x, w[None])
problem = Problem.of(x.shape, w.shape)
with pytest.raises(Exception, match="Type-check"):  # the hook is at work
    forward_map(x[0], w[0, 0, 0, 0], problem, jaxcnn.methods.LAX)
print("operations checked:", len(operations))
"""


@pytest.mark.slow
def test_annotations_hold():
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr[-4000:]
    assert "operations checked: 34" in result.stdout, result.stdout
