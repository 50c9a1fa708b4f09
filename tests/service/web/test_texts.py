"""The pages' English is complete: each text has one, of the same facts, and none is left over."""

import re
from functools import cache
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po

from service.web import ROOT
from service.web.rendering import CATALOGUES

CHINESE = re.compile("[\u4e00-\u9fff]")
FACTS = re.compile(r"%\(\w+\)[sd]|%%")
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]


@cache
def written() -> frozenset[str]:
    """All texts of pages, as they stand in the templates and modules."""
    found = extract_from_dir(ROOT, METHODS, keywords={"_": None, "gettext": None})
    return frozenset(text for _, _, text, _, _ in found if text)


def po_of(name: str) -> Path:
    return ROOT / "translations" / name / "en" / "LC_MESSAGES" / "messages.po"


@cache
def english(name: str) -> dict[str, str]:
    with po_of(name).open("rb") as file:
        return {one.id: one.string for one in read_po(file, "en") if one.id}


def test_every_text_has_an_english_one():
    known = set().union(*(english(name) for name in CATALOGUES))

    assert len(written()) > 100
    assert sorted(written() - known) == []


@pytest.mark.parametrize("name", CATALOGUES)
def test_a_catalogue_has_english_of_texts_that_there_are(name):
    texts = english(name)

    assert sorted(set(texts) - written()) == []
    assert [zh for zh, en in texts.items() if not en.strip()] == []
    assert [zh for zh, en in texts.items() if CHINESE.search(en) and "中文" not in en] == []
    for zh, en in texts.items():
        assert sorted(set(FACTS.findall(zh))) == sorted(set(FACTS.findall(en))), zh


@pytest.mark.parametrize("name", CATALOGUES)
def test_what_is_compiled_is_what_is_written(name):
    """After a change: ``make translations``."""
    with po_of(name).open("rb") as file:
        fresh = BytesIO()
        write_mo(fresh, read_po(file, "en"))
    with po_of(name).with_suffix(".mo").open("rb") as file:
        compiled = {one.id: one.string for one in read_mo(file) if one.id}
    fresh.seek(0)
    assert compiled == {one.id: one.string for one in read_mo(fresh) if one.id}
