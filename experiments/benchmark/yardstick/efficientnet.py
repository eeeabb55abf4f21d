"""EfficientNet-B0 at half its depth and half the size of its images (Tan and Le 2019).

A block widens by 1x1, is depthwise with 3x3 or 5x5 taps, excites channels, and narrows
again.
"""

from __future__ import annotations

from typing import Any

BATCH, INPUT = 8, (112, 112, 3)
STAGES = (
    (1, 16, 3, 1, 1),
    (6, 24, 3, 2, 1),
    (6, 40, 5, 2, 1),
    (6, 80, 3, 2, 2),
    (6, 112, 5, 1, 2),
    (6, 192, 5, 2, 2),
    (6, 320, 3, 1, 1),
)
"""Of each: how much wider inside, features, taps, stride and blocks."""


def network(nn: Any, classes: int) -> Any:
    def conv(features: int, size: int, **options: Any) -> list[Any]:
        return [nn.conv(features, size, bias=False, **options), nn.batch_norm(), nn.silu()]

    parts, channels = conv(32, 3, stride=2), 32
    for wider, features, size, first_stride, blocks in STAGES:
        for number in range(blocks):
            inside, stride = wider * channels, first_stride if number == 0 else 1
            squeezed = max(1, channels // 4)
            inner = nn.serial(
                *(conv(inside, 1) if wider > 1 else []),
                *conv(inside, size, stride=stride, groups=inside),
                nn.excited(nn.serial(nn.dense(squeezed), nn.silu(), nn.dense(inside))),
                nn.conv(features, 1, bias=False),
                nn.batch_norm(),
            )
            parts.append(nn.residual(inner) if (stride, channels) == (1, features) else inner)
            channels = features
    return nn.serial(*parts, *conv(1280, 1), nn.mean(), nn.dense(classes))
