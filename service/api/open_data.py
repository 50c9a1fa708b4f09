"""Open data: the published figures of districts, for anybody, at addresses that stay."""

from collections.abc import Iterator
from functools import partial

from flask import Blueprint, Response, request, stream_with_context
from msgspec import json

from service.auth import public
from service.districts.published import open_data
from service.districts.published.open_data import Edition
from service.services import services

bp = Blueprint("open_data", __name__, url_prefix="/open-data")

CACHE_S = 300


@bp.get("/")
@public
def index() -> Response:
    """What there is: the files, their columns, licence and edition."""
    edition = services().database.transact(open_data.edition)
    columns = [column._asdict() for column in open_data.COLUMNS]
    told = {
        "title": {"zh": "碳惠区县公开数据", "en": "Tanhui: published figures of districts"},
        "licence": open_data.LICENCE,
        "note": {
            "zh": "少于 10 名居民的数字不公布，合计请自行加总已公布的数。",
            "en": "Figures of fewer than 10 residents are withheld; add up what is published.",
        },
        "reports": edition.reports,
        "issued_at": edition.issued_at,
        "files": [
            {"name": "districts.csv", "media_type": "text/csv", "encoding": "utf-8"},
            {"name": "dictionary.csv", "media_type": "text/csv", "encoding": "utf-8"},
        ],
        "columns": columns,
    }
    return _tagged(Response(json.encode(told), content_type="application/json"), edition.tag)


@bp.get("/dictionary.csv")
@public
def dictionary() -> Response:
    """The columns of the figures' file, with units, in Chinese and English."""
    answer = _file(Response(open_data.dictionary()), "dictionary.csv")
    answer.add_etag()
    answer.make_conditional(request)
    return answer


@bp.get("/districts.csv")
@public
def districts() -> Response:
    """Every published figure of every issued month, as its latest version has it."""
    edition = services().database.transact(open_data.edition)
    answer = _tagged(_file(Response(), "districts.csv"), edition.tag)
    if answer.status_code == 200:
        answer.headers.pop("Content-Length", None)  # Was counted while there was no body.
        if request.method != "HEAD":
            answer.response = stream_with_context(_lines(edition))
    return answer


def _lines(edition: Edition) -> Iterator[bytes]:
    transact = services().database.transact
    yield open_data.header()
    after: tuple[str, str] | None = None
    while True:
        told, after = transact(partial(open_data.lines, upto=edition, after=after))
        yield from told
        if after is None:
            return


def _file(answer: Response, name: str) -> Response:
    answer.content_type = "text/csv; charset=utf-8; header=present"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _tagged(answer: Response, tag: str) -> Response:
    answer.set_etag(tag)
    answer.headers["Cache-Control"] = f"public, max-age={CACHE_S}"
    answer.make_conditional(request)
    return answer
