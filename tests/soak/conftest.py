"""Long runs, for `make soak` only: pytest collects no file of this folder unless it is named."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--minutes", type=float, default=5, help="how long the storm is to blow")


@pytest.fixture
def seconds(pytestconfig: pytest.Config) -> float:
    return 60 * pytestconfig.getoption("--minutes")
