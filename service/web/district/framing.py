"""What every page of a division shows around its own: where one is, and the words for figures."""

from typing import Any

from flask import Response
from flask_babel import gettext as _
from werkzeug.datastructures import Headers

from service.web.asking import Answer
from service.web.district import WRITERS, words
from service.web.district.places import Here, reached
from service.web.district.spans import kind_name, span_name
from service.web.guards import page_caller
from service.web.rendering import render


def framed(template: str, place: Here, /, *, status: int = 200, **values: Any) -> Response:
    """A page about a division; above it the path down to it, as far as the grant reaches."""
    caller = page_caller()
    return render(
        template,
        status=status,
        division=place.place,
        path=[(each, reached(caller, each)) for each in (*place.above, place.place)],
        is_writer=caller.role in WRITERS,
        span_name=span_name,
        kind_name=kind_name,
        words=words,
        **values,
    )


def not_fitting(**wrong: str) -> Answer:
    """What the API cannot even be asked with, told as it tells what does not fit: by field."""
    body = {
        "type": "about:blank",
        "title": _("请检查填写的内容"),
        "errors": [{"pointer": f"#/{name}", "detail": told} for name, told in wrong.items()],
    }
    return Answer(422, body, Headers(), b"")
