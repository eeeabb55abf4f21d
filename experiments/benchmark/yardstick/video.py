"""C3D at half its width, on clips of 8 frames (Tran et al. 2015): 3x3x3 convolutions,
the first pool over space alone."""

from __future__ import annotations

from typing import Any

BATCH, INPUT = 4, (8, 56, 56, 3)


def network(nn: Any, classes: int) -> Any:
    def conv(features: int) -> list[Any]:
        return [nn.conv(features, (3, 3, 3)), nn.relu()]

    return nn.serial(
        *conv(32),
        nn.max_pool((1, 2, 2)),
        *conv(64),
        nn.max_pool((2, 2, 2)),
        *conv(128),
        *conv(128),
        nn.max_pool((2, 2, 2)),
        *conv(256),
        *conv(256),
        nn.mean(),
        nn.dense(classes),
    )
