"""The staff console in a real browser: every page, and the stories of those who work with it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.service.web.browsing import Site, shows, site, visitor
from tests.service.web.desking import PHONE, Desk, a_desk

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def here(settings, copied_database) -> Iterator[Site]:
    with site(settings, copied_database) as made:
        yield made


@pytest.fixture(scope="module")
def desk(here) -> Desk:
    return a_desk(here)


@pytest.mark.parametrize(("width", "language"), [("desktop", "en"), ("phone", "zh-CN")])
def test_all_pages_of_the_desk_look_right(browser, here, desk, width, language):
    """Those that differ in their looks; on phones, where the parts stand below each other, some.

    That each of the others is there: test_desk_pages.
    """
    phone = {"home", "reviews", "review", "resident-overview", "settlement", "volunteer"}
    wide = {
        *("residents", "resident-why", "resident-entries", "appeal", "activity", "corrections"),
        *("activity-correction", "scenes", "scene", "draft-impact", "method", "merchants"),
        *("merchant-overview", "offer", "new-offer", "projects-of", "top-up", "liability-of"),
        *("feed", "registration-town", "own", "admin", "member", "api-keys", "admin-log"),
    }
    shown = [
        *((desk.operator, name, path) for name, path in desk.operators_pages().items()),
        *((desk.administrator, name, path) for name, path in desk.administrators_pages().items()),
        (desk.volunteer, "volunteer", ""),
    ]
    for who in (desk.operator, desk.administrator, desk.volunteer):
        more = {"width": width, "language": language, "signed_in": who}
        with visitor(browser, here, "desk", **more) as reader:
            for caller, name, path in shown:
                if caller != who or name not in (phone if width == "phone" else phone | wide):
                    continue
                reader.open(f"/desk{path}")
                reader.look(name)


def test_an_operator_works_through_the_queue_by_keys(browser, here, desk):
    with visitor(browser, here, "desk-story", signed_in=desk.operator) as operator:
        page = operator.open("/desk/reviews")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_selector("form[data-decide]")
        page.keyboard.press("q")
        page.keyboard.type("请说明这次活动在哪里进行")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector(".note.done")
        operator.open(f"/desk/reviews/{desk.side.resident}/{desk.side.held}")
        expect(page.locator("h1 .badge")).to_have_text("等居民回答", use_inner_text=True)
        page.fill("textarea[name=reason]", "记录与凭证一致")
        page.click("button[value=approve]")
        page.wait_for_selector(".note.done")
        operator.check()


def test_a_resident_is_found_with_a_purpose_and_looked_at(browser, here, desk):
    with visitor(browser, here, "desk-story", signed_in=desk.operator) as operator:
        page = operator.open("/desk/residents")
        page.fill("[name=sought]", "139 0000 0000")
        page.fill("[name=purpose]", "居民到窗口咨询")
        page.click("form.do button")
        page.wait_for_selector(".note.warn")
        page.fill("[name=sought]", PHONE)
        page.fill("[name=purpose]", "居民到窗口咨询")
        page.click("form.do button")
        page.click("table a.row")
        page.wait_for_selector("dl.facts")
        shows(page, "main", "138****5678")
        page.wait_for_load_state()
        assert PHONE not in page.content()
        operator.look("resident")
        page.click("text=活动 >> nth=0")


def test_a_correction_takes_a_second_person(browser, here, desk):
    url = f"/desk/activity-corrections/{desk.side.resident}/{desk.side.activity_correction}"
    proposed = f"/desk/residents/{desk.side.resident}/activities/{desk.side.activity}"
    with visitor(browser, here, "desk-story", signed_in=desk.operator) as operator:
        page = operator.open(proposed)
        page.select_option("[name=action]", "change")
        page.fill("[name=reason]", "数量记错")
        page.click("form.do button")
        page.wait_for_selector(".note.refused")
        expect(page.locator("[name=reason]")).to_have_value("数量记错")
        operator.look("correction-refused")
        page.fill("[name=quantity]", "50")
        page.click("form.do button")
        page.wait_for_selector(".note.done")
        page = operator.open("/desk/corrections")
        page.click("text=数量记错 >> xpath=ancestor::tr >> a.row")
        expect(page.locator("#approve")).to_have_count(0)
    with visitor(browser, here, "desk-story", signed_in=desk.second) as second:
        page = second.open(url)
        page.on("dialog", lambda dialog: dialog.accept())
        page.click("#approve button")
        page.wait_for_selector(".note.done")
        expect(page.locator("h1 .badge")).to_have_text("已批准", use_inner_text=True)


def test_a_draft_is_approved_by_another_after_a_look_at_its_impact(browser, here, desk):
    with visitor(browser, here, "desk-story", signed_in=desk.operator) as operator:
        page = operator.open(f"/desk/drafts/{desk.side.draft}")
        expect(page.locator("#approve")).to_have_count(0)
        page.click(".filters button")
        page.on("dialog", lambda dialog: dialog.accept())
        page.click("#approve button")
        page.wait_for_url("**/desk/drafts?done=approved")
        page.wait_for_load_state()
        assert desk.side.draft not in page.inner_text("main")


def test_a_volunteer_enters_what_a_resident_with_a_card_did_without_scripts(browser, here, desk):
    more = {"signed_in": desk.volunteer, "java_script_enabled": False, "width": "phone"}
    with visitor(browser, here, "desk-story", **more) as volunteer:
        page = volunteer.open("/desk")
        page.fill("[name=card_number]", "nobody-000000")
        page.fill("[name=quantity]", "12")
        page.click("form.do button")
        expect(page.locator(".note.refused")).to_have_count(1)
        expect(page.locator("[name=quantity]")).to_have_value("12")
        page.fill("[name=card_number]", desk.side.card)
        page.click("form.do button")
        shows(page, "main", "已记录")
        volunteer.shoot("volunteer-entered")


def test_an_administrator_invites_somebody_and_gives_a_role(browser, here, desk):
    with visitor(browser, here, "desk-story", signed_in=desk.administrator) as boss:
        page = boss.open("/desk/members")
        page.fill("[name=login]", "chen.jie")
        page.fill("[name=display_name]", "陈洁")
        page.click("form.do button")
        shows(page, ".note.warn", "/staff/invitation/")
        boss.look("invited")
        boss.open("/desk/members")
        page.click("text=chen.jie")
        page.select_option("[name=role]", "operator")
        page.fill("[name=programme]", desk.side.programme)
        page.click("#grant button")
        page.wait_for_selector(".note.done")
        page.on("dialog", lambda dialog: dialog.accept())
        page.click("td.acts button")
        page.wait_for_selector(".note.done")
        expect(page.locator("td.acts button")).to_have_count(0)


def test_a_settlement_is_approved_by_another_and_paid(browser, here, desk):
    side = desk.side
    path = f"/v1/merchants/{side.merchant}/settlements/{side.settlement}"
    manager = desk.operator.__class__("mei", "merchant_manager", str(side.merchant), side.programme)
    desk.api("PUT", f"{path}/confirmation", {}, by=manager)
    with visitor(browser, here, "desk-story", signed_in=desk.operator) as operator:
        page = operator.open("/desk/settlements?state=confirmed")
        page.click("table a.row")
        page.click("#approval button")
        page.wait_for_selector(".note.done")
        page.fill("[name=payment_reference]", "BANK-2026-1")
        page.on("dialog", lambda dialog: dialog.accept())
        page.click("#pay button")
        page.wait_for_selector(".note.done")
        shows(page, "main", "BANK-2026-1")
        operator.look("paid")
