"""Who may call a route: said at each, by ``requires`` or ``public``; a test walks them all."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from uuid import UUID

from flask import g, request

from service.identity.tokens import ROLES, Caller, InvalidToken
from service.problems import WrongRole
from service.services import services

View = TypeVar("View", bound=Callable[..., Any])


def requires(*roles: str) -> Callable[[View], View]:
    """Let only these roles in; the view finds who it is in ``caller()``."""
    assert roles
    assert set(roles) <= set(ROLES)

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            found = services().tokens.check(_bearer())
            if found.role not in roles:
                raise WrongRole
            g.caller = found
            return view(*args, **kwargs)

        guarded.authentication = roles  # type: ignore[attr-defined]
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
