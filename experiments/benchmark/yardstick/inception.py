"""GoogLeNet's modules 3a, 3b and 4a (Szegedy et al. 2015) behind a short stem: 1x1, 3x3
and 5x5 convolutions and a pool, side by side."""

from __future__ import annotations

from typing import Any

BATCH, INPUT = 8, (112, 112, 3)


def network(nn: Any, classes: int) -> Any:
    def conv(features: int, size: int, **options: Any) -> Any:
        return nn.serial(nn.conv(features, size, **options), nn.relu())

    def module(one: int, three: tuple[int, int], five: tuple[int, int], pooled: int) -> Any:
        return nn.concatenated(
            conv(one, 1),
            nn.serial(conv(three[0], 1), conv(three[1], 3)),
            nn.serial(conv(five[0], 1), conv(five[1], 5)),
            nn.serial(nn.max_pool(3, stride=1, padding=1), conv(pooled, 1)),
        )

    def halved() -> Any:
        return nn.max_pool(3, stride=2, padding=1)

    return nn.serial(
        conv(64, 7, stride=2),
        halved(),
        conv(192, 3),
        halved(),
        module(64, (96, 128), (16, 32), 32),
        module(128, (128, 192), (32, 96), 64),
        halved(),
        module(192, (96, 208), (16, 48), 64),
        nn.mean(),
        nn.dense(classes),
    )
