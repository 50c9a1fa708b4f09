"""Settlements over HTTP: who does which step, what is answered, what is logged."""

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from rewards.models import SettlementLine
from rewards.settling.drafting import Key
from service.admin.models import AdminAct
from service.jobs import work
from service.settling import as_workbook, drafts
from tests.makers import programme_holder
from tests.service.answers import ENGLISH, refused
from tests.settlements import LATELY, lines_for, taken_back
from tests.shopping import a_merchant, an_offer
from tests.workbooks import Number, sheets_of

PERIOD = {"period_from": str(LATELY.since), "period_to": str(LATELY.to)}


class Shop:
    """A merchant with lines that are open, its manager, and the programme's staff."""

    def __init__(self, client, database, bearer, amounts_fen: list[int]) -> None:
        self.client, self.database, self.bearer = client, database, bearer

        def made(session) -> tuple[UUID, list[UUID]]:
            programme = programme_holder(session)
            merchant_id = a_merchant(session, programme)
            offer_id = an_offer(session, programme, merchant_id, title_zh="=咖啡", title_en="Cup")
            at = LATELY.begins_at
            return merchant_id, lines_for(
                session, merchant_id, amounts_fen, at=at, offer_id=offer_id
            )

        self.merchant_id, self.line_ids = database.transact(made)
        self.id = uuid4()
        self.key = Key(self.merchant_id, self.id)
        self.manager = bearer("merchant_manager", "manager", self.merchant_id)

    def url(self, step: str = "") -> str:
        return f"/v1/merchants/{self.merchant_id}/settlements/{self.id}{step}"

    def staff(self, name: str = "drafter", role: str = "operator") -> dict[str, str]:
        return self.bearer(role, name)

    def put(self, step: str, headers: dict[str, str], body: dict[str, Any] | None = None):
        return self.client.put(self.url(step), json=body or {}, headers=headers | ENGLISH)

    def drafted(self):
        return self.put("", self.staff(), PERIOD)

    def confirmed(self):
        assert self.drafted().status_code == 201
        return self.put("/confirmation", self.manager)

    def get(self, step: str = "", headers: dict[str, str] | None = None, **query: Any):
        headers = (headers or self.manager) | ENGLISH
        return self.client.get(self.url(step), headers=headers, query_string=query)


def lines_of(shop: Shop) -> list[SettlementLine]:
    query = select(SettlementLine).where(SettlementLine.merchant_id == shop.merchant_id)
    return shop.database.transact(lambda s: s.scalars(query.order_by(SettlementLine.id)).all())


@pytest.fixture
def shop(client, database, bearer):
    return Shop(client, database, bearer, [500, 700])


def test_an_operator_bound_to_a_division_pays_no_merchant(shop, bearer):
    bound = bearer("operator", "wang", "310118")
    assert shop.confirmed().status_code == 200
    assert shop.get(headers=bound).status_code == 200
    for step, body in (
        ("", PERIOD),
        ("/approval", {}),
        ("/payment", {"payment_reference": "1"}),
        ("/voiding", {}),
    ):
        refused(shop.put(step, bound, body), 403, "out-of-reach")


def test_a_month_goes_from_draft_to_paid(shop):
    drafted = shop.drafted()
    assert drafted.status_code == 201, drafted.text
    assert (drafted.json["state"], drafted.json["lines"]) == ("draft", 2)
    assert drafted.json["payable_fen"] == 1200

    assert shop.put("/confirmation", shop.manager).json["confirmed_by"] == "manager"
    assert shop.put("/approval", shop.staff("second")).json["state"] == "approved"
    body = {"payment_reference": "ICBC 2026-1"}
    paid = shop.put("/payment", shop.staff("cashier"), body)
    assert (paid.json["state"], paid.json["payment_reference"]) == ("paid", "ICBC 2026-1")

    assert shop.put("/payment", shop.staff("cashier"), body).json == paid.json
    other = shop.put("/payment", shop.staff("cashier"), {"payment_reference": "2"})
    assert refused(other, 409, "settlement-paid")["payment_reference"] == "ICBC 2026-1"
    for headers in (shop.manager, shop.staff("x", "auditor")):
        assert shop.get(headers=headers).json == paid.json


def test_each_step_leaves_its_row_in_the_admin_log(shop):
    shop.confirmed()
    shop.put("/approval", shop.staff("second"))
    shop.put("/approval", shop.staff("second"))
    shop.put("/payment", shop.staff("cashier"), {"payment_reference": "1"})
    query = select(AdminAct).where(
        AdminAct.object_kind == "settlement", AdminAct.object_id == str(shop.id)
    )
    rows = shop.database.transact(lambda s: s.scalars(query.order_by(AdminAct.id)).all())
    assert [(row.what, row.actor) for row in rows] == [
        ("settlement.draft", "drafter"),
        ("settlement.confirm", "manager"),
        ("settlement.approve", "second"),
        ("settlement.pay", "cashier"),
    ]
    assert {row.programme_code for row in rows} != {None}
    assert rows[0].before is None
    assert [row.after["state"] for row in rows[1:]] == ["confirmed", "approved", "paid"]


@pytest.mark.parametrize("name", ["drafter", "manager"])
def test_the_second_person_is_another(shop, name):
    shop.confirmed()
    answer = shop.put("/approval", shop.staff(name))
    facts = refused(answer, 403, "settlement-second-person")
    assert (facts["drafted_by"], facts["confirmed_by"]) == ("drafter", "manager")


def test_a_dispute_is_voided_and_drafted_anew(shop):
    shop.drafted()
    disputed = shop.put("/dispute", shop.manager, {"reason": "one is missing"})
    assert disputed.json["dispute_reason"] == "one is missing"
    refused(shop.put("/confirmation", shop.manager), 409, "settlement-not-ready")
    refused(shop.put("/dispute", shop.manager, {"reason": "two"}), 409, "settlement-disputed")
    voided = shop.put("/voiding", shop.staff())
    assert (voided.json["state"], voided.json["lines"]) == ("void", 0)
    shop.id = uuid4()
    assert shop.drafted().json["payable_fen"] == 1200


def test_what_cannot_be_settled_is_refused_with_its_facts(shop, client, database, bearer):
    today = datetime.now(LATELY.zone).date()
    soon = {"period_from": str(today), "period_to": str(today + timedelta(days=1))}
    refused(shop.put("", shop.staff(), soon), 409, "settlement-period-open")
    shop.drafted()
    facts = refused(
        client.put(
            f"/v1/merchants/{shop.merchant_id}/settlements/{uuid4()}",
            json=PERIOD,
            headers=shop.staff(),
        ),
        409,
        "settlement-period-closed",
    )
    assert (facts["settlement_id"], facts["state"]) == (str(shop.id), "draft")
    longer = PERIOD | {"period_from": str(LATELY.since - timedelta(days=1))}
    refused(shop.put("", shop.staff(), longer), 409, "settlement-id-reused")
    nobody = Shop(client, database, bearer, [])
    refused(nobody.drafted(), 409, "nothing-to-settle")

    negative = Shop(client, database, bearer, [500])
    database.transact(
        lambda s: s.get_one(
            SettlementLine, (negative.merchant_id, negative.line_ids[0])
        ).__setattr__("settlement_id", uuid4())
    )
    database.transact(
        lambda s: taken_back(s, negative.merchant_id, negative.line_ids[0], at=LATELY.begins_at)
    )
    facts = refused(negative.drafted(), 409, "settlement-negative")
    assert (facts["lines"], facts["sum_fen"]) == (1, -500)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"period_from": str(LATELY.since)},
        {"period_from": str(LATELY.to), "period_to": str(LATELY.to)},
        {"period_from": str(LATELY.to), "period_to": str(LATELY.since)},
        {"period_from": "1999-12-31", "period_to": "2000-01-02"},
        PERIOD | {"amount_fen": 1},
    ],
)
def test_a_period_that_is_none_does_not_fit(shop, body):
    refused(shop.put("", shop.staff(), body), 422, "body-does-not-fit")


def test_another_merchants_settlements_do_not_exist(shop, client, database, bearer):
    shop.drafted()
    other = Shop(client, database, bearer, [1])
    for step in ("", "/lines", "/lines.csv", "/lines.xlsx"):
        refused(shop.get(step, other.manager), 404, "unknown-merchant")
    for step in ("/confirmation", "/dispute"):
        body = {"reason": "no"} if step == "/dispute" else {}
        refused(shop.put(step, other.manager, body), 404, "unknown-merchant")
    shop.merchant_id = other.merchant_id
    for step in ("", "/lines", "/lines.csv", "/lines.xlsx"):
        refused(shop.get(step, other.manager), 404, "unknown-settlement")


def test_a_clerk_does_not_see_settlements(shop, bearer):
    shop.drafted()
    clerk = bearer("merchant", "clerk", shop.merchant_id)
    refused(shop.get("", clerk), 403, "wrong-role")
    refused(shop.put("/confirmation", clerk), 403, "wrong-role")
    refused(shop.put("", shop.manager, PERIOD), 403, "wrong-role")


def test_settlements_and_lines_are_paged(shop):
    shop.drafted()
    base = f"/v1/merchants/{shop.merchant_id}/settlements"
    only = shop.client.get(base, headers=shop.manager).json
    assert [one["id"] for one in only["settlements"]] == [str(shop.id)]
    assert only["next_cursor"] is None
    assert shop.client.get(f"{base}?state=paid", headers=shop.manager).json["settlements"] == []

    first = shop.get("/lines", limit=1).json
    rest = shop.get("/lines", limit=1, cursor=first["next_cursor"]).json
    assert [line["amount_fen"] for line in first["lines"] + rest["lines"]] == [500, 700]
    assert rest["next_cursor"] is None
    line = first["lines"][0]
    assert (line["title"], line["shop"], line["kind"]) == ("Cup", "", "consumption")
    told = shop.database.transact(
        lambda s: s.get_one(SettlementLine, (shop.merchant_id, shop.line_ids[0]))
    )
    ids = ("redemption_id", "consumption_id", "offer_id")
    assert [line[name] for name in ids] == [str(getattr(told, name)) for name in ids]
    assert datetime.fromisoformat(line["occurred_at"]) == told.occurred_at
    assert not {"holder_id", "code", "voucher_code"} & line.keys()


def test_a_long_draft_is_answered_while_it_goes_on_and_the_job_ends_it(shop, services, monkeypatch):
    monkeypatch.setattr(drafts, "REQUEST_S", 0.0)
    answer = shop.drafted()
    assert (answer.status_code, answer.json["state"]) == (201, "drafting")
    refused(shop.get("/lines.csv"), 409, "settlement-not-ready")
    refused(shop.put("/confirmation", shop.manager), 409, "settlement-not-ready")

    assert work.draft_settlements(services, datetime.now(UTC))["settlements"] >= 1
    assert shop.get().json["state"] == "draft"
    assert shop.get().json["payable_fen"] == 1200


def test_a_long_voiding_is_ended_by_the_job(shop, services, monkeypatch):
    shop.drafted()
    with monkeypatch.context() as hurried:
        hurried.setattr(drafts, "REQUEST_S", 0.0)
        answer = shop.put("/voiding", shop.staff())
    assert (answer.json["state"], answer.json["lines"]) == ("void", 2)
    first, shop.id = shop.id, uuid4()
    facts = refused(shop.drafted(), 409, "settlement-lines-being-freed")
    assert (facts["settlement_id"], facts["lines"]) == (str(first), 2)
    work.draft_settlements(services, datetime.now(UTC))
    assert shop.drafted().json["lines"] == 2


def test_a_merchants_system_reads_and_reconciles_by_its_key(shop, client, bearer):
    shop.drafted()
    key_id = uuid4()
    body = {
        "owner_kind": "merchant",
        "owner": str(shop.merchant_id),
        "name": "books",
        "scopes": ["settlements"],
    }
    made = client.put(f"/v1/api-keys/{key_id}", json=body, headers=bearer("administrator"))
    assert made.status_code in (200, 201), made.text
    headers = {"Authorization": f"Bearer {made.json['key']}"}
    assert shop.get("", headers).json["lines"] == 2
    assert len(shop.get("/lines", headers).json["lines"]) == 2
    assert shop.get("/lines.csv", headers).status_code == 200
    answer = client.post(
        shop.url("/reconciliation"),
        data="code,consumed_at,amount_fen\nx,2026-01-01 10:00,1\n",
        headers=headers,
        content_type="text/csv",
    )
    assert answer.json["differing"]["only_theirs"] == 1
    assert shop.put("", headers, PERIOD).status_code == 401


# --- Files ----------------------------------------------------------------------------------------


def test_the_csv_has_the_facts_and_every_line(shop):
    shop.confirmed()
    answer = shop.get("/lines.csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.data.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))
    facts = dict(rows[: rows.index([])])
    assert (facts["payable_yuan"], facts["confirmed_by"]) == ("12.00", "manager")
    heading, *lines = rows[rows.index([]) + 1 :]
    named = [dict(zip(heading, line, strict=True)) for line in lines]
    assert [(one["amount_fen"], one["amount_yuan"]) for one in named] == [
        ("500", "5.00"),
        ("700", "7.00"),
    ]
    assert {one["title_zh"] for one in named} == {"'=咖啡"}
    assert [one["line_id"] for one in named] == [str(id_) for id_ in shop.line_ids]

    told = lines_of(shop)
    for column in ("redemption_id", "consumption_id", "offer_id"):
        assert [one[column] for one in named] == [str(getattr(each, column)) for each in told]
    for column in ("occurred_at", "recorded_at"):
        at = [datetime.fromisoformat(one[column]) for one in named]
        assert at == [getattr(each, column) for each in told]
        assert {one.utcoffset() for one in at} == {timedelta(hours=8)}
    assert not {"holder_id", "code"} & set(heading)

    plain = shop.get("/lines.csv", bom="false", facts="false").data.decode()
    assert plain.startswith("line_id,")
    assert plain.count("\n") == 3


def test_the_workbook_has_the_facts_the_sums_and_every_line(shop):
    shop.confirmed()
    answer = shop.get("/lines.xlsx")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == as_workbook.MEDIA_TYPE
    assert answer.headers["Cache-Control"] == "no-store"
    sheets = sheets_of(answer.data)
    assert list(sheets) == ["Sums", "Lines"]

    facts = dict(row[:2] for row in sheets["Sums"] if len(row) >= 2)
    assert facts["Merchant"] == "示范便利店"
    assert facts["Payable, yuan"] == Number(Decimal(12), "0.00")
    assert facts["Payable, fen"] == Number(Decimal(1200))
    assert facts["Confirmed"] == "manager"
    assert sheets["Sums"][-1] == [
        *("consumption", "Cup", None, Number(Decimal(2))),
        *(Number(Decimal(12), "0.00"), Number(Decimal(1200))),
    ]
    heading, *rows = sheets["Lines"]
    assert len(rows) == 2
    row, told = dict(zip(heading, rows[0], strict=False)), lines_of(shop)[0]
    assert row["Kind"] == "consumption"
    assert row["Amount, yuan"] == Number(Decimal(5), "0.00")
    assert row["Amount, fen"] == Number(Decimal(500))
    assert row["Redemption id"] == str(told.redemption_id)
    assert row["Consumption id"] == str(told.consumption_id)
    assert row["Line id"] == str(told.id)
    local = told.occurred_at.astimezone(LATELY.zone)
    assert row["Took place at"] == f"{local:%Y-%m-%d %H:%M:%S}"

    chinese = shop.client.get(
        shop.url("/lines.xlsx"), headers=shop.manager | {"Accept-Language": "zh-CN"}
    )
    heading, row, _ = sheets_of(chinese.data)["明细"]
    assert dict(zip(heading, row, strict=False))["商品"] == "=咖啡"


def test_a_workbook_that_takes_too_long_is_refused_and_names_the_csv(shop, monkeypatch):
    shop.drafted()
    monkeypatch.setattr(as_workbook, "ASKED_LINES_MAX", 1)
    facts = refused(shop.get("/lines.xlsx"), 409, "settlement-workbook-too-long")
    assert (facts["lines"], facts["lines_max"]) == (2, 1)
    assert "lines.csv" in facts["detail"]


def test_a_file_is_held_against_the_lines(shop):
    shop.drafted()

    first, second = lines_of(shop)
    content = (
        "\ufeffconsumption_id,consumed_at,amount_yuan\r\n"
        f"{first.consumption_id},{first.occurred_at.isoformat()},5.00\r\n"
        f"{second.consumption_id},{second.occurred_at.isoformat()},6.99\r\n"
    ).encode()
    period = "&".join(f"{name}={value}" for name, value in PERIOD.items())
    for url in (
        shop.url("/reconciliation?"),
        f"/v1/merchants/{shop.merchant_id}/reconciliation?{period}&",
    ):
        answer = shop.client.post(url, data=content, headers=shop.manager | ENGLISH)
        assert answer.status_code == 200, answer.text
        assert (answer.json["lines"], answer.json["alike"]) == (2, 1)
        assert answer.json["differing"] == {
            "only_theirs": 0,
            "only_ours": 0,
            "amount_differs": 1,
            "time_differs": 0,
            "duplicate": 0,
        }
        (finding,) = answer.json["findings"]
        assert (finding["line"], finding["theirs_fen"], finding["ours_fen"]) == (3, 699, 700)
        answer = shop.client.post(url + "format=csv", data=content, headers=shop.manager)
        rows = list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"))))
        assert [(row["kind"], row["line"]) for row in rows] == [("amount_differs", "3")]


def test_a_file_that_cannot_be_read_is_refused_with_the_line(shop):
    shop.drafted()
    content = "code,consumed_at,amount_fen\nA,2026-01-01 10:00,1\nB,never,1\n"
    answer = shop.client.post(
        shop.url("/reconciliation"), data=content, headers=shop.manager | ENGLISH
    )
    assert refused(answer, 422, "unreadable-statement")["line"] == 3
    unknown = shop.client.post(
        f"/v1/merchants/{shop.merchant_id}/settlements/{uuid4()}/reconciliation",
        data=content,
        headers=shop.manager,
    )
    refused(unknown, 404, "unknown-settlement")
