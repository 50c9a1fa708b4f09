"""Pages ask the REST API, in this process: who may do what, what fits and what is told is decided
once, at the routes of ``service.api``. A page adds nothing to it but its looks.

Nothing goes over a network: the request is handed to the same application, with the browser's
access token in the place where an app would send it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import msgspec
from flask import Response, abort, current_app, g, request
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from service.language import language
from service.rates import COUNTED
from service.request_ids import HEADER, request_id

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

# Of a file's headers: a report as a page has a policy of its own.
_HANDED_ON = ("Content-Disposition", "Content-Security-Policy", "ETag")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API answered: ``body`` is its JSON, of a refusal the problem document."""

    status: int
    body: Any
    headers: Headers = field(repr=False)
    content: bytes = field(repr=False)

    @property
    def refused(self) -> bool:
        """Whether it is a problem."""
        return self.status >= 400

    @property
    def kind(self) -> str:
        """The problem's slug, as "sold-out"; "" when nothing was refused."""
        return str(self.body.get("type", "")).rpartition("/")[2] if self.refused else ""

    @property
    def errors(self) -> dict[str, str]:
        """What is wrong with single fields, by their names in the body."""
        if not self.refused or not isinstance(self.body, dict):
            return {}
        told = {}
        for one in self.body.get("errors", ()):
            place = one.get("pointer", "").removeprefix("#/") or one.get("parameter", "")
            told[place] = one.get("detail", "")
        return told


class Refused(Exception):
    """What a page cannot go on without was refused; answered by a page that says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.kind)
        self.answer = answer


def get(path: str, **query: Any) -> Any:
    """The JSON of a route; raises Refused. Parameters that are None are left out."""
    answer = ask("GET", path, query=query)
    if answer.refused:
        raise Refused(answer)
    return answer.body


def ask(
    method: str,
    path: str,
    *,
    query: Mapping[str, Any] | None = None,
    body: Any = None,
    content: bytes | None = None,
    content_type: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Call a route as the reader of this page, in their language; raises nothing.

    ``body`` is sent as JSON; ``content`` as it is. A page counts as one request, however much it
    asks.
    """
    if body is not None:
        content, content_type = msgspec.json.encode(body), "application/json"
    environ = _environ(method, path, query, content, content_type, headers)
    with current_app.request_context(environ):
        response = current_app.full_dispatch_request()
        found = response.get_data()
    return _answer(response, found)


def download(path: str, **query: Any) -> Response:
    """A file of a route's, handed on block by block, however long; raises Refused."""
    with current_app.request_context(_environ("GET", path, query)):
        response = current_app.full_dispatch_request()
        if response.status_code != 200:
            raise Refused(_answer(response, response.get_data()))
    passed = Response(response.iter_encoded(), content_type=response.content_type)
    for name in _HANDED_ON:
        if name in response.headers:
            passed.headers[name] = response.headers[name]
    passed.call_on_close(response.close)
    return passed


def _environ(
    method: str,
    path: str,
    query: Mapping[str, Any] | None = None,
    content: bytes | None = None,
    content_type: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> "WSGIEnvironment":
    """The request as this page's reader would send it."""
    sent = {"Accept-Language": language(), HEADER: request_id(), **(headers or {})}
    if token := g.get("access_token"):
        sent["Authorization"] = f"Bearer {token}"
    asked = {name: value for name, value in (query or {}).items() if value is not None}
    # What stands in a page's own address stays the part of the path that it is written as.
    if unquote(path).count("/") != path.count("/"):
        abort(404)
    builder = EnvironBuilder(
        path.replace("?", "%3F").replace("#", "%23"),
        method=method,
        query_string=asked or None,
        data=content,
        content_type=content_type,
        headers=Headers(sent),
        environ_base={"REMOTE_ADDR": request.remote_addr or ""},
    )
    environ = builder.get_environ()
    environ[COUNTED] = g.get("asked", False)
    g.asked = True
    return environ


def _answer(response: Response, found: bytes) -> Answer:
    json = response.mimetype in ("application/json", "application/problem+json")
    body = msgspec.json.decode(found) if json and found else None
    return Answer(response.status_code, body, response.headers, found)
