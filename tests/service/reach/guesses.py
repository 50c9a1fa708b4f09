"""Which ids somebody could guess, route by route, and what that gets them.

A value is written as where it comes from: ``theirs.resident`` is the other side's, ``mine.card``
one's own, ``fresh`` an id that nobody has. Each guess is made twice, with ``theirs`` and with
values that stand for nothing: the two must be answered alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ACTIVITY_CORRECTION = "/v1/holders/<uuid:holder_id>/activity-corrections/<uuid:correction_id>"
APPEAL = "/v1/holders/<uuid:holder_id>/appeals/<uuid:activity_id>"
CORRECTION = "/v1/holders/<uuid:holder_id>/corrections/<uuid:correction_id>"
REVIEW = "/v1/holders/<uuid:holder_id>/reviews/<uuid:activity_id>"
FEED = "/v1/feeds/<string:scene_code>"
SCAN = "/v1/scans/<uuid:scan_id>"
OFFERS = "/v1/merchants/<uuid:merchant_id>/offers"
OFFER = f"{OFFERS}/<uuid:offer_id>"
SETTLEMENTS = "/v1/merchants/<uuid:merchant_id>/settlements"
SETTLEMENT = f"{SETTLEMENTS}/<uuid:settlement_id>"
WEBHOOKS = "/v1/merchants/<uuid:merchant_id>/webhooks"
WEBHOOK = f"{WEBHOOKS}/<uuid:endpoint_id>"
MERCHANT = "/v1/merchants/<uuid:merchant_id>"
DISTRICT = "/v1/districts/<string:division_code>"
OPERATOR, AUDITOR, ADMINISTRATOR = "operator", "auditor", "administrator"
STAFF = (OPERATOR, AUDITOR)
# Who guesses: a role with a grant of one's own programme, or of one's own district everywhere.
PROGRAMME, DIVISION = "programme", "division"


@dataclass(frozen=True)
class Guess:
    """What is put in place of a route's ids, by whom, and the answer."""

    roles: tuple[str, ...]
    path: Mapping[str, str]
    slug: str
    body: Mapping[str, Any] | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    grants: tuple[str, ...] = (PROGRAMME, DIVISION)
    status: int = 404


def _of_holder(
    roles: tuple[str, ...], path: Mapping[str, str], slug: str, body: Any = None
) -> list[Guess]:
    """Another's holder id; and one's own resident's with the other's id behind it."""
    theirs, mine = {"holder_id": "theirs.resident"}, {"holder_id": "mine.resident"}
    return [
        Guess(roles, theirs | path, "unknown-resident", body),
        Guess(roles, mine | path, slug, body),
    ]


def _of_resident(path: Mapping[str, str], slug: str, body: Any = None, **more: Any) -> list[Guess]:
    return [Guess(("resident",), path, slug, body, **more)]


def _out_of_reach(roles: tuple[str, ...], path: Mapping[str, str], **more: Any) -> list[Guess]:
    """For grants that reach all, whatever is asked."""
    return [Guess(roles, path, "out-of-reach", status=403, **more)]


def _of_webhook(roles: tuple[str, ...], *more: str, body: Any = None) -> list[Guess]:
    """Of another merchant; at one's own merchant another's webhook, and another's message at one's
    own webhook.
    """
    rest = dict.fromkeys(more, "theirs.webhook_message")
    theirs, mine = {"merchant_id": "theirs.merchant"}, {"merchant_id": "mine.merchant"}
    their_webhook = {"endpoint_id": "theirs.webhook"} | rest
    found = [
        Guess(roles, theirs | their_webhook, "unknown-merchant", body, grants=(PROGRAMME,)),
        Guess(roles, mine | their_webhook, "unknown-webhook", body, grants=(PROGRAMME,)),
    ]
    if more:
        path = mine | {"endpoint_id": "mine.webhook"} | rest
        found.append(Guess(roles, path, "unknown-webhook-message", body, grants=(PROGRAMME,)))
    return found


def _of_merchant(
    roles: tuple[str, ...], path: Mapping[str, str] | None = None, body: Any = None, **more: Any
) -> list[Guess]:
    """Another merchant, and whatever of it."""
    whole = {"merchant_id": "theirs.merchant"} | dict(path or {})
    return [Guess(roles, whole, "unknown-merchant", body, grants=(PROGRAMME,), **more)]


def _at_merchant(roles: tuple[str, ...], path: Mapping[str, str], slug: str) -> list[Guess]:
    """Another's at another merchant, and at one's own."""
    mine = {"merchant_id": "mine.merchant"} | dict(path)
    return [*_of_merchant(roles, path), Guess(roles, mine, slug, grants=(PROGRAMME,))]


def _of_scene(roles: tuple[str, ...], body: Any = None) -> list[Guess]:
    path = {"code": "theirs.scene"}
    return [Guess(roles, path, "unknown-scene", body, grants=(PROGRAMME,))]


def a_ride(scene: str, **more: Any) -> dict[str, Any]:
    """The body of an act of ten minutes."""
    return {
        "scene": scene,
        "started_at": "2026-11-16T08:00:00+08:00",
        "ended_at": "2026-11-16T08:10:00+08:00",
        "quantity": 7,
        **more,
    }


def _of_district(
    path: Mapping[str, str] | None = None,
    roles: tuple[str, ...] = ("district_officer", *STAFF),
    body: Any = None,
    query: Mapping[str, str] | None = None,
) -> list[Guess]:
    """Another district, and whatever of it."""
    whole = {"division_code": "theirs.district"} | dict(path or {})
    asked = dict(query or {})
    return [Guess(roles, whole, "unknown-division", body, query=asked, grants=(DIVISION,))]


_A_VALUE = {
    "indicator": "waste_recycling_rate",
    "period": "2026-10",
    "value_thousandths": 1,
    "unit": "%",
    "source": "s",
    "source_date": "2026-11-01",
}
_A_PERSON = {
    "card_number": "mine.spare_card",
    "programme": "mine.programme",
    "division": "mine.town",
    "consents": [],
}
_SUSPEND = {"effective_at": "2099-01-01T00:00:00Z", "status": "suspended", "reason": "r"}
_APPEAL = {"activity_id": "theirs.refused"}
_REVIEW = {"activity_id": "theirs.held"}
_AN_ACTIVITY = {"activity_id": "theirs.activity"}
_ACCOUNT = {"account_id": "theirs.account"}

_A_KEY = {
    "owner_kind": "merchant",
    "owner": "mine.merchant",
    "name": "a till",
    "scopes": ["consumptions"],
}
_A_GRANT = {"role": "auditor"}
_A_MERCHANT = {"programme": "mine.programme", "name_zh": "店", "name_en": "Shop"}
_A_BANK = {"account_name": "店", "account_number": "6222020200112230011", "bank_name": "行"}
_A_SHOP = {"name_zh": "店", "name_en": "Shop", "address": "一号"}
_AN_AGREEMENT = {
    "valid_from": "2026-01-01",
    "valid_to": "2027-01-01",
    "price_rule": "free",
    "document": "d",
}
_A_BUDGET = {
    "programme": "mine.programme",
    "name": "b",
    "valid_from": "2026-01-01",
    "valid_to": "2027-01-01",
    "total_fen": 1,
}
_A_PROJECT = {
    "programme": "mine.programme",
    "merchant_id": "mine.merchant",
    "name_zh": "林",
    "name_en": "Grove",
    "text_zh": "树",
    "text_en": "Trees",
    "goal_points": 1,
}
_A_CLERK = {"login": "spy.clerk", "display_name": "S"}
_MANAGER = "merchant_manager"
_TILLS = ("merchant", _MANAGER, "key")
_AT_MERCHANTS = (OPERATOR, AUDITOR, "merchant", _MANAGER)
_BOUND = (DIVISION,)
_AN_OFFER = {
    "kind": "voucher",
    "title_zh": "茶",
    "title_en": "Tea",
    "price_points": 5,
    "on_sale_from": "2026-01-01T00:00:00Z",
    "on_sale_to": "2027-01-01T00:00:00Z",
}
_ITS_OFFER = {"offer_id": "theirs.offer"}


def _of_offer(
    roles: tuple[str, ...], path: Mapping[str, str] | None = None, body: Any = None
) -> list[Guess]:
    """Another's offer at another merchant, and at one's own."""
    path = _ITS_OFFER | dict(path or {})
    mine = {"merchant_id": "mine.merchant"} | path
    found = _of_merchant(roles, path, body)
    return [*found, Guess(roles, mine, "unknown-offer", body, grants=(PROGRAMME,))]


_A_WEBHOOK = {"url": "https://till.example.cn/hook", "kinds": ["voucher.consumed"]}
_SETTLING = ("merchant_manager", OPERATOR, AUDITOR, "key")
_A_PERIOD = {"period_from": "2026-01-01", "period_to": "2026-02-01"}


def _of_settlement(roles: tuple[str, ...], body: Any = None) -> list[Guess]:
    """Of another merchant; at one's own merchant another's settlement."""
    path = {"settlement_id": "theirs.settlement"}
    mine = {"merchant_id": "mine.merchant"} | path
    return [
        *_of_merchant(roles, path, body),
        Guess(roles, mine, "unknown-settlement", body, grants=(PROGRAMME,)),
    ]


_OF_WEBHOOKS = ("merchant_manager", OPERATOR, "key")


def _without_effect(path: Mapping[str, str]) -> list[Guess]:
    """What is none of one's own is left as it is, and so is what there never was."""
    return [Guess(("resident",), path, "", status=204)]


def _of_member(path: Mapping[str, str], body: Any = None) -> list[Guess]:
    path = {"member_id": "theirs.member"} | path
    return [Guess((ADMINISTRATOR,), path, "unknown-member", body, grants=(PROGRAMME,))]


def _of_the_log() -> list[Guess]:
    """Lists in which nothing of the other programme is; residents are for auditors."""
    of_resident = [
        {"holder_id": "theirs.resident"},
        {"object_kind": "resident", "object_id": "theirs.resident"},
    ]
    of_scene = {"object_kind": "scene", "object_id": "theirs.scene"}
    both, own, bound = (AUDITOR, ADMINISTRATOR), (PROGRAMME,), (DIVISION,)
    return [
        *(Guess((AUDITOR,), {}, "", None, each, own, 200) for each in of_resident),
        *(Guess((ADMINISTRATOR,), {}, "wrong-role", None, each, own, 403) for each in of_resident),
        Guess(both, {}, "", None, of_scene, own, 200),
        *_out_of_reach(both, {}, query=of_scene, grants=bound),
    ]


GUESSES: dict[tuple[str, str], list[Guess]] = {
    ("GET", "/v1/accounts/<uuid:account_id>/statement"): _of_resident(_ACCOUNT, "unknown-account"),
    ("GET", "/v1/accounts/<uuid:account_id>/balance"): _of_resident(_ACCOUNT, "unknown-account"),
    ("GET", "/v1/accounts/<uuid:account_id>/lots"): _of_resident(_ACCOUNT, "unknown-account"),
    ("GET", "/v1/activities/<uuid:activity_id>"): [
        *_of_resident(_AN_ACTIVITY, "unknown-activity"),
        *_of_resident({"activity_id": "theirs.app_activity"}, "unknown-activity"),
        Guess(STAFF, {"activity_id": "theirs.app_activity"}, "unknown-activity"),
        Guess(STAFF, _AN_ACTIVITY, "unknown-resident", query={"holder_id": "theirs.resident"}),
        Guess(STAFF, _AN_ACTIVITY, "unknown-activity", query={"holder_id": "mine.resident"}),
    ],
    ("GET", "/v1/activities/<uuid:activity_id>/review"): _of_resident(_REVIEW, "unknown-activity"),
    ("PUT", "/v1/activities/<uuid:activity_id>/answer"): _of_resident(
        _REVIEW, "unknown-activity", {"question_id": "fresh", "text": "t"}
    ),
    ("GET", "/v1/activities/<uuid:activity_id>/appeal"): _of_resident(_APPEAL, "unknown-activity"),
    ("PUT", "/v1/activities/<uuid:activity_id>/appeal"): _of_resident(
        _APPEAL, "unknown-activity", {"text": "why"}
    ),
    ("GET", ACTIVITY_CORRECTION): _of_holder(
        STAFF, {"correction_id": "theirs.activity_correction"}, "unknown-correction"
    ),
    ("PUT", ACTIVITY_CORRECTION): _of_holder(
        (OPERATOR,),
        {"correction_id": "fresh"},
        "unknown-activity",
        {"activity_id": "theirs.activity", "action": "withdraw", "reason": "r"},
    ),
    ("PUT", f"{ACTIVITY_CORRECTION}/approval"): _of_holder(
        (OPERATOR,), {"correction_id": "theirs.activity_correction"}, "unknown-correction", {}
    ),
    ("PUT", f"{ACTIVITY_CORRECTION}/rejection"): _of_holder(
        (OPERATOR,), {"correction_id": "theirs.activity_correction"}, "unknown-correction", {}
    ),
    ("GET", CORRECTION): _of_holder(
        STAFF, {"correction_id": "theirs.correction"}, "unknown-correction"
    ),
    ("PUT", CORRECTION): [
        *_of_holder(
            (OPERATOR,),
            {"correction_id": "fresh"},
            "unknown-transfer",
            {"reversals": [{"transfer_id": "theirs.transfer"}], "reason": "r"},
        ),
        Guess(
            (OPERATOR,),
            {"holder_id": "mine.resident", "correction_id": "fresh"},
            "unknown-account",
            {"grant": {"issuer_id": "theirs.issuer", "unit": "point", "amount": 5}, "reason": "r"},
            grants=(PROGRAMME,),
        ),
    ],
    ("PUT", f"{CORRECTION}/approval"): _of_holder(
        (OPERATOR,), {"correction_id": "theirs.correction"}, "unknown-correction", {}
    ),
    ("PUT", f"{CORRECTION}/rejection"): _of_holder(
        (OPERATOR,), {"correction_id": "theirs.correction"}, "unknown-correction", {}
    ),
    ("GET", REVIEW): _of_holder(STAFF, _REVIEW, "unknown-case"),
    ("PUT", f"{REVIEW}/steps/<uuid:step_id>"): _of_holder(
        (OPERATOR,),
        _REVIEW | {"step_id": "fresh"},
        "unknown-case",
        {"action": "approve", "reason": "r"},
    ),
    ("GET", APPEAL): _of_holder(STAFF, _APPEAL, "unknown-appeal"),
    ("PUT", f"{APPEAL}/verdicts/<uuid:step_id>"): _of_holder(
        (OPERATOR,),
        _APPEAL | {"step_id": "fresh"},
        "unknown-appeal",
        {"action": "uphold", "text": "t"},
    ),
    ("GET", "/v1/reviews"): [
        Guess(STAFF, {}, "", query={"programme": "theirs.programme"}, status=200)
    ],
    ("GET", "/v1/appeals"): [
        Guess(STAFF, {}, "", query={"programme": "theirs.programme"}, status=200)
    ],
    ("GET", "/v1/audit/accounts/<uuid:holder_id>"): [
        Guess((AUDITOR,), {"holder_id": "theirs.resident"}, "unknown-resident"),
        Guess((AUDITOR,), {"holder_id": "theirs.issuer"}, "unknown-resident"),
        Guess((AUDITOR,), {"holder_id": "theirs.merchant"}, "unknown-resident"),
    ],
    ("GET", "/v1/audit/postings/<uuid:posting_id>"): _out_of_reach(
        (AUDITOR,), {"posting_id": "theirs.posting"}
    ),
    ("GET", "/v1/audit/postings/<uuid:posting_id>/transfers"): _out_of_reach(
        (AUDITOR,), {"posting_id": "theirs.posting"}
    ),
    ("GET", "/v1/audit/transfers"): [
        *_out_of_reach((AUDITOR,), {}, query={"holder_id": "theirs.resident"}),
        *_out_of_reach((AUDITOR,), {}, query={"reference": "theirs.activity"}),
        *_out_of_reach((AUDITOR,), {}, query={"reverses_id": "theirs.transfer"}),
    ],
    ("GET", "/v1/audit/transfers.csv"): [
        *_out_of_reach((AUDITOR,), {}, query={"holder_id": "theirs.resident"}),
        *_out_of_reach((AUDITOR,), {}, query={"reference": "theirs.activity"}),
        *_out_of_reach((AUDITOR,), {}, query={"reverses_id": "theirs.transfer"}),
    ],
    ("GET", "/v1/audits/<uuid:audit_id>"): _out_of_reach(STAFF, {"audit_id": "fresh"}),
    ("PUT", "/v1/audits/<uuid:audit_id>"): _out_of_reach(STAFF, {"audit_id": "fresh"}),
    ("PUT", "/v1/catalogue/drafts/<string:name>"): _out_of_reach(
        (OPERATOR,), {"name": "theirs.draft"}, body={"values": {}}
    ),
    ("PUT", "/v1/catalogue/drafts/<string:name>/approval"): _out_of_reach(
        (OPERATOR,), {"name": "theirs.draft"}, body={}
    ),
    ("GET", "/v1/catalogue/drafts/<string:name>/impact"): [
        Guess(
            STAFF,
            {"name": "theirs.draft"},
            "unknown-draft",
            query={"from": "2016-04-01", "to": "2016-04-02"},
            grants=(PROGRAMME,),
        )
    ],
    ("PUT", "/v1/consents/<string:scene>"): [
        Guess(
            ("resident",),
            {"scene": "theirs.consent_scene"},
            "unknown-scene",
            {"given": True, "text_version": 1},
            grants=(PROGRAMME,),
        )
    ],
    ("PUT", "/v1/consumptions/<uuid:consumption_id>"): [
        Guess(
            _TILLS,
            {"consumption_id": "fresh"},
            "unknown-voucher",
            {"code": "theirs.voucher"},
        )
    ],
    ("GET", "/v1/consumptions/<uuid:consumption_id>"): [
        Guess(_TILLS, {"consumption_id": "theirs.consumption"}, "unknown-consumption")
    ],
    ("PUT", "/v1/consumptions/<uuid:consumption_id>/refund"): [
        Guess(
            (OPERATOR,),
            {"consumption_id": f"theirs.{each}"},
            "unknown-consumption",
            {"reason": "r"},
        )
        for each in ("consumption", "redemption")
    ],
    ("PUT", "/v1/consumptions/<uuid:consumption_id>/reversal"): [
        Guess(_TILLS, {"consumption_id": "theirs.consumption"}, "unknown-consumption")
    ],
    ("PUT", f"{SCAN}/redemptions/<uuid:redemption_id>"): [
        Guess(
            _TILLS,
            {"scan_id": "theirs.scan", "redemption_id": "fresh"},
            "unknown-scan",
            {"offer_id": "mine.offer"},
        ),
        Guess(
            _TILLS,
            {"scan_id": "mine.scan", "redemption_id": "fresh"},
            "unknown-offer",
            {"offer_id": "theirs.offer"},
        ),
    ],
    ("PUT", f"{SCAN}/consumptions/<uuid:consumption_id>"): [
        Guess(
            _TILLS,
            {"scan_id": f"{whose}.scan", "consumption_id": "fresh"},
            slug,
            {"redemption_id": "theirs.redemption"},
        )
        for whose, slug in (("theirs", "unknown-scan"), ("mine", "unknown-redemption"))
    ],
    ("DELETE", "/v1/code-devices/<uuid:device_id>"): _of_resident(
        {"device_id": "theirs.code_device"}, "unknown-code-device"
    ),
    ("GET", f"{DISTRICT}/live"): [
        Guess(
            STAFF,
            {"division_code": f"{whose}.district"},
            slug,
            query={"month": "2016-04"},
            grants=(grant,),
            status=status,
        )
        for whose, slug, grant, status in (
            ("theirs", "unknown-division", DIVISION, 404),
            ("mine", "out-of-reach", PROGRAMME, 403),
        )
    ],
    ("GET", f"{DISTRICT}/targets"): _of_district(),
    ("GET", f"{DISTRICT}/indicators"): _of_district(),
    ("GET", f"{DISTRICT}/dashboard"): _of_district(query={"period": "2016-04"}),
    ("GET", f"{DISTRICT}/comparison"): _of_district(query={"period": "2016-04"}),
    ("PUT", f"{DISTRICT}/reports/<string:period>/versions/<int:version>"): _of_district(
        {"period": "2016-04", "version": "1"}, ("district_officer", OPERATOR), {}
    ),
    ("GET", f"{DISTRICT}/reports"): _of_district(),
    ("GET", f"{DISTRICT}/reports/<string:period>"): _of_district({"period": "2026-10"}),
    ("GET", f"{DISTRICT}/reports/<string:period>.<string:shape>"): (
        _of_district({"period": "2026-10", "shape": "json"})
    ),
    ("GET", f"{DISTRICT}/reported-values"): _of_district(),
    ("PUT", f"{DISTRICT}/reported-values/<uuid:value_id>"): _of_district(
        {"value_id": "fresh"}, ("district_officer", OPERATOR), _A_VALUE
    ),
    ("PUT", f"{DISTRICT}/reported-value-files/<uuid:file_id>"): _of_district(
        {"file_id": "fresh"}, ("district_officer", OPERATOR)
    ),
    ("GET", "/v1/districts/<string:division_code>/report"): [
        Guess(
            ("district_officer", *STAFF),
            {"division_code": "theirs.district"},
            "unknown-division",
            query={"month": "2016-04"},
            grants=(DIVISION,),
        )
    ],
    ("POST", f"{FEED}/batches/<string:batch_id>"): [
        Guess(
            ("signature",),
            {"scene_code": "theirs.scene", "batch_id": "b"},
            "bad-signature",
            {},
            status=401,
        )
    ],
    ("PUT", f"{FEED}/totals/<string:day>"): [
        Guess(
            ("signature",),
            {"scene_code": "theirs.scene", "day": "2026-11-16"},
            "bad-signature",
            {"events": 1, "quantity": 1},
            status=401,
        )
    ],
    ("GET", f"{FEED}/reconciliation"): [
        Guess(
            ("signature",),
            {"scene_code": "theirs.scene"},
            "bad-signature",
            query={"day": "2026-11-16"},
            status=401,
        ),
        Guess(
            STAFF,
            {"scene_code": "theirs.scene"},
            "unknown-scene",
            query={"day": "2026-11-16"},
            grants=(PROGRAMME,),
        ),
    ],
    ("GET", "/v1/jobs/<string:job_name>/runs"): _out_of_reach((OPERATOR,), {"job_name": "lapse"}),
    ("DELETE", "/v1/me/sessions/<uuid:session_id>"): [
        Guess(("resident", OPERATOR, "merchant"), {"session_id": "theirs.session"}, "", status=204)
    ],
    ("GET", OFFERS): _of_merchant((*_AT_MERCHANTS, "key")),
    ("GET", OFFER): _of_offer((*_AT_MERCHANTS, "key")),
    ("GET", f"{OFFER}/versions"): _of_offer((*_AT_MERCHANTS, "key")),
    ("PUT", OFFER): _of_merchant((_MANAGER, OPERATOR), {"offer_id": "fresh"}, _AN_OFFER),
    ("PUT", f"{OFFER}/publication"): _of_offer((OPERATOR,), body={"version": 1}),
    ("PUT", f"{OFFER}/state"): _of_offer(
        (_MANAGER, OPERATOR), body={"state": "paused", "reason": "r"}
    ),
    ("PUT", f"{OFFER}/stock-changes/<uuid:change_id>"): _of_offer(
        (_MANAGER, OPERATOR), {"change_id": "fresh"}, {"units": 5}
    ),
    ("PUT", f"{OFFER}/code-files/<uuid:file_id>"): _of_offer(
        (_MANAGER, OPERATOR, "key"), {"file_id": "fresh"}
    ),
    ("PUT", "/v1/merchants/<uuid:merchant_id>/pictures"): _of_merchant((_MANAGER, OPERATOR)),
    ("GET", "/v1/offers"): _of_resident(
        {}, "", query={"merchant_id": "theirs.merchant"}, grants=(PROGRAMME,), status=200
    ),
    ("GET", "/v1/offers/<uuid:offer_id>"): _of_resident(
        _ITS_OFFER, "unknown-offer", grants=(PROGRAMME,)
    ),
    ("GET", WEBHOOKS): [
        Guess(
            (*_OF_WEBHOOKS, AUDITOR),
            {"merchant_id": "theirs.merchant"},
            "unknown-merchant",
            grants=(PROGRAMME,),
        )
    ],
    ("GET", SETTLEMENTS): _of_merchant(_SETTLING),
    ("POST", f"{MERCHANT}/reconciliation"): _of_merchant(_SETTLING, query=_A_PERIOD),
    ("GET", SETTLEMENT): _of_settlement(_SETTLING),
    ("PUT", SETTLEMENT): _of_merchant((OPERATOR,), {"settlement_id": "fresh"}, _A_PERIOD),
    ("PUT", f"{SETTLEMENT}/confirmation"): _of_settlement((_MANAGER,), {}),
    ("PUT", f"{SETTLEMENT}/dispute"): _of_settlement((_MANAGER,), {"reason": "r"}),
    ("PUT", f"{SETTLEMENT}/approval"): _of_settlement((OPERATOR,), {}),
    ("PUT", f"{SETTLEMENT}/payment"): _of_settlement((OPERATOR,), {"payment_reference": "1"}),
    ("PUT", f"{SETTLEMENT}/voiding"): _of_settlement((OPERATOR,), {}),
    ("GET", f"{SETTLEMENT}/lines"): _of_settlement(_SETTLING),
    ("GET", f"{SETTLEMENT}/lines.csv"): _of_settlement(_SETTLING),
    ("GET", f"{SETTLEMENT}/lines.xlsx"): _of_settlement(_SETTLING),
    ("POST", f"{SETTLEMENT}/reconciliation"): _of_settlement(_SETTLING),
    ("GET", WEBHOOK): _of_webhook((*_OF_WEBHOOKS, AUDITOR)),
    ("PUT", WEBHOOK): [
        Guess(
            _OF_WEBHOOKS[:2],
            {"merchant_id": "theirs.merchant", "endpoint_id": "fresh"},
            "unknown-merchant",
            _A_WEBHOOK,
            grants=(PROGRAMME,),
        )
    ],
    ("DELETE", WEBHOOK): _of_webhook(_OF_WEBHOOKS[:2]),
    ("GET", f"{WEBHOOK}/messages"): _of_webhook((*_OF_WEBHOOKS, AUDITOR)),
    ("PUT", f"{WEBHOOK}/messages/<uuid:message_id>/redelivery"): _of_webhook(
        _OF_WEBHOOKS, "message_id"
    ),
    ("POST", f"{WEBHOOK}/redeliveries"): _of_webhook(
        _OF_WEBHOOKS, body={"since": "2026-11-16T08:00:00+08:00"}
    ),
    ("PUT", f"{WEBHOOK}/pings/<uuid:message_id>"): _of_webhook(_OF_WEBHOOKS, "message_id")[:2],
    ("GET", MERCHANT): _of_merchant(_AT_MERCHANTS),
    ("PUT", MERCHANT): [
        Guess(
            (OPERATOR,),
            {"merchant_id": "fresh"},
            "unknown-programme",
            _A_MERCHANT | {"programme": "theirs.programme"},
            grants=(PROGRAMME,),
        ),
        *_out_of_reach((OPERATOR,), {"merchant_id": "theirs.merchant"}, body={}, grants=_BOUND),
    ],
    ("PUT", f"{MERCHANT}/state"): [
        *_of_merchant((OPERATOR,), body={"state": "suspended", "reason": "r"}),
        *_out_of_reach((OPERATOR,), {"merchant_id": "theirs.merchant"}, body={}, grants=_BOUND),
    ],
    ("GET", f"{MERCHANT}/bank"): [
        *_of_merchant((OPERATOR,), query={"purpose": "p"}),
        *_out_of_reach((OPERATOR,), {"merchant_id": "theirs.merchant"}, grants=_BOUND),
    ],
    ("PUT", f"{MERCHANT}/bank"): _of_merchant((OPERATOR, _MANAGER), body=_A_BANK),
    ("GET", f"{MERCHANT}/shops"): _of_merchant(_AT_MERCHANTS),
    ("PUT", f"{MERCHANT}/shops/<uuid:shop_id>"): _of_merchant(
        (OPERATOR, _MANAGER), {"shop_id": "theirs.shop"}, _A_SHOP
    ),
    ("GET", f"{MERCHANT}/scanners"): _of_merchant(_AT_MERCHANTS),
    ("PUT", f"{MERCHANT}/scanners/<uuid:scanner_id>"): [
        *_of_merchant((_MANAGER,), {"scanner_id": "fresh"}, {"name": "s"}),
        Guess(
            (_MANAGER,),
            {"merchant_id": "mine.merchant", "scanner_id": "fresh"},
            "unknown-shop",
            {"name": "s", "shop_id": "theirs.shop"},
        ),
    ],
    ("DELETE", f"{MERCHANT}/scanners/<uuid:scanner_id>"): _at_merchant(
        (OPERATOR, _MANAGER), {"scanner_id": "theirs.scanner"}, "unknown-scanner"
    ),
    ("GET", f"{MERCHANT}/agreements"): _of_merchant((OPERATOR, AUDITOR, _MANAGER)),
    ("PUT", f"{MERCHANT}/agreements/<uuid:agreement_id>"): _of_merchant(
        (OPERATOR,), {"agreement_id": "theirs.agreement"}, _AN_AGREEMENT
    ),
    ("GET", f"{MERCHANT}/staff"): _of_merchant((_MANAGER,)),
    ("PUT", f"{MERCHANT}/staff/<uuid:member_id>"): _of_merchant(
        (_MANAGER,), {"member_id": "theirs.clerk"}, _A_CLERK
    ),
    ("DELETE", f"{MERCHANT}/staff/<uuid:member_id>"): _at_merchant(
        (_MANAGER,), {"member_id": "theirs.clerk"}, "unknown-member"
    ),
    ("PUT", f"{MERCHANT}/staff/<uuid:member_id>/reset/<uuid:reset_id>"): _at_merchant(
        (_MANAGER,), {"member_id": "theirs.clerk", "reset_id": "fresh"}, "unknown-member"
    ),
    ("PUT", "/v1/budgets/<uuid:budget_id>"): [
        Guess(
            (OPERATOR,),
            {"budget_id": "theirs.budget"},
            "unknown-programme",
            _A_BUDGET | {"programme": "theirs.programme"},
            grants=(PROGRAMME,),
        ),
        *_out_of_reach((OPERATOR,), {"budget_id": "theirs.budget"}, body={}, grants=_BOUND),
    ],
    ("PUT", "/v1/donation-projects/<uuid:project_id>"): [
        Guess(
            (OPERATOR,),
            {"project_id": "theirs.project"},
            "unknown-programme",
            _A_PROJECT | {"programme": "theirs.programme"},
            grants=(PROGRAMME,),
        ),
        Guess(
            (OPERATOR,),
            {"project_id": "fresh"},
            "unknown-merchant",
            _A_PROJECT | {"merchant_id": "theirs.merchant"},
            grants=(PROGRAMME,),
        ),
        *_out_of_reach((OPERATOR,), {"project_id": "theirs.project"}, body={}, grants=_BOUND),
    ],
    ("GET", "/v1/programmes/<string:code>/rewards-liability"): [
        Guess(STAFF, {"code": "theirs.programme"}, "unknown-programme", grants=(PROGRAMME,))
    ],
    ("GET", "/v1/programmes/<string:code>/liability"): [
        Guess(STAFF, {"code": "theirs.programme"}, "unknown-programme", grants=(PROGRAMME,))
    ],
    ("GET", "/v1/redemptions/<uuid:redemption_id>"): _of_resident(
        {"redemption_id": "theirs.redemption"}, "unknown-redemption"
    ),
    ("PUT", "/v1/redemptions/<uuid:redemption_id>/cancellation"): _of_resident(
        {"redemption_id": "theirs.redemption"}, "unknown-redemption", {}
    ),
    ("GET", "/v1/redemptions/<uuid:redemption_id>/voucher"): _of_resident(
        {"redemption_id": "theirs.redemption"}, "unknown-redemption"
    ),
    ("GET", "/v1/redemptions/<uuid:redemption_id>/voucher.svg"): _of_resident(
        {"redemption_id": "theirs.redemption"}, "unknown-redemption"
    ),
    ("PUT", "/v1/redemptions/<uuid:redemption_id>"): [
        Guess(
            ("resident",),
            {"redemption_id": each},
            "unknown-offer",
            {"offer_id": "theirs.offer"},
            grants=(PROGRAMME,),
        )
        for each in ("fresh", "mine.redemption")
    ],
    ("GET", "/v1/top-ups/<uuid:top_up_id>"): [
        Guess(STAFF, {"top_up_id": "theirs.top_up"}, "unknown-top-up")
    ],
    ("PUT", "/v1/top-ups/<uuid:top_up_id>/check"): [
        Guess((OPERATOR,), {"top_up_id": "theirs.top_up"}, "unknown-top-up")
    ],
    ("PUT", "/v1/top-ups/<uuid:top_up_id>/settled"): [
        Guess((OPERATOR,), {"top_up_id": "theirs.top_up"}, "unknown-top-up", {"reason": "a guess"})
    ],
    ("PUT", "/v1/top-ups/<uuid:top_up_id>/outcome"): [
        Guess(
            ("signature",),
            {"top_up_id": "theirs.top_up"},
            "bad-signature",
            {"order_id": "theirs.top_up", "state": "done", "reference": "R-1"},
            status=401,
        )
    ],
    ("GET", "/v1/scenes/<string:code>"): _of_scene(("resident", "volunteer", *STAFF)),
    ("GET", "/v1/scenes/<string:code>/changes"): _of_scene(STAFF),
    ("GET", "/v1/scenes/<string:code>/consent-texts/<int:version>"): [
        Guess(
            ("resident", "volunteer", *STAFF),
            {"code": "theirs.scene", "version": "1"},
            "unknown-scene",
            grants=(PROGRAMME,),
        )
    ],
    ("PUT", "/v1/scenes/<string:code>/status"): [
        *_of_scene((OPERATOR,), _SUSPEND),
        *_out_of_reach((OPERATOR,), {"code": "theirs.scene"}, body=_SUSPEND, grants=(DIVISION,)),
    ],
    ("PUT", "/v1/staff/activities/<uuid:activity_id>"): [
        Guess(
            (OPERATOR, "volunteer"),
            {"activity_id": "fresh"},
            "unknown-card",
            a_ride("mine.staff_scene", card_number="theirs.card"),
        ),
        Guess(
            (OPERATOR, "volunteer"),
            {"activity_id": "fresh"},
            "unknown-scene",
            a_ride("theirs.staff_scene", card_number="mine.card"),
            grants=(PROGRAMME,),
        ),
    ],
    ("PUT", "/v1/staff/residents/<uuid:resident_id>"): [
        Guess(
            (OPERATOR,),
            {"resident_id": "fresh"},
            "unknown-programme",
            _A_PERSON | {"programme": "theirs.programme"},
            grants=(PROGRAMME,),
        ),
        Guess(
            (OPERATOR,),
            {"resident_id": "fresh"},
            "unknown-division",
            _A_PERSON | {"division": "theirs.town"},
            grants=(DIVISION,),
        ),
    ],
    ("GET", "/v1/admin-log"): _of_the_log(),
    ("GET", "/v1/admin-log/export"): _of_the_log(),
    ("PUT", "/v1/api-keys/<uuid:key_id>"): _out_of_reach(
        (ADMINISTRATOR,), {"key_id": "theirs.api_key"}, body=_A_KEY
    ),
    ("DELETE", "/v1/api-keys/<uuid:key_id>"): _out_of_reach(
        (ADMINISTRATOR,), {"key_id": "theirs.api_key"}
    ),
    ("POST", "/v1/auth/acting"): _of_resident(
        {}, "unknown-delegation", {"delegation_id": "theirs.delegation"}
    ),
    ("PUT", "/v1/me/acting-for/<uuid:delegation_id>"): _of_resident(
        {"delegation_id": "theirs.delegation"},
        "offer-code-not-good",
        {"code": "ABCD-EFGH"},
        status=422,
    ),
    ("DELETE", "/v1/me/acting-for/<uuid:delegation_id>"): _without_effect(
        {"delegation_id": "theirs.delegation"}
    ),
    ("DELETE", "/v1/me/delegates/<uuid:delegation_id>"): _without_effect(
        {"delegation_id": "theirs.delegation"}
    ),
    ("GET", "/v1/members/<uuid:member_id>"): _of_member({}),
    ("PUT", "/v1/members/<uuid:member_id>/block"): _of_member({}),
    ("DELETE", "/v1/members/<uuid:member_id>/block"): _of_member({}),
    ("PUT", "/v1/members/<uuid:member_id>/reset/<uuid:reset_id>"): _of_member(
        {"reset_id": "fresh"}
    ),
    ("PUT", "/v1/members/<uuid:member_id>/grants/<uuid:grant_id>"): [
        *_of_member({"grant_id": "fresh"}, _A_GRANT | {"programme": "mine.programme"}),
        Guess(
            (ADMINISTRATOR,),
            {"member_id": "mine.member", "grant_id": "fresh"},
            "unknown-programme",
            _A_GRANT | {"programme": "theirs.programme"},
            grants=(PROGRAMME,),
        ),
    ],
    ("DELETE", "/v1/members/<uuid:member_id>/grants/<uuid:grant_id>"): [
        *_of_member({"grant_id": "theirs.grant"}),
        Guess(
            (ADMINISTRATOR,),
            {"member_id": "mine.member", "grant_id": "theirs.grant"},
            "no-such-grant",
            grants=(PROGRAMME,),
        ),
    ],
    ("PUT", "/v1/staff/card-blocks/<uuid:block_id>"): [
        Guess((OPERATOR,), {"block_id": "fresh"}, "unknown-card", {"card_number": "theirs.card"})
    ],
    ("PUT", "/v1/staff/residents/<uuid:holder_id>/cards/<uuid:request_id>"): [
        Guess(
            (OPERATOR,),
            {"holder_id": "theirs.resident", "request_id": "fresh"},
            "unknown-resident",
            {"card_number": "mine.spare_card"},
        )
    ],
    ("PUT", "/v1/staff/residents/<uuid:holder_id>/closing"): _of_holder(
        (OPERATOR,), {}, "unknown-card", {"card_number": "theirs.card"}
    ),
    ("GET", "/v1/staff/residents/<uuid:holder_id>/profile"): [
        Guess(
            (OPERATOR,),
            {"holder_id": "theirs.resident"},
            "unknown-resident",
            query={"purpose": "p"},
        )
    ],
    **{
        ("GET", f"/v1/staff/residents/<uuid:holder_id>/{part}"): [
            Guess((OPERATOR,), {"holder_id": "theirs.resident"}, "unknown-resident")
        ]
        for part in ("activities", "entries", "corrections")
    },
    ("GET", "/v1/transfers/<uuid:transfer_id>/proof"): [
        Guess(("resident", AUDITOR), {"transfer_id": "theirs.transfer"}, "unknown-transfer")
    ],
}

# An id that a client makes and that is somebody else's already: refused, and nothing told of it.
TAKEN: dict[tuple[str, str], list[Guess]] = {
    ("PUT", "/v1/activities/<uuid:activity_id>"): [
        Guess(
            ("resident",), {"activity_id": "theirs.app_activity"}, "event-id-reused",
            a_ride("mine.app_scene"), grants=(PROGRAMME,), status=409,
        )
    ],
    ("PUT", WEBHOOK): [
        Guess(
            _OF_WEBHOOKS[:2], {"merchant_id": "mine.merchant", "endpoint_id": "theirs.webhook"},
            "webhook-id-reused", _A_WEBHOOK, grants=(PROGRAMME,), status=409,
        )
    ],
    ("PUT", f"{WEBHOOK}/pings/<uuid:message_id>"): [
        Guess(
            _OF_WEBHOOKS,
            {"merchant_id": "mine.merchant", "endpoint_id": "mine.webhook",
             "message_id": "theirs.webhook_message"},
            "webhook-message-id-reused", grants=(PROGRAMME,), status=409,
        )
    ],
    ("PUT", MERCHANT): [
        Guess(
            (OPERATOR,), {"merchant_id": "theirs.merchant"}, "merchant-id-reused", _A_MERCHANT,
            grants=(PROGRAMME,), status=409,
        )
    ],
    ("PUT", f"{MERCHANT}/shops/<uuid:shop_id>"): [
        Guess(
            (OPERATOR, _MANAGER), {"merchant_id": "mine.merchant", "shop_id": "theirs.shop"},
            "shop-id-reused", _A_SHOP, grants=(PROGRAMME,), status=409,
        )
    ],
    ("PUT", f"{MERCHANT}/scanners/<uuid:scanner_id>"): [
        Guess(
            (_MANAGER,), {"merchant_id": "mine.merchant", "scanner_id": "theirs.scanner"},
            "scanner-id-reused", {"name": "s"}, status=409,
        )
    ],
    ("PUT", f"{MERCHANT}/agreements/<uuid:agreement_id>"): [
        Guess(
            (OPERATOR,), {"merchant_id": "mine.merchant", "agreement_id": "theirs.agreement"},
            "agreement-id-reused", _AN_AGREEMENT, grants=(PROGRAMME,), status=409,
        )
    ],
    ("PUT", f"{MERCHANT}/staff/<uuid:member_id>"): [
        Guess(
            (_MANAGER,), {"merchant_id": "mine.merchant", "member_id": "theirs.clerk"},
            "unknown-member", _A_CLERK,
        )
    ],
    ("PUT", "/v1/budgets/<uuid:budget_id>"): [
        Guess(
            (OPERATOR,), {"budget_id": "theirs.budget"}, "budget-id-reused", _A_BUDGET,
            grants=(PROGRAMME,), status=409,
        )
    ],
    ("PUT", "/v1/donation-projects/<uuid:project_id>"): [
        Guess(
            (OPERATOR,), {"project_id": "theirs.project"}, "donation-project-id-reused",
            _A_PROJECT, grants=(PROGRAMME,), status=409,
        )
    ],
    ("PUT", "/v1/members/<uuid:member_id>"): [
        Guess(
            (ADMINISTRATOR,),
            {"member_id": "theirs.member"},
            "unknown-member",
            {"login": "somebody.else", "display_name": "E"},
            grants=(PROGRAMME,),
        )
    ],
    ("PUT", "/v1/staff/residents/<uuid:holder_id>/cards/<uuid:request_id>"): [
        Guess(
            (OPERATOR,),
            {"holder_id": "mine.resident", "request_id": "fresh"},
            "card-taken",
            {"card_number": "theirs.card"},
            status=409,
        )
    ],
    ("PUT", "/v1/redemptions/<uuid:redemption_id>"): [
        Guess(
            ("resident",), {"redemption_id": "theirs.redemption"}, "redemption-id-reused",
            {"offer_id": offer}, grants=(grant,), status=409,
        )
        for grant, offer in ((PROGRAMME, "mine.offer"), (DIVISION, "theirs.offer"))
    ],
    ("PUT", "/v1/consumptions/<uuid:consumption_id>"): [
        Guess(
            _TILLS, {"consumption_id": "theirs.consumption"}, "consumption-id-reused",
            {"code": "mine.voucher"}, status=409,
        )
    ],
    ("PUT", "/v1/code-devices/<uuid:device_id>"): [
        Guess(
            ("resident",), {"device_id": "theirs.code_device"}, "code-device-id-reused",
            {"name": "p"}, status=409,
        )
    ],
    ("PUT", "/v1/staff/activities/<uuid:activity_id>"): [
        Guess(
            (OPERATOR, "volunteer"), {"activity_id": "theirs.entry"}, "event-id-reused",
            a_ride("mine.staff_scene", card_number="mine.card"), status=409,
        )
    ],
    ("PUT", "/v1/staff/residents/<uuid:resident_id>"): [
        Guess(
            (OPERATOR,), {"resident_id": "theirs.registration"}, "resident-id-reused", _A_PERSON,
            status=409,
        ),
        Guess(
            (OPERATOR,), {"resident_id": "fresh"}, "card-taken",
            _A_PERSON | {"card_number": "theirs.card"}, status=409,
        ),
    ],
}  # fmt: skip

# Ids behind which nothing is anybody's, each with the reason.
NOTHING_TO_GUESS: dict[tuple[str, str], str] = {
    ("PUT", SCAN): (
        "a live code is its resident's leave, and no id; a scan's id that is taken is refused"
        " before anything is told: tests/rewards/tills/test_scans.py"
    ),
    ("POST", "/v1/consumptions"): (
        "each scan is signed by a scanner of the caller's: tests/rewards/tills/test_offline.py"
    ),
    ("POST", "/v1/consumptions/preview"): (
        "a code is looked up among one's own merchant's, and a wrong one is counted as at the"
        " taking: tests/rewards/tills/test_previewing.py"
    ),
    ("PUT", "/v1/me/children/<uuid:child_id>"): (
        "the id is the guardian's own: another guardian's same one stands for another child"
    ),
    ("PUT", "/v1/staff/looks/<uuid:look_id>"): (
        "each look is put down, found or not, and whoever is out of reach is answered like nobody:"
        " tests/service/test_residents_api.py"
    ),
    ("PUT", "/v1/verifications/<uuid:verification_id>"): (
        "a verifier's word is about any resident, and the answer tells nothing else of them"
    ),
    ("GET", "/v1/terms/<int:version>"): "published: what anybody reads before they sign up",
    ("GET", "/v1/pictures/<string:sha256>"): (
        "published: the name is the hash of its bytes, which who knows it has seen"
    ),
    ("GET", "/v1/donation-projects"): "published: ?programme= chooses among what all may read",
    ("GET", "/v1/catalogue/methods"): "published: ?programme= chooses among what all may read",
    ("GET", "/v1/catalogue/rules"): "the same for everybody: ?programme= chooses",
    ("GET", "/v1/catalogue/tariffs"): "published: ?programme= chooses among what all may read",
}
