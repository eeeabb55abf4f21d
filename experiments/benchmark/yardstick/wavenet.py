"""WaveNet with 64 channels and one stack of dilations (van den Oord et al. 2016),
conditioned on nothing, with a class for each sample."""

from __future__ import annotations

from typing import Any

BATCH, INPUT = 4, (4000, 1)
DILATIONS = tuple(2**power for power in range(9))


def network(nn: Any, classes: int) -> Any:
    def block(dilation: int) -> Any:
        causal = {"padding": "causal", "dilation": dilation}
        gate = nn.gated(nn.conv(64, 2, **causal), nn.conv(64, 2, **causal))
        return nn.residual(nn.serial(gate, nn.conv(64, 1)))

    blocks = [block(dilation) for dilation in DILATIONS]
    head = (nn.relu(), nn.conv(64, 1), nn.relu(), nn.conv(classes, 1))
    return nn.serial(nn.conv(64, 2, padding="causal"), *blocks, *head)
