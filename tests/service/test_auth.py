"""Every route says who may call it, and holds to it."""

from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from flask import Flask

from service.auth import KEY, SIGNATURE
from service.identity.tokens import ROLES, STAFF_ROLES
from tests.service.answers import refused

pytestmark = pytest.mark.once

PUBLIC = {
    "/",
    "/.well-known/jwks.json",
    "/docs",
    "/healthz",
    "/log/checkpoint",
    "/log/tile/<path:name>",
    "/open-data/",
    "/open-data/about",
    "/open-data/dictionary.csv",
    "/open-data/districts.csv",
    "/openapi.json",
    "/problems/<slug>",
    "/readyz",
    "/static/<path:filename>",
    "/v1/auth/logout",
    "/v1/auth/methods",
    "/v1/auth/oidc/finish",
    "/v1/auth/oidc/start",
    "/v1/auth/phone",
    "/v1/auth/phone-codes",
    "/v1/auth/refresh",
    "/v1/auth/staff",
    "/v1/auth/staff/enrolment",
    "/v1/auth/staff/enrolment/confirmation",
    "/v1/auth/sign-up",
    "/v1/auth/wechat",
    "/v1/catalogue/behaviours",
    "/v1/catalogue/factors",
    "/v1/catalogue/methods",
    "/v1/catalogue/tariffs",
    "/v1/pictures/<string:sha256>",
    "/v1/donation-projects",
    "/v1/terms",
    "/v1/terms/<int:version>",
    "/sw.js",
    "/verify",
}
DISTRICT = "/v1/districts/<string:division_code>"
CORRECTION = "/v1/holders/<uuid:holder_id>/corrections/<uuid:correction_id>"
REVIEW = "/v1/holders/<uuid:holder_id>/reviews/<uuid:activity_id>"
APPEAL = "/v1/holders/<uuid:holder_id>/appeals/<uuid:activity_id>"
ACTIVITY_CORRECTION = "/v1/holders/<uuid:holder_id>/activity-corrections/<uuid:correction_id>"
MEMBER = "/v1/members/<uuid:member_id>"
OFFERS = "/v1/merchants/<uuid:merchant_id>/offers"
OFFER = f"{OFFERS}/<uuid:offer_id>"
OF_OFFERS = {"merchant", "merchant_manager", "operator", "auditor", KEY}
WEBHOOKS = "/v1/merchants/<uuid:merchant_id>/webhooks"
WEBHOOK = f"{WEBHOOKS}/<uuid:endpoint_id>"
MERCHANT = "/v1/merchants/<uuid:merchant_id>"
OF_MERCHANT = {"operator", "auditor", "merchant", "merchant_manager"}
AT_TILLS = {"merchant", "merchant_manager", KEY}
SETTLEMENT = "/v1/merchants/<uuid:merchant_id>/settlements/<uuid:settlement_id>"
_SETTLING = {"merchant_manager", "operator", "auditor", KEY}
GUARDED = {
    ("GET", "/v1/merchants"): {"operator", "auditor"},
    ("GET", MERCHANT): OF_MERCHANT,
    ("PUT", MERCHANT): {"operator"},
    ("PUT", f"{MERCHANT}/state"): {"operator"},
    ("GET", f"{MERCHANT}/bank"): {"operator"},
    ("PUT", f"{MERCHANT}/bank"): {"operator", "merchant_manager"},
    ("GET", f"{MERCHANT}/shops"): OF_MERCHANT,
    ("PUT", f"{MERCHANT}/shops/<uuid:shop_id>"): {"operator", "merchant_manager"},
    ("GET", f"{MERCHANT}/scanners"): OF_MERCHANT,
    ("PUT", f"{MERCHANT}/scanners/<uuid:scanner_id>"): {"merchant_manager"},
    ("DELETE", f"{MERCHANT}/scanners/<uuid:scanner_id>"): {"operator", "merchant_manager"},
    ("GET", f"{MERCHANT}/agreements"): OF_MERCHANT - {"merchant"},
    ("PUT", f"{MERCHANT}/agreements/<uuid:agreement_id>"): {"operator"},
    ("GET", f"{MERCHANT}/staff"): {"merchant_manager"},
    ("PUT", f"{MERCHANT}/staff/<uuid:member_id>"): {"merchant_manager"},
    ("DELETE", f"{MERCHANT}/staff/<uuid:member_id>"): {"merchant_manager"},
    ("PUT", f"{MERCHANT}/staff/<uuid:member_id>/reset/<uuid:reset_id>"): {"merchant_manager"},
    ("GET", "/v1/budgets"): {"operator", "auditor"},
    ("PUT", "/v1/budgets/<uuid:budget_id>"): {"operator"},
    ("PUT", "/v1/donation-projects/<uuid:project_id>"): {"operator"},
    ("GET", "/v1/programmes/<string:code>/rewards-liability"): {"operator", "auditor"},
    ("GET", "/v1/api-keys"): {"administrator"},
    ("PUT", "/v1/api-keys/<uuid:key_id>"): {"administrator"},
    ("DELETE", "/v1/api-keys/<uuid:key_id>"): {"administrator"},
    ("GET", "/v1/members"): {"administrator"},
    ("GET", MEMBER): {"administrator"},
    ("PUT", MEMBER): {"administrator"},
    ("PUT", f"{MEMBER}/block"): {"administrator"},
    ("DELETE", f"{MEMBER}/block"): {"administrator"},
    ("PUT", f"{MEMBER}/reset/<uuid:reset_id>"): {"administrator"},
    ("PUT", f"{MEMBER}/grants/<uuid:grant_id>"): {"administrator"},
    ("DELETE", f"{MEMBER}/grants/<uuid:grant_id>"): {"administrator"},
    ("PUT", "/v1/me/password"): set(STAFF_ROLES),
    ("POST", "/v1/me/recovery-codes"): set(STAFF_ROLES),
    ("PUT", "/v1/verifications/<uuid:verification_id>"): {KEY},
    ("GET", "/v1/accounts"): {"resident"},
    ("GET", "/v1/accounts/<uuid:account_id>/statement"): {"resident"},
    ("GET", "/v1/accounts/<uuid:account_id>/balance"): {"resident"},
    ("GET", "/v1/accounts/<uuid:account_id>/lots"): {"resident"},
    ("GET", "/v1/accounts/holds"): {"resident"},
    ("GET", "/v1/accounts/export"): {"resident"},
    ("GET", "/v1/programmes/<string:code>/liability"): {"operator", "auditor"},
    ("GET", "/v1/activities"): {"resident"},
    ("GET", "/v1/activities/days"): {"resident"},
    ("GET", "/v1/activity-corrections"): {"operator", "auditor"},
    ("GET", ACTIVITY_CORRECTION): {"operator", "auditor"},
    ("PUT", ACTIVITY_CORRECTION): {"operator"},
    ("PUT", f"{ACTIVITY_CORRECTION}/approval"): {"operator"},
    ("PUT", f"{ACTIVITY_CORRECTION}/rejection"): {"operator"},
    ("GET", "/v1/activities/<uuid:activity_id>"): {"resident", "operator", "auditor"},
    ("PUT", "/v1/activities/<uuid:activity_id>"): {"resident"},
    ("PUT", "/v1/staff/activities/<uuid:activity_id>"): {"operator", "volunteer"},
    ("PUT", "/v1/staff/residents/<uuid:resident_id>"): {"operator"},
    ("PUT", "/v1/staff/residents/<uuid:holder_id>/cards/<uuid:request_id>"): {"operator"},
    ("PUT", "/v1/staff/card-blocks/<uuid:block_id>"): {"operator"},
    ("PUT", "/v1/staff/looks/<uuid:look_id>"): {"operator"},
    ("GET", "/v1/staff/residents/<uuid:holder_id>/profile"): {"operator"},
    ("GET", "/v1/staff/residents/<uuid:holder_id>/activities"): {"operator"},
    ("GET", "/v1/staff/residents/<uuid:holder_id>/entries"): {"operator"},
    ("GET", "/v1/staff/residents/<uuid:holder_id>/corrections"): {"operator"},
    ("GET", "/v1/settlements"): {"operator", "auditor"},
    ("GET", "/v1/admin-log"): {"administrator", "auditor"},
    ("GET", "/v1/admin-log/export"): {"administrator", "auditor"},
    ("GET", "/v1/audit/accounts/<uuid:holder_id>"): {"auditor"},
    ("GET", "/v1/audit/postings"): {"auditor"},
    ("GET", "/v1/audit/postings/<uuid:posting_id>"): {"auditor"},
    ("GET", "/v1/audit/postings/<uuid:posting_id>/transfers"): {"auditor"},
    ("GET", "/v1/audit/transfers"): {"auditor"},
    ("GET", "/v1/audit/transfers.csv"): {"auditor"},
    ("GET", "/v1/audit/postings.csv"): {"auditor"},
    ("GET", "/v1/audit/checkpoints"): {"auditor"},
    ("GET", "/v1/audit/checkpoints/consistency"): {"auditor"},
    ("GET", "/v1/audits"): {"auditor", "operator"},
    ("GET", "/v1/audits/<uuid:audit_id>"): {"auditor", "operator"},
    ("PUT", "/v1/audits/<uuid:audit_id>"): {"auditor", "operator"},
    ("GET", "/v1/catalogue/drafts"): {"operator", "auditor"},
    ("GET", "/v1/catalogue/drafts/<string:name>/impact"): {"operator", "auditor"},
    ("PUT", "/v1/catalogue/drafts/<string:name>"): {"operator"},
    ("PUT", "/v1/catalogue/drafts/<string:name>/approval"): {"operator"},
    ("GET", "/v1/catalogue/rules"): set(ROLES) - {"administrator"},
    ("GET", "/v1/consents"): {"resident"},
    ("PUT", "/v1/consents/<string:scene>"): {"resident"},
    ("GET", "/v1/top-ups"): {"operator", "auditor"},
    ("GET", "/v1/top-ups/<uuid:top_up_id>"): {"operator", "auditor"},
    ("PUT", "/v1/top-ups/<uuid:top_up_id>/check"): {"operator"},
    ("PUT", "/v1/top-ups/<uuid:top_up_id>/settled"): {"operator"},
    ("PUT", "/v1/top-ups/<uuid:top_up_id>/outcome"): {SIGNATURE},
    ("GET", "/v1/corrections"): {"operator", "auditor"},
    ("GET", CORRECTION): {"operator", "auditor"},
    ("PUT", CORRECTION): {"operator"},
    ("PUT", f"{CORRECTION}/approval"): {"operator"},
    ("PUT", f"{CORRECTION}/rejection"): {"operator"},
    ("GET", "/v1/consumptions"): AT_TILLS,
    ("POST", "/v1/consumptions"): AT_TILLS,
    ("POST", "/v1/consumptions/preview"): AT_TILLS,
    ("GET", "/v1/consumptions/<uuid:consumption_id>"): AT_TILLS,
    ("PUT", "/v1/consumptions/<uuid:consumption_id>"): AT_TILLS,
    ("PUT", "/v1/consumptions/<uuid:consumption_id>/refund"): {"operator"},
    ("PUT", "/v1/consumptions/<uuid:consumption_id>/reversal"): AT_TILLS,
    ("GET", "/v1/double-uses"): OF_MERCHANT,
    ("PUT", "/v1/scans/<uuid:scan_id>"): AT_TILLS,
    ("PUT", "/v1/scans/<uuid:scan_id>/redemptions/<uuid:redemption_id>"): AT_TILLS,
    ("PUT", "/v1/scans/<uuid:scan_id>/consumptions/<uuid:consumption_id>"): AT_TILLS,
    ("GET", "/v1/code-devices"): {"resident"},
    ("PUT", "/v1/code-devices/<uuid:device_id>"): {"resident"},
    ("DELETE", "/v1/code-devices/<uuid:device_id>"): {"resident"},
    ("GET", f"{DISTRICT}/live"): {"operator", "auditor"},
    ("GET", f"{DISTRICT}/targets"): {"district_officer", "operator", "auditor"},
    ("GET", f"{DISTRICT}/indicators"): {"district_officer", "operator", "auditor"},
    ("GET", f"{DISTRICT}/dashboard"): {"district_officer", "operator", "auditor"},
    ("GET", f"{DISTRICT}/comparison"): {"district_officer", "operator", "auditor"},
    ("PUT", f"{DISTRICT}/reports/<string:period>/versions/<int:version>"): {
        "district_officer",
        "operator",
    },
    ("GET", f"{DISTRICT}/reports"): {"district_officer", "operator", "auditor"},
    ("GET", f"{DISTRICT}/reports/<string:period>"): {"district_officer", "operator", "auditor"},
    ("GET", f"{DISTRICT}/reports/<string:period>.<string:shape>"): {
        "district_officer",
        "operator",
        "auditor",
    },
    ("GET", f"{DISTRICT}/reported-values"): {"district_officer", "operator", "auditor"},
    ("PUT", f"{DISTRICT}/reported-values/<uuid:value_id>"): {"district_officer", "operator"},
    ("PUT", f"{DISTRICT}/reported-value-files/<uuid:file_id>"): {"district_officer", "operator"},
    ("GET", "/v1/districts/<string:division_code>/report"): {
        "district_officer",
        "operator",
        "auditor",
    },
    ("GET", "/v1/household"): {"resident"},
    ("PUT", "/v1/household"): {"resident"},
    ("POST", "/v1/feeds/<string:scene_code>/batches/<string:batch_id>"): {SIGNATURE},
    ("PUT", "/v1/feeds/<string:scene_code>/totals/<string:day>"): {SIGNATURE},
    ("GET", "/v1/feeds/<string:scene_code>/reconciliation"): {"operator", "auditor", SIGNATURE},
    ("GET", "/v1/jobs"): {"operator"},
    ("GET", "/v1/jobs/<string:job_name>/runs"): {"operator"},
    ("POST", "/v1/auth/acting"): {"resident"},
    ("GET", "/v1/me/acting-for"): {"resident"},
    ("PUT", "/v1/me/acting-for/<uuid:delegation_id>"): {"resident"},
    ("DELETE", "/v1/me/acting-for/<uuid:delegation_id>"): {"resident"},
    ("GET", "/v1/me/children"): {"resident"},
    ("PUT", "/v1/me/children/<uuid:child_id>"): {"resident"},
    ("POST", "/v1/me/delegate-offers"): {"resident"},
    ("GET", "/v1/me/delegates"): {"resident"},
    ("DELETE", "/v1/me/delegates/<uuid:delegation_id>"): {"resident"},
    ("GET", "/v1/me/security-events"): set(ROLES),
    ("GET", "/v1/me"): {"resident"},
    ("DELETE", "/v1/me"): {"resident"},
    ("GET", "/v1/me/export"): {"resident"},
    ("PUT", "/v1/staff/residents/<uuid:holder_id>/closing"): {"operator"},
    ("PUT", "/v1/me"): {"resident"},
    ("PUT", "/v1/me/phone"): {"resident"},
    ("GET", "/v1/me/reads"): {"resident"},
    ("GET", "/v1/me/sessions"): set(ROLES),
    ("DELETE", "/v1/me/sessions"): set(ROLES),
    ("DELETE", "/v1/me/sessions/<uuid:session_id>"): set(ROLES),
    ("GET", WEBHOOKS): {"merchant_manager", "operator", "auditor", KEY},
    ("GET", WEBHOOK): {"merchant_manager", "operator", "auditor", KEY},
    ("PUT", WEBHOOK): {"merchant_manager", "operator"},
    ("DELETE", WEBHOOK): {"merchant_manager", "operator"},
    ("GET", f"{WEBHOOK}/messages"): {"merchant_manager", "operator", "auditor", KEY},
    ("PUT", f"{WEBHOOK}/messages/<uuid:message_id>/redelivery"): {
        "merchant_manager",
        "operator",
        KEY,
    },
    ("POST", f"{WEBHOOK}/redeliveries"): {"merchant_manager", "operator", KEY},
    ("PUT", f"{WEBHOOK}/pings/<uuid:message_id>"): {"merchant_manager", "operator", KEY},
    ("GET", "/v1/merchants/<uuid:merchant_id>/settlements"): _SETTLING,
    ("POST", "/v1/merchants/<uuid:merchant_id>/reconciliation"): _SETTLING,
    ("GET", SETTLEMENT): _SETTLING,
    ("PUT", SETTLEMENT): {"operator"},
    ("PUT", f"{SETTLEMENT}/confirmation"): {"merchant_manager"},
    ("PUT", f"{SETTLEMENT}/dispute"): {"merchant_manager"},
    ("PUT", f"{SETTLEMENT}/approval"): {"operator"},
    ("PUT", f"{SETTLEMENT}/payment"): {"operator"},
    ("PUT", f"{SETTLEMENT}/voiding"): {"operator"},
    ("GET", f"{SETTLEMENT}/lines"): _SETTLING,
    ("GET", f"{SETTLEMENT}/lines.csv"): _SETTLING,
    ("GET", f"{SETTLEMENT}/lines.xlsx"): _SETTLING,
    ("POST", f"{SETTLEMENT}/reconciliation"): _SETTLING,
    ("GET", "/v1/offers"): {"resident"},
    ("GET", "/v1/offers/<uuid:offer_id>"): {"resident"},
    ("GET", OFFERS): OF_OFFERS,
    ("GET", OFFER): OF_OFFERS,
    ("GET", f"{OFFER}/versions"): OF_OFFERS,
    ("PUT", OFFER): {"merchant_manager", "operator"},
    ("PUT", f"{OFFER}/publication"): {"operator"},
    ("PUT", f"{OFFER}/state"): {"merchant_manager", "operator"},
    ("PUT", f"{OFFER}/stock-changes/<uuid:change_id>"): {"merchant_manager", "operator"},
    ("PUT", f"{OFFER}/code-files/<uuid:file_id>"): {"merchant_manager", "operator", KEY},
    ("PUT", "/v1/merchants/<uuid:merchant_id>/pictures"): {"merchant_manager", "operator"},
    ("GET", "/v1/redemptions/<uuid:redemption_id>"): {"resident"},
    ("PUT", "/v1/redemptions/<uuid:redemption_id>"): {"resident"},
    ("GET", "/v1/redemptions"): {"resident"},
    ("PUT", "/v1/redemptions/<uuid:redemption_id>/cancellation"): {"resident"},
    ("GET", "/v1/redemptions/<uuid:redemption_id>/voucher"): {"resident"},
    ("GET", "/v1/redemptions/<uuid:redemption_id>/voucher.svg"): {"resident"},
    ("GET", "/v1/reviews"): {"operator", "auditor"},
    ("GET", REVIEW): {"operator", "auditor"},
    ("PUT", f"{REVIEW}/steps/<uuid:step_id>"): {"operator"},
    ("GET", "/v1/activities/<uuid:activity_id>/review"): {"resident"},
    ("PUT", "/v1/activities/<uuid:activity_id>/answer"): {"resident"},
    ("GET", "/v1/appeals"): {"operator", "auditor"},
    ("GET", APPEAL): {"operator", "auditor"},
    ("PUT", f"{APPEAL}/verdicts/<uuid:step_id>"): {"operator"},
    ("GET", "/v1/activities/<uuid:activity_id>/appeal"): {"resident"},
    ("PUT", "/v1/activities/<uuid:activity_id>/appeal"): {"resident"},
    ("GET", "/v1/scenes"): {"resident", "volunteer", "operator", "auditor"},
    ("GET", "/v1/scenes/<string:code>"): {"resident", "volunteer", "operator", "auditor"},
    ("GET", "/v1/scenes/<string:code>/consent-texts/<int:version>"): {
        *("resident", "volunteer", "operator", "auditor")
    },
    ("GET", "/v1/scenes/<string:code>/changes"): {"operator", "auditor"},
    ("PUT", "/v1/scenes/<string:code>/status"): {"operator"},
    ("GET", "/v1/transfers/<uuid:transfer_id>/proof"): {"resident", "auditor"},
}


SAMPLES = {"division_code": "310118", "slug": "sold-out", "filename": "favicon.svg"}


class Route(NamedTuple):
    method: str
    rule: str
    url: str
    view: Any


def routes(app: Flask) -> Iterator[Route]:
    """Each method of each rule, with the function that answers it and a URL that leads there.

    Pages are not among them: they ask these routes, and tests/service/web walks them.
    """
    urls = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        values = {name: SAMPLES.get(name, uuid4()) for name in rule.arguments}
        view = app.view_functions[rule.endpoint]
        if hasattr(view, "page_for"):
            continue
        for method in rule.methods - {"OPTIONS"}:
            url = urls.build(rule.endpoint, values, method=method)
            yield Route(method, rule.rule, url, _answering(view, method))


def _answering(view: Any, method: str) -> Any:
    """A MethodView answers HEAD with its GET."""
    if (view_class := getattr(view, "view_class", None)) is None:
        return view
    return getattr(view_class, method.lower(), None) or view_class.get


def test_every_route_says_who_may_call_it(app):
    silent = [route for route in routes(app) if not hasattr(route.view, "authentication")]

    assert silent == []


def test_what_is_open_to_anybody_is_open_on_purpose(app):
    assert {route.rule for route in routes(app) if route.view.authentication == ()} == PUBLIC


def test_what_is_guarded_is_for_these_roles(app):
    guarded = {
        (route.method, route.rule): set(route.view.authentication)
        for route in routes(app)
        if route.view.authentication and route.method != "HEAD"
    }

    assert guarded == GUARDED
    assert set().union(*guarded.values()) <= {*ROLES, KEY, SIGNATURE}


def test_no_guarded_route_answers_a_caller_without_a_token(app, client):
    for route in routes(app):
        if route.view.authentication:
            answer = client.open(route.url, method=route.method)
            assert answer.status_code == 401, route
            signed = route.view.authentication == (SIGNATURE,)
            scheme, slug = "StandardWebhooks", "bad-signature"
            if not signed:
                scheme, slug = "Bearer ", "invalid-token"
            assert answer.headers["WWW-Authenticate"].startswith(scheme), route
            if route.method != "HEAD":
                refused(answer, 401, slug)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_gets_in_where_it_is_named_and_nowhere_else(app, client, bearer, role):
    """A scope for whoever may have one: a role must not do as a scope."""
    everything = ("operator", "auditor", "volunteer", "administrator")
    scope = {"district_officer": "310118"}.get(role, "" if role in everything else uuid4())
    headers = bearer(role, uuid4(), scope)
    for route in routes(app):
        if not route.view.authentication:
            continue
        answer = client.open(route.url, method=route.method, headers=headers)
        if route.view.authentication == (SIGNATURE,):
            assert answer.status_code == 401, route
        elif role in route.view.authentication:
            assert answer.status_code not in (401, 403), route
        else:
            assert answer.status_code == 403, route
            if route.method != "HEAD":
                refused(answer, 403, "wrong-role")


def test_open_routes_take_no_notice_of_a_bad_token(client):
    for path in ("/healthz", "/openapi.json"):
        assert client.get(path, headers={"Authorization": "Bearer x"}).status_code == 200
