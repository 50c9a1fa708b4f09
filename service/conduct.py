"""How every answer behaves toward browsers, proxies and caches."""

from flask import Flask, Response, request
from flask_cors import CORS
from werkzeug.middleware.proxy_fix import ProxyFix

from service.settings import Settings

YEAR_S = 365 * 24 * 60 * 60
FORM_PARTS_MAX = 20  # No route takes a form; what parses one all the same stops early.
FORM_MEMORY_MAX_BYTES = 64 * 1024

# One policy for every page: Swagger UI 5 sets its styles from script, which needs no exception.
_PAGES_MAY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self';"
    " manifest-src 'self'; worker-src 'self'; frame-ancestors 'none'"
)
_DATA_MAY = "default-src 'none'; frame-ancestors 'none'"
_ALWAYS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)

_ASKED = ["Authorization", "Content-Type", "If-None-Match", "X-Request-Id", "Accept-Language"]
_SHOWN = [
    *("ETag", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-Id"),
    *("Deprecation", "Sunset", "Link"),
]


def register(app: Flask, settings: Settings) -> None:
    """Headers of every answer; whom we believe about addresses; which other origins may call."""
    app.config["MAX_FORM_PARTS"] = FORM_PARTS_MAX
    app.config["MAX_FORM_MEMORY_SIZE"] = FORM_MEMORY_MAX_BYTES
    if settings.trusted_proxies:  # Only the address: our own URLs come from settings.public_url.
        proxied = ProxyFix(app.wsgi_app, x_for=settings.trusted_proxies, x_proto=0)
        app.wsgi_app = proxied  # type: ignore[method-assign]
    if settings.cors_origins:
        CORS(
            app,
            resources=r"/v1/.*",
            origins=list(settings.cors_origins),
            methods=["GET", "HEAD", "PUT", "POST", "DELETE"],
            allow_headers=_ASKED,
            expose_headers=_SHOWN,
            supports_credentials=False,
            send_wildcard=False,
            max_age=600,
        )
    secure = settings.public_url.startswith("https:")
    always = _ALWAYS + ((("Strict-Transport-Security", f"max-age={YEAR_S}"),) if secure else ())
    page = _by_lower_name((("Content-Security-Policy", _PAGES_MAY), *always))
    data = _by_lower_name((("Content-Security-Policy", _DATA_MAY), *always))

    @app.after_request
    def conduct(answer: Response) -> Response:
        _harden(answer, page if answer.mimetype == "text/html" else data)
        return answer


def _harden(answer: Response, wanted: dict[str, tuple[str, str]]) -> None:
    """A route's own words come first; what is for one caller is kept by nobody. Names are looked
    at once for all: each look at one header is a look at every one.
    """
    headers = answer.headers
    said = {name.lower() for name, _ in headers}
    for lower, (name, value) in wanted.items():
        if lower not in said:
            headers.add(name, value)
    if "etag" not in said and _is_for_one_caller():
        headers["Cache-Control"] = "no-store"


def _by_lower_name(headers: tuple[tuple[str, str], ...]) -> dict[str, tuple[str, str]]:
    return {name.lower(): (name, value) for name, value in headers}


def _is_for_one_caller() -> bool:
    """Whoever showed who they are, or wrote something: tokens are given to who shows a code."""
    shown = "Authorization" in request.headers or "webhook-signature" in request.headers
    return shown or request.method not in ("GET", "HEAD", "OPTIONS")
