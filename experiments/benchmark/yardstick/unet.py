"""U-Net at a quarter of its width (Ronneberger et al. 2015), padded, with a class for
each pixel; 2x2 transposed convolutions lead up again."""

from __future__ import annotations

from typing import Any

BATCH, INPUT = 4, (96, 96, 1)


def network(nn: Any, classes: int) -> Any:
    def twice(features: int) -> Any:
        return nn.serial(nn.conv(features, 3), nn.relu(), nn.conv(features, 3), nn.relu())

    def level(features: int, deepest: int) -> Any:
        if features == deepest:
            return twice(features)
        below = nn.serial(
            nn.max_pool(2), level(2 * features, deepest), nn.transposed(features, 2, stride=2)
        )
        beside = nn.concatenated(nn.serial(), below)
        return nn.serial(twice(features), beside, twice(features))

    return nn.serial(level(16, 128), nn.conv(classes, 1))
