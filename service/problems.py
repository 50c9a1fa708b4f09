"""Refusal → RFC 9457 problem document: the one table of statuses, in Chinese and English."""

import logging
from dataclasses import dataclass
from typing import Any

import msgspec
from flask import Flask, Response, current_app, request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from activities import errors as activities
from ledgers import errors as ledgers
from rewards import errors as rewards
from service.db import is_retryable, is_unavailable
from service.districts.errors import MonthNotOver, NotADistrict
from service.field_messages import field_message
from service.identity.tokens import InvalidToken
from service.language import Text, chosen

log = logging.getLogger(__name__)


class WrongRole(Exception):
    """The caller is known and may not do this."""


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One kind of problem; ``detail`` takes its facts from ``members`` of the refusal."""

    status: int
    slug: str
    title: Text
    detail: Text
    members: tuple[str, ...] = ()


def _p(
    status: int, slug: str, title: tuple[str, str], detail: tuple[str, str], *members: str
) -> ProblemType:
    return ProblemType(status, slug, Text(*title), Text(*detail), members)


PROBLEM_TYPES: dict[type[Exception], ProblemType] = {
    ledgers.UnknownAccount: _p(
        404, "unknown-account",
        ("没有该账户", "Unknown account"),
        ("账户不存在、已关闭或不属于您。",
         "The account does not exist, is closed, or is not yours."),
    ),
    ledgers.InsufficientPoints: _p(
        409, "insufficient-points",
        ("积分不足", "Not enough points"),
        ("需要 {need_points} 分，可用 {have_points} 分，欠 {owed_points} 分。",
         "{need_points} points needed, {have_points} available, {owed_points} owed."),
        "have_points", "need_points", "owed_points",
    ),
    ledgers.PostingReused: _p(
        409, "id-reused",
        ("编号已被使用", "Id already used"),
        ("该编号已用于另一项内容。", "This id already stands for other content."),
    ),
    ledgers.UnknownTransfer: _p(
        404, "unknown-transfer",
        ("没有该笔记录", "Unknown transfer"),
        ("记录不存在或不属于该账户持有人。",
         "The transfers do not exist or are not this holder's."),
        "transfer_ids",
    ),
    ledgers.NotReversible: _p(
        409, "not-reversible",
        ("不能冲正", "Not reversible"),
        ("记录已被冲正，或本身就是冲正。", "The transfers were reversed before, or are reversals."),
        "transfer_ids",
    ),
    ledgers.InvalidAmount: _p(
        422, "invalid-amount",
        ("数额无效", "Invalid amount"),
        ("数额须为 1 至 9007199254740992 的整数，且单位一致。",
         "An amount is a whole number from 1 to 9007199254740992, of one unit."),
        "amount",
    ),
    activities.CatalogueRefused: _p(
        422, "catalogue-refused",
        ("目录未通过检查", "Catalogue refused"),
        ("目录有误，未导入任何内容。", "The catalogue has errors; nothing was loaded."),
        "problems",
    ),
    activities.UnknownProgramme: _p(
        404, "unknown-programme",
        ("没有该项目", "Unknown programme"),
        ("没有代码为 {code} 的项目。", "There is no programme {code}."),
        "code",
    ),
    activities.UnknownScene: _p(
        404, "unknown-scene",
        ("没有该场景", "Unknown scene"),
        ("没有代码为 {code} 的场景。", "There is no scene {code}."),
        "code",
    ),
    activities.UnknownDivision: _p(
        404, "unknown-division",
        ("没有该区划", "Unknown division"),
        ("没有代码为 {code} 的行政区划。", "There is no division {code}."),
        "code",
    ),
    rewards.UnknownOffer: _p(
        404, "unknown-offer",
        ("没有该商品", "Unknown offer"),
        ("商品不存在。", "There is no such offer."),
    ),
    rewards.OfferNotOnSale: _p(
        409, "offer-not-on-sale",
        ("不在兑换期内", "Not on sale"),
        ("该商品的兑换期为 {on_sale_from} 至 {on_sale_to}。",
         "The offer is on sale from {on_sale_from} to {on_sale_to}."),
        "on_sale_from", "on_sale_to",
    ),
    rewards.SoldOut: _p(
        409, "sold-out",
        ("已兑完", "Sold out"),
        ("该商品已兑完，未扣积分。", "The offer is sold out; no points were taken."),
    ),
    rewards.RedemptionReused: _p(
        409, "redemption-id-reused",
        ("兑换编号已被使用", "Redemption id already used"),
        ("该编号已用于另一次兑换。", "This id already stands for another redemption."),
    ),
    rewards.UnknownRedemption: _p(
        404, "unknown-redemption",
        ("没有该次兑换", "Unknown redemption"),
        ("兑换不存在或不属于您。", "The redemption does not exist or is not yours."),
    ),
    rewards.UnknownVoucher: _p(
        404, "unknown-voucher",
        ("券码无效", "Unknown voucher"),
        ("请核对券码；本商户没有这张券。", "Check the code: this merchant has no such voucher."),
    ),
    rewards.VoucherConsumed: _p(
        409, "voucher-consumed",
        ("券已使用", "Voucher already used"),
        ("该券已于 {consumed_at} 使用。", "The voucher was used at {consumed_at}."),
        "consumed_at",
    ),
    rewards.ConsumptionReused: _p(
        409, "consumption-id-reused",
        ("核销编号已被使用", "Consumption id already used"),
        ("该编号已用于另一张券。", "This id already stands for the use of another voucher."),
    ),
    MonthNotOver: _p(
        422, "month-not-over",
        ("月份尚未结束", "Month not over"),
        ("{month} 尚未结束；为保护个人信息，月份结束后才能报告。",
         "{month} is not over; to protect residents a month is reported once it has ended."),
        "month",
    ),
    NotADistrict: _p(
        422, "not-a-district",
        ("不是区县", "Not a district"),
        ("{code} 不是区县；报告只按区县出具。",
         "{code} is not a district; reports are made for districts only."),
        "code",
    ),
    InvalidToken: _p(
        401, "invalid-token",
        ("未登录或凭证无效", "Not signed in"),
        ("请重新登录。", "The request carries no valid access token."),
    ),
    WrongRole: _p(
        403, "wrong-role",
        ("没有权限", "Not allowed"),
        ("您的角色不能执行此操作。", "Your role may not do this."),
    ),
}  # fmt: skip

UNAVAILABLE = _p(
    503, "database-unavailable",
    ("服务暂时不可用", "Temporarily unavailable"),
    ("数据库暂时不可用，请稍后用同一编号重试，不会重复入账。",
     "The database is away. Try again with the same id; nothing is booked twice."),
)  # fmt: skip
BAD_BODY = _p(
    422, "body-does-not-fit",
    ("内容不符合要求", "Body does not fit"),
    ("请按 errors 中的提示修改。", "See errors for each field."),
)  # fmt: skip
NOT_JSON = _p(
    400, "not-json",
    ("内容不是 JSON", "Not JSON"),
    ("请求内容不是有效的 JSON。", "The body is not valid JSON."),
)  # fmt: skip
NOT_SAID_TO_BE_JSON = _p(
    415, "content-type-not-json",
    ("内容类型不是 JSON", "Content type is not JSON"),
    ("请以 Content-Type: application/json 发送。", "Send it with Content-Type: application/json."),
)  # fmt: skip
ALL_TYPES = (*PROBLEM_TYPES.values(), UNAVAILABLE, BAD_BODY, NOT_JSON, NOT_SAID_TO_BE_JSON)

# Plain HTTP errors; another status says its English name in both languages.
_HTTP_TITLES = {
    400: "请求有误",
    404: "没有这个地址",
    405: "不支持该方法",
    413: "内容过大",
    500: "服务内部错误",
}


def register(app: Flask) -> None:
    """Answer every refusal, HTTP error and absent database with a problem document."""
    for kind in PROBLEM_TYPES:
        app.register_error_handler(kind, _on_refusal)
    app.register_error_handler(HTTPException, on_http_error)
    app.register_error_handler(DBAPIError, _on_database_error)
    app.register_error_handler(PoolTimeout, _on_pool_empty)


def respond(kind: ProblemType, headers: dict[str, str] | None = None, **members: Any) -> Response:
    """The problem document of a kind, in the caller's language."""
    return _document(
        kind.status,
        {
            "type": f"{current_app.extensions['tanhui'].settings.public_url}/problems/{kind.slug}",
            "title": chosen(kind.title),
            "status": kind.status,
            "detail": chosen(kind.detail).format_map(members),
            "instance": request.path,
            **members,
        },
        headers,
    )


def _document(status: int, body: dict[str, Any], headers: dict[str, str] | None) -> Response:
    answer = Response(msgspec.json.encode(body), status, content_type="application/problem+json")
    answer.headers["Content-Language"] = "zh-CN" if chosen(Text("zh", "en")) == "zh" else "en"
    answer.headers["Vary"] = "Accept-Language"
    answer.headers.update(headers or {})
    return answer


def _on_refusal(error: Exception) -> Response:
    kind = PROBLEM_TYPES[type(error)]
    headers = {}
    if isinstance(error, InvalidToken):
        headers["WWW-Authenticate"] = f'Bearer error="invalid_token", error_description="{error}"'
    return respond(kind, headers, **{name: getattr(error, name) for name in kind.members})


def on_http_error(error: HTTPException) -> Response:
    """The problem document of a plain HTTP error, or of a body that does not fit."""
    data = getattr(error, "data", None)  # webargs leaves its messages here.
    if error.code == 422 and data:
        return respond(BAD_BODY, errors=list(_pointers(data["messages"])))
    if error.code == 400 and request.is_json:
        return respond(NOT_JSON)
    if error.code == 415:
        return respond(NOT_SAID_TO_BE_JSON)
    headers = {k: v for k, v in error.get_headers() if k not in ("Content-Type", "Content-Length")}
    body = {
        "type": "about:blank",
        "title": chosen(Text(_HTTP_TITLES.get(error.code or 500, error.name), error.name)),
        "status": error.code,
        "instance": request.path,
    }
    return _document(error.code or 500, body, headers)


def _pointers(messages: dict[str, Any]) -> Any:
    """marshmallow's nested messages as JSON pointers; the outermost key is where it stood."""
    for place, fields in messages.items():
        for path, message in _leaves(fields, ""):
            detail = chosen(field_message(message))
            if place == "json":
                yield {"pointer": f"#{path}", "detail": detail}
            else:
                yield {"parameter": path.lstrip("/"), "in": place, "detail": detail}


def _leaves(messages: Any, path: str) -> Any:
    if isinstance(messages, dict):
        for name, inner in messages.items():
            escaped = str(name).replace("~", "~0").replace("/", "~1")
            yield from _leaves(inner, path if name == "_schema" else f"{path}/{escaped}")
    else:
        for detail in messages if isinstance(messages, list) else [messages]:
            yield path, detail


def _on_database_error(error: DBAPIError) -> Response:
    if is_unavailable(error) or is_retryable(error):
        log.warning("database unavailable: %s", type(error.orig).__name__)
        return respond(UNAVAILABLE, {"Retry-After": "2"})
    raise error


def _on_pool_empty(_: PoolTimeout) -> Response:
    log.warning("no database connection free")
    return respond(UNAVAILABLE, {"Retry-After": "2"})
