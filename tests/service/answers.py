"""How tests look at an answer, and at what it left in the books."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from rewards.models import Offer
from service.db import Database
from tests.makers import a_resident, an_offer

PUBLIC_URL = "http://127.0.0.1:8000"
ENGLISH = {"Accept-Language": "en-GB,en;q=0.8"}
_BOOKS = (
    "account",
    "acting_for",
    "activity",
    "activity_correction",
    "adjustment",
    "admin_act",
    "agreement",
    "api_key",
    "budget",
    "claim",
    "code_device",
    "consent",
    "consumption",
    "correction",
    "delegation",
    "district_report",
    "donation_project",
    "double_use",
    "login_session",
    "merchant",
    "offer",
    "offer_stock",
    "offer_version",
    "outside_id",
    "participant",
    "person",
    "personal_value",
    "picture",
    "pool_code",
    "pool_file",
    "posting",
    "received_event",
    "redemption",
    "reported_value",
    "refresh_token",
    "scan",
    "scanner",
    "settlement",
    "settlement_line",
    "shop",
    "staff",
    "staff_grant",
    "staff_recovery_code",
    "stock_change",
    "subject",
    "tally",
    "top_up",
    "transfer",
    "voucher",
    "webhook_endpoint",
    "webhook_message",
)
_CHINESE = re.compile("[\u4e00-\u9fff]")


def books(database: Database) -> dict[str, int]:
    """A sum over every row of what a request could write: equal before and after, or it wrote."""
    # Whoever had a resident's lock is counted there, and changed nothing else.
    rows = dict.fromkeys(_BOOKS, "row::text")
    rows["participant"] = "concat(holder_id, programme_code, division_code, joined_at)"
    query = " UNION ALL ".join(
        f"SELECT '{table}', coalesce(sum(hashtextextended({row}, 0)), 0) FROM {table} AS row"
        for table, row in rows.items()
    )
    sums = database.transact(lambda session: session.execute(text(query)).all())
    return {name: int(value) for name, value in sums}


@contextmanager
def nothing_written(database: Database) -> Iterator[None]:
    before = books(database)
    yield
    assert books(database) == before


def refused(answer: TestResponse, status: int, slug: str = "") -> dict[str, Any]:
    """The problem document, after a look at all that every one has; "" is a plain HTTP error."""
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    found: dict[str, Any] = answer.get_json(force=True)
    assert found["type"] == (f"{PUBLIC_URL}/problems/{slug}" if slug else "about:blank")
    assert found["status"] == status
    assert found["instance"] == answer.request.path
    english = "en" in answer.request.headers.get("Accept-Language", "")
    assert answer.headers["Content-Language"] == ("en" if english else "zh-CN")
    assert "Accept-Language" in answer.headers["Vary"]
    texts = [found["title"], *(error["detail"] for error in found.get("errors", []))]
    if slug:
        texts.append(found["detail"])
    assert all(texts)
    assert {bool(_CHINESE.search(each)) for each in texts} == {not english}, texts
    return found


def refused_in_both_languages(
    database: Database,
    send: Callable[[dict[str, str]], TestResponse],
    status: int,
    slug: str = "",
) -> dict[str, Any]:
    """The Chinese document. ``send`` takes headers; nothing is written by either."""
    with nothing_written(database):
        chinese, english = send({}), send(ENGLISH)
    refused(english, status, slug)
    return refused(chinese, status, slug)


def a_shop(database: Database, *, points: int = 300, **offer: Any) -> tuple[UUID, Offer]:
    """A committed resident with points, and a committed offer."""
    return database.transact(
        lambda session: (a_resident(session, points=points), an_offer(session, **offer))
    )


def points_of(client: FlaskClient, headers: dict[str, str]) -> int:
    """The caller's own view of the balance."""
    accounts = client.get("/v1/accounts", headers=headers).json["accounts"]
    return next(account["balance"] for account in accounts if account["unit"] == "point")
