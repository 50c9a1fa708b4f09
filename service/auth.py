"""Who may call a route: said at each, by ``requires``, ``signed_by_partner``,
``signed_by_gateway`` or ``public``; a test walks them all. Which rows they reach there is decided
in ``service.authorisation``.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any, TypeVar
from uuid import UUID

from flask import g, request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service import rates
from service.admin.log import Actor
from service.api_keys.keys import PREFIX, find_by_written
from service.authorisation import ORDER, OWN, Extent
from service.errors import NotAsDelegate, SignInAgain, TooManyRequests, WrongRole
from service.feeds.door import admit
from service.feeds.errors import BadSignature, ClockOff, MessageReplayed
from service.feeds.signatures import Message
from service.identity.logins.sessions import is_fresh
from service.identity.tokens import ROLES, Caller, InvalidToken
from service.request_ids import request_id
from service.services import services

POWERS = ("read", "spend", GUARDIAN := "guardian")  # Of those who act for a resident, rising.
IN_PERSON = "in person"  # Nobody acts for anybody here, not even a guardian.
KEY = "key"  # Among those who may call a route: a system, by its key.
SIGNATURE = "signature"  # Among those who may call a route: a partner, or the top-ups' gateway.
View = TypeVar("View", bound=Callable[..., Any])


def requires(
    *roles: str,
    within: Extent = OWN,
    acting: str = "",
    key_scope: str = "",
    fresh: bool = False,
) -> Callable[[View], View]:
    """Let only these roles in, and only to what their grant reaches; the view finds ``caller()``.

    ``within`` holds for staff, and only the route's own words for residents: they see their own.
    ``acting``: what somebody who acts for a resident must at least be allowed, "read" or "spend";
    with "" nobody acts for them here but a guardian, with ``IN_PERSON`` not even a guardian.
    ``key_scope``: also a system's key of this scope gets in, for its owner (``service.api_keys``).
    ``fresh``: who calls signed in just now, so that a stolen token does not take an account over.
    """
    assert roles or key_scope
    assert set(roles) <= set(ROLES)
    assert acting in ("", *POWERS, IN_PERSON)

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if key_scope and _bearer().startswith(PREFIX):
                g.caller = _caller_of_key(key_scope)
                _check_extent(within, g.caller, kwargs)
                return view(*args, **kwargs)
            found = _caller_of_token()
            if found.role not in roles:
                raise WrongRole
            if found.actor and not may_act(found.powers, acting):
                raise NotAsDelegate
            g.caller = found
            if fresh:
                _check_fresh(found)
            if found.role != "resident":
                _check_extent(within, found, kwargs)
            return view(*args, **kwargs)

        ways = (*roles, KEY) if key_scope else roles
        guarded.authentication = ways  # type: ignore[attr-defined]
        guarded.key_scope = key_scope  # type: ignore[attr-defined]
        guarded.within = within  # type: ignore[attr-defined]
        guarded.acting = acting  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    return decorate


def signed_by_partner(
    *roles: str, scope: str, within: Extent = OWN, body_max_bytes: int | None = None
) -> Callable[[View], View]:
    """Let a partner in by a signed message of the scene named in the path; or these roles.

    ``scope``: what the key must be for, one of ``service.feeds.keys.SCOPES``.
    ``body_max_bytes``: how long the body may be, where that is more than elsewhere.
    """
    assert set(roles) <= set(ROLES)

    def decorate(view: View) -> View:
        @wraps(view)
        def signed(*args: Any, scene_code: str, **kwargs: Any) -> Any:
            if body_max_bytes is not None:
                request.max_content_length = body_max_bytes
            rates.check_refused()  # Before the body is read, and the keys are.
            now, body = datetime.now(UTC), request.get_data()
            try:
                remembered = admit(
                    services(), scene_code, request.headers, body, scope=scope, now=now
                )
            except (BadSignature, ClockOff, MessageReplayed):
                rates.count_refused()
                raise
            try:
                rates.count_scene(scene_code)
                return view(*args, scene_code=scene_code, **kwargs)
            except (DBAPIError, PoolTimeout, TooManyRequests):
                # Not received after all: it may be sent again.
                services().cache.forget(remembered)
                raise

        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if roles and "webhook-signature" not in request.headers:
                return with_token(*args, **kwargs)
            return signed(*args, **kwargs)

        with_token = requires(*roles, within=within)(view) if roles else signed
        guarded.authentication = (*roles, SIGNATURE)  # type: ignore[attr-defined]
        guarded.key_scope = scope  # type: ignore[attr-defined]
        guarded.within = within  # type: ignore[attr-defined]
        guarded.acting = ""  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    return decorate


def signed_by_gateway(view: View) -> View:
    """Let the gateway of top-ups in, by a message that is signed with the shared secret.

    No message is remembered: it names its order, whose first outcome stands, so that one sent
    again changes nothing. Where no gateway is set up, nobody's signature is good.
    """

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        rates.check_refused()  # Before the body is read.
        gateway, now, body = services().top_ups, datetime.now(UTC), request.get_data()
        try:
            message = Message.from_headers(request.headers)
            message.check_clock(now)
            message.check(body, [] if gateway is None else [gateway.secret])
        except (BadSignature, ClockOff):
            rates.count_refused()
            raise
        return view(*args, **kwargs)

    guarded.authentication = (SIGNATURE,)  # type: ignore[attr-defined]
    guarded.key_scope = ""  # type: ignore[attr-defined]
    guarded.within = ORDER  # type: ignore[attr-defined]
    guarded.acting = ""  # type: ignore[attr-defined]
    return guarded  # type: ignore[return-value]


def public(view: View) -> View:
    """Say that a route is open to anybody, on purpose."""
    view.authentication = ()  # type: ignore[attr-defined]
    return view


def may_act(powers: str, acting: str) -> bool:
    """Whether somebody with these powers may act for a resident where ``acting`` is needed."""
    if acting == IN_PERSON or powers not in POWERS:
        return False
    return POWERS.index(powers) >= POWERS.index(acting or GUARDIAN)


def caller() -> Caller:
    """Who is calling this guarded route."""
    found: Caller = g.caller
    return found


def caller_holder_id() -> UUID:
    """The resident's holder id."""
    return _uuid(caller().subject)


def acting_name() -> str | None:
    """Who acts for the resident, as what they do is put down ("delegate:ID"); None for oneself."""
    found = caller()
    if not found.actor:
        return None
    return f"{GUARDIAN if found.powers == GUARDIAN else 'delegate'}:{found.actor}"


def own_holder_id() -> UUID | None:
    """The resident's holder id; None for staff, who see by what their grant reaches."""
    return caller_holder_id() if caller().role == "resident" else None


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


def _caller_of_key(scope: str) -> Caller:
    """Whom a system's key speaks for: a merchant, or a "verifier", which no token ever names."""
    now, sent = datetime.now(UTC), _bearer()
    key = services().database.transact(lambda session: find_by_written(session, sent, now=now))
    if key is None:
        rates.count_refused()
        raise InvalidToken("the key is not valid")
    found = Caller(f"key:{key.id}", key.owner_kind, key.owner)
    rates.count_caller(found)
    if scope not in key.scopes:
        raise WrongRole
    services().key_uses.note(services().database, key.id, now=now)
    return found


def _check_extent(within: Extent, found: Caller, values: dict[str, Any]) -> None:
    if (check := within.check) is not None:
        services().database.transact(lambda session: check(session, found, values))


def _check_fresh(found: Caller) -> None:
    """Raises SignInAgain. A token without a session was made by whoever holds the signing key."""
    if not found.session_id:
        return
    person_id, session_id = _uuid(found.actor or found.subject), _uuid(found.session_id)
    now = datetime.now(UTC)
    if not services().database.transact(lambda s: is_fresh(s, person_id, session_id, now=now)):
        raise SignInAgain


def _uuid(value: str) -> UUID:
    try:
        return UUID(value)
    except ValueError as error:
        raise InvalidToken("the token names nobody") from error


def _caller_of_token() -> Caller:
    """Checked once a request, then counted: by its caller, or by its address if not believed."""
    sent = _bearer()
    try:
        found = services().tokens.check(sent)
    except InvalidToken:
        rates.count_refused()
        raise
    rates.count_caller(found)
    return found


def _bearer() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        rates.count_refused()
        raise InvalidToken("an access token is needed")
    return token.strip()
