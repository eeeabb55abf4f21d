"""The programs run with JAX's default promotion of dtypes, as they do for a person.

Claims are not daily work: all of their tests are slow ones."""

from pathlib import Path

import pytest


@pytest.fixture(scope="module", autouse=True)
def _as_for_a_person(standard_promotion):
    """In all files of this folder."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)
