"""SqueezeNet 1.1 on images of half its size (Iandola et al. 2016): each module squeezes
by 1x1, and expands by 1x1 and 3x3 side by side."""

from __future__ import annotations

from typing import Any

BATCH, INPUT = 16, (112, 112, 3)


def network(nn: Any, classes: int) -> Any:
    def conv(features: int, size: int, **options: Any) -> list[Any]:
        return [nn.conv(features, size, **options), nn.relu()]

    def fire(squeezed: int, expanded: int) -> Any:
        beside = nn.concatenated(*(nn.serial(*conv(expanded, size)) for size in (1, 3)))
        return nn.serial(*conv(squeezed, 1), beside)

    def pool() -> Any:
        return nn.max_pool(3, stride=2)

    return nn.serial(
        *conv(64, 3, stride=2),
        pool(),
        fire(16, 64),
        fire(16, 64),
        pool(),
        fire(32, 128),
        fire(32, 128),
        pool(),
        fire(48, 192),
        fire(48, 192),
        fire(64, 256),
        fire(64, 256),
        *conv(classes, 1),
        nn.mean(),
    )
