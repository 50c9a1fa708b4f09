"""The REST API: one blueprint a resource, its schemas beside it."""

from functools import cache
from typing import Any

from flask import Flask
from flask_smorest import Api

from service.api import (
    accounts,
    activities,
    activity_corrections,
    admin_log,
    agreements,
    api_keys,
    appeals,
    audit,
    audit_files,
    audits,
    budgets,
    cards,
    catalogue,
    checkpoints,
    closing,
    code_devices,
    code_files,
    consents,
    consumptions,
    corrections,
    district_dashboards,
    districts,
    donation_projects,
    double_uses,
    draft_impacts,
    drafts,
    export,
    family,
    feeds,
    household,
    jobs,
    live_figures,
    merchant_offers,
    merchant_staff,
    merchants,
    offers,
    pictures,
    previews,
    profile,
    programmes,
    redemptions,
    refunds,
    report_files,
    report_versions,
    reported_values,
    residents,
    review,
    rewards_liability,
    scans,
    scenes,
    sessions,
    settlement_files,
    settlement_lists,
    settlements,
    shops,
    sign_in,
    staff,
    staff_members,
    staff_sign_in,
    terms,
    top_ups,
    transfers,
    verifications,
    vouchers,
    webhooks,
)
from service.api.documentation import ProblemResponse, complete
from service.auth import KEY, SIGNATURE

_ABOUT = """碳普惠后端：每一次低碳行为核证、量化、入账，账可自查。

Units are in the names: `saved_mg_co2e` (milligrams of CO2e), `points`, `fen`. Writes are `PUT` to
an id the client makes; sending again is safe. Errors are RFC 9457 problem documents. Texts come in
zh-CN and en by `Accept-Language`. Every answer has its request's id in `X-Request-Id`; send one of
1 to 64 letters, digits, `.`, `_` or `-` to choose it."""


_SCHEMES: dict[str, dict[str, Any]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "the `access_token` of a sign-in, for ten minutes; then"
        " `POST /v1/auth/refresh`",
    },
    KEY: {"type": "http", "scheme": "bearer", "description": "the key of a system: `tk_…`"},
    SIGNATURE: {
        "type": "apiKey",
        "in": "header",
        "name": "webhook-signature",
        "description": "Standard Webhooks, with webhook-id and webhook-timestamp",
    },
}
_RESOURCES = (
    accounts,
    activities,
    activity_corrections,
    admin_log,
    agreements,
    api_keys,
    appeals,
    audit,
    audit_files,
    audits,
    budgets,
    cards,
    catalogue,
    checkpoints,
    closing,
    code_devices,
    code_files,
    consents,
    consumptions,
    corrections,
    district_dashboards,
    districts,
    double_uses,
    donation_projects,
    draft_impacts,
    drafts,
    export,
    family,
    feeds,
    household,
    jobs,
    live_figures,
    merchant_staff,
    merchant_offers,
    merchants,
    offers,
    pictures,
    previews,
    profile,
    programmes,
    redemptions,
    refunds,
    report_files,
    report_versions,
    reported_values,
    residents,
    review,
    scans,
    rewards_liability,
    scenes,
    sessions,
    settlement_files,
    settlement_lists,
    settlements,
    shops,
    sign_in,
    staff,
    staff_members,
    staff_sign_in,
    terms,
    top_ups,
    transfers,
    verifications,
    webhooks,
    vouchers,
)


class _Api(Api):
    ERROR_SCHEMA = ProblemResponse

    def _register_error_handlers(self) -> None:
        """``service.problems`` answers errors, in another shape than the base class."""


def register(app: Flask) -> None:
    """Mount every resource under /v1."""
    for module in _RESOURCES:
        app.register_blueprint(module.bp)


@cache
def openapi() -> dict[str, Any]:
    """The OpenAPI 3.1 document, the same for every application; made when it is first asked for.

    Making it takes longer than all else that an application does to start.
    """
    app = Flask(__name__)
    app.config.update(API_TITLE="碳惠 Tanhui API", API_VERSION="v1", OPENAPI_VERSION="3.1.0")
    api = _Api(
        app,
        spec_kwargs={
            "info": {"description": _ABOUT, "license": {"name": "Apache-2.0"}},
            "servers": [{"url": "/"}],
            "security": [{"bearer": []}],
        },
    )
    for name, scheme in _SCHEMES.items():
        api.spec.components.security_scheme(name, scheme)
    for module in _RESOURCES:
        api.register_blueprint(module.bp)
    document: dict[str, Any] = api.spec.to_dict()
    complete(document, app)
    return document
