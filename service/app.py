"""create_app(): puts the parts together, decides nothing."""

from flask import Flask

from service import api, health, problems, request_ids, web
from service.auth import public
from service.services import Services
from service.settings import Settings
from service.web import log_files

BODY_MAX_BYTES = 1024 * 1024  # A partner's batch may be longer (service.feeds.bodies).


def create_app(settings: Settings) -> Flask:
    """The WSGI application; contacts no server until the first request."""
    app = Flask("service", root_path=str(web.ROOT))
    app.config["MAX_CONTENT_LENGTH"] = BODY_MAX_BYTES
    app.json.ensure_ascii = False  # type: ignore[attr-defined]  # Chinese is text, not escapes.
    app.extensions["tanhui"] = Services.connect(settings)
    app.view_functions["static"] = public(app.view_functions["static"])
    problems.register(app)
    api.register(app)
    app.register_blueprint(health.bp)
    app.register_blueprint(web.bp)
    app.register_blueprint(log_files.bp)
    app.after_request(web.secure)
    request_ids.register(app)
    return app
