"""What the OpenAPI document says of every operation alike: who may call it, how it refuses.

Read from the routes themselves and from the table of problems, so that no view repeats it.
"""

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from flask import Flask
from marshmallow import INCLUDE, Schema, fields

from service.api.conditional import conditional
from service.api.examples import EXAMPLE_ID, exemplify
from service.api.links import link
from service.auth import KEY, SIGNATURE
from service.authorisation import ORDER
from service.problem_types.kinds import ProblemType
from service.problems import ALL_TYPES

_METHODS = ("get", "put", "post", "patch", "delete")
_HEADERS = {
    401: {"WWW-Authenticate": "`Bearer`, and what is wrong with the token"},
    409: {"Retry-After": "seconds to wait, of `not-sealed-yet`"},
    429: {
        "Retry-After": "seconds until the limit counts anew",
        "RateLimit": "what is left of the limit, and when it counts anew",
        "RateLimit-Policy": "the limit: times (q) in seconds (w)",
    },
    503: {"Retry-After": "seconds to wait before sending the same again"},
}

# Which members go together, where a body's own rule says it (``validates_schema``).
_SHAPES: dict[str, dict[str, Any]] = {
    "ActivityCorrectionRequest": {
        "oneOf": [
            {"properties": {"action": {"const": "change"}}, "required": ["quantity"]},
            {"properties": {"action": {"const": "withdraw"}}, "not": {"required": ["quantity"]}},
        ],
        "example": {
            "activity_id": EXAMPLE_ID,
            "action": "change",
            "quantity": 4_000,
            "reason": "合作方更正了当日步数",
        },
    },
    "ConsentRequest": {
        "anyOf": [
            {"properties": {"given": {"const": False}}},
            {"required": ["text_version"]},
        ]
    },
    "CorrectionRequest": {
        "oneOf": [
            {"required": ["reversals"]},
            {"required": ["grant"]},
        ],
        "example": {
            "reversals": [{"transfer_id": EXAMPLE_ID, "amount": 120}],
            "reason": "合作方更正了当日步数",
        },
    },
    "LookRequest": {
        "oneOf": [
            {"required": ["phone"]},
            {"required": ["card_number"]},
            {"required": ["holder_id"]},
        ],
        "example": {"phone": "138 0013 8000", "purpose": "居民到窗口咨询积分"},
    },
    "StaffSignInRequest": {
        "oneOf": [
            {"required": ["totp"]},
            {"required": ["recovery_code"]},
        ],
        "example": {
            "login": "li.na",
            "password": "horse-battery-staple",
            "totp": "492039",
            "device_name": "前台电脑",
        },
    },
}


class FieldProblem(Schema):
    pointer = fields.String(metadata={"description": "JSON pointer into the body: `#/offer_id`"})
    parameter = fields.String(metadata={"description": "or the name of a parameter"})
    in_ = fields.String(data_key="in", metadata={"description": "where that stands: `query`"})
    detail = fields.String(required=True)


class ProblemResponse(Schema):
    """A problem document (RFC 9457); a type's further members are on its page."""

    class Meta:
        unknown = INCLUDE

    type = fields.URL(required=True, metadata={"description": "has a page that explains it"})
    title = fields.String(required=True)
    status = fields.Integer(required=True, metadata={"description": "the HTTP status"})
    detail = fields.String()
    instance = fields.String(required=True)
    errors = fields.List(
        fields.Nested(FieldProblem), metadata={"description": "of a body that does not fit"}
    )


def complete(document: dict[str, Any], app: Flask) -> None:
    """Add to each operation its roles and its problems; an answer may gain fields."""
    components = document["components"]
    statuses = set()
    for path, method, view, blueprint, name in _operations(app):
        authentication, acting = view.authentication, getattr(view, "acting", "")
        operation = document["paths"][path][method]
        operation["operationId"] = f"{blueprint}.{method}{name}"
        operation["responses"].pop("default", None)  # flask-smorest's: each status is named.
        roles = [each for each in authentication if each not in (KEY, SIGNATURE)]
        signed = SIGNATURE in authentication
        by_key = KEY in authentication
        operation["security"] = [
            *[{"bearer": []}] * bool(roles),
            *[{KEY: []}] * by_key,
            *[{SIGNATURE: []}] * signed,
        ]
        told = [f"For the roles {', '.join(f'`{role}`' for role in roles)}."] * bool(roles)
        told += [f"A delegate who may `{acting}` acts here too."] * (acting in ("read", "spend"))
        told += ["With the key of a system."] * by_key
        by_gateway = getattr(view, "within", None) is ORDER
        signer = "the top-ups' gateway" if by_gateway else "the scene's partner"
        told += [f"Signed by {signer} (Standard Webhooks)."] * signed
        if told:
            operation["description"] = " ".join(told)
        found = _problems(operation, guarded=bool(authentication), method=method, path=path)
        statuses |= found
        if method == "get" and conditional in app.after_request_funcs.get(blueprint, ()):
            _tell_of_tags(operation)
        operation["responses"] |= {
            str(status): {"$ref": f"#/components/responses/{HTTPStatus(status).name}"}
            for status in sorted(found)
        }
    components["responses"] = {HTTPStatus(s).name: _problem(s) for s in sorted(statuses)}
    link(document)
    components["schemas"].pop("PaginationMetadata", None)  # flask-smorest's; lists page by cursor.
    for name, schema in components["schemas"].items():
        if not name.endswith("Request"):
            schema.pop("additionalProperties", None)
    _spell_patterns(document)
    for name, shape in _SHAPES.items():
        components["schemas"][name] |= shape
    exemplify(document)


def _spell_patterns(node: Any) -> None:
    """Patterns end as in JavaScript: there ``\\Z`` is a letter, and ``$`` the end of the text."""
    if isinstance(node, dict):
        if isinstance(pattern := node.get("pattern"), str):
            node["pattern"] = pattern.replace(r"\Z", "$")
        node = list(node.values())
    if isinstance(node, list):
        for inner in node:
            _spell_patterns(inner)


def _tell_of_tags(operation: dict[str, Any]) -> None:
    """What is answered with a tag: not what is streamed."""
    if "application/json" not in operation["responses"]["200"].get("content", {}):
        return
    operation.setdefault("parameters", []).append(
        {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}}
    )
    operation["responses"]["200"].setdefault("headers", {})["ETag"] = {
        "description": "send it back in If-None-Match",
        "schema": {"type": "string"},
    }
    operation["responses"]["304"] = {"description": "As it was when this ETag was sent"}


def _operations(app: Flask) -> Iterator[tuple[str, str, Any, str, str]]:
    """Path, method, view, and the blueprint and name of each."""
    for rule in app.url_map.iter_rules():
        view_class = getattr(app.view_functions[rule.endpoint], "view_class", None)
        for method in _METHODS:
            if rule.rule.startswith("/v1/") and (view := getattr(view_class, method, None)):
                path = re.sub("<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)
                blueprint, _, name = rule.endpoint.rpartition(".")
                yield path, method, view, blueprint, name


def _problems(operation: dict[str, Any], *, guarded: bool, method: str, path: str) -> set[int]:
    """The statuses with which it may refuse."""
    found = {429, 503} | {int(code) for code in operation["responses"] if code.startswith("4")}
    if guarded:
        found |= {401, 403}
    if "{" in path:
        found.add(404)
    if "requestBody" in operation:
        found |= {400, 413, 415}
    if method == "put":
        found.add(409)
    if "requestBody" in operation or "parameters" in operation:
        found.add(422)
    return found


def _problem(status: int) -> dict[str, Any]:
    slugs = ", ".join(f"`{kind.slug}`" for kind in ALL_TYPES if kind.status == status)
    phrase = HTTPStatus(status).phrase
    response = _response(f"{phrase}: {slugs}" if slugs else phrase)
    (content,) = response["content"].values()
    content["examples"] = {
        kind.slug: {"summary": kind.title.en, "value": _example_of(kind)}
        for kind in ALL_TYPES
        if kind.status == status
    } or {"plain": {"value": _plain(status)}}
    headers = {
        name: {"description": says, "schema": {"type": "string"}}
        for name, says in _HEADERS.get(status, {}).items()
    }
    return response | ({"headers": headers} if headers else {})


def _example_of(kind: ProblemType) -> dict[str, Any]:
    return _plain(kind.status) | {
        "type": f"https://tanhui.example/problems/{kind.slug}",
        "title": kind.title.zh,
    }


def _plain(status: int) -> dict[str, Any]:
    title = HTTPStatus(status).phrase
    return {"type": "about:blank", "title": title, "status": status, "instance": "/v1/…"}


def _response(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/ProblemResponse"}
    return {"description": description, "content": {"application/problem+json": {"schema": schema}}}
