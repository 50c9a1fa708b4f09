"""Pages in both languages: complete, escaped, and with nothing from outside."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from service.app import create_app
from service.db import Database
from service.demo import FEEDS, RESIDENT
from service.identity.outside_ids import add_ids
from service.problem_types.kinds import ProblemType
from service.problems import ALL_TYPES
from service.settings import Settings
from service.web.home import _bars, read_totals, short_kilograms
from tests.makers import a_resident, a_walk, recorded

pytestmark = pytest.mark.once

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
LANGUAGES = ("zh-CN", "en")
VOID = {"br", "img", "input", "link", "meta", "rect"}
PAGES = (
    "/",
    "/docs",
    "/verify",
    "/open-data/about",
    "/problems/insufficient-points",
    "/no-such-page",
)


class Page(HTMLParser):
    """What a test wants to know of a page; refuses one whose elements are not well nested."""

    def __init__(self, answer: TestResponse) -> None:
        super().__init__()
        assert answer.content_type == "text/html; charset=utf-8"
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, list[str]] = {}
        self.inline: list[str] = []
        self.feed(answer.text)
        self.close()
        assert self.open == []
        self.text = " ".join(answer.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.elements.append((tag, found))
        self.inline += [name for name in found if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in found):
            self.inline.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and data.strip():
            self.texts.setdefault(self.open[-1], []).append(" ".join(data.split()))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [found for name, found in self.elements if name == tag]

    def title(self) -> str:
        return self.texts["title"][0]

    def assets(self) -> list[str]:
        """Everything that a browser loads by itself."""
        return [
            found[name]
            for tag, found in self.elements
            for name in ("src", "href", "srcset", "data", "poster", "action")
            if name in found and tag != "a"
        ]


@pytest.fixture
def own_app(fresh_database_url: str, settings: Settings) -> Iterator[Flask]:
    """The application on a database of the test's own; redis is away, so totals are not old."""
    made = create_app(
        replace(settings, database_url=fresh_database_url, redis_url="redis://127.0.0.1:1")
    )
    yield made
    made.extensions["tanhui"].database.dispose()


@pytest.fixture
def demo(own_app: Flask, fresh_database: Database) -> FlaskClient:
    """Behind it a day over the cap and a refused one."""

    def settle(session: Session) -> None:
        holder_id = a_resident(session)
        keyring = own_app.extensions["tanhui"].keyring
        ids = {RESIDENT: holder_id}
        add_ids(session, keyring, FEEDS[0].partner, ids, now=datetime.now(UTC))
        recorded(session, a_walk(holder_id, 13_162), a_walk(holder_id, 0, day=1))

    fresh_database.transact(settle)
    return own_app.test_client()


@pytest.mark.parametrize(
    ("language", "title"),
    [
        ("zh-CN", "每一次低碳行为，都有一笔明白账 · 碳惠"),
        ("en", "A clear account of every low-carbon act · Tanhui"),
    ],
)
def test_home_answers_in_the_language_asked_for(
    client: FlaskClient, language: str, title: str
) -> None:
    by_header = client.get("/", headers={"Accept-Language": language})
    by_query = client.get(f"/?lang={language}", headers={"Accept-Language": "fr"})
    for answer in (by_header, by_query):
        page = Page(answer)
        assert answer.status_code == 200
        assert page.all("html") == [{"lang": language}]
        assert page.title() == title
        assert answer.headers["Content-Language"] == language
        assert answer.vary.as_set() == {"accept-language"}


def test_chinese_comes_first(client: FlaskClient) -> None:
    assert Page(client.get("/")).all("html") == [{"lang": "zh-CN"}]
    assert Page(client.get("/?lang=fr")).all("html") == [{"lang": "zh-CN"}]


@pytest.mark.parametrize("path", PAGES)
def test_a_chosen_language_is_kept_without_javascript(client: FlaskClient, path: str) -> None:
    page = Page(client.get(f"{path}?lang=en", headers=BROWSER))
    links = [link["href"] for link in page.all("a")]
    assert "?lang=zh-CN" in links
    assert "/?lang=en" in links
    assert "/docs?lang=en" in links


def test_home_shows_the_totals_of_the_ledger(demo: FlaskClient, fresh_database: Database) -> None:
    totals = fresh_database.transact(read_totals)
    page = Page(demo.get("/"))
    shown = [int(found["value"]) for found in page.all("data")]
    names = ("earned_points", "spent_points", "verified", "rejected", "residents")
    assert shown == [totals["saved_mg_co2e"], *(totals[name] for name in names)]
    assert shown == [263_240, 200, 0, 1, 1, 1]
    assert page.texts["data"] == ["0.26", "200", "0", "1", "1", "1"]


def test_home_shows_each_activity_with_all_its_milligrams_and_why(demo: FlaskClient) -> None:
    page = Page(demo.get("/?lang=en"))
    cells = page.text
    assert "13,162 <small>steps</small>" in cells
    assert "263.240 <small>g</small>" in cells
    assert "points withheld over the day&#39;s cap: 63." in cells
    assert "The quantity 0 is outside the plausible range." in cells
    assert page.texts["time"][-2:] == ["2016-04-13", "2016-04-12"]  # The latest day first.
    assert [found["class"] for found in page.all("span") if "class" in found] == [
        "rejected",
        "verified",
    ]


def test_home_says_openly_that_it_shows_demo_data(demo: FlaskClient) -> None:
    for language in LANGUAGES:
        shown = demo.get(f"/?lang={language}").text
        assert "Fitbit tracker data set (Möbius), CC0" in shown
        assert "Powered by TfL Open Data" in shown
        assert "make demo" not in shown
    assert "演示数据" in demo.get("/").text


def test_home_without_demo_data_says_how_to_get_it(own_app: Flask) -> None:
    for language in LANGUAGES:
        page = Page(own_app.test_client().get(f"/?lang={language}"))
        assert "make demo" in page.texts["code"]
        assert page.all("table") == []
        assert "TfL" not in page.text


def test_the_table_has_headers_that_say_what_they_head(demo: FlaskClient) -> None:
    page = Page(demo.get("/"))
    assert {found["scope"] for found in page.all("th")} == {"col", "row"}
    assert len([found for found in page.all("th") if found["scope"] == "col"]) == 8


def test_text_is_escaped(demo: FlaskClient, owner: Engine) -> None:
    with owner.begin() as connection:
        connection.execute(text("UPDATE behaviour SET name_zh = '<script>alert(1)</script>'"))
    for answer in (demo.get("/"), demo.get("/<script>alert(1)</script>", headers=BROWSER)):
        page = Page(answer)
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
        assert page.all("script") == []


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_has_no_inline_code_and_loads_nothing_from_outside(
    client: FlaskClient, path: str, language: str
) -> None:
    page = Page(client.get(f"{path}?lang={language}", headers=BROWSER))
    assert page.inline == []
    assert page.assets()
    for asset in page.assets():
        assert urlsplit(asset)[:2] == ("", "")
        assert client.get(asset, buffered=True).status_code == 200
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all(
        "meta"
    )
    assert len(page.all("h1")) == 1


@pytest.mark.parametrize("path", PAGES)
def test_one_strict_policy_covers_every_page(client: FlaskClient, path: str) -> None:
    policy = client.get(path, headers=BROWSER).headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self';" in policy
    assert "unsafe" not in policy


def test_style_sheets_load_nothing_from_outside(client: FlaskClient) -> None:
    page = Page(client.get("/docs"))
    sheets = [*page.assets(), *Page(client.get("/")).assets()]
    for sheet in {found for found in sheets if found.endswith(".css")}:
        css = client.get(sheet, buffered=True).text
        assert "@import" not in css
        assert all(
            target.startswith("data:") for target in re.findall(r"url\([\"']?([^)]{0,20})", css)
        )


def test_the_docs_read_the_openapi_document_of_this_host(client: FlaskClient) -> None:
    page = Page(client.get("/docs"))
    documents = [found["data-document"] for found in page.all("div") if "data-document" in found]
    assert documents == ["/openapi.json"]
    answer = client.get(documents[0])
    assert answer.json is not None
    assert answer.json["openapi"] == "3.1.0"
    scripts = [found["src"] for found in page.all("script")]
    assert [script.partition("?v=")[0] for script in scripts] == [
        "/static/swagger-ui/swagger-ui-bundle.js",
        "/static/docs.js",
    ]
    assert "validatorUrl: null" in client.get(scripts[1], buffered=True).text


@pytest.mark.parametrize("kind", ALL_TYPES, ids=lambda kind: str(kind.slug))
def test_each_problem_type_has_a_page_in_both_languages(
    client: FlaskClient, kind: ProblemType
) -> None:
    for language, title in zip(LANGUAGES, kind.title, strict=True):
        answer = client.get(f"/problems/{kind.slug}?lang={language}")
        page = Page(answer)
        assert answer.status_code == 200
        assert page.texts["h1"] == [title]
        assert f"HTTP {kind.status}" in page.text
        assert "{" not in page.text  # The facts of the detail are named, not left as a template.
        assert [name for name in kind.members if name not in page.texts["code"]] == []


@pytest.mark.parametrize("kind", ALL_TYPES, ids=lambda kind: str(kind.slug))
def test_each_problem_type_says_what_to_do_and_what_its_members_hold(
    app: Flask, kind: ProblemType
) -> None:
    module = app.jinja_env.get_template("advice.html").make_module()
    texts = [
        vars(module)["ADVICE"][kind.slug],
        *(vars(module)["MEMBERS"][name] for name in kind.members),
    ]
    assert all(len(found) == len(LANGUAGES) and all(found) for found in texts)


@pytest.mark.parametrize("path", ["/no-such-page", "/problems/no-such-type"])
def test_a_browser_gets_a_page_for_an_unknown_address(client: FlaskClient, path: str) -> None:
    for language, title in zip(LANGUAGES, ("没有这个页面", "No such page"), strict=True):
        answer = client.get(path, headers={**BROWSER, "Accept-Language": language})
        assert answer.status_code == 404
        assert Page(answer).texts["h1"] == [title]
        assert answer.vary.as_set() == {"accept", "accept-language"}


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("/no-such-page", "*/*"),
        ("/no-such-page", "application/json"),
        ("/no-such-page", "application/json, text/html;q=0.5"),
        ("/v1/no-such-thing", BROWSER["Accept"]),
        ("/v1", BROWSER["Accept"]),
    ],
)
def test_a_program_gets_a_problem_document_for_an_unknown_address(
    client: FlaskClient, path: str, accept: str
) -> None:
    answer = client.get(path, headers={"Accept": accept})
    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize(
    ("mg", "shown"),
    [
        (0, "0.00"),
        (19_999, "0.01"),
        (153_888_720, "153.88"),
        (999_999_999, "999.99"),
        (1_000_000_000, "1,000"),
        (1_234_567_999_999, "1,234,567"),
    ],
)
def test_a_headline_never_claims_more_than_was_saved(mg: int, shown: str) -> None:
    assert short_kilograms(mg) == shown


def test_bars_fill_the_chart_and_keep_its_gap() -> None:
    rows = [{"points": 0, "trimmed_points": 0}, {"points": 200, "trimmed_points": 50}]
    assert _bars(rows) == [
        {"points": 78, "trimmed_points": 19},
        {"points": 0, "trimmed_points": 0},
    ]
    assert _bars([]) == _bars(rows[:1]) == []


def test_what_a_page_loads_is_kept_until_it_changes(client: FlaskClient) -> None:
    (address,) = [each for each in Page(client.get("/")).assets() if "tanhui.css" in each]
    for wanted, kept in ((address, True), ("/static/tanhui.css?v=0123456789ab", False)):
        with client.get(wanted) as answer:
            assert ("immutable" in answer.headers["Cache-Control"]) is kept
