"""TextCNN (Kim 2014) on 56 words, each a vector of 300 numbers: windows of 3, 4 and 5
words, 100 features each, and their maximum over the text."""

from __future__ import annotations

from typing import Any

BATCH, INPUT = 50, (56, 300)


def network(nn: Any, classes: int) -> Any:
    def features(words: int) -> Any:
        return nn.serial(nn.conv(100, words, padding=0), nn.relu(), nn.maximum())

    return nn.serial(nn.concatenated(*map(features, (3, 4, 5))), nn.dense(classes))
