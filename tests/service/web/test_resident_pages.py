"""A resident's pages in a real browser: their whole story, and how each page looks."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from service.identity.tokens import Caller
from tests.service.published import seal_all
from tests.service.web.browsing import Site, Visitor, shows, site, visitor
from tests.service.web.residing import (
    PAYLOAD,
    Messages,
    a_cup,
    a_parent,
    a_refused_act,
    give_points,
    helper_code,
    many_acts,
    messages_heard,
    open_city,
)

pytestmark = pytest.mark.once
TWICE = """async () => {
    const form = document.querySelector("main form");
    const send = async () => {
        const body = new URLSearchParams(new FormData(form));
        return (await fetch(location.href, {method: "POST", body})).url;
    };
    return [await send(), await send()];
}"""
# Figures broken in their midst, times that lie under an edge, a page that scrolls sideways.
CUT_OFF = """() => {
    const wide = [...document.querySelectorAll("main *, header *")].filter((one) => {
        const { right, width } = one.getBoundingClientRect();
        return width > 1 && right > innerWidth + 1 && !one.closest(".pills, .canvas, .unseen");
    });
    const broken = [...document.querySelectorAll(".figures dd")].filter((one) => {
        const range = document.createRange();
        range.selectNodeContents(one.firstChild);
        return range.getClientRects().length > 1;
    });
    const hidden = [...document.querySelectorAll("time")].filter((one) => {
        const list = one.closest(".list");
        return list && one.getBoundingClientRect().right > list.getBoundingClientRect().right;
    });
    return [...wide, ...broken, ...hidden].map((one) => one.outerHTML.slice(0, 90));
}"""
PHONE, NEW_PHONE = "138 0013 8001", "139 0013 9002"


@pytest.fixture(scope="module")
def messages() -> Iterator[Messages]:
    with messages_heard() as heard:
        yield heard


@pytest.fixture(scope="module")
def here(settings, copied_database, messages, tmp_path_factory) -> Iterator[Site]:
    own = replace(settings, var_dir=tmp_path_factory.mktemp("var-resident"))
    with site(own, copied_database) as made:
        open_city(made)
        yield made


def press(page: Page, text: str) -> None:
    page.get_by_role("button", name=text, exact=True).click()


def sign_up(me: Visitor, messages: Messages) -> None:
    """By a code that came to the phone."""
    page = me.open("/my")
    assert page.url.endswith("/sign-in?next=/my&ended=1")
    page.fill("#phone", PHONE)
    press(page, "获取验证码")
    me.look("sign-in-code")
    page.fill("#code", "000000")
    press(page, "登录")
    expect(page.locator(".note.refused")).to_be_visible()
    page.fill("#code", messages.code("138001380" + "01"))
    press(page, "登录")
    page.select_option("#programme", "sh-2026")
    page.fill("#town_words", "没有这个镇")
    press(page, "查找")
    shows(page, "main", "没有找到")
    page.fill("#town_words", "夏阳")
    press(page, "查找")
    page.check("input[name=division]")
    page.fill("#birth_on", "1950-05-17")
    page.fill("#name", f"王小明{PAYLOAD}"[:50])
    with page.expect_popup() as opened:
        page.get_by_role("main").get_by_role("link", name="个人信息处理规则").first.click()
    shows(opened.value, "h1", "个人信息处理规则")
    opened.value.close()
    expect(page.locator("#birth_on")).to_have_value("1950-05-17")
    page.check("input[name=terms]")
    me.look("sign-up")
    press(page, "参加")
    assert page.url.endswith("/my"), page.inner_text("main")
    for path in ("/terms", "/privacy", "/privacy?version=1&lang=en"):
        me.open(path)
        me.look(f"text{path.replace('/', '-').partition('?')[0]}{'-en' if 'lang' in path else ''}")
    me.open("/my?lang=zh-CN")


def holder_of(me: Visitor) -> UUID:
    token = next(c["value"] for c in me.context.cookies() if c["name"] == "tanhui_access")
    return UUID(me.site.services.tokens.check(token).subject)


def test_the_story_of_a_resident(browser, here, messages):
    with visitor(browser, here, "resident", width="phone") as me:
        sign_up(me, messages)
        me.look("home-empty")
        holder_id = holder_of(me)
        consents(me)
        act = a_cup(here, holder_id)
        refused = a_refused_act(here, holder_id)
        give_points(here, holder_id, 1_000)
        seal_all(here.services)
        me.open("/my")
        shows(me.page, ".balance", "1,0")
        me.look("home")
        activities(me, act["id"], refused["id"])
        redeeming(me)
        live_code(me)
        statement(me)
        family(me)
        account(me, messages)
        closing(me)


def consents(me: Visitor) -> None:
    page = me.open("/my/consents")
    page.on("dialog", lambda asked: asked.accept())
    me.look("consents")
    page.locator(".list > li").first.get_by_role("link", name="读授权书").click()
    shows(page, "main", "撤回：随时可以")
    me.look("consent-text")
    press(page, "同意")
    shows(page, ".note.done", "已经同意")
    page.get_by_role("button", name="撤回").first.click()
    shows(page, ".note.done", "已经撤回")


def activities(me: Visitor, verified: str, refused: str) -> None:
    page = me.open("/my/activities")
    me.look("activities")
    me.open(f"/my/activities/{verified}")
    me.look("activity")
    me.open(f"/my/activities/{refused}")
    page.get_by_role("link", name="我要申诉").click()
    page.fill("#text", PAYLOAD)
    me.look("appeal")
    press(page, "送出申诉")
    shows(page, "main", PAYLOAD)
    me.look("appealed")
    me.open("/my/months")
    page.wait_for_selector("[data-chart][data-drawn=yes] >> nth=1")
    me.look("months")


def redeeming(me: Visitor) -> None:
    page = me.open("/my/offers")
    me.look("offers")
    page.get_by_role("link", name="已经兑完的布袋").click()
    expect(page.get_by_text("已兑完")).to_be_visible()
    me.open("/my/offers")
    page.get_by_role("link", name="咖啡一杯").click()
    me.look("offer")
    page.get_by_role("link", name="马上兑换").click()
    me.look("redeem")
    again = page.evaluate(TWICE)  # The form's id is the redemption's: a second tap is a retry.
    assert again[0] == again[1]
    page.goto(again[0])
    shows(page, "main", "兑换成功")
    me.look("voucher")
    me.open("/my/vouchers")
    expect(page.locator(".list > li")).to_have_count(1)
    me.look("vouchers")
    me.open("/my/offers")
    page.get_by_role("link", name="咖啡一杯").click()
    page.get_by_role("link", name="马上兑换").click()
    press(page, "确认兑换")
    shows(page, ".note.refused", "个人限额")
    me.look("redeem-refused")
    me.open("/my/vouchers")
    page.locator(".list a").first.click()
    press(page, "取消兑换")
    shows(page, ".note.done", "已经取消")
    page.goto(me.site.address + "/my/offers")
    page.get_by_role("link", name="联合志愿服务队").click()
    shows(page, "main", PAYLOAD)
    me.look("offer-long")
    page.get_by_role("link", name="马上兑换").click()
    press(page, "确认兑换")
    page.wait_for_load_state()
    assert "不能取消" not in page.inner_text("main")
    me.look("voucher-long")


def live_code(me: Visitor) -> None:
    page = me.open("/my/code")
    press(page, "在这台设备上打开")
    page.wait_for_selector("svg.qr")
    me.look("live-code")


def statement(me: Visitor) -> None:
    page = me.open("/my/statement")
    me.look("statement")
    page.get_by_role("link", name="凭据", exact=True).last.click()
    me.look("receipt")
    page.get_by_role("link", name="现在核对").click()
    page.wait_for_selector("#verdict[data-state]")
    assert page.get_attribute("#verdict", "data-state") == "yes", page.inner_text("main")
    me.open("/my/points")
    me.look("points")


def family(me: Visitor) -> None:
    parent = a_parent(me.site, f"王大爷{PAYLOAD}")
    page = me.open("/my/family")
    page.fill("#code", "WRONG-CODE")
    press(page, "开始替家人办事")
    expect(page.locator("#code")).to_have_value("WRONG-CODE")
    page.fill("#code", helper_code(me.site, parent))
    press(page, "开始替家人办事")
    me.look("family")
    old = page.context.new_page()
    old.goto(me.site.address + "/my/consents/sh.metro.operator")
    press(page, "代办")
    shows(page, "main", "您正在替")
    shows(page, ".balance", "300")
    me.look("acting")
    old.get_by_role("button", name="同意").first.evaluate("b => b.form.submit()")
    old.wait_for_load_state()
    shows(old, "main", "没有任何改动")  # Shown for oneself, sent while acting.
    old.close()
    me.open("/my/profile")
    expect(me.page.locator("h1")).not_to_have_text("个人资料")  # A delegate sees no profile.
    me.open("/my/code")
    press(me.page, "回到自己")
    me.open("/my/family/child")
    page.fill("#name", "小宝")
    page.fill("#birth_on", "2019-06-01")
    page.fill("#town_words", "夏阳")
    press(page, "查找")
    page.check("input[name=division]")
    me.look("child")
    press(page, "登记")
    shows(page, "main", "孩子已经登记")
    page.check("input[name=spend]")
    press(page, "生成代码")
    me.look("family-code")


def account(me: Visitor, messages: Messages) -> None:
    page = me.open("/my/more")
    me.look("more")
    me.open("/my/profile")
    page.fill("#name", "王小明")
    press(page, "保存")
    shows(page, "main", "已经保存")
    me.look("profile")
    me.open("/my/phone")
    page.fill("#phone", NEW_PHONE)
    press(page, "获取验证码")
    page.fill("#code", messages.code("13900139002"))
    press(page, "更换")
    shows(page, "main", "手机号已经更换")
    me.open("/my/household")
    page.fill("#persons", "3")
    page.fill("#moved_in_on", "2099-01-01")
    page.select_option("#tier", "1")
    press(page, "申报")
    expect(page.locator("#moved_in_on")).to_have_value("2099-01-01")
    expect(page.locator(".note.refused")).to_be_visible()
    me.look("household-refused")
    page.fill("#moved_in_on", "2019-05-01")
    press(page, "申报")
    shows(page, "main", "已经申报")
    me.look("household")
    for name in ("security", "reads", "export"):
        me.open(f"/my/{name}")
        me.look(name)
    with page.expect_download() as loading:
        page.get_by_role("link", name="下载").click()
    assert loading.value.suggested_filename.endswith(".zip")


def closing(me: Visitor) -> None:
    page = me.open("/my/close")
    me.look("close")
    page.check("input[name=sure]")
    press(page, "注销账户")
    expect(page.locator(".note.refused")).to_be_focused()  # The child; read aloud at once.
    me.look("close-refused")
    me.open("/my/family")
    child = page.locator(".list > li", has_text="小宝")
    child.get_by_role("button", name="代办", exact=True).click()
    shows(page, "main", "您正在替")
    me.open("/my/close")
    page.check("input[name=sure]")
    press(page, "注销账户")
    shows(page, "main", "账户已注销")
    me.open("/my/close")
    page.check("input[name=forfeit]")
    page.check("input[name=sure]")
    press(page, "注销账户")
    shows(page, "main", "账户已注销")
    me.look("closed")
    assert me.open("/my").url.endswith("ended=1")


PAGES = (
    *("", "/activities", "/months", "/offers", "/vouchers", "/code", "/consents", "/statement"),
    *("/points", "/family", "/family/child", "/more", "/profile", "/phone", "/household"),
    *("/security", "/reads", "/export", "/close", "/offline"),
)
MAIN = ("", "/activities", "/offers", "/vouchers", "/more")


@pytest.fixture(scope="module")
def ida(here) -> Caller:
    """Somebody with a year of walks."""
    return Caller(str(many_acts(here, 300)), "resident")


@pytest.mark.parametrize(
    ("width", "language", "pages"),
    [("desktop", "en", PAGES), ("desktop", "zh-CN", MAIN), ("phone", "en", MAIN)],
)
def test_every_page_looks_right(browser, here, ida, width, language, pages):
    with visitor(
        browser, here, "resident", width=width, language=language, signed_in=ida
    ) as reader:
        for path in pages:
            page = reader.open(f"/my{path}")
            expect(page.locator("h1")).to_have_count(1)
            if path == "/months":
                page.wait_for_selector("[data-chart][data-drawn] >> nth=1")
            reader.look("walk" + path.replace("/", "-"))
            if language == "en":
                left = re.sub("中文|碳惠", "", page.evaluate(ENGLISH_PARTS))
                assert not re.search("[\\u4e00-\\u9fff]", left), f"{path}: {left}"


ENGLISH_PARTS = """() => {
    const copy = document.body.cloneNode(true);
    for (const one of copy.querySelectorAll("[lang^=zh], script, noscript")) one.remove();
    return copy.textContent;
}"""


def test_long_lists_are_read_page_by_page(browser, here, ida):
    with visitor(browser, here, "resident", width="phone", signed_in=ida) as reader:
        page = reader.open("/my/activities")
        seen = 0
        while True:
            page.wait_for_load_state()  # A click is over when the next page begins to come.
            seen += page.locator(".list > li").count()
            if not page.locator("a[rel=next]").count():
                break
            page.click("a[rel=next]")
        assert seen == 300
        for path in ("/my/activities?cursor=nonsense", "/my/offers/nonsense", "/my/vouchers/x"):
            page = reader.open(path)
            expect(page.locator("h1")).to_be_visible()
        reader.look("refused")


def test_the_last_seen_pages_are_read_without_a_network_by_their_reader_alone(browser, here, ida):
    other = Caller(str(a_parent(here, "另一位")), "resident")
    with visitor(browser, here, "offline", width="phone", signed_in=ida) as reader:
        page = reader.open("/my")
        page.wait_for_function("() => caches.match('/my').then(Boolean)")  # The first page of all.
        for path in ("/my/vouchers", "/my/consents"):
            reader.open(path)
        expect(page.locator(".when-offline")).to_be_hidden()
        reader.context.set_offline(True)
        reader.open("/my")
        shows(page, ".when-offline", "现在没有网络")
        expect(page.locator(".balance .large")).to_be_visible()
        reader.look("home")
        reader.open("/my/vouchers")
        expect(page.locator("h1")).to_have_text("我的券", use_inner_text=True)
        reader.open("/my/consents")
        expect(page.locator("h1")).to_have_text("没有网络", use_inner_text=True)
        reader.look("nothing-kept")
        reader.context.set_offline(False)

        token = here.services.tokens.issue(other, now=datetime.now(UTC))
        cookie = {"name": "tanhui_access", "value": token, "url": here.address}
        reader.context.add_cookies([cookie])
        reader.open("/my/vouchers")
        reader.context.set_offline(True)
        reader.open("/my")
        expect(page.locator("h1")).to_have_text("没有网络", use_inner_text=True)
        reader.context.set_offline(False)
        reader.open("/my")
        press(reader.open("/my/more"), "退出登录")
        assert page.evaluate("caches.keys()") == []
        reader.context.set_offline(True)
        with pytest.raises(Exception, match="ERR_INTERNET_DISCONNECTED"):
            reader.open("/my")


def test_what_was_typed_comes_back_after_signing_in_and_not_after_it_was_sent(browser, here, ida):
    with visitor(browser, here, "kept", width="phone", signed_in=ida) as reader:
        page = reader.open("/my/household")
        today = page.input_value("#valid_from")
        cookies = reader.context.cookies()
        reader.context.clear_cookies()
        typed = {"#valid_from": str(date.fromisoformat(today) - timedelta(days=1))}
        typed |= {"#persons": "3", "#moved_in_on": "2020-05-01"}
        for place, value in typed.items():
            page.fill(place, value)
        page.select_option("#tier", "2")
        page.check("input[name=solar]")
        press(page, "申报")
        expect(page.locator("#phone")).to_be_visible()
        reader.context.add_cookies(cookies)

        reader.open("/my/household")
        for place, value in (typed | {"#tier": "2"}).items():
            expect(page.locator(place)).to_have_value(value)
        expect(page.locator("input[name=solar]")).to_be_checked()
        press(page, "申报")
        shows(page, ".note.done", "已")
        reader.open("/my/household")
        expect(page.locator("#valid_from")).to_have_value(today)


def test_nothing_is_cut_off_where_letters_are_twice_as_large(browser, here, ida):
    with visitor(browser, here, "large", width="phone", signed_in=ida) as reader:
        for path in ("/", "/my", "/my/statement", "/my/months", "/my/security"):
            page = reader.open(path)
            page.evaluate("document.documentElement.style.fontSize = '200%'")
            assert page.evaluate(CUT_OFF) == [], path
        reader.shoot("security")
