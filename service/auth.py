"""Who may call a route: said at each, by ``requires``, ``signed_by_partner`` or ``public``; a test
walks them all. Which rows they reach there is decided in ``service.authorisation``.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any, TypeVar
from uuid import UUID

from flask import g, request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.admin.log import Actor
from service.authorisation import OWN, Extent
from service.errors import NotAsDelegate, WrongRole
from service.feeds.door import admit
from service.identity.tokens import ROLES, Caller, InvalidToken
from service.request_ids import request_id
from service.services import services

POWERS = ("read", "spend", GUARDIAN := "guardian")  # Of those who act for a resident, rising.
SIGNATURE = "signature"  # Among those who may call a route: the partner whose scene it is.
View = TypeVar("View", bound=Callable[..., Any])


def requires(*roles: str, within: Extent = OWN, acting: str = "") -> Callable[[View], View]:
    """Let only these roles in, and only to what their grant reaches; the view finds ``caller()``.

    ``within`` holds for staff, and only the route's own words for residents: they see their own.
    ``acting``: what somebody who acts for a resident must at least be allowed, "read" or "spend";
    with "" nobody acts for them here but a guardian.
    """
    assert roles
    assert set(roles) <= set(ROLES)
    assert acting in ("", *POWERS)

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            found = services().tokens.check(_bearer())
            if found.role not in roles:
                raise WrongRole
            if found.actor and POWERS.index(found.powers) < POWERS.index(acting or GUARDIAN):
                raise NotAsDelegate
            g.caller = found
            if within.check is not None and found.role != "resident":
                check = within.check
                services().database.transact(lambda session: check(session, found, kwargs))
            return view(*args, **kwargs)

        guarded.authentication = roles  # type: ignore[attr-defined]
        guarded.within = within  # type: ignore[attr-defined]
        guarded.acting = acting  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    return decorate


def signed_by_partner(
    *roles: str, within: Extent = OWN, body_max_bytes: int | None = None
) -> Callable[[View], View]:
    """Let a partner in by a signed message of the scene named in the path; or these roles.

    ``body_max_bytes``: how long the body may be, where that is more than elsewhere.
    """
    assert set(roles) <= set(ROLES)

    def decorate(view: View) -> View:
        @wraps(view)
        def signed(*args: Any, scene_code: str, **kwargs: Any) -> Any:
            if body_max_bytes is not None:
                request.max_content_length = body_max_bytes
            now, body = datetime.now(UTC), request.get_data()
            remembered = admit(services(), scene_code, request.headers, body, now=now)
            try:
                return view(*args, scene_code=scene_code, **kwargs)
            except (DBAPIError, PoolTimeout):  # Not received after all: it may be sent again.
                services().cache.forget(remembered)
                raise

        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if roles and "webhook-signature" not in request.headers:
                return with_token(*args, **kwargs)
            return signed(*args, **kwargs)

        with_token = requires(*roles, within=within)(view) if roles else signed
        guarded.authentication = (*roles, SIGNATURE)  # type: ignore[attr-defined]
        guarded.within = within  # type: ignore[attr-defined]
        guarded.acting = ""  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    return decorate


def public(view: View) -> View:
    """Say that a route is open to anybody, on purpose."""
    view.authentication = ()  # type: ignore[attr-defined]
    return view


def caller() -> Caller:
    """Who is calling this guarded route."""
    found: Caller = g.caller
    return found


def caller_holder_id() -> UUID:
    """The resident's holder id."""
    return _uuid(caller().subject)


def caller_name() -> str:
    """Who works here: two persons can only be told apart by names."""
    if not (subject := caller().subject.strip()):
        raise InvalidToken("the token names nobody")
    return subject


def actor() -> Actor:
    """Who acts here, for the admin log."""
    found = caller()
    return Actor(
        name=caller_name(),
        role=found.role,
        programme=found.programme,
        channel="api",
        from_address=request.remote_addr or "",
        request_id=request_id(),
    )


def caller_merchant_id() -> UUID:
    """The merchant for whom the clerk works."""
    return _uuid(caller().scope)


def _uuid(value: str) -> UUID:
    try:
        return UUID(value)
    except ValueError as error:
        raise InvalidToken("the token names nobody") from error


def _bearer() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise InvalidToken("an access token is needed")
    return token.strip()
