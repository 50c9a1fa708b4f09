"""The district officer's pages: figures down to a town, targets, reports, comparison, values."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from service.districts.models import DistrictReport
from service.districts.plans import targets
from service.districts.plans.reported import NewValue, enter
from service.districts.reports.contents import Content
from service.identity.tokens import Caller
from tests.service.districts.issuing import NANHU, TOWNS, walkers
from tests.service.districts.report_contents import BEHAVIOURS, a_content, as_issued, reissued
from tests.service.districts.test_publishing import withdrawn
from tests.service.districts.worlds import fold_all
from tests.service.published import seal_all
from tests.service.web.browsing import Site, Visitor, shows, site, visitor

pytestmark = pytest.mark.once

HARM = '"><img src=x onerror=alert(1)><script>alert(2)</script>'
LONG = (
    "地铁数据方补传十月下旬因闸机升级而延迟上送的进出站记录，经区发展改革委与运营方两次核对后更正"
)
QINGPU = "310118"
OFFICER = Caller("zhou.min", "district_officer", scope=QINGPU)
OF_NANHU = Caller("shen.yi", "district_officer", scope=NANHU)
OPERATOR = Caller("li.na", "operator", programme="*")
AUDITOR = Caller("he.jing", "auditor", programme="*")
MANY = (
    *BEHAVIOURS,
    *((f"behaviour_{n}", f"第 {n} 类低碳行为的较长名称", f"A longer name of behaviour {n}")
      for n in range(1, 13)),
)  # fmt: skip


def a_row(content: Content) -> DistrictReport:
    """As it would have been issued."""
    issued = as_issued(content)
    return DistrictReport(
        division_code=QINGPU,
        period=content["period"],
        version=content["version"],
        first_day=date.fromisoformat(content["first_day"]),
        as_of=datetime.fromisoformat(content["as_of"]),
        log_size=content["log_size"],
        issued_at=datetime.fromisoformat(content["issued_at"]),
        issued_by="job:issue_reports",
        reason=content["reason"],
        content=issued.written,
        content_sha256=bytes.fromhex(issued.sha256),
        signature=issued.signature,
    )


def a_value(n: int, **more: object) -> NewValue:
    told = {
        "id": uuid4(),
        "division_code": QINGPU,
        "indicator": "waste_recycling_rate",
        "period": f"2025-Q{n % 4 + 1}",
        "value_thousandths": 40_000 + n * 100,
        "unit": "%",
        "source": f"{HARM} 区绿化市容局",
        "source_date": date(2026, 1, 15),
    }
    return NewValue(**(told | more))  # type: ignore[arg-type]


@dataclass
class World:
    site: Site

    def sum_up(self) -> None:
        seal_all(self.site.services)
        fold_all(self.site.services.database)


@pytest.fixture(scope="module")
def here(settings, copied_database, tmp_path_factory) -> Iterator[Site]:
    with site(settings, copied_database, log_dir=tmp_path_factory.mktemp("log")) as made:
        yield made


@pytest.fixture(scope="module")
def world(here) -> World:
    """青浦: October in two versions, and the year; values. 南湖: an April that nobody issued."""
    towns = [{"code": f"310118{n:03}", "name": f"第{n}街道"} for n in range(1, 21)]
    towns[2]["name"] = HARM
    october = {"towns": 20, "behaviours": MANY}
    again = reissued() | {"reason": f"{HARM} {LONG}"[:300], "towns": 20, "behaviours": MANY}
    contents = [a_content(**october), a_content(**again), a_content(kind="year")]
    for content in contents[:2]:
        content["towns"] = towns  # type: ignore[typeddict-item]

    def made(session):
        session.add_all(map(a_row, contents))
        targets.load(session)
        shares = [("green_travel_share", 76_000, "2024"), ("waste_harmless_rate", 99_000, "2025")]
        people = [
            a_value(0, division_code=f"31011800{n}", indicator="resident_population",
                    unit="person", period="2025", value_thousandths=81_000_000)
            for n in (1, 2, 3)
        ]  # fmt: skip
        values = [a_value(n) for n in range(60)] + people
        values += [a_value(0, indicator=i, value_thousandths=v, period=p) for i, v, p in shares]
        lines = [None] * len(values)
        enter(session, values, by="zhou.min", now=datetime.now(UTC), lines=lines)
        walkers(session, dict(zip(TOWNS, (24, 15, 4), strict=True)))

    here.services.database.transact(made)
    found = World(here)
    found.sum_up()
    return found


PAGES = {
    "dashboard": f"/{QINGPU}",
    "dashboard-activities": f"/{QINGPU}?period=2026-Q4&of=activities",
    "town": f"/{QINGPU}001?period=2026",
    "nothing-issued": "/330402",
    "another-period": f"/{QINGPU}?period=2026-03",
    "comparison": f"/{QINGPU}/comparison",
    "ranked": f"/{QINGPU}/comparison?rank=true",
    "reports": f"/{QINGPU}/reports",
    "report": f"/{QINGPU}/reports/2026-10",
    "report-before": f"/{QINGPU}/reports/2026-10?version=1",
    "report-year": f"/{QINGPU}/reports/2026",
    "no-report": f"/{QINGPU}/reports/2026-02",
    "no-reports": f"/{NANHU}/reports",
    "values": f"/{QINGPU}/values",
    "value": f"/{QINGPU}/values/new",
    "file": f"/{QINGPU}/values/file",
    "no-period": f"/{QINGPU}?period=October",
    "city": "/3101?period=2026",
    "home": "",
    "found": "?words=青",
}


@pytest.mark.parametrize(("width", "language"), [("desktop", "en"), ("phone", "zh-CN")])
def test_every_page_looks_right(browser, here, world, width, language):
    with visitor(
        browser, here, "district", width=width, language=language, signed_in=OPERATOR
    ) as operator:
        for name, path in PAGES.items():
            operator.open(f"/district{path}")
            expect(operator.page.locator("h1")).to_have_count(1)
            drawn(operator)
            operator.look(name)


def drawn(visit: Visitor) -> None:
    """Wait for the charts; each has its table behind it."""
    for figure in visit.page.locator("[data-chart]").all():
        expect(figure).to_have_attribute("data-drawn", "yes")


def test_an_officer_goes_down_to_a_town_and_sees_what_is_withheld(browser, here, world):
    with visitor(browser, here, "district-down", width="phone", signed_in=OFFICER) as officer:
        page = officer.open("/district")
        assert page.url.endswith(f"/district/{QINGPU}")
        expect(page.locator("h1")).to_have_text("青浦区 · 2026 年 10 月", use_inner_text=True)
        expect(page.get_by_role("link", name="上海市")).to_have_count(0)
        expect(page.locator(".figures")).to_contain_text("注册居民 600 位中", use_inner_text=True)
        drawn(officer)
        expect(page.get_by_role("region", name="按街镇")).to_contain_text("†", use_inner_text=True)
        table = page.locator("figure.chart").first.locator("details")
        table.locator("summary").click()
        expect(table.locator("tbody tr")).to_have_count(31)

        page.get_by_role("link", name="年", exact=True).click()
        expect(page.locator("h1")).to_contain_text(re.compile("2026 年$"), use_inner_text=True)
        page.get_by_role("link", name="第1街道").click()
        assert page.url.endswith(f"/{QINGPU}001?period=2026")
        page.get_by_role("link", name="青浦区").click()
        assert page.url.endswith(f"/{QINGPU}?period=2026")

        answer = page.goto(f"{here.address}/district/31")
        assert answer.status == 404
        officer.look("out-of-reach")
        expect(officer.open("/district/330402/reports").locator("table")).to_have_count(0)


def test_targets_are_held_against_reported_values_in_words(browser, here, world):
    with visitor(browser, here, "district-targets", signed_in=OFFICER) as officer:
        page = officer.open(f"/district/{QINGPU}")
        cards = page.locator(".targets .card")
        green = cards.filter(has_text="绿色交通出行分担率").first
        expect(green.locator(".badge")).to_have_text("已达到", use_inner_text=True)
        assert green.get_by_role("progressbar").get_attribute("value") == "100"
        expect(green).to_contain_text("2024 填报 76%", use_inner_text=True)
        nothing = cards.filter(has_text="新增绿道")
        expect(nothing.locator(".badge")).to_have_text("无数据", use_inner_text=True)
        expect(nothing.get_by_role("progressbar")).to_have_count(0)
        seen = cards.filter(has_text="每位注册居民的减排量")
        expect(seen).to_contain_text("只反映平台注册居民", use_inner_text=True)
        page.emulate_media(media="print")
        drawn(officer)
        officer.shoot("printed")


def test_a_report_is_issued_downloaded_and_issued_again(browser, here, world):
    with visitor(browser, here, "district-story", width="phone", signed_in=OF_NANHU) as officer:
        page = officer.open(f"/district/{NANHU}")
        expect(page.locator(".empty")).to_contain_text("还没有出具过月报", use_inner_text=True)
        page.get_by_role("link", name="出具报告").click()
        field = page.get_by_label("出具哪个时段")

        def tries(period: str) -> str:
            field.fill(period)
            page.get_by_role("button", name="出具报告").click()
            assert field.input_value() == period
            return page.get_by_role("alert").inner_text()

        assert "例如" not in tries("2026-1")
        assert "尚未结束" in tries(f"{datetime.now(UTC):%Y-%m}")
        officer.look("running")
        assert "没有任何记录" in tries("2015-01")
        assert "请先出具这些月份" in tries("2016-Q2")
        officer.look("months-missing")
        page.get_by_role("link", name="2016 年 4 月").click()
        page.get_by_role("button", name="出具报告").click()
        expect(page.locator(".note.done")).to_contain_text("已出具", use_inner_text=True)
        officer.look("issued")
        for shape in ("PDF", "XLSX", "CSV", "JSON"):
            with page.expect_download() as begun:
                page.get_by_role("link", name=shape, exact=True).click()
            assert begun.value.path().stat().st_size > 500
            assert begun.value.suggested_filename.endswith(f".{shape.lower()}")

        reissue(officer, "再核对")
        expect(page.get_by_role("alert")).to_contain_text("没有变更", use_inner_text=True)
        assert page.get_by_label("原因").input_value() == "再核对"
        officer.look("nothing-to-reissue")
        here.services.database.transact(lambda s: withdrawn(s, TOWNS[0], 12))
        world.sum_up()
        reissue(officer, f"{HARM} 撤回误报")
        expect(page.locator(".note.done")).to_contain_text("新的一版", use_inner_text=True)
        expect(page.locator(".facts")).to_contain_text(HARM, use_inner_text=True)
        officer.look("reissued")
        page.get_by_role("link", name="第 1 版", exact=True).click()
        expect(page.locator(".note.warn")).to_contain_text("以前的一版", use_inner_text=True)
        page.goto(f"{page.url.partition('?')[0]}/file/html")
        assert "嘉兴" in page.content() or "南湖" in page.content()
        officer.check()


def reissue(officer: Visitor, reason: str) -> None:
    page = officer.page
    page.once("dialog", lambda dialog: dialog.accept())
    if not page.get_by_label("原因").is_visible():
        page.get_by_text("数有变化，再出一版").click()
    page.get_by_label("原因").fill(reason)
    page.get_by_role("button", name="出具第").click()


def test_divisions_are_ranked_only_when_somebody_wants_it(browser, here, world):
    with visitor(browser, here, "district-compare", signed_in=OFFICER) as officer:
        page = officer.open(f"/district/{QINGPU}/comparison")
        expect(page.get_by_text("名次")).to_have_count(0)
        expect(page.locator("table")).to_contain_text("缺常住人口", use_inner_text=True)
        page.get_by_label("按每千常住人口减排量排序").check()
        page.get_by_role("button", name="应用").click()
        expect(page.get_by_role("columnheader", name="名次")).to_have_count(1)
        expect(page.locator("tbody tr td").first).to_have_text("1", use_inner_text=True)
        expect(page.locator(".note")).to_contain_text("名次不等于", use_inner_text=True)


def test_a_value_is_entered_and_a_file_names_its_wrong_rows(browser, here, world, tmp_path):
    with visitor(browser, here, "district-values", width="phone", signed_in=OFFICER) as officer:
        page = officer.open(f"/district/{QINGPU}/values")
        expect(page.locator("tbody tr")).to_have_count(50)
        page.get_by_role("link", name="下一页").click()
        expect(page.locator("tbody tr").nth(10)).to_be_attached()

        page.get_by_role("link", name="填报一个数").click()
        page.get_by_label("指标").select_option("waste_recycling_rate")
        page.get_by_label("时段").fill("2026-q3")
        page.get_by_label("数值").fill("44,6x")
        page.get_by_label("来源", exact=True).fill(HARM)
        page.get_by_label("来源日期").fill("2026-10-15")
        page.get_by_role("button", name="填报").click()
        expect(page.get_by_role("alert")).to_contain_text("三位小数", use_inner_text=True)
        assert page.get_by_label("来源", exact=True).input_value() == HARM
        page.get_by_label("数值").fill("144.6")
        page.get_by_role("button", name="填报").click()
        expect(page.get_by_role("alert")).to_contain_text("超出", use_inner_text=True)
        officer.look("wrong")
        page.get_by_label("数值").fill("44.6")
        page.get_by_role("button", name="填报").click()
        expect(page.locator(".note.done")).to_contain_text("已填报", use_inner_text=True)
        shows(page, "tbody tr", "44.6%")
        expect(page.locator("tbody tr").first).to_contain_text(HARM, use_inner_text=True)

        page.get_by_role("link", name="上传 CSV 文件").click()
        page.get_by_role("link", name="取消").wait_for()
        header = "indicator,period,value,unit,source,source_date,division_code"
        bad = ["waste_recycling_rate,2026-Q3,44.6,t,统计,2026-10-15,",
               "kitchen_waste,2026-Q3,<img src=x>,t,统计,2026-10-15,",
               "kitchen_waste,2026-Q3,3,t,统计,2026-10-15,330402"]  # fmt: skip
        good = "kitchen_waste,2026-Q3,1234.5,t,统计,2026-10-15,310118001"
        file = tmp_path / "值.csv"

        def send(*rows: str) -> None:
            file.write_text("\r\n".join([header, *rows, ""]), "gb18030")
            page.get_by_label("CSV 文件").set_input_files(file)
            page.get_by_role("button", name="上传").click()

        send(*bad, good)
        table = page.locator("table").first
        expect(table.locator("tbody th")).to_have_text(["2", "3", "4"])
        expect(table).to_contain_text("单位是 %", use_inner_text=True)
        officer.look("wrong-rows")
        send(good)
        expect(page.locator(".note.done")).to_contain_text("全部填报", use_inner_text=True)
        shows(page, "tbody tr", "1,234.5 吨")


def test_an_auditor_reads_and_is_offered_nothing_to_change(browser, here, world):
    with visitor(browser, here, "district-auditor", signed_in=AUDITOR) as auditor:
        for path in ("reports", "values", "reports/2026-10"):
            page = auditor.open(f"/district/{QINGPU}/{path}")
            expect(page.locator("main form[method=post]")).to_have_count(0)
        expect(
            auditor.open(f"/district/{QINGPU}/values/new").locator("form.filters")
        ).to_have_count(0)
        expect(page.locator("h1")).to_contain_text("权限", use_inner_text=True)
