"""ResNeXt, 32 groups of 4, one block in each of three stages (Xie et al. 2017), on what
the stem makes of images of half the size of ImageNet's."""

from __future__ import annotations

from typing import Any

BATCH, INPUT = 8, (28, 28, 64)


def network(nn: Any, classes: int) -> Any:
    def block(width: int, stride: int, projected: bool) -> list[Any]:
        def conv(features: int, size: int, **options: Any) -> list[Any]:
            return [nn.conv(features, size, bias=False, **options), nn.batch_norm()]

        inner = nn.serial(
            *conv(width, 1),
            nn.relu(),
            *conv(width, 3, stride=stride, groups=32),
            nn.relu(),
            *conv(2 * width, 1),
        )
        shortcut = nn.serial(*conv(2 * width, 1, stride=stride)) if projected else None
        return [nn.residual(inner, shortcut), nn.relu()]

    parts = [*block(128, 1, True), *block(256, 2, True), *block(512, 2, True)]
    return nn.serial(*parts, *block(512, 1, False), nn.mean(), nn.dense(classes))
