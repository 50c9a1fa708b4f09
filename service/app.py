"""create_app(): puts the parts together, decides nothing."""

from flask import Flask

from service import api, conduct, health, problems, rates, request_ids, web
from service.api import jwks, open_data
from service.auth import public
from service.db import REQUEST_STATEMENT_MS
from service.limits import limited
from service.services import Services
from service.settings import Settings
from service.web import assets, log_files, rendering

BODY_MAX_BYTES = 1024 * 1024  # A partner's batch may be longer (service.feeds.bodies).


def create_app(settings: Settings) -> Flask:
    """The WSGI application; contacts no server until the first request."""
    app = Flask("service", root_path=str(web.ROOT))
    app.config["MAX_CONTENT_LENGTH"] = BODY_MAX_BYTES
    app.json.ensure_ascii = False  # type: ignore[attr-defined]  # Chinese is text, not escapes.
    app.extensions["tanhui"] = Services.connect(settings, statement_timeout_ms=REQUEST_STATEMENT_MS)
    app.view_functions["static"] = limited("files")(public(app.view_functions["static"]))
    problems.register(app)
    rendering.register(app)
    assets.register(app)
    mount(app)
    rates.register(app)
    conduct.register(app, settings)
    request_ids.register(app)
    return app


def mount(app: Flask) -> None:
    """Every route in its place; without more than that they can be listed, not called."""
    api.register(app)
    for part in (health, jwks, open_data, web, log_files, *web.AREAS):
        app.register_blueprint(part.bp)
