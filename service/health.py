"""/healthz: the process lives. /readyz: it can serve: database, migration head, redis."""

from flask import Blueprint, Response, jsonify
from sqlalchemy.exc import SQLAlchemyError

from service import migrating
from service.auth import public
from service.limits import UNLIMITED, limited
from service.services import services

bp = Blueprint("health", __name__)


@bp.get("/healthz")
@limited(UNLIMITED)
@public
def healthz() -> Response:
    """Answers as long as the process does."""
    return jsonify(status="ok")


@bp.get("/readyz")
@limited(UNLIMITED)
@public
def readyz() -> tuple[Response, int]:
    """200 when all is there, else 503; either way each part by name."""
    parts = {"database": "unreachable", "migrations": "unknown", "redis": "unreachable"}
    try:
        with services().database.engine.connect() as connection:
            schema = migrating.status(connection)
        parts["database"] = "ok"
        parts["migrations"] = "ok" if schema.current else f"at {schema.revision}, not {schema.head}"
    except SQLAlchemyError:
        pass
    if services().cache.ping():
        parts["redis"] = "ok"
    ready = set(parts.values()) == {"ok"}
    return jsonify(status="ok" if ready else "unavailable", **parts), 200 if ready else 503
