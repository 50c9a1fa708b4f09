"""The counter: codes typed, scanned and shown live, and moments without a line."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from service.web.browsers import ACCESS
from tests.service.web.browsing import Site, another, shows, site, visitor
from tests.service.web.tilling import LONG_ZH, Stall, a_stall, seen_by_camera

pytestmark = pytest.mark.once
_WORKER_READY = """() => Promise.race([
    navigator.serviceWorker.ready.then(() => true),
    new Promise((_, failed) => setTimeout(() => failed(new Error("no worker")), 15000)),
])"""
_DETECTOR = """
    window.BarcodeDetector = class {
        static async getSupportedFormats() { return ["qr_code"]; }
        async detect() { return [{ rawValue: "%s" }]; }
    };
"""


@pytest.fixture(scope="module")
def here(settings, copied_database) -> Iterator[Site]:
    with site(settings, copied_database) as made:
        yield made


@pytest.fixture(scope="module")
def stall(here) -> Stall:
    return a_stall(here)


def reached(page, state) -> str:
    """The words of the result, once the counter is in this state."""
    page.wait_for_selector(f"#counter[data-state={state}] .result")
    return page.inner_text(".result")


def typed(page, code) -> None:
    page.fill("#code", code)
    page.press("#code", "Enter")


def test_a_clerk_takes_a_voucher_by_its_code_and_takes_it_back(browser, here, stall):
    code = stall.voucher()
    with visitor(browser, here, "till", width="phone", signed_in=stall.caller()) as clerk:
        page = clerk.open("/till")
        clerk.look("scan-empty")
        typed(page, code.lower().replace("-", " "))
        assert "美式咖啡一杯" in reached(page, "looked")
        clerk.look("scan-looked")
        page.keyboard.press("Enter")  # The button has the focus: one tap, or one key.
        assert "请交付" in reached(page, "taken")
        clerk.look("scan-taken")

        typed(page, code)
        assert "请不要交付" in reached(page, "refused")
        expect(page.locator("#code")).to_have_value(code)
        clerk.look("scan-refused")

        page.on("dialog", lambda dialog: dialog.accept())
        page.click("main a[href='/till/today']")
        clerk.look("today")
        page.click("main form.act button")
        page.wait_for_url("**/till/today?done=undone")
        shows(page, "main", "已撤销")
        page.click("nav a[href='/till']")
        typed(page, code)
        reached(page, "looked")
        page.click("[data-again]")
        page.wait_for_selector("#counter[data-state=ready]")


def test_without_javascript_the_same_forms_do_it(browser, here, stall):
    code = stall.voucher()
    more = {"java_script_enabled": False}
    with visitor(browser, here, "till-plain", signed_in=stall.caller(), **more) as clerk:
        page = clerk.open("/till")
        page.fill("#code", code)
        page.click("[data-look] button")
        page.click("[data-take] button")
        assert "taken=" in page.url
        shows(page, ".result.good", "请交付")
        page.click(".result button")
        assert "undone=" in page.url


def test_the_shop_where_one_stands_is_sent_along(browser, here, stall):
    code = stall.voucher()
    with visitor(browser, here, "till-shop", signed_in=stall.caller()) as clerk:
        page = clerk.open("/till")
        page.select_option("#shop", label="夏阳湖店")
        page.click(".stand button")
        typed(page, code)
        reached(page, "looked")
        page.click("[data-first]")
        assert "夏阳湖店" in reached(page, "taken")


def test_a_live_code_shows_what_can_be_handed_out(browser, here, stall):
    stall.voucher()
    with visitor(browser, here, "till-live", width="phone", signed_in=stall.caller()) as clerk:
        page = clerk.open("/till")
        typed(page, stall.live_code())
        assert LONG_ZH in reached(page, "live")
        clerk.look("vouchers")
        page.click(".hand button.primary >> nth=0")
        assert "美式咖啡一杯" in reached(page, "taken")

        typed(page, stall.live_code())
        reached(page, "live")
        page.once("dialog", lambda dialog: dialog.dismiss())
        page.click(".hand button:not(.primary) >> nth=0")
        page.once("dialog", lambda dialog: dialog.accept())
        page.click(".hand button:not(.primary) >> nth=0")
        assert LONG_ZH in reached(page, "taken")

        typed(page, "TH1.NONSENSE")
        assert "动态码无效" in reached(page, "refused")


def test_the_camera_reads_a_code_and_one_tap_takes_it(browser, here, stall, tmp_path):
    film = seen_by_camera(stall.voucher(), tmp_path / "code.y4m")
    flags = [
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={film}",
    ]
    with another(browser, flags) as filming:
        with visitor(
            filming, here, "till-camera", width="phone", signed_in=stall.caller()
        ) as clerk:
            page = clerk.open("/till")
            page.click("[data-start]")
            reached(page, "looked")
            clerk.look("camera")
            page.click("[data-first]")
            reached(page, "taken")
            page.wait_for_timeout(600)  # It is still in sight, and is not read again.
            assert page.get_attribute("#counter", "data-state") == "taken"
            page.click("[data-stop]")
            assert page.is_visible("[data-start]")
        with visitor(filming, here, "till-detector", signed_in=stall.caller()) as clerk:
            clerk.context.add_init_script(_DETECTOR % stall.voucher())
            page = clerk.open("/till")
            page.click("[data-start]")
            reached(page, "looked")
            assert page.evaluate("window.jsQR") is None
            clerk.check()


def test_only_the_counter_may_use_the_camera(browser, here, stall):
    with visitor(browser, here, "till-denied", signed_in=stall.caller()) as clerk:
        policies = {
            path: clerk.page.goto(here.address + path).headers["permissions-policy"]
            for path in ("/till", "/till/offline", "/till/today", "/till/more")
        }
        page = clerk.open("/till")
        page.click("[data-start]")  # There is no camera, or nobody allows it.
        expect(page.locator("[data-said]")).not_to_be_empty()
        assert page.is_visible("#code")
    may = {path for path, policy in policies.items() if "camera=(self)" in policy}
    assert may == {"/till", "/till/offline"}


def test_without_a_line_the_till_signs_keeps_and_sends_later(browser, here, stall):
    id_, shop = str(uuid4()), None
    made = stall.api("PUT", stall.url(f"/scanners/{id_}"), {"name": "一号收银台", "shop_id": shop})
    code, used, pending = stall.voucher(), stall.voucher(), stall.voucher()
    stall.taken(used)
    with visitor(browser, here, "till-off", width="phone", signed_in=stall.caller()) as clerk:
        page = clerk.open("/till")
        page.evaluate(_WORKER_READY)
        typed(page, pending)
        reached(page, "looked")
        clerk.context.set_offline(True)
        page.click("[data-first]")  # No answer: the offline page, kept by the browser.
        page.wait_for_url("**/till/offline")
        page.wait_for_selector("#offline:not([hidden])")
        page.click("[data-take-offline] button")
        page.wait_for_selector(".result.bad")  # Not paired yet.
        typed(page, f"TANHUI-SCANNER.{id_}.{made['key']}")
        page.wait_for_selector(".result.good")
        for each in (pending, code, used):
            typed(page, each)
            page.wait_for_selector(f".result.good .what:text('{each}')")
        typed(page, code)
        page.wait_for_selector(".result.bad")
        typed(page, "TH1.ABC")
        page.wait_for_selector(".result.bad h2:text('动态码需要联网')")
        clerk.shoot("offline")
        page.reload()
        expect(page.locator("[data-queue] li")).to_have_count(3)

        clerk.context.set_offline(False)
        expect(page.locator("[data-queue] .badge.warn")).to_have_count(0, timeout=20_000)
        words = page.inner_text("[data-queue]")
        assert (words.count("已核销"), words.count("未核销")) == (2, 1)
        clerk.look("sent")
        page.goto(here.address + "/till/double-uses")
        shows(page, "table", "已用过")
    today = stall.api("GET", "/v1/consumptions?limit=200")["consumptions"]
    assert sum(one["offline"] for one in today) == 2


def test_a_form_that_comes_too_late_leads_back_to_the_counter(here):
    client = here.app.test_client()
    answer = client.post("/till/take", data={"page": "/till", "code": "x"})
    assert (answer.status_code, answer.location) == (303, "/staff/sign-in?next=/till&ended=1")


def test_who_signs_out_leaves_the_till_what_it_took_offline(here, stall):
    client = here.app.test_client()
    token = stall.site.services.tokens.issue(stall.caller(), now=stall.now())
    client.set_cookie(ACCESS, token)
    form_token = client.get("/till").text.partition('name="form_token" value="')[2]
    sent = {"form_token": form_token.partition('"')[0]}
    answer = client.post("/sign-out", data=sent)
    assert answer.headers["Clear-Site-Data"] == '"cache"'


def test_an_unreadable_queue_is_refused_as_the_api_refuses_it(here, stall):
    client = here.app.test_client()
    token = stall.site.services.tokens.issue(stall.caller(), now=stall.now())
    client.set_cookie(ACCESS, token)
    page = client.get("/till").text
    form_token = page.partition('name="form_token" value="')[2].partition('"')[0]
    for queue in ("", "{", "[]", '[{"id": 1}]'):
        answer = client.post("/till/offline", data={"form_token": form_token, "queue": queue})
        assert (answer.status_code, answer.json["status"]) == (422, 422)
