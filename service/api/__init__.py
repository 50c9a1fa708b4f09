"""The REST API: one blueprint a resource, its schemas beside it."""

from typing import Any

from flask import Flask
from flask_smorest import Api

from service.api import (
    accounts,
    activities,
    activity_corrections,
    admin_log,
    api_keys,
    appeals,
    audit,
    cards,
    catalogue,
    closing,
    consents,
    consumptions,
    corrections,
    districts,
    drafts,
    export,
    family,
    feeds,
    household,
    jobs,
    offers,
    profile,
    programmes,
    redemptions,
    review,
    scenes,
    sessions,
    sign_in,
    staff,
    staff_members,
    staff_sign_in,
    transfers,
    verifications,
)
from service.api.documentation import ProblemResponse, complete
from service.auth import KEY, SIGNATURE

_ABOUT = """碳普惠后端：每一次低碳行为核证、量化、入账，账可自查。

Units are in the names: `saved_mg_co2e` (milligrams of CO2e), `points`, `fen`. Writes are `PUT` to
an id the client makes; sending again is safe. Errors are RFC 9457 problem documents. Texts come in
zh-CN and en by `Accept-Language`. Every answer has its request's id in `X-Request-Id`; send one of
1 to 64 letters, digits, `.`, `_` or `-` to choose it."""


class _Api(Api):
    ERROR_SCHEMA = ProblemResponse

    def _register_error_handlers(self) -> None:
        """``service.problems`` answers errors, in another shape than the base class."""


def register(app: Flask) -> None:
    """Mount every resource under /v1."""
    app.config.update(API_TITLE="碳惠 Tanhui API", API_VERSION="v1", OPENAPI_VERSION="3.1.0")
    api = _Api(
        app,
        spec_kwargs={
            "info": {"description": _ABOUT, "license": {"name": "Apache-2.0"}},
            "servers": [{"url": "/"}],
            "security": [{"bearer": []}],
        },
    )
    api.spec.components.security_scheme(
        "bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    )
    api.spec.components.security_scheme(
        KEY,
        {"type": "http", "scheme": "bearer", "description": "the key of a system: `tk_…`"},
    )
    api.spec.components.security_scheme(
        SIGNATURE,
        {
            "type": "apiKey",
            "in": "header",
            "name": "webhook-signature",
            "description": "Standard Webhooks, with webhook-id and webhook-timestamp",
        },
    )
    for module in (
        accounts,
        activities,
        activity_corrections,
        admin_log,
        api_keys,
        appeals,
        audit,
        cards,
        catalogue,
        closing,
        consents,
        consumptions,
        corrections,
        districts,
        drafts,
        export,
        family,
        feeds,
        household,
        jobs,
        offers,
        profile,
        programmes,
        redemptions,
        review,
        scenes,
        sessions,
        sign_in,
        staff,
        staff_members,
        staff_sign_in,
        transfers,
        verifications,
    ):
        api.register_blueprint(module.bp)
    document = api.spec.to_dict()
    complete(document, app)
    app.extensions["tanhui-openapi"] = document


def openapi(app: Flask) -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    document: dict[str, Any] = app.extensions["tanhui-openapi"]
    return document
