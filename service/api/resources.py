"""What all resources have in common: strict about what comes in, clear about the language."""

from typing import Any

import flask_smorest
import msgspec
from flask import Request, Response, abort, request
from webargs.flaskparser import FlaskParser


class _Parser(FlaskParser):
    def load_json(self, req: Request, schema: Any) -> Any:
        """The body, if it says that it is JSON and is: webargs takes anything else for nothing."""
        if not req.is_json:
            abort(415)
        try:
            return msgspec.json.decode(req.get_data())
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            abort(400)


class Blueprint(flask_smorest.Blueprint):
    """One resource."""

    ARGUMENTS_PARSER = _Parser()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.before_request(_no_nul)
        self.after_request(_by_language)


def _no_nul() -> None:
    """No name of ours has a NUL, and PostgreSQL could not even look for one."""
    if "\x00" in request.path:
        abort(404)


def _by_language(answer: Response) -> Response:
    answer.vary.add("Accept-Language")
    return answer
