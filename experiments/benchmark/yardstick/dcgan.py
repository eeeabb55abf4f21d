"""DCGAN at half its width (Radford et al. 2016): a generator of 64x64 images, and the
discriminator behind it, trained as one network."""

from __future__ import annotations

from typing import Any

BATCH, INPUT = 16, (1, 1, 100)


def network(nn: Any, classes: int) -> Any:
    parts = [nn.transposed(512, 4, stride=1), nn.batch_norm(), nn.relu()]
    for features in (256, 128, 64):
        up = nn.transposed(features, 4, stride=2, padding=1)
        parts += [up, nn.batch_norm(), nn.relu()]
    parts += [nn.transposed(3, 4, stride=2, padding=1), nn.tanh()]

    parts += [nn.conv(64, 4, stride=2, padding=1), nn.leaky_relu()]
    for features in (128, 256, 512):
        down = nn.conv(features, 4, stride=2, padding=1, bias=False)
        parts += [down, nn.batch_norm(), nn.leaky_relu()]
    return nn.serial(*parts, nn.flatten(), nn.dense(classes))
