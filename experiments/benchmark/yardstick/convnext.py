"""ConvNeXt-T at half its width, with two blocks a stage (Liu et al. 2022).

A block: a 7x7 depthwise convolution, a layer norm, and two dense layers around a gelu.
"""

from __future__ import annotations

from typing import Any

BATCH, INPUT = 16, (64, 64, 3)


def network(nn: Any, classes: int) -> Any:
    def block(features: int) -> Any:
        return nn.residual(
            nn.serial(
                nn.conv(features, 7, groups=features),
                nn.layer_norm(),
                nn.conv(4 * features, 1),
                nn.gelu(),
                nn.conv(features, 1),
            )
        )

    parts = [nn.conv(48, 4, stride=4, padding=0), nn.layer_norm(), block(48), block(48)]
    for features in (96, 192, 384):
        down = (nn.layer_norm(), nn.conv(features, 2, stride=2, padding=0))
        parts += [*down, block(features), block(features)]
    return nn.serial(*parts, nn.mean(), nn.dense(classes))
