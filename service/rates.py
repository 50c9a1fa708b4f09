"""Every request is counted: by its caller once the token is checked, else by its address.

One round trip to Redis a request, and no more: the counter is ``service.limits``. Flask-Limiter
does as much at five times the cost. The answer tells what is left in ``RateLimit`` and
``RateLimit-Policy`` (draft-ietf-httpapi-ratelimit-headers), also when it refuses.
"""

from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, current_app, g, request

from service.identity.tokens import Caller
from service.limits import RATES, UNLIMITED, Limit, subscriber
from service.services import services

COUNTED = "tanhui.counted"  # In the environment of what a page asks: its first question counted.


def register(app: Flask) -> None:
    """Count what anybody may call before it is answered, and tell of it after."""
    app.before_request(_count_address)
    app.after_request(_tell)


def count_caller(caller: Caller) -> None:
    """Count a request of this caller; raises TooManyRequests. For ``service.auth``."""
    name = _route_rate()
    if name is None and request.environ.get(COUNTED):
        return
    if name is None:
        name = "resident" if caller.role == "resident" else "staff"
    _count(name, caller.actor or caller.subject)


def count_scene(scene_code: str) -> None:
    """Count a message that the scene's partner signed; raises TooManyRequests."""
    _count("partner", scene_code)


def count_refused() -> None:
    """Count a token or a signature that is not believed; raises TooManyRequests."""
    _count("refused", _address())


def check_refused() -> None:
    """Refuse an address of which too much was not believed, before dear work is done for it."""
    if (limit := _limit("refused")) is not None:
        services().attempts.check("rate-refused", _address(), limit, now=datetime.now(UTC))


def _count_address() -> None:
    """Routes for everybody, and what is no route. Guarded ones are counted by ``requires``."""
    if getattr(_view(), "authentication", None):
        return
    name = _route_rate()
    _count("public" if name is None else name, _address())


def _count(name: str, key: bytes | str) -> None:
    if name == UNLIMITED or (limit := _limit(name)) is None:
        return
    window = services().attempts.window(f"rate-{name}", key, limit, now=datetime.now(UTC), times=1)
    g.rate = (name, window)
    window.within()


def _limit(name: str) -> Limit | None:
    factor = services().settings.rate_limits
    if not factor:
        return None
    limit = RATES[name]
    return limit if factor == 1 else Limit(max(1, int(limit.times * factor)), limit.per_s)


def _tell(answer: Response) -> Response:
    if "rate" in g:
        name, window = g.rate
        policy = f'"{name}";q={window.limit.times};w={window.limit.per_s}'
        answer.headers.add("RateLimit-Policy", policy)
        answer.headers.add("RateLimit", f'"{name}";r={window.remaining};t={window.ends_in_s}')
    return answer


def _route_rate() -> str | None:
    """The name said at the route, if one is."""
    found: str | None = getattr(_view(), "rate", None)
    return found


def _view() -> Any:
    """What answers this request; None: nothing does."""
    if request.endpoint is None or request.method == "OPTIONS":
        return None
    view = current_app.view_functions.get(request.endpoint)
    if (view_class := getattr(view, "view_class", None)) is None:
        return view
    return getattr(view_class, "get" if request.method == "HEAD" else request.method.lower(), None)


def _address() -> bytes:
    """A keyed hash of the caller's address: whose it is, is nobody's business in Redis."""
    address = subscriber(request.remote_addr or "")
    return services().keyring.value_key("address", address)[:16]
