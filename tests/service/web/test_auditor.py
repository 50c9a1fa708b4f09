"""The auditor's pages: the journal, proofs checked in the browser, the log, audits, and more."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from playwright.sync_api import expect
from sqlalchemy import select, text

from ledgers.models import Transfer
from ledgers.posting import post
from service.admin.log import Act, Actor, record
from service.audits import running, working
from service.audits.requests import ask
from service.db import owner_engine
from service.demo_shops import DEMO_PROGRAMME
from service.identity.tokens import Caller
from tests.makers import NOW, a_resident, earning
from tests.service.published import many_earnings, seal_all
from tests.service.web.browsing import Site, Visitor, site, visitor

pytestmark = pytest.mark.once

HARM = '"><img src=x onerror=alert(1)><script>alert(2)</script>'
LONG = "因读表时把上月读数误作本月读数而多记，经居民本人、街道工作人员和数据方三方核对后更正" * 2
AUDITOR = Caller("he.jing", "auditor", programme="*")


@dataclass
class World:
    holder_id: UUID
    posting_id: UUID
    transfer_id: UUID
    sizes: list[int]


@pytest.fixture(scope="module")
def here(settings, copied_database, tmp_path_factory) -> Iterator[Site]:
    with site(settings, copied_database, log_dir=tmp_path_factory.mktemp("log")) as made:
        yield made


@pytest.fixture(scope="module")
def world(here) -> World:
    """A journal of two pages in a log of three checkpoints; texts that would do harm as markup."""
    services = here.services
    transact = services.database.transact
    many_earnings(services.database, 60)
    seal_all(services)

    def made(session):
        holder_id = a_resident(session, points=300)
        posting = earning(session, holder_id, 7)
        harmful = {"actor": f"import:{HARM}", "reason": f"{HARM} {LONG}"[:200], "kind": "batch"}
        for name, value in harmful.items():
            object.__setattr__(posting, name, value)
        post(session, posting, now=NOW)
        who = Actor(HARM, "operator", "*", "api", "127.0.0.1", "r-1")
        act = Act("correction.approve", "correction", HARM, holder_id)
        record(session, who, act, before={"state": "proposed"}, after={"state": HARM}, now=NOW)
        query = select(Transfer.id).where(Transfer.posting_id == posting.id)
        return holder_id, posting.id, session.scalars(query).one()

    holder_id, posting_id, transfer_id = transact(made)
    sizes = [services.log.published_size()]
    seal_all(services)
    sizes.append(services.log.published_size())
    engine = owner_engine(services.settings.database_url)
    with engine.begin() as connection:
        tamper = "UPDATE account SET balance = balance + 5 WHERE holder_id = :h AND unit = 'point'"
        connection.execute(text(tamper), {"h": holder_id})
    engine.dispose()
    asked(here, by=HARM)
    assert working.work_off(services) == 1
    return World(holder_id, posting_id, transfer_id, sizes)


def asked(here: Site, *, by: str = "he.jing") -> UUID:
    id_, now = uuid4(), datetime.now(UTC)
    here.services.database.transact(lambda s: ask(s, id_, requested_by=by, now=now) and None)
    return id_


def pages(world: World) -> dict[str, str]:
    older, newer = world.sizes
    return {
        "home": "",
        "programme": f"/programmes/{DEMO_PROGRAMME}",
        "audits": "/audits",
        "postings": "/postings",
        "posting": f"/postings/{world.posting_id}",
        "transfers": "/transfers",
        "proof": f"/transfers/{world.transfer_id}/proof",
        "holders": "/holders",
        "holder": f"/holders/{world.holder_id}",
        "log": "/log",
        "compare": f"/log/compare?older_size={older}&newer_size={newer}",
        "admin-log": "/admin-log",
        "reports": "/reports?division=310118",
        "nothing": "/transfers?transfer_kind=none",
        "no-holder": f"/holders/{uuid4()}",
        "wrong-filter": "/transfers?holder_id=x&min_amount=9&max_amount=1&more=1",
        "wrong-compare": "/log/compare?older_size=1&newer_size=2",
    }


@pytest.mark.parametrize(("width", "language"), [("desktop", "en"), ("phone", "zh-CN")])
def test_every_page_looks_right(browser, here, world, width, language):
    with visitor(
        browser, here, "auditor", width=width, language=language, signed_in=AUDITOR
    ) as auditor:
        auditor.page.on("response", lambda got: _is_no_error(auditor, got.status, got.url))
        for name, path in pages(world).items():
            auditor.open(f"/auditor{path}")
            if name == "compare":
                expect(auditor.page.locator("#checked[data-state]")).to_have_count(1)
            auditor.look(name)
        last = auditor.open("/auditor/audits").locator("tbody a").first
        last.click()
        auditor.look("audit-with-drift")


def test_an_auditor_finds_a_posting_checks_its_proof_and_the_log(browser, here, world):
    with visitor(browser, here, "auditor-story", width="phone", signed_in=AUDITOR) as auditor:
        page = auditor.open("/auditor/postings")
        expect(page.locator("tbody tr")).to_have_count(50)
        page.get_by_role("link", name="下一页").click()
        expect(page.locator("tbody tr").nth(5)).to_be_attached()

        page = auditor.open("/auditor/postings")
        page.get_by_text("筛选和导出").click()
        page.get_by_label("入账种类").fill("batch")
        page.get_by_label("数额至多").fill("7")
        page.get_by_role("button", name="筛选").click()
        expect(page.locator("tbody tr")).to_have_count(1)
        expect(page.locator("tbody tr")).to_contain_text(HARM, use_inner_text=True)
        with page.expect_download() as begun:
            page.get_by_role("link", name="导出 CSV").click()
        lines = begun.value.path().read_text("utf-8-sig").splitlines()
        assert len(lines) == 2
        assert str(world.posting_id) in lines[1]

        page.locator("tbody a").click()
        page.get_by_role("link", name=re.compile("号的证明")).click()
        expect(page.locator("ol.hashes li").nth(3)).to_be_attached()
        page.get_by_role("link", name="在浏览器里核对").click()
        expect(page.locator("#verdict[data-state=yes]")).to_have_count(1)
        auditor.look("verified")

        auditor.open("/auditor/log")
        page.get_by_role("button", name="核对").click()
        expect(page.locator("#checked[data-state=yes]")).to_have_count(1)


def test_a_browser_that_is_told_of_another_root_says_no(browser, here, world):
    older, newer = world.sizes
    with visitor(browser, here, "auditor-forged", signed_in=AUDITOR) as auditor:

        def forged(route):
            answer = route.fetch()
            mark = 'data-proof="[&#34;'
            first = answer.text().partition(mark)[2][:8]
            other = "0" * 8 if first != "0" * 8 else "1" * 8
            body = answer.text().replace(mark + first, mark + other)
            route.fulfill(response=answer, body=body)

        auditor.page.route("**/log/compare?*", forged)
        page = auditor.open(f"/auditor/log/compare?older_size={older}&newer_size={newer}")
        expect(page.locator("#checked[data-state=no]")).to_have_count(1)


def test_an_audit_is_asked_for_watched_and_read(browser, here, world, monkeypatch):
    with visitor(browser, here, "auditor-audit", width="phone", signed_in=AUDITOR) as auditor:
        page = auditor.open("/auditor/audits")
        page.get_by_role("button", name="请求核账").click()
        expect(page.locator(".note.done")).to_contain_text("几秒内开始")
        auditor.look("waiting")
        address = page.url.partition("?")[0]

        def checks(_session, _folder, *, progress):
            progress("lot", 1, 2)
            expect(page.locator("#said")).to_contain_text("lot")
            expect(page.locator("h1")).to_contain_text("正在核账")
            assert 0 < int(page.locator("progress").get_attribute("value") or 0) < 100
            auditor.look("running")
            return iter(())

        monkeypatch.setattr(working, "TELL_S", 0)
        monkeypatch.setattr(running, "drifts", checks)
        assert working.work_off(here.services) == 1

        expect(page.locator(".note.done")).to_contain_text("没有差异")
        assert page.url.startswith(address)
        auditor.look("clean")
        waiting = asked(here)
        auditor.open("/auditor/audits").get_by_role("button", name="请求核账").click()
        assert str(waiting) in page.url
        expect(page.locator(".note.done")).to_contain_text("不必再请求")
    working.work_off(here.services)


def test_progress_is_seen_without_scripts_by_loading_the_page_again(browser, here, world):
    waiting = asked(here)
    with visitor(
        browser, here, "auditor-plain", signed_in=AUDITOR, java_script_enabled=False
    ) as auditor:
        page = auditor.open(f"/auditor/audits/{waiting}")
        assert page.locator("#said").inner_text().startswith("等待开始")
        working.work_off(here.services)
        page.get_by_role("link", name="刷新进度").click()
        expect(page.locator("table")).to_have_count(2)


def test_a_grant_of_one_programme_sees_that_programme_and_why_not_the_rest(browser, here, world):
    bound = Caller("of.one", "auditor", programme=DEMO_PROGRAMME)
    with visitor(browser, here, "auditor-bound", signed_in=bound) as auditor:
        _looks(auditor, "", "home")
        _looks(auditor, f"/programmes/{DEMO_PROGRAMME}", "programme")
        assert auditor.open("/auditor/postings").locator("h1").inner_text()
        auditor.look("refused")


def _is_no_error(auditor: Visitor, status: int, url: str) -> None:
    if status >= 500:
        auditor.complaints.append(f"{status}: {url}")


def _looks(auditor: Visitor, path: str, name: str) -> None:
    auditor.open(f"/auditor{path}")
    auditor.look(name)
