"""A request's id: who sends one finds it again in the answer and with what the request posted.

It is the caller's word, so it finds things and proves nothing.
"""

import re
from uuid import uuid4

from flask import Flask, Response, g, request

HEADER = "X-Request-Id"
_ACCEPTED = re.compile("[A-Za-z0-9._-]{1,64}")


def register(app: Flask) -> None:
    """Give every answer its request's id, those to errors too."""
    app.after_request(_tell)


def request_id() -> str:
    """This request's id: the one that came with it, or else a new one."""
    if "request_id" not in g:
        sent = request.headers.get(HEADER, "")
        g.request_id = sent if _ACCEPTED.fullmatch(sent) else uuid4().hex
    found: str = g.request_id
    return found


def _tell(answer: Response) -> Response:
    answer.headers[HEADER] = request_id()
    return answer
