"""One browser a module: starting it costs more than most of what is done in it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.service.web.browsing import chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made
