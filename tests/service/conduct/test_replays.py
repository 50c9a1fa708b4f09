"""Wherever value moves: the same PUT again is answered the same and moves nothing again."""

from base64 import urlsafe_b64decode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from sqlalchemy import select

from ledgers.models import Transfer
from rewards.tills.live_codes import LiveCode, step_of, written
from service.identity import cards
from tests.makers import a_resident, a_walk, an_offer, programme_holder, recorded
from tests.reviewing import a_place
from tests.service.answers import a_shop, books, nothing_written, refused
from tests.service.test_activities_api import BY_STAFF, a_day, with_scenes
from tests.service.test_appeals_api import RANGE
from tests.service.test_staff_entry import a_number, a_person
from tests.settlements import LATELY, lines_for
from tests.shopping import a_merchant

pytestmark = pytest.mark.once

# PUTs that change what is known of somebody or what is allowed, and move no value.
STILL = {
    "/v1/activities/<uuid:activity_id>/answer",
    "/v1/activities/<uuid:activity_id>/appeal",
    "/v1/api-keys/<uuid:key_id>",
    "/v1/audits/<uuid:audit_id>",
    "/v1/auth/staff/enrolment/confirmation",
    "/v1/catalogue/drafts/<string:name>",
    "/v1/catalogue/drafts/<string:name>/approval",
    "/v1/code-devices/<uuid:device_id>",
    "/v1/consents/<string:scene>",
    "/v1/feeds/<string:scene_code>/totals/<string:day>",
    "/v1/budgets/<uuid:budget_id>",
    "/v1/districts/<string:division_code>/reported-value-files/<uuid:file_id>",
    "/v1/districts/<string:division_code>/reported-values/<uuid:value_id>",
    "/v1/districts/<string:division_code>/reports/<string:period>/versions/<int:version>",
    "/v1/donation-projects/<uuid:project_id>",
    "/v1/merchants/<uuid:merchant_id>",
    "/v1/merchants/<uuid:merchant_id>/agreements/<uuid:agreement_id>",
    "/v1/merchants/<uuid:merchant_id>/bank",
    "/v1/merchants/<uuid:merchant_id>/scanners/<uuid:scanner_id>",
    "/v1/merchants/<uuid:merchant_id>/shops/<uuid:shop_id>",
    "/v1/merchants/<uuid:merchant_id>/staff/<uuid:member_id>",
    "/v1/merchants/<uuid:merchant_id>/staff/<uuid:member_id>/reset/<uuid:reset_id>",
    "/v1/merchants/<uuid:merchant_id>/state",
    "/v1/household",
    "/v1/staff/looks/<uuid:look_id>",
    "/v1/me",
    "/v1/merchants/<uuid:merchant_id>/settlements/<uuid:settlement_id>/approval",
    "/v1/merchants/<uuid:merchant_id>/settlements/<uuid:settlement_id>/confirmation",
    "/v1/merchants/<uuid:merchant_id>/settlements/<uuid:settlement_id>/dispute",
    "/v1/merchants/<uuid:merchant_id>/settlements/<uuid:settlement_id>/voiding",
    "/v1/me/acting-for/<uuid:delegation_id>",
    "/v1/me/children/<uuid:child_id>",
    "/v1/me/password",
    "/v1/me/phone",
    "/v1/members/<uuid:member_id>",
    "/v1/merchants/<uuid:merchant_id>/offers/<uuid:offer_id>",
    "/v1/merchants/<uuid:merchant_id>/offers/<uuid:offer_id>/publication",
    "/v1/merchants/<uuid:merchant_id>/offers/<uuid:offer_id>/state",
    "/v1/merchants/<uuid:merchant_id>/pictures",
    "/v1/members/<uuid:member_id>/block",
    "/v1/members/<uuid:member_id>/grants/<uuid:grant_id>",
    "/v1/members/<uuid:member_id>/reset/<uuid:reset_id>",
    "/v1/merchants/<uuid:merchant_id>/webhooks/<uuid:endpoint_id>",
    "/v1/merchants/<uuid:merchant_id>/webhooks/<uuid:endpoint_id>/messages/<uuid:message_id>"
    "/redelivery",
    "/v1/merchants/<uuid:merchant_id>/webhooks/<uuid:endpoint_id>/pings/<uuid:message_id>",
    "/v1/scenes/<string:code>/status",
    "/v1/staff/card-blocks/<uuid:block_id>",
    "/v1/staff/residents/<uuid:holder_id>/cards/<uuid:request_id>",
    "/v1/top-ups/<uuid:top_up_id>/check",
    "/v1/top-ups/<uuid:top_up_id>/settled",
    "/v1/top-ups/<uuid:top_up_id>/outcome",  # Its replays: tests/service/gateway/test_callbacks.py
    "/v1/verifications/<uuid:verification_id>",
}


class Write(NamedTuple):
    """A PUT, and another body (or another PUT altogether) that the same id does not take."""

    url: str
    headers: dict[str, str]
    body: dict[str, Any] | bytes
    other: dict[str, Any] | bytes
    instead: str = ""


class World:
    """What the writes are about; each call makes its own."""

    def __init__(self, client, database, bearer, keyring) -> None:
        self.client, self.database, self.bearer = client, database, bearer
        self.keyring = keyring
        with_scenes(database)

    def put(self, write: Write):
        return self.send(write.url, write.body, write.headers)

    def put_other(self, write: Write):
        url = write.instead or write.url
        return self.send(url, write.other, write.headers)

    def send(self, url: str, body: dict[str, Any] | bytes, headers: dict[str, str]):
        content = {"data" if isinstance(body, bytes) else "json": body}
        return self.client.put(url, headers=headers, **content)

    def done(self, write: Write) -> Write:
        assert (answer := self.put(write)).status_code < 300, answer.text
        return write


def activity(world: World) -> Write:
    headers = world.bearer("resident", world.database.transact(a_resident))
    return Write(f"/v1/activities/{uuid4()}", headers, a_day(), a_day(steps=8_001))


def staff_activity(world: World) -> Write:
    holder_id, number = world.database.transact(a_resident), a_number()
    world.database.transact(
        lambda s: cards.give_card(s, world.keyring, number, holder_id, now=datetime.now(UTC))
    )
    body = a_day(scene=BY_STAFF, card_number=number)
    return Write(
        f"/v1/staff/activities/{uuid4()}",
        world.bearer("volunteer", "volunteer-12"),
        body,
        body | {"quantity": 8_001},
    )


def registration(world: World) -> Write:
    body = a_person()
    return Write(
        f"/v1/staff/residents/{uuid4()}",
        world.bearer("operator", "operator-3"),
        body,
        body | {"card_number": a_number()},
    )


def closing(world: World) -> Write:
    made = world.done(registration(world))
    holder_id = world.put(made).json["holder_id"]
    body = {"card_number": made.body["card_number"]}
    return Write(f"/v1/staff/residents/{holder_id}/closing", made.headers, body, {})


def redemption(world: World) -> Write:
    holder_id, offer = a_shop(world.database)
    other = world.database.transact(an_offer)
    return Write(
        f"/v1/redemptions/{uuid4()}",
        world.bearer("resident", holder_id),
        {"offer_id": str(offer.id)},
        {"offer_id": str(other.id)},
    )


def cancellation(world: World) -> Write:
    holder_id, offer = a_shop(world.database, cancel_hours=1)
    headers, url = world.bearer("resident", holder_id), f"/v1/redemptions/{uuid4()}"
    assert world.client.put(url, json={"offer_id": str(offer.id)}, headers=headers).json
    return Write(f"{url}/cancellation", headers, {}, {})


def consumption(world: World) -> Write:
    holder_id, offer = a_shop(world.database)
    headers = world.bearer("resident", holder_id)
    codes = [
        world.client.put(
            f"/v1/redemptions/{uuid4()}", json={"offer_id": str(offer.id)}, headers=headers
        ).json["voucher_code"]
        for _ in range(2)
    ]
    clerk = world.bearer("merchant", "clerk", offer.merchant_id)
    return Write(f"/v1/consumptions/{uuid4()}", clerk, {"code": codes[0]}, {"code": codes[1]})


def _of_offer(world: World, kind: str, path: str) -> tuple[str, dict[str, str]]:
    offer = world.database.transact(lambda s: an_offer(s, kind=kind, stock_units=0))
    manager = world.bearer("merchant_manager", "anna", offer.merchant_id)
    return f"/v1/merchants/{offer.merchant_id}/offers/{offer.id}/{path}/{uuid4()}", manager


def stock_change(world: World) -> Write:
    return Write(*_of_offer(world, "voucher", "stock-changes"), {"units": 7}, {"units": 8})


def code_file(world: World) -> Write:
    return Write(*_of_offer(world, "pool_code", "code-files"), b"A-1\nA-2\n", b"A-1\nA-3\n")


def reversal(world: World) -> Write:
    made = world.done(consumption(world))
    return Write(f"{made.url}/reversal", made.headers, {}, {})


def refund(world: World) -> Write:
    made = world.done(consumption(world))
    body = {"reason": "商品有瑕疵"}
    return Write(f"{made.url}/refund", world.bearer("operator", "anna"), body, {"reason": "x"})


def scanning(world: World) -> tuple[str, dict[str, str], dict[str, str], list[str]]:
    """A scan's URL, who scans, the body of the scan, and what the merchant offers."""
    holder_id, offer = a_shop(world.database)
    other = world.database.transact(lambda s: an_offer(s, merchant_id=offer.merchant_id))
    resident, device_id = world.bearer("resident", holder_id), uuid4()
    url = f"/v1/code-devices/{device_id}"
    told = world.client.put(url, json={"name": "phone"}, headers=resident).json["key"]
    code = LiveCode(device_id, step_of(datetime.now(UTC)))
    body = {"live_code": written(urlsafe_b64decode(told + "="), code)}
    clerk = world.bearer("merchant", "clerk", offer.merchant_id)
    return f"/v1/scans/{uuid4()}", clerk, body, [str(offer.id), str(other.id)]


def scan(world: World) -> Write:
    url, clerk, body, offers = scanning(world)
    first, second = ({"offer_id": each} for each in offers)
    return Write(url, clerk, body | first, body | second)


def scan_redemption(world: World) -> Write:
    url, clerk, body, (offer, other) = scanning(world)
    world.done(Write(url, clerk, body, {}))
    return Write(f"{url}/redemptions/{uuid4()}", clerk, {"offer_id": offer}, {"offer_id": other})


def scan_consumption(world: World) -> Write:
    """Two vouchers of one resident, taken by a scan."""
    holder_id, offer = a_shop(world.database)
    resident, device_id = world.bearer("resident", holder_id), uuid4()
    bought = [str(uuid4()) for _ in range(2)]
    for each in bought:
        body = {"offer_id": str(offer.id)}
        world.done(Write(f"/v1/redemptions/{each}", resident, body, {}))
    url = f"/v1/code-devices/{device_id}"
    told = world.client.put(url, json={"name": "phone"}, headers=resident).json["key"]
    code = LiveCode(device_id, step_of(datetime.now(UTC)))
    body = {"live_code": written(urlsafe_b64decode(told + "="), code)}
    clerk, url = world.bearer("merchant", "clerk", offer.merchant_id), f"/v1/scans/{uuid4()}"
    world.done(Write(url, clerk, body, {}))
    first, second = ({"redemption_id": each} for each in bought)
    return Write(f"{url}/consumptions/{uuid4()}", clerk, first, second)


def correction(world: World) -> Write:
    holder_id = world.database.transact(lambda s: a_resident(s, points=100))
    query = select(Transfer.id).where(Transfer.holder_id == holder_id)
    transfer_id = world.database.transact(lambda s: s.scalars(query).one())
    body = {"reversals": [{"transfer_id": str(transfer_id), "amount": 30}], "reason": "读数错误"}
    return Write(
        f"/v1/holders/{holder_id}/corrections/{uuid4()}",
        world.bearer("operator", "anna"),
        body,
        body | {"reason": "另一个原因"},
    )


def grant(world: World) -> Write:
    issuer = str(world.database.transact(programme_holder))
    body = {"grant": {"issuer_id": issuer, "unit": "point", "amount": 25}, "reason": "漏记"}
    other = {"grant": {"issuer_id": issuer, "unit": "point", "amount": 26}, "reason": "漏记"}
    return correction(world)._replace(body=body, other=other)


def activity_correction(world: World) -> Write:
    holder_id = world.database.transact(a_resident)
    (answer,) = world.database.transact(lambda s: recorded(s, a_walk(holder_id, 5_000)))
    body = {"activity_id": str(answer.activity_id), "action": "change", "quantity": 2_000}
    body |= {"reason": "手环误报"}
    return Write(
        f"/v1/holders/{holder_id}/activity-corrections/{uuid4()}",
        world.bearer("operator", "anna"),
        body,
        body | {"quantity": 2_001},
    )


def approval(make: Callable[[World], Write]) -> Callable[[World], Write]:
    def proposed(world: World) -> Write:
        url, ben = world.done(make(world)).url, world.bearer("operator", "ben")
        return Write(f"{url}/approval", ben, {}, {"reason": "重复"}, f"{url}/rejection")

    return proposed


def rejection(make: Callable[[World], Write]) -> Callable[[World], Write]:
    def proposed(world: World) -> Write:
        url, ben = world.done(make(world)).url, world.bearer("operator", "ben")
        return Write(f"{url}/rejection", ben, {"reason": "重复"}, {}, f"{url}/approval")

    return proposed


def review_step(world: World) -> Write:
    holder_id, activity_id = world.database.transact(
        lambda s: a_place(s).held(photo_sha256="ab" * 32)
    )
    return Write(
        f"/v1/holders/{holder_id}/reviews/{activity_id}/steps/{uuid4()}",
        world.bearer("operator", "anna"),
        {"action": "approve", "reason": "照片相符"},
        {"action": "reject", "reason": "照片不符"},
    )


def verdict(world: World) -> Write:
    def work(session):
        place = a_place(session, RANGE, held=False)
        return place.act(place.trial.resident(), quantity=520)

    holder_id, activity_id = world.database.transact(work)
    appeal = world.client.put(
        f"/v1/activities/{activity_id}/appeal",
        json={"text": "那天骑的是双人车。"},
        headers=world.bearer("resident", holder_id),
    )
    assert appeal.status_code == 201
    return Write(
        f"/v1/holders/{holder_id}/appeals/{activity_id}/verdicts/{uuid4()}",
        world.bearer("operator", "olga"),
        {"action": "overturn", "text": "核实无误，予以入账。"},
        {"action": "uphold", "text": "维持原结论。"},
    )


def settlement(world: World) -> Write:
    def work(session):
        merchant_id = a_merchant(session, programme_holder(session))
        lines_for(session, merchant_id, [500, 700], at=LATELY.begins_at)
        return merchant_id

    url = f"/v1/merchants/{world.database.transact(work)}/settlements/{uuid4()}"
    body = {"period_from": str(LATELY.since), "period_to": str(LATELY.to)}
    return Write(url, world.bearer("operator", "anna"), body, body | {"period_from": "2026-01-01"})


def settlement_payment(world: World) -> Write:
    url = world.done(settlement(world)).url
    manager = world.bearer("merchant_manager", "mia", url.split("/")[3])
    world.done(Write(f"{url}/confirmation", manager, {}, {}))
    ben = world.bearer("operator", "ben")
    world.done(Write(f"{url}/approval", ben, {}, {}))
    body = {"payment_reference": "bank-1"}
    return Write(f"{url}/payment", ben, body, {"payment_reference": "bank-2"})


_OFFER = "/v1/merchants/<uuid:merchant_id>/offers/<uuid:offer_id>"
_SETTLEMENT = "/v1/merchants/<uuid:merchant_id>/settlements/<uuid:settlement_id>"
_HOLDER = "/v1/holders/<uuid:holder_id>"
_CORRECTION = f"{_HOLDER}/corrections/<uuid:correction_id>"
_OF_ACTIVITY = f"{_HOLDER}/activity-corrections/<uuid:correction_id>"
MOVES: dict[str, tuple[Callable[[World], Write], ...]] = {
    "/v1/activities/<uuid:activity_id>": (activity,),
    "/v1/staff/activities/<uuid:activity_id>": (staff_activity,),
    "/v1/staff/residents/<uuid:resident_id>": (registration,),
    "/v1/staff/residents/<uuid:holder_id>/closing": (closing,),
    "/v1/redemptions/<uuid:redemption_id>": (redemption,),
    "/v1/redemptions/<uuid:redemption_id>/cancellation": (cancellation,),
    "/v1/consumptions/<uuid:consumption_id>": (consumption,),
    "/v1/consumptions/<uuid:consumption_id>/refund": (refund,),
    "/v1/consumptions/<uuid:consumption_id>/reversal": (reversal,),
    "/v1/scans/<uuid:scan_id>": (scan,),
    "/v1/scans/<uuid:scan_id>/redemptions/<uuid:redemption_id>": (scan_redemption,),
    "/v1/scans/<uuid:scan_id>/consumptions/<uuid:consumption_id>": (scan_consumption,),
    f"{_OFFER}/stock-changes/<uuid:change_id>": (stock_change,),
    f"{_OFFER}/code-files/<uuid:file_id>": (code_file,),
    _SETTLEMENT: (settlement,),
    f"{_SETTLEMENT}/payment": (settlement_payment,),
    _CORRECTION: (correction, grant),
    f"{_CORRECTION}/approval": (approval(correction), approval(grant)),
    f"{_CORRECTION}/rejection": (rejection(correction),),
    _OF_ACTIVITY: (activity_correction,),
    f"{_OF_ACTIVITY}/approval": (approval(activity_correction),),
    f"{_OF_ACTIVITY}/rejection": (rejection(activity_correction),),
    f"{_HOLDER}/reviews/<uuid:activity_id>/steps/<uuid:step_id>": (review_step,),
    f"{_HOLDER}/appeals/<uuid:activity_id>/verdicts/<uuid:step_id>": (verdict,),
}
WRITES = {f"{rule} {n}": make for rule, makes in MOVES.items() for n, make in enumerate(makes)}
ONE_WAY = (closing, cancellation, reversal)  # There is nothing else to ask for.
OTHERS = {name: make for name, make in WRITES.items() if make not in ONE_WAY}


@pytest.fixture
def world(client, database, bearer, keyring):
    return World(client, database, bearer, keyring)


def test_every_put_is_known_to_move_value_or_not_to(app):
    rules = {rule.rule for rule in app.url_map.iter_rules() if "PUT" in rule.methods}

    assert rules == STILL | MOVES.keys()


@pytest.mark.parametrize("make", WRITES.values(), ids=WRITES)
def test_the_same_again_is_answered_the_same_and_writes_nothing(world, database, make):
    write = make(world)
    before = books(database)
    first = world.put(write)
    assert first.status_code in (200, 201), first.text
    assert books(database) != before

    with nothing_written(database):
        again = [world.put(write) for _ in range(2)]

    assert {answer.status_code for answer in again} == {first.status_code}
    assert [answer.json for answer in again] == [first.json] * 2


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_something_else_under_the_same_id_is_refused(world, database, make):
    write = world.done(make(world))

    with nothing_written(database):
        answer = world.put_other(write)

    refused(answer, 409, answer.json["type"].rpartition("/")[2])
    assert world.put(write).status_code < 300  # And the first still stands.
