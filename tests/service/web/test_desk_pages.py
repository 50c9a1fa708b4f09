"""Pages of the desk without a browser: each is there in both languages, and shows no harm."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from werkzeug.datastructures import MultiDict

from service.app import create_app
from service.web.desk.typing_in import parsed
from tests.service.web.browsing import Site
from tests.service.web.desking import XSS, Desk, a_desk
from tests.service.web.test_guards import browser_of, token_in

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def desk(settings, copied_database) -> Iterator[Desk]:
    with copied_database() as url:
        app = create_app(replace(settings, database_url=url, rate_limits=0.0))
        yield a_desk(Site(app, ""))
        app.extensions["tanhui"].database.dispose()


@pytest.mark.parametrize("language", ["zh-CN", "en"])
@pytest.mark.parametrize("role", ["operator", "administrator", "volunteer"])
def test_every_page_of_a_role_is_there(desk, role, language):
    caller = getattr(desk, role)
    own = {"volunteer-home": "", "volunteer-entry": "/entry", "volunteer-own": "/own"}
    pages = {
        "operator": desk.operators_pages,
        "administrator": desk.administrators_pages,
        "volunteer": lambda: own,
    }[role]()
    client = browser_of(desk.site.app, caller)
    wrong = []
    for name, path in pages.items():
        answer = client.get(f"/desk{path}", headers={"Accept-Language": language})
        if answer.status_code != 200 or XSS in answer.text:
            wrong.append((name, path, answer.status_code))

    assert wrong == []


def test_a_form_that_the_page_does_not_offer_any_more_changes_nothing(desk):
    side = desk.side
    url = f"/desk/activity-corrections/{side.resident}/{side.activity_correction}"
    client = browser_of(desk.site.app, desk.operator)
    token = token_in(client.get(url).text)
    path = f"/v1/holders/{side.resident}/activity-corrections/{side.activity_correction}"
    desk.api("PUT", f"{path}/rejection", {"reason": "r"}, by=desk.second)
    answer = client.post(url, data={"form_token": token, "do": "approve"})

    assert answer.status_code == 409
    assert "情况已有变化" in answer.text
    assert desk.api("GET", path)["state"] == "rejected"


def test_a_refused_form_keeps_what_was_typed_and_says_what_is_wrong(desk):
    client = browser_of(desk.site.app, desk.operator)
    token = token_in(client.get("/desk/budgets").text)
    sent = {"do": "new", "form_token": token, "programme": desk.side.programme, "name": XSS}
    sent |= {"valid_from": "2026-01-01", "valid_to": "2027-01-01", "total_fen": "many"}
    answer = client.post("/desk/budgets", data=sent)

    assert answer.status_code == 422
    assert 'value="many"' in answer.text
    assert "须为整数" in answer.text
    assert XSS not in answer.text
    done = client.post("/desk/budgets", data=sent | {"total_fen": "1,234.5"})
    assert done.status_code == 303
    budgets = desk.api("GET", "/v1/budgets?limit=200")["budgets"]
    assert [one["total_fen"] for one in budgets if one["name"] == XSS] == [123_450]


def test_a_version_is_drafted_from_what_is_in_force_and_waits_for_somebody_else(desk):
    client = browser_of(desk.site.app, desk.operator)
    url = "/desk/drafts/new/rule?like=sh.walking.freshness@1"
    shown = client.get(url).text
    sent = {"do": "draft", "form_token": token_in(shown), "version": "2", "valid_from": "soon"}
    sent |= {"parameter_max_days": "5", "document": "通知（2027）第 2 页"}
    refused = client.post(url, data=sent)

    assert refused.status_code == 422
    assert "valid_from is &#39;soon&#39;" in refused.text
    assert 'value="通知（2027）第 2 页"' in refused.text
    done = client.post(url, data=sent | {"valid_from": "2027-01-01"})
    assert done.status_code == 303
    assert done.location.endswith("/drafts/rule:sh.walking.freshness@2?done=draft_written")
    page = client.get(done.location).text
    assert "这是您起草的" in page
    assert "最多天数" in page
    drafts = desk.api("GET", "/v1/catalogue/drafts")["drafts"]
    (draft,) = [one for one in drafts if one["name"] == "rule:sh.walking.freshness@2"]
    changed = {one["field"]: (one["before"], one["after"]) for one in draft["differences"]}
    assert changed["max_days"] == ("7", "5")
    assert 'value="3"' in client.get(url).text  # The number after the draft's.


@pytest.mark.parametrize("like", ["factor?like=BUS_TRIP.BJ", "method?like=sh.walking@1"])
def test_a_form_of_a_version_begins_as_what_is_in_force(desk, like):
    shown = browser_of(desk.site.app, desk.operator).get(f"/desk/drafts/new/{like}")

    assert shown.status_code == 200
    assert "selected" in shown.text


@pytest.mark.parametrize(
    ("kind", "typed", "sent"),
    [
        ("yuan", "12", 1_200),
        ("yuan", "￥0.5", 50),
        ("yuan", "1,000.05", 100_005),
        ("yuan", "0.005", "0.005"),
        ("yuan", "-1", "-1"),
        ("number", "5,000", 5_000),
        ("number", "1.5", "1.5"),
        ("instant", "2026-11-21T08:00", "2026-11-21T08:00+08:00"),
        ("list", "a，b c", ["a", "b", "c"]),
        ("line", "  ", None),
    ],
)
def test_what_people_type_is_sent_as_the_api_takes_it(kind, typed, sent):
    assert parsed(kind, "it", MultiDict({"it": typed})) == sent
