"""The page /verify as it is sent; tests/service/test_verify_in_browser.py runs its script."""

import re
from pathlib import Path

from service import web
from tests.service.test_pages import LANGUAGES, Page

SCRIPT = Path(web.ROOT) / "static" / "verify.js"


def test_the_script_is_short_enough_to_be_read():
    lines = SCRIPT.read_text(encoding="utf-8").splitlines()

    assert len(lines) <= 300
    assert max(map(len, lines)) <= 100


def test_the_script_reads_the_logs_files_and_sends_nothing():
    script = SCRIPT.read_text(encoding="utf-8")

    assert script.count("fetch(") == 1
    for name in ("http:", "https:", "XMLHttpRequest", "sendBeacon", "WebSocket", "/v1", "import("):
        assert name not in script


def test_no_field_has_a_name_so_that_nothing_is_sent_without_the_script_either(client):
    page = Page(client.get("/verify"))

    fields = [found for tag in ("input", "textarea", "button", "form") for found in page.all(tag)]
    assert len(fields) == 5
    assert [found for found in fields if {"name", "action"} & found.keys()] == []


def test_every_field_has_its_label_and_the_outcome_is_announced(client):
    page = Page(client.get("/verify"))

    labelled = {found["for"] for found in page.all("label")}
    assert labelled == {found["id"] for tag in ("input", "textarea") for found in page.all(tag)}
    assert {"id": "verdict", "role": "status", "aria-live": "polite"} in page.all("p")


def test_the_page_has_every_step_and_text_that_the_script_names(app):
    script = SCRIPT.read_text(encoding="utf-8")
    known = vars(app.jinja_env.get_template("verify_texts.html").make_module())

    steps = set(re.findall(r'(?:step|proves)\("([a-z]+)"', script))
    assert steps == set(known["STEPS"])
    named = set(
        re.findall(r'"([a-z]+(?:-[a-z0-9]+)+|malformed|missing|unreachable|broken)"', script)
    )
    named -= {"no-store"}
    assert named <= set(known["TEXTS"])
    for texts in (known["STEPS"], known["TEXTS"]):
        assert all(len(found) == len(LANGUAGES) and all(found) for found in texts.values())


def test_it_shows_the_key_with_which_the_log_signs(client, services):
    shown = Page(client.get("/verify")).texts["textarea"]

    assert shown == [str(services.log.verifier())]


def test_the_page_answers_while_the_database_is_away(app, client, monkeypatch):
    monkeypatch.setattr(type(app.extensions["tanhui"].database), "transact", None)

    assert client.get("/verify").status_code == 200
    assert client.get("/log/checkpoint").status_code in (200, 404)
