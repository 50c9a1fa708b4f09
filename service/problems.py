"""Refusal → RFC 9457 problem document, in the caller's language."""

import logging
import re
from datetime import datetime
from traceback import format_tb
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from flask import Flask, Response, current_app, request
from psycopg import Error
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, InternalServerError

from ledgers import errors as ledgers
from service import errors as service
from service.db import is_retryable, is_too_slow, is_unavailable
from service.feeds import errors as feeds
from service.field_messages import field_message
from service.identity.tokens import InvalidToken
from service.language import Text, chosen, language
from service.problem_types import activities, family, identity, own, rewards, sign_in, staff
from service.problem_types import feeds as feed_types
from service.problem_types import ledgers as ledger_types
from service.problem_types import merchants as merchant_types
from service.problem_types import offers as offer_types
from service.problem_types import redeeming as redeeming_types
from service.problem_types import reported_values as reported_value_types
from service.problem_types import reports as report_types
from service.problem_types import settlements as settlement_types
from service.problem_types import tills as till_types
from service.problem_types import top_ups as top_up_types
from service.problem_types import webhooks as webhook_types
from service.problem_types.kinds import ProblemType, kind

log = logging.getLogger(__name__)

_BEIJING = ZoneInfo("Asia/Shanghai")  # The one clock of the people who read the sentences.
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")

PROBLEM_TYPES: dict[type[Exception], ProblemType] = {
    **ledger_types.TYPES,
    **activities.TYPES,
    **rewards.TYPES,
    **merchant_types.TYPES,
    **offer_types.TYPES,
    **redeeming_types.TYPES,
    **till_types.TYPES,
    **settlement_types.TYPES,
    **top_up_types.TYPES,
    **webhook_types.TYPES,
    **feed_types.TYPES,
    **identity.TYPES,
    **family.TYPES,
    **sign_in.TYPES,
    **staff.TYPES,
    **report_types.TYPES,
    **own.TYPES,
    **reported_value_types.TYPES,
}

UNAVAILABLE = kind(
    503, "database-unavailable",
    ("服务暂时不可用", "Temporarily unavailable"),
    ("数据库暂时不可用，请稍后用同一编号重试，不会重复入账。",
     "The database is away. Try again with the same id; nothing is booked twice."),
)  # fmt: skip
BAD_BODY = kind(
    422, "body-does-not-fit",
    ("内容不符合要求", "Body does not fit"),
    ("请按 errors 中的提示修改。", "See errors for each field."),
)  # fmt: skip
NOT_JSON = kind(
    400, "not-json",
    ("内容不是 JSON", "Not JSON"),
    ("请求内容不是有效的 JSON。", "The body is not valid JSON."),
)  # fmt: skip
NOT_SAID_TO_BE_JSON = kind(
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
    for refusal in PROBLEM_TYPES:
        app.register_error_handler(refusal, _on_refusal)
    app.register_error_handler(HTTPException, on_http_error)
    app.register_error_handler(DBAPIError, on_database_error)
    app.register_error_handler(PoolTimeout, on_pool_empty)


def respond(kind: ProblemType, headers: dict[str, str] | None = None, **members: Any) -> Response:
    """The problem document of a kind, in the caller's language."""
    members = {
        name: chosen(Text(*value)) if isinstance(value, tuple) else value
        for name, value in members.items()
    }
    return _document(
        kind.status,
        {
            "type": f"{current_app.extensions['tanhui'].settings.public_url}/problems/{kind.slug}",
            "title": chosen(kind.title),
            "status": kind.status,
            "detail": chosen(kind.detail).format_map(_as_told(members)),
            "instance": request.path,
            **members,
        },
        headers,
    )


def _as_told(members: dict[str, Any]) -> dict[str, Any]:
    """The facts as a sentence tells them: instants by Beijing's clock, lists without brackets."""
    return {name: _told(value) for name, value in members.items()}


def _told(value: Any) -> Any:
    match value:
        case datetime():
            told = f"{value.astimezone(_BEIJING):%Y-%m-%d %H:%M:%S}"
            return chosen(Text(f"北京时间 {told}", f"{told} Beijing time"))
        case str() if _INSTANT.fullmatch(value):
            return _told(datetime.fromisoformat(value))
        case [*several]:
            return (", " if language() == "en" else "、").join(str(_told(each)) for each in several)
    return value


def refusal(error: Exception) -> dict[str, Any]:
    """What a refusal says inside an answer about many things: its document without the place."""
    kind = PROBLEM_TYPES[type(error)]
    document = respond(kind, **{name: getattr(error, name) for name in kind.members})
    found: dict[str, Any] = msgspec.json.decode(document.get_data())
    return {name: value for name, value in found.items() if name != "instance"}


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
    if isinstance(error, ledgers.NotSealedYet):
        headers["Retry-After"] = "5"
    if isinstance(error, service.TooBusy | feeds.ReplayUnknown):
        headers["Retry-After"] = "2"
    if (wait_s := getattr(error, "retry_after_s", None)) is not None:
        headers["Retry-After"] = str(wait_s)
    if isinstance(error, feeds.BadSignature | feeds.ClockOff):
        headers["WWW-Authenticate"] = "StandardWebhooks"
    if kind.status == 401:
        headers.setdefault("WWW-Authenticate", "Bearer")
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


def on_database_error(error: DBAPIError) -> Response:
    """503 where the database is away or too slow, else a fault of our own."""
    if is_unavailable(error) or is_retryable(error) or is_too_slow(error):
        log.warning("database unavailable: %s", type(error.orig).__name__)
        return respond(UNAVAILABLE, {"Retry-After": "2"})
    log.error("%s", _where_it_failed(error))
    return on_http_error(InternalServerError())


def _where_it_failed(error: DBAPIError) -> str:
    """What is known of our own mistake but what PostgreSQL says of it: that repeats the row."""
    found = error.orig.diag if isinstance(error.orig, Error) else None
    named = [f"{type(error.orig).__name__} at {request.method} {request.url_rule}"]
    for name in ("sqlstate", "table_name", "column_name", "constraint_name"):
        if value := getattr(found, name, None):
            named.append(f"{name}={value}")
    return "; ".join(named) + "\n" + "".join(format_tb(error.__traceback__))


def on_pool_empty(_: PoolTimeout) -> Response:
    """503: every connection is in use."""
    log.warning("no database connection free")
    return respond(UNAVAILABLE, {"Retry-After": "2"})
