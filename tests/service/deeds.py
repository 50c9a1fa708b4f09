"""Every act of staff over HTTP, done once: how it is asked for, and what the admin log must say."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from flask.testing import FlaskClient
from sqlalchemy import select

from activities.catalogue.models import Rule
from activities.reviewing.appeals import open_appeal
from ledgers.models import Transfer
from rewards.voucher_codes import voucher_code
from service.db import Database
from service.demo import DEMO_PROGRAMME
from service.identity import cards
from service.identity.keyring import Keyring
from service.registration import Registration
from service.services import Services
from tests.catalogues import NOW as THEN
from tests.makers import XIAYANG, a_resident, a_walk, recorded
from tests.reviewing import a_place
from tests.scenes import a_scene
from tests.service.answers import a_shop
from tests.service.test_activities_api import BY_STAFF, a_day

HOLDER = "/v1/holders/<uuid:holder_id>"
CORRECTION = f"{HOLDER}/corrections/<uuid:correction_id>"
ACTIVITY_CORRECTION = f"{HOLDER}/activity-corrections/<uuid:correction_id>"
MEMBER = "/v1/members/<uuid:member_id>"
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


DEEDS: dict[tuple[str, str], Callable[[World], Deed]] = {
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
    ("PUT", "/v1/catalogue/drafts/<string:name>/approval"): approving_a_draft,
    ("PUT", "/v1/staff/activities/<uuid:activity_id>"): entering,
    ("PUT", "/v1/staff/residents/<uuid:resident_id>"): registering,
    ("PUT", "/v1/staff/residents/<uuid:holder_id>/cards/<uuid:request_id>"): giving_a_card,
    ("PUT", "/v1/staff/card-blocks/<uuid:block_id>"): blocking_a_card,
    ("PUT", "/v1/staff/residents/<uuid:holder_id>/closing"): closing,
    ("PUT", "/v1/consumptions/<uuid:consumption_id>"): taking_a_voucher,
    ("PUT", MEMBER): adding_a_member,
    ("PUT", f"{MEMBER}/reset/<uuid:reset_id>"): resetting_a_member,
    ("PUT", f"{MEMBER}/block"): blocking_a_member,
    ("DELETE", f"{MEMBER}/block"): unblocking_a_member,
    ("PUT", f"{MEMBER}/grants/<uuid:grant_id>"): granting,
    ("DELETE", f"{MEMBER}/grants/<uuid:grant_id>"): ending_a_grant,
    ("PUT", "/v1/api-keys/<uuid:key_id>"): making_a_key,
    ("DELETE", "/v1/api-keys/<uuid:key_id>"): retiring_a_key,
}
_OWN_LOGIN = "one's own login: it gives nobody anything, and is among one's security events"
EXEMPT = {
    ("DELETE", "/v1/me/sessions"): _OWN_LOGIN,
    ("DELETE", "/v1/me/sessions/<uuid:session_id>"): _OWN_LOGIN,
    ("PUT", "/v1/me/password"): _OWN_LOGIN,
    ("POST", "/v1/me/recovery-codes"): _OWN_LOGIN,
}
