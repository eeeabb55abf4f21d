"""`jaxcnn train ...`, but without the pictures and the report at its end, which take
half the time of a short run."""

from __future__ import annotations

import sys

import pytest
from training_runs import without_pictures

from jaxcnn.programs.command import run
from jaxcnn.programs.interruption import leave

if __name__ == "__main__":
    without_pictures(pytest.MonkeyPatch())
    leave(run(sys.argv[1:]))
