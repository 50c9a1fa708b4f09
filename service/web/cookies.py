"""What pages keep in a browser: written in one way, so that none is open to scripts by mistake.

Over HTTPS their names begin with ``__Host-``: a browser takes such a one from this very host alone,
so no other host of the city's domain can plant one (RFC 6265bis, section 4.1.3.2).
"""

from flask import Response, request

from service.services import services


def keep(
    answer: Response,
    name: str,
    value: str,
    *,
    for_s: int | None = None,
    samesite: str = "Lax",
) -> None:
    """Keep a value for so many seconds (None: until the browser closes); "" takes it away."""
    written, secure = _written(name), _is_secure()
    if value:
        answer.set_cookie(
            written, value, max_age=for_s, secure=secure, httponly=True, samesite=samesite
        )
    else:
        answer.delete_cookie(written, secure=secure, httponly=True, samesite=samesite)


def kept(name: str) -> str:
    """What this browser keeps; "" for nothing."""
    return request.cookies.get(_written(name), "")


def _written(name: str) -> str:
    return f"__Host-{name}" if _is_secure() else name


def _is_secure() -> bool:
    return services().settings.public_url.startswith("https:")
