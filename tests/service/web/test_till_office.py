"""Behind the counter: offers, shops, scanners, people, settlements and systems, by a manager."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from tests.service.web.browsing import Site, shows, site, visitor
from tests.service.web.tilling import LONG_ZH, XSS, Stall, a_stall

pytestmark = pytest.mark.once
MANAGER = "merchant_manager"
PAGES = (
    *("", "/today", "/offers", "/offers/new", "/settlements", "/more", "/shops", "/shops/new"),
    *("/staff", "/agreements", "/systems", "/double-uses", "/offline"),
)
CHANGED = "一号收银台" + XSS


@pytest.fixture(scope="module")
def here(settings, copied_database) -> Iterator[Site]:
    with site(settings, copied_database) as made:
        yield made


@pytest.fixture(scope="module")
def stall(here) -> Stall:
    return a_stall(here)


@pytest.fixture(scope="module")
def settlement(stall) -> str:
    return stall.settlement()


@pytest.fixture(scope="module")
def full(stall, settlement) -> list[str]:
    """Something of everything, with hostile texts; the addresses of single things."""
    stall.taken()
    stall.double_use()
    name = {"name": CHANGED[:100]}
    stall.api("PUT", stall.url(f"/scanners/{uuid4()}"), name)
    stall.api("PUT", stall.url(f"/staff/{uuid4()}"), {"login": "wang.fang", "display_name": XSS})
    shop, webhook = str(uuid4()), stall.api("GET", stall.url("/webhooks"))["webhooks"][0]["id"]
    body = {"name_zh": LONG_ZH, "name_en": XSS, "address": XSS, "closed": True}
    stall.api("PUT", stall.url(f"/shops/{shop}"), body)
    return [
        *(f"/offers/{each}" for each in (stall.offer_id, stall.pool_id)),
        *(f"/offers/{stall.offer_id}/draft", f"/shops/{shop}", f"/settlements/{settlement}"),
        f"/systems/{webhook}",
    ]


@pytest.mark.parametrize(("width", "language"), [("desktop", "en"), ("phone", "zh-CN")])
def test_all_pages_of_a_manager_look_right(browser, here, stall, full, width, language):
    more = {"width": width, "language": language, "signed_in": stall.caller(MANAGER)}
    with visitor(browser, here, "office", **more) as manager:
        for number, path in enumerate((*PAGES, *full)):
            page = manager.open(f"/till{path}")
            expect(page.locator("main h1")).to_have_count(1)
            manager.look(f"{number:02}-{path.strip('/').partition('/')[0] or 'scan'}")
            assert page.evaluate("window.hurt") is None, path
            if language == "en":
                assert page.get_attribute("html", "lang") == "en"


def test_a_clerk_finds_no_page_that_is_a_managers(browser, here, stall, full):
    with visitor(browser, here, "clerk", width="phone", signed_in=stall.caller()) as clerk:
        for path in ("/till", "/till/more", "/till/shops", f"/till/offers/{stall.offer_id}"):
            page = clerk.open(path)
            links = page.eval_on_selector_all(
                "a[href^='/till'], form[action^='/till']",
                "all => all.map(one => one.getAttribute('href') ?? one.getAttribute('action'))",
            )
            assert not {"/till/settlements", "/till/staff", "/till/scanners"} & set(links), path
            clerk.check()
        answer = clerk.page.goto(f"{here.address}/till/settlements")
        assert answer.status == 403


def test_a_manager_confirms_one_settlement_and_takes_the_files_away(
    browser, here, stall, settlement
):
    with visitor(browser, here, "money", signed_in=stall.caller(MANAGER)) as manager:
        page = manager.open("/till/settlements")
        page.click(f"a[href='/till/settlements/{settlement}']")
        shows(page, ".figures .lead", "¥50.50")
        for ending, begins in (("csv", b"\xef\xbb\xbf"), ("xlsx", b"PK")):
            with page.expect_download() as download:
                page.click(f"a[href$='lines.{ending}']")
            assert download.value.suggested_filename.endswith(f".{ending}")
            assert Path(download.value.path()).read_bytes().startswith(begins)
        rows = b"consumption_id,consumed_at,amount_yuan\n"
        file = {"name": "books.csv", "mimeType": "text/csv", "buffer": rows}
        page.set_input_files("#file", files=[file])
        page.click("form[enctype] button")
        expect(page.locator("main table")).to_have_count(2)
        manager.look("compared")
        broken = {"name": "books.csv", "mimeType": "text/csv", "buffer": b"nothing\n1\n"}
        page.set_input_files("#file", files=[broken])
        page.click("form[enctype] button")
        assert page.is_visible(".note.refused")

        page.click("summary:text('不对')")
        page.fill("#reason", " ")
        page.click("button.danger")
        assert page.is_visible(".note.refused")
        page.once("dialog", lambda dialog: dialog.accept())
        page.click("button.primary")
        shows(page, ".note.done", "您已确认")
        page.click("summary:text('不对')")
        page.fill("#reason", f"少了两笔{XSS}")
        page.click("button.danger")
        shows(page, ".note.warn", "少了两笔")
        manager.look("disputed")


def test_a_manager_drafts_an_offer_stocks_and_pauses_it(browser, here, stall, tmp_path):
    with visitor(browser, here, "offers", signed_in=stall.caller(MANAGER)) as manager:
        page = manager.open("/till/offers/new")
        texts = {"title_zh": f"豆浆{XSS}", "title_en": "Soy milk", "price_points": "abc"}
        texts |= {"on_sale_from": "2026-12-01T08:00", "on_sale_to": "2027-06-01T00:00"}
        for name, text in (texts | {"face_value_yuan": "12.5", "valid_days": "30"}).items():
            page.fill(f"#{name}", text)
        page.click("main form button.primary")
        assert page.is_visible(".note.refused")
        expect(page.locator("#title_zh")).to_have_value(texts["title_zh"])
        manager.look("refused")
        page.fill("#price_points", "60")
        page.click("main form button.primary")
        shows(page, ".note.done", "草稿已保存")
        shows(page, ".facts", "¥12.50")
        assert page.evaluate("window.hurt") is None
        page.click("a[href$='/draft']")
        expect(page.locator("#on_sale_from")).to_have_value("2026-12-01T08:00")
        page.fill("#price_points", "70")
        page.click("main form button.primary")
        expect(page.locator("main tbody tr")).to_have_count(2)

        page = manager.open(f"/till/offers/{stall.offer_id}")
        before = int(page.inner_text(".figures dd >> nth=1").split()[0])
        page.fill("#units", "-5")
        page.click("form[action$='/stock'] button")
        page.wait_for_load_state()
        assert int(page.inner_text(".figures dd >> nth=1").split()[0]) == before - 5
        page.fill("#units", "很多")
        page.click("form[action$='/stock'] button")
        expect(page.locator("#units")).to_have_value("很多")
        picture = {"name": "a.png", "mimeType": "image/png", "buffer": b"no picture"}
        page.set_input_files("#picture", files=[picture])
        page.click("form[action$='/picture'] button")
        assert page.is_visible(".note.refused")
        page.once("dialog", lambda dialog: dialog.accept())
        page.fill("#reason", "咖啡机维修")
        page.click("form[action$='/pause'] button")
        shows(page, ".note.done", "已暂停兑换")

        page = manager.open(f"/till/offers/{stall.pool_id}")
        codes = {"name": "codes.txt", "mimeType": "text/plain", "buffer": b"CINEMA-1\nCINEMA-2\n"}
        page.set_input_files("#file", files=[codes])
        page.click("form[action$='/codes'] button")
        shows(page, ".note.done", "券码已导入")
        assert page.inner_text(".figures dd >> nth=1").startswith("2")


def test_a_manager_sees_to_shops_devices_people_and_systems(browser, here, stall):
    with visitor(
        browser, here, "places", width="phone", signed_in=stall.caller(MANAGER)
    ) as manager:
        page = manager.open("/till/shops/new")
        page.fill("#name_zh", "公园路二店")
        page.fill("#name_en", "Park Road 2")
        page.fill("#address", "公园路 2 号")
        page.fill("#division", "999999999")
        page.click("main form button.primary")
        assert page.is_visible(".note.refused")
        expect(page.locator("#name_zh")).to_have_value("公园路二店")
        page.fill("#division", "310118001")
        page.click("main form button.primary")
        shows(page, "main", "公园路二店")

        page.fill("#name", "三号收银台")
        page.click("form[action$='/scanners'] button")
        assert page.inner_text(".secret").startswith("TANHUI-SCANNER.")
        page.click("[data-pair]")
        page.wait_for_selector("[data-paired]:has-text('本机已设为')")
        manager.look("pairing")

        page = manager.open("/till/staff")
        page.fill("#display_name", "王芳")
        page.fill("#login", "Wang Fang")
        page.click("form[action$='/staff'] button")
        expect(page.locator("#login")).to_have_value("Wang Fang")
        page.fill("#login", f"wang.{uuid4().hex[:6]}")
        page.click("form[action$='/staff'] button")
        link = page.inner_text(".secret")
        assert "/staff/invitation/" in link
        manager.look("invited")
        assert manager.page.goto(link).status == 200

        page = manager.open("/till/systems")
        page.fill("#url", "https://till.example.cn/tanhui")
        page.click("form[action$='/systems'] button")
        assert page.inner_text(".secret").startswith("whsec_")
        page.click("main a.button")
        page.click("form[action$='/ping'] button")
        shows(page, "main ul.list", "测试消息")

        page = manager.open("/till/agreements")
        page.click("summary")
        page.once("dialog", lambda dialog: dialog.accept())
        for name, text in {"account_name": "x", "account_number": "1", "bank_name": "y"}.items():
            page.fill(f"#{name}", text)
        page.click("form[action$='/bank'] button")
        assert page.is_visible(".note.refused")
