"""Examples for the API's document: of every property, and of every body put together from them.

A field's own metadata come first. What has the same name in many bodies is told once, here.
"""

from typing import Any

EXAMPLE_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
_OTHER_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
_FORMATS = {
    "uuid": EXAMPLE_ID,
    "date": "2026-11-20",
    "date-time": "2026-11-20T08:00:00+08:00",
    "url": "https://tanhui.example/problems/offer-sold-out",
    "uri": "https://tanhui.example/problems/offer-sold-out",
}
_DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_NUMBERS = {
    "amount": 120,
    "balance": 1_280,
    "available": 1_160,
    "debt": 0,
    "held": 120,
    "mg_co2e_per_point": 1_000,
    "persons": 3,
    "position": 0,
    "quantity": 5_000,
    "share_permille": 1_000,
    "status": 409,
    "tier": 1,
    "units": 1,
    "ug_co2e_per_unit": 20_000,
    "verified_quantity": 5_000,
    "forfeited_vouchers": 0,
    "acts": 12_000,
    "grants": 9_800,
    "newly_verified": 120,
    "newly_refused": 40,
    "regranted": 300,
    "codes": 100_000,
    "active_s": 2_400,
    "distance_m": 3_500,
    "resend_after_s": 60,
    "recovery_codes_left": 10,
}
_UNITS = {
    "_mg_co2e": 100_000,
    "_points": 100,
    "_s": 600,
    "_units": 99,
    "_m": 3_500,
    "_fen": 1_500,
    "_bp": 8_000,
    "_days": 30,
    "_hours": 24,
    "version": 1,
}
_TEXTS = {
    "access_token": "eyJhbGciOiJFZERTQSIsImtpZCI6IjEifQ.eyJzdWIiOiIuLi4ifQ.c2ln",
    "account_name": "示范便利店有限公司",
    "account_number": "6222020200112230011",
    "acted_by": f"delegate:{_OTHER_ID}",
    "action": "approve",
    "actor": "li.na",
    "after": "60",
    "against": "rule:walk.10@1",
    "answer": "记录已核对。",
    "answered": "unknown",
    "answered_by": "li.na",
    "app_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    "app_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    "approved_by": "wang.wei",
    "authorization_url": "https://sso.example/authorize?client_id=tanhui",
    "bank_last4": "0011",
    "bank_name": "示范银行上海青浦支行",
    "base_unit": "step",
    "batch_id": "2026-11-20-01",
    "body": '{"type":"voucher.consumed","timestamp":"2026-11-20T08:00:00Z","data":{}}',
    "before": "50",
    "behaviour": "walk",
    "behaviour_code": "walk",
    "behaviour_en": "Walking",
    "behaviour_name_en": "Walking",
    "behaviour_name_zh": "步行",
    "behaviour_zh": "步行",
    "boundary": "tank to wheel",
    "card_number": "QP20261120001",
    "category": "transport",
    "channel": "api",
    "checkpoint": "tanhui.example/log\n20\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
    "claimed_by": "day",
    "code": "verified",
    "confidence": "seen",
    "content_sha256": _DIGEST,
    "decided_by": "wang.wei",
    "decision": "verified",
    "detail": "库存不足。",
    "device_name": "iPhone 17",
    "display_name": "李娜",
    "draft": "rule:walk.10@2",
    "division": "310118001",
    "credit_code": "91110000600037341L",
    "price_rule": "fixed",
    "division_code": "310118",
    "division_name": "青浦区",
    "document": "北京绿色生活季平台",
    "drafted_by": "li.na",
    "en": "5,000 steps",
    "ended_by": "wang.wei",
    "ends_in": "8000",
    "error": "TimeoutError",
    "event_id": EXAMPLE_ID,
    "exact_ug_co2e": "100000000",
    "exclusions": "室内跑步机",
    "field": "max_per_day",
    "form": "per_unit",
    "format": "tanhui1",
    "gateway_reference": "R-1",
    "from_address": "192.0.2.7",
    "from_network": "192.0.2.0/24",
    "granted_by": "wang.wei",
    "holder_salt": _DIGEST[:32],
    "in": "query",
    "instance": "/v1/redemptions/" + EXAMPLE_ID,
    "invitation": "k3Vq9Xy2mN8pL4wR7tZ1cB6dF5gH0jS",
    "key": "tk_0f8fad5bd9cb469fa16570867728950e_k3Vq9Xy2mN8pL4wR7tZ1cB6d",
    "kind": "earn",
    "last_answer": "503",
    "leaf": _DIGEST,
    "login": "li.na",
    "made_by": "wang.wei",
    "material": "pet",
    "merchant": "示范便利店",
    "method": "phone",
    "method_code": "walk",
    "name": "李娜",
    "name_en": "Walking",
    "name_zh": "步行",
    "new_password": "correct horse battery staple",
    "next_cursor": "q7uYx1m0Xh2dVw3kq9c1bQABjz0",
    "note": "按合作方更正",
    "object_id": "bin-0042",
    "object_kind": "scene",
    "otpauth_uri": "otpauth://totp/Tanhui:li.na?secret=JBSWY3DPEHPK3PXP&issuer=Tanhui",
    "outcome": "done",
    "owner": _OTHER_ID,
    "owner_kind": "merchant",
    "parameter": "limit",
    "part": "saved",
    "partner": "qingpu-bike",
    "password": "horse-battery-staple",
    "phone": "138 0013 8000",
    "photo_sha256": _DIGEST,
    "place": "310118001",
    "pointer": "#/offer_id",
    "posting_kind": "activities",
    "powers": "spend",
    "programme": "demo-2016",
    "proposed_by": "li.na",
    "published_unit": "g CO2e/step",
    "published_value": "0.02",
    "publisher": "北京市生态环境局",
    "purpose": "profile",
    "qr_text": "tanhui1:" + _DIGEST,
    "reader": "self",
    "reason": "合作方更正了当日步数",
    "record": _DIGEST,
    "record_salt": _DIGEST[:32],
    "recorded_by": "li.na",
    "first_recorded_by": "wang.wei",
    "recovery_code": "7KQ2-M9XD-4RTB",
    "redirect_url": "https://app.example/signed-in",
    "refunded_by": "li.na",
    "refresh_token": "D4-tW9nLR5-hZXB3KJfQZ3yecM-XJUDepWVwZ_G8a1X",
    "rejection_reason": "证据不足",
    "request_id": _OTHER_ID,
    "result": "passed",
    "role": "operator",
    "rule": "剩余积分失效，凭据仍可核对。",
    "runner": "host-1:4242:9f86",
    "scene": "demo.walking",
    "scope": "310118",
    "secret": "JBSWY3DPEHPK3PXP",
    "sign_up_token": "q7uYx1m0Xh2dVw3kq9c1bQABjz0",
    "source_address": "https://example.org/factors.pdf",
    "state": "open",
    "status": "open",
    "text": "当天确实步行，附有照片。",
    "title": "环保购物袋",
    "token_type": "Bearer",
    "totp": "492039",
    "town_code": "310118001",
    "town_name": "夏阳街道",
    "trigger": "每天 03:10",
    "unit": "point",
    "valid_from": "2026-01-01",
    "voucher_state": "unused",
    "voucher_code": "7KQ2-M9XD-4RTB-8HNW",
    "what": "scene.suspend",
    "year": "2026",
    "zh-CN": "5000 步",
    "title_zh": "咖啡一杯（请自带杯）",
    "title_en": "A coffee in your own cup",
    "text_zh": "周一至周五可用。",
    "text_en": "On weekdays.",
    "address": "上海市青浦区公园路 1 号",
    "published_by": "wang.wei",
    "loaded_by": "li.na",
    "media_type": "image/png",
    "sha256": _DIGEST,
    "zone": "Asia/Shanghai",
    "confirmed_by": "mia.li",
    "dispute_reason": "少一笔：11 月 3 日 10:12，12.50 元。",
    "disputed_by": "mia.li",
    "paid_by": "eva.zhao",
    "payment_reference": "ICBC-20261105-17",
    "shop": "一号店",
}
# The same name for something else than in most bodies.
OF_ONE: dict[str, Any] = {
    "DisputeRequest.reason": "少一笔：11 月 3 日 10:12，12.50 元。",
    "MerchantStateRequest.reason": "资质齐全",
    "OfferStateRequest.reason": "补货",
    "OutcomeRequest.reason": "card is blocked",
    "RefundRequest.reason": "商品有瑕疵",
    "AccountResponse.kind": "personal",
    "WebhookRequest.url": "https://till.example.cn/tanhui",
    "WebhookResponse.url": "https://till.example.cn/tanhui",
    "WebhookMessageResponse.kind": "voucher.consumed",
    "WebhookMessageResponse.state": "dead",
    "MadeWebhookResponse.url": "https://till.example.cn/tanhui",
    "MadeWebhookResponse.secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=",
    "ActedForResponse.kind": "delegate",
    "MerchantRequest.credit_code": "91110000600037341L",
    "MerchantResponse.state": "approved",
    "MerchantStateRequest.state": "approved",
    "MadeScannerResponse.key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    "ActivityCorrectionResponse.action": "change",
    "ActivityCorrectionResponse.state": "proposed",
    "AdjustmentResponse.kind": "changed",
    "AppealResponse.state": "pending",
    "AuditedAccountResponse.kind": "personal",
    "AuditedPostingResponse.kind": "intake",
    "CatalogueBehaviourResponse.code": "walk",
    "CatalogueFactorResponse.code": "WALK_STEP.WH",
    "CatalogueMethodResponse.code": "walk",
    "CatalogueRuleResponse.code": "walk.10",
    "CodeDeviceRequest.name": "我的手机",
    "CodeDeviceResponse.name": "我的手机",
    "CorrectionResponse.state": "proposed",
    "DelegateOfferResponse.code": "7KQ2-M9XD",
    "DelegationResponse.kind": "delegate",
    "DraftResponse.kind": "rule",
    "DraftResponse.name": "rule:walk.10@2",
    "FactorResponse.code": "WALK_STEP.WH",
    "FactorResponse.name": "步行",
    "JobResponse.name": "lapse",
    "JobResponse.title": "积分失效",
    "ListedAppealResponse.state": "pending",
    "MethodResponse.code": "walk",
    "OfferOnSaleResponse.kind": "voucher",
    "OneOfferResponse.kind": "voucher",
    "OneOfferResponse.state": "published",
    "ListedOfferResponse.kind": "voucher",
    "ListedOfferResponse.state": "published",
    "OfferStateResponse.state": "published",
    "OfferShopResponse.name": "示范咖啡馆",
    "MadeCodeDeviceResponse.key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    "MadeCodeDeviceResponse.name": "我的手机",
    "OidcFinishRequest.state": "q7uYx1m0Xh2dVw3kq9c1bQABjz0",
    "OidcStartResponse.state": "q7uYx1m0Xh2dVw3kq9c1bQABjz0",
    "OwnAppealResponse.state": "pending",
    "ProblemResponse.title": "库存不足",
    "QuantifiedResponse.method": "walk",
    "QueuedResponse.code": "sampled",
    "RuleResponse.kind": "quantity_range",
    "RuleResponse.rule": "walk.10",
    "RuleResponse.title": "每日步数范围",
    "SettlementRequest.period_from": "2026-10-01",
    "SettlementRequest.period_to": "2026-11-01",
    "SettlementResponse.period_from": "2026-10-01",
    "SettlementResponse.period_to": "2026-11-01",
    "SceneChangeResponse.status": "suspended",
    "SceneResponse.code": "demo.walking",
    "SceneResponse.status": "approved",
    "SecurityEventResponse.kind": "sign_up",
}
_LISTS: dict[str, list[Any]] = {
    "fields": ["name", "birth_on"],
    "kinds": ["voucher.consumed", "settlement.drafted"],
    "odometer_m": [120_000, 123_500],
    "proof": [_DIGEST],
    "recovery_codes": ["7KQ2-M9XD-4RTB"],
    "pictures": [_DIGEST],
    "division_codes": ["310118"],
    "scene_codes": ["demo.walking"],
    "shop_ids": [_OTHER_ID],
    "scopes": ["consumptions"],
}
_OBJECTS: dict[str, dict[str, Any]] = {
    "after": {"status": "suspended"},
    "baseline": {"quantity": 5_000},
    "before": {"status": "open"},
    "by_code": {"quantity_out_of_range": 2},
    "counts": {"accounts": 12},
    "facts": {"accounts_of_device": 1},
    "inputs": {"quantity": 5_000},
    "parameters": {"kind": "quantity_range", "min": 1, "max": 100_000},
    "problem": {"type": "https://example.org/problems/voucher-consumed", "status": 409},
    "differing": {
        "only_theirs": 0,
        "only_ours": 1,
        "amount_differs": 0,
        "time_differs": 0,
        "duplicate": 0,
    },
}


def exemplify(document: dict[str, Any]) -> None:
    """Give each property of each body an example, and each body one."""
    schemas = document["components"]["schemas"]
    for of, schema in schemas.items():
        for name, kind in schema.get("properties", {}).items():
            example = OF_ONE.get(f"{of}.{name}", _of_property(name, kind))
            if example is not None:
                kind["example"] = example
    for methods in document["paths"].values():
        for operation in methods.values():
            if not isinstance(operation, dict):
                continue  # The parameters of all methods.
            bodies = [operation.get("requestBody", {}), *operation.get("responses", {}).values()]
            for body in bodies:
                for content in body.get("content", {}).values():
                    if "example" not in content and "$ref" in content.get("schema", {}):
                        content["example"] = _body(schemas, content["schema"])


def _of_property(name: str, kind: dict[str, Any]) -> Any:
    """None where none is needed: a reference leads to its own, a format or an enum says it."""
    if "example" in kind or "enum" in kind or kind.get("format") in _FORMATS:
        return kind.get("example")
    match _type(kind):
        case "integer":
            if name in _NUMBERS:
                return _NUMBERS[name]
            units = (value for end, value in _UNITS.items() if name.endswith(end))
            return max(next(units, 12), kind.get("minimum", 0))
        case "string":
            return _TEXTS.get(name)
        case "array":
            return _LISTS.get(name)
        case "object":
            return _OBJECTS.get(name)
    return None


def _type(kind: dict[str, Any]) -> str | None:
    found = kind.get("type")
    if isinstance(found, list):
        return next((each for each in found if each != "null"), None)
    return found


def _body(schemas: dict[str, Any], kind: dict[str, Any]) -> Any:
    """A value of a schema, from the examples of what is in it."""
    if "$ref" in kind:
        schema = schemas[kind["$ref"].rpartition("/")[2]]
        if "example" in schema:
            return schema["example"]
        properties = schema.get("properties", {})
        return {name: _body(schemas, each) for name, each in properties.items()}
    if "example" in kind:
        return kind["example"]
    for choice in (*kind.get("anyOf", ()), *kind.get("allOf", ())):
        if "$ref" in choice:
            return _body(schemas, choice)
    if "enum" in kind:
        return kind["enum"][0]
    if kind.get("format") in _FORMATS:
        return _FORMATS[kind["format"]]
    match _type(kind):
        case "array":
            return [_body(schemas, kind["items"])]
        case "boolean":
            return True
        case "object":
            return {}
    return None
