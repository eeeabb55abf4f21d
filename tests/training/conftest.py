"""Forty steps of training by both kinds of derivatives, once for all tests of a
process."""

from __future__ import annotations

import pytest

from jaxcnn.ops import AUTODIFF, EXPLICIT
from tests.training._training import Trained


@pytest.fixture(scope="session")
def explicit():
    return Trained(EXPLICIT)


@pytest.fixture(scope="session")
def autodiff():
    return Trained(AUTODIFF)
