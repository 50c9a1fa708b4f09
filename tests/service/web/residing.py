"""A resident's world for the tests of pages: shops, acts, family, and the messages sent."""

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.orm import Session

from activities.catalogue.models import Programme
from ledgers.accounts import ISSUED, PERSONAL, account_key
from ledgers.posting import NewPosting, NewTransfer, post
from service.buyers import buyer_of
from service.demo_shops import CITY_PROGRAMME, open_shops
from service.identity.logins.sms import ConsoleSender, Message
from service.identity.tokens import Caller
from service.identity.vault import Value, add_people, write_values
from tests import shopping
from tests.makers import a_resident, a_walk, recorded
from tests.service.web.browsing import Site

PAYLOAD = '"><img src=x onerror=alert(1)><script>alert(2)</script>'
LONG = "青浦区朱家角镇淀山湖畔低碳生活示范社区居民委员会垃圾分类与绿色出行联合志愿服务队便民店" * 2


@dataclass
class Messages:
    """What came to phones."""

    sent: list[Message] = field(default_factory=list)

    def code(self, phone_end: str) -> str:
        """The last code that came to a phone."""
        return [each for each in self.sent if each.phone.endswith(phone_end)][-1].code


@contextmanager
def messages_heard() -> Any:
    """Instead of the terminal."""
    heard = Messages()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ConsoleSender, "send", lambda _, message: heard.sent.append(message))
        yield heard


def bearer(site: Site, holder_id: UUID) -> dict[str, str]:
    token = site.services.tokens.issue(Caller(str(holder_id), "resident"), now=datetime.now(UTC))
    return {"Authorization": f"Bearer {token}"}


def open_city(site: Site) -> None:
    """The demo's shops, and a text that would run if a page let it."""

    def make(session: Session) -> None:
        open_shops(session, site.services.codes, now=datetime.now(UTC))
        holder_id = session.query(Programme).filter_by(code=CITY_PROGRAMME).one().holder_id
        merchant_id = shopping.a_merchant(session, holder_id)
        terms = {"title_zh": LONG, "title_en": "long " * 30, "text_zh": PAYLOAD, "text_en": PAYLOAD}
        shopping.an_offer(session, holder_id, merchant_id, price_points=1, stock_units=1, **terms)
        shopping.an_offer(
            session, holder_id, merchant_id, kind="goods", price_points=900_000, stock_units=3,
            title_zh=PAYLOAD, title_en=PAYLOAD,
        )  # fmt: skip
        shopping.an_offer(
            session, holder_id, merchant_id, kind="goods", price_points=2, stock_units=0,
            title_zh="已经兑完的布袋", title_en="A bag that is gone",
        )  # fmt: skip

    site.services.database.transact(make)


def give_points(site: Site, holder_id: UUID, points: int) -> None:
    """Of the programme that they take part in."""
    now = datetime.now(UTC)

    def give(session: Session) -> None:
        issuer_id = buyer_of(session, holder_id).programme_holder_id
        issued = account_key(issuer_id, "point", ISSUED)
        own = account_key(holder_id, "point", PERSONAL)
        transfer = NewTransfer(holder_id, issued, own, points, "grant", uuid4(), now)
        post(session, NewPosting(uuid4(), "grant", "test", [transfer]), now=now)

    site.services.database.transact(give)


def a_cup(site: Site, holder_id: UUID) -> dict[str, Any]:
    """A coffee in one's own cup, verified: one drawn for review is followed by another."""
    client, headers = site.app.test_client(), bearer(site, holder_id)
    given = {"given": True, "text_version": 1}
    assert client.put("/v1/consents/sh.own-cup.app", json=given, headers=headers).status_code == 200
    for _ in range(3):
        now = datetime.now(UTC).isoformat()
        body = {"scene": "sh.own-cup.app", "started_at": now, "ended_at": now, "quantity": 1}
        body["details"] = {"object_id": f"order-{uuid4()}"}
        answer = client.put(f"/v1/activities/{uuid4()}", json=body, headers=headers)
        if answer.json["decision"] == "verified":
            break
    found: dict[str, Any] = answer.json
    return found


def a_refused_act(site: Site, holder_id: UUID) -> dict[str, Any]:
    """In a scene to which one has not consented."""
    now = datetime.now(UTC).isoformat()
    body = {"scene": "sh.walking.app", "started_at": now, "ended_at": now, "quantity": 9}
    answer = site.app.test_client().put(
        f"/v1/activities/{uuid4()}", json=body, headers=bearer(site, holder_id)
    )
    found: dict[str, Any] = answer.json
    assert found["decision"] == "rejected", found
    return found


def a_parent(site: Site, name: str, *, points: int = 300) -> UUID:
    """Somebody whose relative helps them."""
    services, now = site.services, datetime.now(UTC)

    def made(session: Session) -> UUID:
        holder_id = a_resident(session, points=points)
        add_people(session, services.keyring, [holder_id], now=now)
        write_values(session, services.keyring, [Value(holder_id, "name", name)], now=now)
        return holder_id

    return services.database.transact(made)


def helper_code(site: Site, holder_id: UUID, *, may_spend: bool = True) -> str:
    """By which a relative begins to act for them."""
    answer = site.app.test_client().post(
        "/v1/me/delegate-offers", json={"may_spend": may_spend}, headers=bearer(site, holder_id)
    )
    return str(answer.json["code"])


def many_acts(site: Site, count: int) -> UUID:
    """A resident with so many activities, all of one spring."""

    def made(session: Session) -> UUID:
        holder_id = a_resident(session)
        recorded(session, *(a_walk(holder_id, 5_000, day=day) for day in range(count)))
        return holder_id

    return site.services.database.transact(made)
