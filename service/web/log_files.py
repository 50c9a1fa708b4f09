"""The published log: the files of docs/log.md, section 1, as they are. A web server can do as much.

Nothing past the published checkpoint is shown: files beyond it may still change.
"""

import re

from flask import Blueprint, Response, abort, request

from ledgers.log.tiles import CHECKPOINT, TILE, TILE_LEVELS, Level, tile_path
from service.auth import public
from service.limits import limited
from service.services import services

CHECKPOINT_SECONDS = 5
PARTIAL_SECONDS = 24 * 60 * 60  # It never changes, and nobody asks for it for long.
FULL_SECONDS = 365 * 24 * 60 * 60

bp = Blueprint("log_files", __name__, url_prefix="/log")

_LEVEL = "entries|[0-9]|[1-5][0-9]|6[0-3]"
_TILE = re.compile(rf"({_LEVEL})/((?:x[0-9]{{3}}/){{0,6}}[0-9]{{3}})(?:\.p/([1-9][0-9]{{0,2}}))?")


@bp.get("/checkpoint")
@limited("files")
@public
def checkpoint() -> Response:
    """The newest checkpoint."""
    note = services().log.folder.read(CHECKPOINT)
    if note is None:
        abort(404)
    return _file(note, "text/plain; charset=utf-8", f"public, max-age={CHECKPOINT_SECONDS}")


@bp.get("/tile/<path:name>")
@limited("files")
@public
def tile(name: str) -> Response:
    """A tile or an entry bundle under the published checkpoint."""
    found = _parse(name)
    content = None
    if found and _is_under_checkpoint(*found):
        content = services().log.folder.read(tile_path(*found))
    if content is None or found is None:
        abort(404)
    full = found[2] == TILE
    keep = f"max-age={FULL_SECONDS}, immutable" if full else f"max-age={PARTIAL_SECONDS}"
    return _file(content, "application/octet-stream", f"public, {keep}")


@bp.after_request
def _for_any_page(answer: Response) -> Response:
    """Whoever checks the log may do so from a page of their own; also learn what is not there."""
    answer.headers["Access-Control-Allow-Origin"] = "*"
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    answer.headers.setdefault("Cache-Control", "no-store")
    return answer


def _parse(name: str) -> tuple[Level, int, int] | None:
    """Level, index and width, if ``name`` is the one way to write them."""
    if not (match := _TILE.fullmatch(name)):
        return None
    level: Level = "entries" if match[1] == "entries" else int(match[1])
    index = int(re.sub("[x/]", "", match[2]))
    width = int(match[3] or TILE)
    if width > TILE or tile_path(level, index, width) != f"tile/{name}":
        return None
    return level, index, width


def _is_under_checkpoint(level: Level, index: int, width: int) -> bool:
    size = services().log.published_size()
    hashes = size if level == "entries" else size >> TILE_LEVELS * level
    return index * TILE + width <= hashes


def _file(content: bytes, content_type: str, cache_control: str) -> Response:
    answer = Response(content, content_type=content_type)
    answer.headers["Cache-Control"] = cache_control
    answer.add_etag()
    answer.make_conditional(request)
    return answer
