"""WRN-16-4 (Zagoruyko and Komodakis 2016): two blocks a stage, norms in front."""

from __future__ import annotations

from typing import Any

BATCH, INPUT = 16, (32, 32, 3)


def network(nn: Any, classes: int) -> Any:
    def conv(features: int, stride: int = 1) -> list[Any]:
        return [
            nn.batch_norm(),
            nn.relu(),
            nn.conv(features, 3, stride=stride, bias=False),
        ]

    parts = [nn.conv(16, 3, bias=False)]
    for features, stride in ((64, 1), (128, 2), (256, 2)):
        shortcut = nn.conv(features, 1, stride=stride, bias=False)
        parts += [
            nn.residual(nn.serial(*conv(features, stride), *conv(features)), shortcut),
            nn.residual(nn.serial(*conv(features), *conv(features))),
        ]
    return nn.serial(*parts, nn.batch_norm(), nn.relu(), nn.mean(), nn.dense(classes))
