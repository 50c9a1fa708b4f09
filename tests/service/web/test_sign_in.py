"""Signing in by pages."""

from collections.abc import Iterator

import pytest

from tests.service.web.browsing import LANGUAGES, WIDTHS, Site, site, visitor

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def here(settings, copied_database) -> Iterator[Site]:
    with site(settings, copied_database) as made:
        yield made


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_pages_of_signing_in_look_right(browser, here, width, language):
    with visitor(browser, here, "sign-in", width=width, language=language) as reader:
        reader.open("/sign-in")
        reader.look("phone")
        reader.open("/staff/sign-in")
        reader.look("staff")
