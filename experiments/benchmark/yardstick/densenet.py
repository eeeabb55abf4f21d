"""DenseNet-40 with 12 new channels a layer (Huang et al. 2017), at half its depth: each
layer gets the outputs of all layers before it."""

from __future__ import annotations

from typing import Any

BATCH, INPUT = 16, (32, 32, 3)
LAYERS, GROWTH = 6, 12


def network(nn: Any, classes: int) -> Any:
    def conv(features: int, size: int) -> Any:
        return nn.serial(nn.batch_norm(), nn.relu(), nn.conv(features, size, bias=False))

    parts, channels = [nn.conv(16, 3, bias=False)], 16
    for stage in range(3):
        parts += [nn.concatenated(nn.serial(), conv(GROWTH, 3)) for _ in range(LAYERS)]
        channels += LAYERS * GROWTH
        if stage < 2:
            parts += [conv(channels, 1), nn.avg_pool(2)]
    return nn.serial(*parts, nn.batch_norm(), nn.relu(), nn.mean(), nn.dense(classes))
