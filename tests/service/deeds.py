"""Every act of staff over HTTP, done once: how it is asked for, and what the admin log must say."""

from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from flask.testing import FlaskClient
from sqlalchemy import select, update

from activities.catalogue.models import Programme, Rule
from activities.reviewing.appeals import open_appeal
from ledgers.models import Transfer
from rewards.models import Offer
from rewards.settling.drafting import Key
from rewards.settling.settlements import approve, confirm
from rewards.tills.live_codes import LiveCode, step_of, written
from rewards.tills.offline import signature
from rewards.voucher_codes import voucher_code
from service.audits.models import AuditRun
from service.db import Database
from service.demo_shops import DEMO_PROGRAMME
from service.identity import cards
from service.identity.keyring import Keyring
from service.registration import Registration
from service.services import Services
from tests import shopping
from tests.catalogues import NOW as THEN
from tests.makers import XIAYANG, a_resident, a_walk, programme_holder, recorded
from tests.reviewing import a_place
from tests.scenes import a_scene
from tests.service.answers import a_shop
from tests.service.districts.issuing import APRIL, a_district
from tests.service.districts.worlds import summed
from tests.service.test_activities_api import BY_STAFF, a_day
from tests.settlements import LATELY, a_drafted, lines_for

HOLDER = "/v1/holders/<uuid:holder_id>"
CORRECTION = f"{HOLDER}/corrections/<uuid:correction_id>"
ACTIVITY_CORRECTION = f"{HOLDER}/activity-corrections/<uuid:correction_id>"
DISTRICT = "/v1/districts/<string:division_code>"
MEMBER = "/v1/members/<uuid:member_id>"
MERCHANT = "/v1/merchants/<uuid:merchant_id>"
OFFER = "/v1/merchants/<uuid:merchant_id>/offers/<uuid:offer_id>"
SETTLEMENT = "/v1/merchants/<uuid:merchant_id>/settlements/<uuid:settlement_id>"
WEBHOOK = "/v1/merchants/<uuid:merchant_id>/webhooks/<uuid:endpoint_id>"
ROW = dict[str, Any]


@dataclass
class World:
    """What a deed is done to and with. ``staff`` is who does it."""

    client: FlaskClient
    database: Database
    services: Services
    keyring: Keyring
    bearer: Callable[..., dict[str, str]]
    staff: str = field(default_factory=lambda: f"anna-{uuid4().hex[:8]}")

    def as_(self, role: str = "operator", name: str = "", **more: Any) -> dict[str, str]:
        return self.bearer(role, name or self.staff, **more)

    def put(self, url: str, body: dict[str, Any] | None, headers: dict[str, str]) -> Any:
        """Something that has to be there before; done by somebody else."""
        answer = self.client.put(url, json=body, headers=headers)
        assert answer.status_code in (200, 201), answer.text
        return answer


@dataclass
class Deed:
    """A request, and the row: ``before`` and ``after`` are parts of what it says, None for None."""

    url: str
    what: str
    object_kind: str
    object_id: object
    body: dict[str, Any] | None = None
    role: str = "operator"
    scope: str = ""
    holder_id: UUID | None = None
    programme: str = DEMO_PROGRAMME
    before: ROW | None = None
    after: ROW | None = None
    content: bytes | None = None  # Where the body is no JSON.

    @property
    def sent(self) -> dict[str, Any]:
        """The body, as the client takes it."""
        return {"json": self.body} if self.content is None else {"data": self.content}


def _corrections(world: World) -> tuple[UUID, str, dict[str, Any]]:
    holder_id = world.database.transact(lambda s: a_resident(s, points=100))
    query = select(Transfer.id).where(Transfer.holder_id == holder_id)
    transfer_id = world.database.transact(lambda s: s.scalars(query).one())
    url = f"/v1/holders/{holder_id}/corrections/{uuid4()}"
    reversal = {"transfer_id": str(transfer_id), "amount": 30}
    return holder_id, url, {"reversals": [reversal], "reason": "读数错误"}


def _proposed(
    world: World, made: tuple[UUID, str, dict[str, Any]], kind: str, step: str, **body: Any
) -> Deed:
    holder_id, url, proposal = made
    world.put(url, proposal, world.as_(name="ben"))
    state = {"approval": "approved", "rejection": "rejected"}[step]
    return Deed(
        f"{url}/{step}",
        f"{kind}.{'approve' if step == 'approval' else 'reject'}",
        kind,
        url.rpartition("/")[2],
        body,
        holder_id=holder_id,
        before={"state": "proposed", "proposed_by": "ben", "decided_by": None},
        after={"state": state, "proposed_by": "ben", "decided_by": world.staff},
    )


def _proposing(world: World, made: tuple[UUID, str, dict[str, Any]], kind: str) -> Deed:
    holder_id, url, body = made
    after = {"state": "proposed", "proposed_by": world.staff, "reason": body["reason"]}
    id_ = url.rpartition("/")[2]
    return Deed(url, f"{kind}.propose", kind, id_, body, holder_id=holder_id, after=after)


def _activity_corrections(world: World) -> tuple[UUID, str, dict[str, Any]]:
    def work(session: Any) -> tuple[UUID, UUID]:
        holder_id = a_resident(session)
        (answer,) = recorded(session, a_walk(holder_id))
        return holder_id, answer.activity_id

    holder_id, activity_id = world.database.transact(work)
    url = f"/v1/holders/{holder_id}/activity-corrections/{uuid4()}"
    return holder_id, url, {"activity_id": str(activity_id), "action": "withdraw", "reason": "错"}


def reviewing(world: World) -> Deed:
    def work(session: Any) -> tuple[str, Any]:
        place = a_place(session)
        return place.trial.code, place.held()

    programme, (holder_id, activity_id) = world.database.transact(work)
    step_id = uuid4()
    return Deed(
        f"/v1/holders/{holder_id}/reviews/{activity_id}/steps/{step_id}",
        "review.approve",
        "review",
        activity_id,
        {"action": "approve", "reason": "照片相符"},
        holder_id=holder_id,
        programme=programme,
        before={"state": "open", "step": None},
        after={
            "state": "closed",
            "step": {"id": str(step_id), "action": "approve", "text": "照片相符"},
        },
    )


def answering(world: World) -> Deed:
    def work(session: Any) -> tuple[str, Any]:
        place = a_place(session, {"kind": "quantity_range", "min": 1, "max": 100}, held=False)
        key = place.act(place.trial.resident(), quantity=520)
        open_appeal(session, *key, words="那天骑的是双人车。", now=THEN)
        return place.trial.code, key

    programme, (holder_id, activity_id) = world.database.transact(work)
    return Deed(
        f"/v1/holders/{holder_id}/appeals/{activity_id}/verdicts/{uuid4()}",
        "appeal.uphold",
        "appeal",
        activity_id,
        {"action": "uphold", "text": "超出范围。"},
        holder_id=holder_id,
        programme=programme,
        before={"state": "pending", "answered_by": None},
        after={"state": "upheld", "answered_by": world.staff},
    )


def suspending(world: World) -> Deed:
    code = world.database.transact(lambda s: a_scene(s).code)
    at = datetime.now(UTC).isoformat()
    return Deed(
        f"/v1/scenes/{code}/status",
        "scene.suspend",
        "scene",
        code,
        {"effective_at": at, "status": "suspended", "reason": "停运"},
        before={"status": "approved", "change": None},
        after={"status": "suspended"},
    )


def approving_a_draft(world: World) -> Deed:
    code = f"walking.{uuid4().hex[:8]}"
    rule = Rule(
        code=code,
        version=1,
        programme_code=DEMO_PROGRAMME,
        behaviour_code="walking",
        parameters={"kind": "quantity_range", "min": 1, "max": 50_000},
        valid_from="1999-01-01",
        valid_to="1999-01-02",
        document="a test",
        drafted_by="ben",
    )
    world.database.transact(lambda session: session.add(rule))
    return Deed(
        f"/v1/catalogue/drafts/rule:{code}@1/approval",
        "draft.approve",
        "draft",
        f"rule:{code}@1",
        {},
        before={"drafted_by": "ben", "approved_by": None, "approved_at": None},
        after={"drafted_by": "ben", "approved_by": world.staff},
    )


def drafting_a_version(world: World) -> Deed:
    name = f"rule:walking.{uuid4().hex[:8]}@1"
    values = {
        "programme_code": DEMO_PROGRAMME,
        "behaviour_code": "walking",
        "parameters": '{"kind": "quantity_range", "min": 1, "max": 50000}',
        "valid_from": "1999-01-01",
        "valid_to": "1999-01-02",
        "document": "a test",
    }
    return Deed(
        f"/v1/catalogue/drafts/{name}",
        "draft.write",
        "draft",
        name,
        {"values": values},
        before=None,
        after={"drafted_by": world.staff, "approved_by": None, "valid_from": "1999-01-01"},
    )


def a_number() -> str:
    return f"SH{uuid4().hex[:12].upper()}"


def _with_a_card(world: World) -> tuple[UUID, str]:
    number = a_number()

    def work(session: Any) -> UUID:
        holder_id = a_resident(session)
        cards.give_card(session, world.keyring, number, holder_id, now=datetime.now(UTC))
        return holder_id

    return world.database.transact(work), number


def entering(world: World) -> Deed:
    (holder_id, number), id_ = _with_a_card(world), uuid4()
    return Deed(
        f"/v1/staff/activities/{id_}",
        "activity.enter",
        "entry",
        id_,
        a_day(scene=BY_STAFF, card_number=number),
        role="volunteer",
        holder_id=holder_id,
        after={"scene_code": BY_STAFF, "decision": "verified"},
    )


def registering(world: World) -> Deed:
    id_ = uuid4()
    body = {
        "card_number": a_number(),
        "programme": DEMO_PROGRAMME,
        "division": XIAYANG,
        "consents": [{"scene": "test.consent.staff", "text_version": 3}],
    }
    wanted = Registration(id_, "", "", "", {}, "")
    return Deed(
        f"/v1/staff/residents/{id_}",
        "resident.register",
        "registration",
        id_,
        body,
        holder_id=wanted.holder_id,
        after={
            "programme": DEMO_PROGRAMME,
            "division": XIAYANG,
            "consents": {"test.consent.staff": 3},
        },
    )


def giving_a_card(world: World) -> Deed:
    holder_id, id_ = world.database.transact(a_resident), uuid4()
    url = f"/v1/staff/residents/{holder_id}/cards/{id_}"
    body = {"card_number": a_number()}
    after = {"holder_id": str(holder_id), "blocked_at": None}
    return Deed(url, "card.give", "card_request", id_, body, holder_id=holder_id, after=after)


def blocking_a_card(world: World) -> Deed:
    (holder_id, number), id_ = _with_a_card(world), uuid4()
    return Deed(
        f"/v1/staff/card-blocks/{id_}",
        "card.block",
        "card_request",
        id_,
        {"card_number": number},
        holder_id=holder_id,
        before={"blocked_at": None},
        after={"holder_id": str(holder_id)},
    )


def looking_a_resident_up(world: World) -> Deed:
    (holder_id, number), id_ = _with_a_card(world), uuid4()
    return Deed(
        f"/v1/staff/looks/{id_}",
        "resident.look_up",
        "look",
        id_,
        {"card_number": number, "purpose": "居民到窗口咨询"},
        holder_id=holder_id,
        after={"by": "card", "purpose": "居民到窗口咨询", "found": True},
    )


def closing(world: World) -> Deed:
    holder_id, number = _with_a_card(world)
    url, body = f"/v1/staff/residents/{holder_id}/closing", {"card_number": number}
    return Deed(
        url,
        "resident.close",
        "resident",
        holder_id,
        body,
        holder_id=holder_id,
        before={"closed_at": None},
        after={},
    )


def taking_a_voucher(world: World) -> Deed:
    holder_id, offer = a_shop(world.database, points=300, price_points=120)
    redemption_id, id_ = uuid4(), uuid4()
    body = {"offer_id": str(offer.id)}
    resident = world.bearer("resident", holder_id)
    world.put(f"/v1/redemptions/{redemption_id}", body, resident)
    code = voucher_code(world.services.voucher_key, redemption_id)
    return Deed(
        f"/v1/consumptions/{id_}",
        "voucher.consume",
        "consumption",
        id_,
        {"code": code},
        role="merchant",
        scope=str(offer.merchant_id),
        holder_id=holder_id,
        after={"merchant_id": str(offer.merchant_id), "redemption_id": str(redemption_id)},
    )


def giving_a_voucher_back(world: World) -> Deed:
    taken = taking_a_voucher(world)
    clerk = world.as_("merchant", "ben", scope=taken.scope)
    assert world.client.put(taken.url, json=taken.body, headers=clerk).status_code == 201
    return replace(
        taken,
        url=f"{taken.url}/reversal",
        what="voucher.reverse",
        body=None,
        before={"reversed_at": None},
        after={},
    )


def refunding_a_voucher(world: World) -> Deed:
    taken = taking_a_voucher(world)
    clerk = world.as_("merchant", "ben", scope=taken.scope)
    assert world.client.put(taken.url, json=taken.body, headers=clerk).status_code == 201
    return Deed(
        f"{taken.url}/refund",
        "voucher.refund",
        "consumption",
        taken.object_id,
        {"reason": "商品有瑕疵"},
        holder_id=taken.holder_id,
        before={"state": "done", "refunded_at": None, "returned_points": 0},
        after={"state": "refunded", "reason": "商品有瑕疵"},
    )


def sending_what_was_scanned_offline(world: World) -> Deed:
    taken, scanner_id = taking_a_voucher(world), uuid4()
    manager = world.as_("merchant_manager", "ben", scope=taken.scope)
    url = f"/v1/merchants/{taken.scope}/scanners/{scanner_id}"
    key = urlsafe_b64decode(world.put(url, {"name": "till"}, manager).json["key"] + "=")
    assert taken.body is not None
    said = datetime.now(UTC).isoformat()
    scan = {"id": str(taken.object_id), "code": taken.body["code"], "scanned_at": said}
    assert isinstance(taken.object_id, UUID)
    scan["signature"] = signature(key, taken.object_id, scan["code"], said)
    scan["scanner_id"] = str(scanner_id)
    return replace(taken, url="/v1/consumptions", body={"consumptions": [scan]})


def _scanning(world: World) -> tuple[UUID, Any, UUID, dict[str, str]]:
    """Who is scanned, an offer of the merchant's, the scan's id, and its body."""
    holder_id, offer = a_shop(world.database, points=300, price_points=120)
    device_id, resident = uuid4(), world.bearer("resident", holder_id)
    told = world.put(f"/v1/code-devices/{device_id}", {"name": "phone"}, resident).json["key"]
    code = LiveCode(device_id, step_of(datetime.now(UTC)))
    return holder_id, offer, uuid4(), {"live_code": written(urlsafe_b64decode(told + "="), code)}


def reading_a_live_code(world: World) -> Deed:
    holder_id, offer, scan_id, body = _scanning(world)
    return Deed(
        f"/v1/scans/{scan_id}",
        "scan.open",
        "scan",
        scan_id,
        body,
        role="merchant",
        scope=str(offer.merchant_id),
        holder_id=holder_id,
        after={"merchant_id": str(offer.merchant_id)},
    )


def redeeming_at_a_till(world: World) -> Deed:
    read, id_ = reading_a_live_code(world), uuid4()
    world.put(read.url, read.body, world.as_("merchant", "ben", scope=read.scope))
    query = select(Offer.id).where(Offer.merchant_id == UUID(read.scope))
    offer_id = world.database.transact(lambda s: s.scalars(query).one())
    return replace(
        read,
        url=f"{read.url}/redemptions/{id_}",
        what="voucher.redeem",
        object_kind="redemption",
        object_id=id_,
        body={"offer_id": str(offer_id)},
        after={"offer_id": str(offer_id), "spent_points": 120},
    )


def taking_a_voucher_by_a_scan(world: World) -> Deed:
    holder_id, offer, scan_id, body = _scanning(world)
    bought, id_ = uuid4(), uuid4()
    resident, scope = world.bearer("resident", holder_id), str(offer.merchant_id)
    world.put(f"/v1/redemptions/{bought}", {"offer_id": str(offer.id)}, resident)
    world.put(f"/v1/scans/{scan_id}", body, world.as_("merchant", "ben", scope=scope))
    return Deed(
        f"/v1/scans/{scan_id}/consumptions/{id_}",
        "voucher.consume",
        "consumption",
        id_,
        {"redemption_id": str(bought)},
        role="merchant",
        scope=scope,
        holder_id=holder_id,
        after={"redemption_id": str(bought)},
    )


def _administering(url: str, what: str, kind: str, id_: object, **more: Any) -> Deed:
    programme = more.pop("programme", "*")
    return Deed(url, what, kind, id_, role="administrator", programme=programme, **more)


def _a_member(world: World, *, blocked: bool = False) -> tuple[UUID, str]:
    id_, admin = uuid4(), world.as_("administrator", "ben")
    url = f"/v1/members/{id_}"
    world.put(url, {"login": f"x-{id_.hex[:12]}", "display_name": "李娜"}, admin)
    if blocked:
        world.put(f"{url}/block", None, admin)
    return id_, url


def adding_a_member(world: World) -> Deed:
    id_ = uuid4()
    body = {"login": f"x-{id_.hex[:12]}", "display_name": "李娜"}
    after = {"login": body["login"], "blocked_at": None}
    return _administering(f"/v1/members/{id_}", "staff.add", "staff", id_, body=body, after=after)


def resetting_a_member(world: World) -> Deed:
    id_, url = _a_member(world)
    return _administering(
        f"{url}/reset/{uuid4()}", "staff.reset", "staff", id_, before={}, after={}
    )


def blocking_a_member(world: World) -> Deed:
    id_, url = _a_member(world)
    before = {"blocked_at": None}
    return _administering(f"{url}/block", "staff.block", "staff", id_, before=before, after={})


def unblocking_a_member(world: World) -> Deed:
    id_, url = _a_member(world, blocked=True)
    after = {"blocked_at": None}
    return _administering(f"{url}/block", "staff.unblock", "staff", id_, before={}, after=after)


def granting(world: World) -> Deed:
    id_, url = _a_member(world)
    body = {"role": "operator", "programme": DEMO_PROGRAMME}
    return _administering(
        f"{url}/grants/{uuid4()}",
        "staff.grant",
        "staff",
        id_,
        body=body,
        programme=DEMO_PROGRAMME,
        after={"role": "operator", "programme": DEMO_PROGRAMME, "ended_at": None},
    )


def ending_a_grant(world: World) -> Deed:
    id_, url = _a_member(world)
    grant = f"{url}/grants/{uuid4()}"
    body = {"role": "operator", "programme": DEMO_PROGRAMME}
    world.put(grant, body, world.as_("administrator", "ben"))
    return _administering(
        grant,
        "staff.end_grant",
        "staff",
        id_,
        programme=DEMO_PROGRAMME,
        before={"ended_at": None},
        after={"role": "operator"},
    )


def _a_key(world: World) -> tuple[UUID, str, dict[str, Any]]:
    _, offer = a_shop(world.database)
    id_ = uuid4()
    body = {
        "owner_kind": "merchant",
        "owner": str(offer.merchant_id),
        "name": "收银系统",
        "scopes": ["consumptions"],
        "expires_at": (datetime.now(UTC) + timedelta(days=90)).isoformat(),
    }
    return id_, f"/v1/api-keys/{id_}", body


def making_a_key(world: World) -> Deed:
    id_, url, body = _a_key(world)
    after = {"owner": body["owner"], "scopes": ["consumptions"], "retired_at": None}
    return _administering(url, "api_key.make", "api_key", id_, body=body, after=after)


def retiring_a_key(world: World) -> Deed:
    id_, url, body = _a_key(world)
    world.put(url, body, world.as_("administrator", "ben"))
    before = {"retired_at": None}
    return _administering(url, "api_key.retire", "api_key", id_, before=before, after={})


def checking_a_top_up(world: World) -> Deed:
    """One that the job would ask about in years."""

    def work(session: Any) -> tuple[UUID, UUID]:
        holder_id = a_resident(session)
        return holder_id, shopping.an_open_top_up(session, holder_id)

    holder_id, id_ = world.database.transact(work)
    url = f"/v1/top-ups/{id_}/check"
    state = {"state": "ordered", "answered": "pending"}
    return Deed(url, "top_up.check", "top_up", id_, holder_id=holder_id, before=state, after=state)


def ticking_off_a_top_up(world: World) -> Deed:
    """About which the gateway has said two things."""

    def work(session: Any) -> tuple[UUID, UUID]:
        holder_id = a_resident(session)
        return holder_id, shopping.a_contradicted_top_up(session, holder_id)

    holder_id, id_ = world.database.transact(work)
    url, body = f"/v1/top-ups/{id_}/settled", {"reason": "a test"}
    before = {"state": "done", "answered": "refused no such card"}
    after = before | {"contradicted_at": None, "reason": "a test"}
    return Deed(
        url, "top_up.tick_off", "top_up", id_, body=body, holder_id=holder_id, before=before,
        after=after,
    )  # fmt: skip


def settling(step: str, **body: str) -> Callable[[World], Deed]:
    """A step with the settlement of a merchant that has a line; those before it by others."""
    before, after = _SETTLING[step]

    def prepare(world: World) -> Deed:
        def work(session: Any) -> Key:
            merchant_id = shopping.a_merchant(session, programme_holder(session))
            lines_for(session, merchant_id, [500], at=LATELY.begins_at)
            if before is None:
                return Key(merchant_id, uuid4())
            key = a_drafted(session, merchant_id, LATELY)
            if before in ("confirmed", "approved"):
                confirm(session, key, actor="mia", now=THEN)
            if before == "approved":
                approve(session, key, actor="ben", now=THEN)
            return key

        key = world.database.transact(work)
        by_merchant = step in ("confirmation", "dispute")
        url = f"/v1/merchants/{key.merchant_id}/settlements/{key.id}"
        return Deed(
            f"{url}/{step}" if step else url,
            f"settlement.{_WHATS[step]}",
            "settlement",
            key.id,
            body=dict(body),
            role="merchant_manager" if by_merchant else "operator",
            scope=str(key.merchant_id) if by_merchant else "",
            before=None if before is None else {"state": before},
            after={"state": after, "merchant_id": str(key.merchant_id)},
        )

    return prepare


# By step, the state before and after it.
_SETTLING: dict[str, tuple[str | None, str]] = {
    "": (None, "drafting"),
    "confirmation": ("draft", "confirmed"),
    "dispute": ("draft", "disputed"),
    "approval": ("confirmed", "approved"),
    "payment": ("approved", "paid"),
    "voiding": ("draft", "void"),
}
_WHATS = {
    "": "draft",
    "confirmation": "confirm",
    "dispute": "dispute",
    "approval": "approve",
    "payment": "pay",
    "voiding": "void",
}


def _of_webhook(
    what: str, kind: str, id_: object, url: str, merchant_id: UUID, **more: Any
) -> Deed:
    return Deed(
        url, f"webhook.{what}", kind, id_, role="merchant_manager", scope=str(merchant_id), **more
    )


def _a_webhook(world: World, *, dead: bool = False) -> tuple[UUID, UUID, UUID, str]:
    """A merchant, its webhook, a message there, and the webhook's address in the API."""

    def work(session: Any) -> tuple[UUID, UUID, UUID]:
        issuer = session.get_one(Programme, DEMO_PROGRAMME).holder_id
        merchant_id = shopping.a_merchant(session, issuer)
        endpoint_id, message_id = shopping.a_webhook(session, merchant_id, dead=dead)
        return merchant_id, endpoint_id, message_id

    merchant_id, endpoint_id, message_id = world.database.transact(work)
    url = f"/v1/merchants/{merchant_id}/webhooks/{endpoint_id}"
    return merchant_id, endpoint_id, message_id, url


def making_a_webhook(world: World) -> Deed:
    merchant_id, _, _, url = _a_webhook(world)
    id_, kinds = uuid4(), ["pool.low", "voucher.consumed"]
    body = {"url": "https://till.example.cn/hook?token=hunter2", "kinds": kinds}
    after = {"merchant_id": str(merchant_id), "host": "till.example.cn", "kinds": kinds}
    url = f"{url.rpartition('/')[0]}/{id_}"
    return _of_webhook("make", "webhook", id_, url, merchant_id, body=body, after=after)


def ending_a_webhook(world: World) -> Deed:
    merchant_id, id_, _, url = _a_webhook(world)
    before = {"ended_at": None}
    return _of_webhook("end", "webhook", id_, url, merchant_id, before=before, after={})


def redelivering(world: World) -> Deed:
    merchant_id, _, id_, url = _a_webhook(world, dead=True)
    url = f"{url}/messages/{id_}/redelivery"
    before, after = {"state": "dead"}, {"state": "waiting"}
    return _of_webhook(
        "redeliver", "webhook_message", id_, url, merchant_id, before=before, after=after
    )


def redelivering_the_dead(world: World) -> Deed:
    merchant_id, id_, _, url = _a_webhook(world, dead=True)
    before, after = {"dead_messages": 1}, {"dead_messages": 0}
    body, url = {"since": "2010-01-01T00:00:00Z"}, f"{url}/redeliveries"
    return _of_webhook(
        "redeliver_dead", "webhook", id_, url, merchant_id, body=body, before=before, after=after
    )


def pinging(world: World) -> Deed:
    merchant_id, endpoint_id, _, url = _a_webhook(world)
    id_, after = uuid4(), {"endpoint_id": str(endpoint_id), "kind": "ping", "state": "waiting"}
    url = f"{url}/pings/{id_}"
    return _of_webhook("ping", "webhook_message", id_, url, merchant_id, after=after)


def _at_offer(
    world: World, *, state: str = "published", kind: str = "voucher", path: str = "", **more: Any
) -> tuple[str, UUID, UUID]:
    """An offer's address in the API, its merchant and its id."""

    def work(session: Any) -> tuple[UUID, UUID]:
        issuer = session.get_one(Programme, DEMO_PROGRAMME).holder_id
        merchant_id = shopping.a_merchant(session, issuer)
        shopping.an_agreement(session, merchant_id)
        return merchant_id, shopping.an_offer(
            session, issuer, merchant_id, state=state, kind=kind, **more
        )

    merchant_id, offer_id = world.database.transact(work)
    return f"/v1/merchants/{merchant_id}/offers/{offer_id}{path}", merchant_id, offer_id


def _managing(url: str, what: str, kind: str, id_: object, merchant_id: UUID, **more: Any) -> Deed:
    return Deed(url, what, kind, id_, role="merchant_manager", scope=str(merchant_id), **more)


def drafting_an_offer(world: World) -> Deed:
    url, merchant_id, id_ = _at_offer(world)
    body = {
        "kind": "voucher",
        "title_zh": "茶",
        "title_en": "Tea",
        "price_points": 5,
        "on_sale_from": "2026-01-01T00:00:00Z",
        "on_sale_to": "2027-01-01T00:00:00Z",
    }
    before = {"state": "published", "version": 1, "newest_version": 1}
    after = {"state": "published", "version": 1, "newest_version": 2, "price_points": 5}
    return _managing(
        url, "offer.draft", "offer", id_, merchant_id, body=body, before=before, after=after
    )


def publishing_an_offer(world: World) -> Deed:
    url, _, id_ = _at_offer(world, state="paused", path="/publication")
    body, before = {"version": 1}, {"state": "paused"}
    after = {"state": "published", "version": 1}
    return Deed(url, "offer.publish", "offer", id_, body, before=before, after=after)


def pausing_an_offer(world: World) -> Deed:
    url, merchant_id, id_ = _at_offer(world, path="/state")
    body = {"state": "paused", "reason": "补货"}
    before, after = {"state": "published"}, {"state": "paused", "reason": "补货"}
    return _managing(
        url, "offer.pause", "offer", id_, merchant_id, body=body, before=before, after=after
    )


def putting_stock(world: World) -> Deed:
    id_ = uuid4()
    url, merchant_id, offer_id = _at_offer(world, path=f"/stock-changes/{id_}")
    after = {"offer_id": str(offer_id), "units": 7}
    return _managing(
        url, "offer.put_stock", "stock_change", id_, merchant_id, body={"units": 7}, after=after
    )


def loading_codes(world: World) -> Deed:
    id_ = uuid4()
    url, merchant_id, offer_id = _at_offer(
        world, kind="pool_code", stock_units=0, path=f"/code-files/{id_}"
    )
    after = {"offer_id": str(offer_id), "codes": 2}
    return _managing(
        url, "offer.load_codes", "code_file", id_, merchant_id, content=b"A\nB\n", after=after
    )


def reporting_a_value(world: World) -> Deed:
    id_ = uuid4()
    body = {
        "indicator": "resident_population",
        "period": "2025",
        "value_thousandths": 1_200_000_000,
        "unit": "person",
        "source": "统计公报",
        "source_date": "2026-03-01",
    }
    url = f"/v1/districts/310118/reported-values/{id_}"
    after = {"value_thousandths": body["value_thousandths"], "entered_by": world.staff}
    kind = "reported_value"
    return Deed(url, f"{kind}.enter", kind, id_, body=body, programme="*", after=after)


def issuing_a_report(world: World) -> Deed:
    code = world.database.transact(a_district)
    origin = world.database.transact(world.services.log.origin)
    summed(world.database, origin=origin)
    url, kind = f"/v1/districts/{code}/reports/{APRIL}/versions/1", "district_report"
    return Deed(url, f"{kind}.issue", kind, f"{code} {APRIL}", {}, programme="*", after={})


def reporting_a_file(_: World) -> Deed:
    id_ = uuid4()
    content = (
        b"indicator,period,value,unit,source,source_date\nsorted_waste,2025,1.5,t,s,2026-03-01\n"
    )
    url = f"/v1/districts/310118/reported-value-files/{id_}"
    after = {"division_code": "310118", "rows": 1, "sha256": sha256(content).hexdigest()}
    what, kind = "reported_value.upload", "reported_value_file"
    return Deed(url, what, kind, id_, programme="*", content=content, after=after)


def sending_a_picture(world: World) -> Deed:
    _, merchant_id, _ = _at_offer(world)
    content = b"\x89PNG\r\n\x1a\n" + uuid4().bytes
    id_, url = sha256(content).hexdigest(), f"/v1/merchants/{merchant_id}/pictures"
    after = {"media_type": "image/png"}
    return _managing(url, "picture.put", "picture", id_, merchant_id, content=content, after=after)


def _a_merchant(world: World, state: str = "approved") -> tuple[UUID, str]:
    """A merchant of the demo's programme, and its address in the API."""

    def work(session: Any) -> UUID:
        issuer = session.get_one(Programme, DEMO_PROGRAMME).holder_id
        return shopping.a_merchant(session, issuer, state=state)

    id_ = world.database.transact(work)
    return id_, f"/v1/merchants/{id_}"


def _by_manager(merchant_id: UUID, *words: Any, **more: Any) -> Deed:
    return Deed(*words, role="merchant_manager", scope=str(merchant_id), **more)


def entering_a_merchant(world: World) -> Deed:
    id_ = uuid4()
    body = {"programme": DEMO_PROGRAMME, "name_zh": "便利店", "name_en": "Shop"}
    after = {"state": "draft", "name_zh": "便利店", "credit_code": None}
    return Deed(f"/v1/merchants/{id_}", "merchant.enter", "merchant", id_, body, after=after)


def suspending_a_merchant(world: World) -> Deed:
    id_, url = _a_merchant(world)
    body = {"state": "suspended", "reason": "投诉待查"}
    before, after = {"state": "approved"}, {"state": "suspended", "reason": "投诉待查"}
    return Deed(
        f"{url}/state", "merchant.suspend", "merchant", id_, body, before=before, after=after
    )


def setting_bank_details(world: World) -> Deed:
    id_, url = _a_merchant(world)
    body = {"account_name": "便利店", "account_number": "6222020200112230011", "bank_name": "行"}
    words = (f"{url}/bank", "merchant.set_bank", "merchant", id_, body)
    return _by_manager(id_, *words, before={"bank_last4": None}, after={"bank_last4": "0011"})


def putting_a_shop(world: World) -> Deed:
    id_, (merchant_id, url) = uuid4(), _a_merchant(world)
    body = {"name_zh": "公园路店", "name_en": "Park Road", "address": "公园路 1 号"}
    after = {"merchant_id": str(merchant_id), "address": "公园路 1 号", "closed_at": None}
    return _by_manager(
        merchant_id, f"{url}/shops/{id_}", "shop.put", "shop", id_, body, after=after
    )


def agreeing(world: World) -> Deed:
    id_, (merchant_id, url) = uuid4(), _a_merchant(world)
    body = {
        "valid_from": "2026-01-01",
        "valid_to": "2027-01-01",
        "price_rule": "share",
        "share_bp": 8_000,
        "document": "2026-031",
    }
    after = {"merchant_id": str(merchant_id), "share_bp": 8_000, "document": "2026-031"}
    url = f"{url}/agreements/{id_}"
    return Deed(url, "agreement.put", "agreement", id_, body, after=after)


def _a_scanner(world: World) -> tuple[UUID, UUID, str]:
    id_, (merchant_id, url) = uuid4(), _a_merchant(world)
    return id_, merchant_id, f"{url}/scanners/{id_}"


def making_a_scanner(world: World) -> Deed:
    id_, merchant_id, url = _a_scanner(world)
    after = {"merchant_id": str(merchant_id), "shop_id": None, "retired_at": None}
    words = (url, "scanner.make", "scanner", id_, {"name": "一号收银台"})
    return _by_manager(merchant_id, *words, after=after)


def retiring_a_scanner(world: World) -> Deed:
    id_, merchant_id, url = _a_scanner(world)
    world.put(url, {"name": "一号"}, world.as_("merchant_manager", "ben", scope=merchant_id))
    words = (url, "scanner.retire", "scanner", id_)
    return _by_manager(merchant_id, *words, before={"retired_at": None}, after={})


def _a_clerk(world: World, *, made: bool = True) -> tuple[UUID, UUID, str, dict[str, str]]:
    id_, (merchant_id, url) = uuid4(), _a_merchant(world)
    url, body = f"{url}/staff/{id_}", {"login": f"c-{id_.hex[:12]}", "display_name": "李娜"}
    if made:
        world.put(url, body, world.as_("merchant_manager", "ben", scope=merchant_id))
    return id_, merchant_id, url, body


def inviting_a_clerk(world: World) -> Deed:
    id_, merchant_id, url, body = _a_clerk(world, made=False)
    after = {"login": body["login"], "merchant_id": str(merchant_id), "roles": ["merchant"]}
    return _by_manager(merchant_id, url, "clerk.invite", "staff", id_, body, after=after)


def ending_a_clerk(world: World) -> Deed:
    id_, merchant_id, url, _ = _a_clerk(world)
    after = {"role": "merchant", "scope": str(merchant_id)}
    words = (url, "staff.end_grant", "staff", id_)
    return _by_manager(merchant_id, *words, before={"ended_at": None}, after=after)


def resetting_a_clerk(world: World) -> Deed:
    id_, merchant_id, url, _ = _a_clerk(world)
    words = (f"{url}/reset/{uuid4()}", "staff.reset", "staff", id_)
    return _by_manager(merchant_id, *words, programme="*", before={}, after={})


def putting_a_budget(world: World) -> Deed:
    id_ = uuid4()
    body = {
        "programme": DEMO_PROGRAMME,
        "name": "四季度",
        "valid_from": "2026-10-01",
        "valid_to": "2027-01-01",
        "total_fen": 50_000,
    }
    after = {"name": "四季度", "total_fen": 50_000, "valid_to": "2027-01-01"}
    return Deed(f"/v1/budgets/{id_}", "budget.put", "budget", id_, body, after=after)


def opening_a_project(world: World) -> Deed:
    id_, (merchant_id, _) = uuid4(), _a_merchant(world)
    body = {
        "programme": DEMO_PROGRAMME,
        "merchant_id": str(merchant_id),
        "name_zh": "梭梭林",
        "name_en": "Saxaul grove",
        "text_zh": "种树",
        "text_en": "Trees",
        "goal_points": 10_000,
    }
    after = {"merchant_id": str(merchant_id), "goal_points": 10_000, "closed_at": None}
    url = f"/v1/donation-projects/{id_}"
    return Deed(url, "donation_project.put", "donation_project", id_, body, after=after)


def asking_for_an_audit(world: World) -> Deed:
    id_ = uuid4()
    over = update(AuditRun).where(AuditRun.state == "waiting").values(state="clean")
    world.database.transact(lambda session: session.execute(over))
    after = {"requested_by": world.staff}
    return Deed(
        f"/v1/audits/{id_}",
        "audit.request",
        "audit",
        id_,
        role="auditor",
        programme="*",
        after=after,
    )


DEEDS: dict[tuple[str, str], Callable[[World], Deed]] = {
    ("PUT", MERCHANT): entering_a_merchant,
    ("PUT", f"{MERCHANT}/state"): suspending_a_merchant,
    ("PUT", f"{MERCHANT}/bank"): setting_bank_details,
    ("PUT", f"{MERCHANT}/shops/<uuid:shop_id>"): putting_a_shop,
    ("PUT", f"{MERCHANT}/agreements/<uuid:agreement_id>"): agreeing,
    ("PUT", f"{MERCHANT}/scanners/<uuid:scanner_id>"): making_a_scanner,
    ("DELETE", f"{MERCHANT}/scanners/<uuid:scanner_id>"): retiring_a_scanner,
    ("PUT", f"{MERCHANT}/staff/<uuid:member_id>"): inviting_a_clerk,
    ("DELETE", f"{MERCHANT}/staff/<uuid:member_id>"): ending_a_clerk,
    ("PUT", f"{MERCHANT}/staff/<uuid:member_id>/reset/<uuid:reset_id>"): resetting_a_clerk,
    ("PUT", "/v1/budgets/<uuid:budget_id>"): putting_a_budget,
    ("PUT", "/v1/donation-projects/<uuid:project_id>"): opening_a_project,
    ("PUT", CORRECTION): lambda w: _proposing(w, _corrections(w), "correction"),
    ("PUT", f"{CORRECTION}/approval"): (
        lambda w: _proposed(w, _corrections(w), "correction", "approval")
    ),
    ("PUT", f"{CORRECTION}/rejection"): (
        lambda w: _proposed(w, _corrections(w), "correction", "rejection", reason="重复")
    ),
    ("PUT", ACTIVITY_CORRECTION): (
        lambda w: _proposing(w, _activity_corrections(w), "activity_correction")
    ),
    ("PUT", f"{ACTIVITY_CORRECTION}/approval"): (
        lambda w: _proposed(w, _activity_corrections(w), "activity_correction", "approval")
    ),
    ("PUT", f"{ACTIVITY_CORRECTION}/rejection"): (
        lambda w: _proposed(w, _activity_corrections(w), "activity_correction", "rejection")
    ),
    ("PUT", f"{HOLDER}/reviews/<uuid:activity_id>/steps/<uuid:step_id>"): reviewing,
    ("PUT", f"{HOLDER}/appeals/<uuid:activity_id>/verdicts/<uuid:step_id>"): answering,
    ("PUT", "/v1/scenes/<string:code>/status"): suspending,
    ("PUT", "/v1/catalogue/drafts/<string:name>"): drafting_a_version,
    ("PUT", "/v1/catalogue/drafts/<string:name>/approval"): approving_a_draft,
    ("PUT", "/v1/staff/activities/<uuid:activity_id>"): entering,
    ("PUT", "/v1/staff/residents/<uuid:resident_id>"): registering,
    ("PUT", "/v1/staff/residents/<uuid:holder_id>/cards/<uuid:request_id>"): giving_a_card,
    ("PUT", "/v1/staff/card-blocks/<uuid:block_id>"): blocking_a_card,
    ("PUT", "/v1/staff/looks/<uuid:look_id>"): looking_a_resident_up,
    ("PUT", "/v1/staff/residents/<uuid:holder_id>/closing"): closing,
    ("PUT", "/v1/consumptions/<uuid:consumption_id>"): taking_a_voucher,
    ("PUT", "/v1/consumptions/<uuid:consumption_id>/refund"): refunding_a_voucher,
    ("PUT", "/v1/consumptions/<uuid:consumption_id>/reversal"): giving_a_voucher_back,
    ("POST", "/v1/consumptions"): sending_what_was_scanned_offline,
    ("PUT", "/v1/scans/<uuid:scan_id>"): reading_a_live_code,
    ("PUT", "/v1/scans/<uuid:scan_id>/redemptions/<uuid:redemption_id>"): redeeming_at_a_till,
    (
        "PUT",
        "/v1/scans/<uuid:scan_id>/consumptions/<uuid:consumption_id>",
    ): taking_a_voucher_by_a_scan,
    ("PUT", OFFER): drafting_an_offer,
    ("PUT", f"{OFFER}/publication"): publishing_an_offer,
    ("PUT", f"{OFFER}/state"): pausing_an_offer,
    ("PUT", f"{OFFER}/stock-changes/<uuid:change_id>"): putting_stock,
    ("PUT", f"{OFFER}/code-files/<uuid:file_id>"): loading_codes,
    ("PUT", "/v1/merchants/<uuid:merchant_id>/pictures"): sending_a_picture,
    ("PUT", "/v1/top-ups/<uuid:top_up_id>/check"): checking_a_top_up,
    ("PUT", "/v1/top-ups/<uuid:top_up_id>/settled"): ticking_off_a_top_up,
    ("PUT", SETTLEMENT): settling("", period_from=str(LATELY.since), period_to=str(LATELY.to)),
    ("PUT", f"{SETTLEMENT}/confirmation"): settling("confirmation"),
    ("PUT", f"{SETTLEMENT}/dispute"): settling("dispute", reason="少一笔"),
    ("PUT", f"{SETTLEMENT}/approval"): settling("approval"),
    ("PUT", f"{SETTLEMENT}/payment"): settling("payment", payment_reference="bank-1"),
    ("PUT", f"{SETTLEMENT}/voiding"): settling("voiding"),
    ("PUT", WEBHOOK): making_a_webhook,
    ("DELETE", WEBHOOK): ending_a_webhook,
    ("PUT", f"{WEBHOOK}/messages/<uuid:message_id>/redelivery"): redelivering,
    ("POST", f"{WEBHOOK}/redeliveries"): redelivering_the_dead,
    ("PUT", f"{WEBHOOK}/pings/<uuid:message_id>"): pinging,
    ("PUT", f"{DISTRICT}/reported-values/<uuid:value_id>"): reporting_a_value,
    ("PUT", f"{DISTRICT}/reported-value-files/<uuid:file_id>"): reporting_a_file,
    ("PUT", f"{DISTRICT}/reports/<string:period>/versions/<int:version>"): issuing_a_report,
    ("PUT", MEMBER): adding_a_member,
    ("PUT", f"{MEMBER}/reset/<uuid:reset_id>"): resetting_a_member,
    ("PUT", f"{MEMBER}/block"): blocking_a_member,
    ("DELETE", f"{MEMBER}/block"): unblocking_a_member,
    ("PUT", f"{MEMBER}/grants/<uuid:grant_id>"): granting,
    ("DELETE", f"{MEMBER}/grants/<uuid:grant_id>"): ending_a_grant,
    ("PUT", "/v1/api-keys/<uuid:key_id>"): making_a_key,
    ("PUT", "/v1/audits/<uuid:audit_id>"): asking_for_an_audit,
    ("DELETE", "/v1/api-keys/<uuid:key_id>"): retiring_a_key,
}
_OWN_LOGIN = "one's own login: it gives nobody anything, and is among one's security events"
_COMPARED = "compares a file that is sent; nothing is kept"
EXEMPT = {
    ("POST", "/v1/consumptions/preview"): "looks at a code; nothing is kept",
    ("POST", "/v1/merchants/<uuid:merchant_id>/reconciliation"): _COMPARED,
    ("POST", f"{SETTLEMENT}/reconciliation"): _COMPARED,
    ("DELETE", "/v1/me/sessions"): _OWN_LOGIN,
    ("DELETE", "/v1/me/sessions/<uuid:session_id>"): _OWN_LOGIN,
    ("PUT", "/v1/me/password"): _OWN_LOGIN,
    ("POST", "/v1/me/recovery-codes"): _OWN_LOGIN,
}
