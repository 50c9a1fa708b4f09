"""Who may come in at the partners' door: a message signed by the scene's partner, just now, once.

In that order: headers, clock, signature, and only then is the message's id remembered; until all of
them hold no event is read.
"""

from collections.abc import Mapping
from datetime import datetime

from werkzeug.datastructures import Headers

from service.cache import CacheAway
from service.feeds.errors import FeedKeyLacksScope, MessageReplayed, ReplayUnknown
from service.feeds.keys import live_keys, secret_of
from service.feeds.signatures import TOLERANCE, Message
from service.services import Services

# An id is remembered for longer than a message can be sent again: from the tolerance before its
# instant to the tolerance after it.
REMEMBERED_S = 3 * int(TOLERANCE.total_seconds())


def admit(
    services: Services,
    scene_code: str,
    headers: Mapping[str, str] | Headers,
    body: bytes,
    *,
    scope: str,
    now: datetime,
) -> str:
    """Let a message in, once; answers the key under which its id is remembered.

    ``body`` is as it was sent; ``scope`` is what its key must be for. A scene that does not exist
    has no keys. When the key was used is written once a minute, not for each message.

    Raises:
        BadSignature, ClockOff: it is not believed.
        FeedKeyLacksScope: it is, and is by a key for something else.
        MessageReplayed: it was let in before.
        ReplayUnknown: redis is away.
    """
    message = Message.from_headers(headers)
    message.check_clock(now)
    keys = services.database.transact(lambda s: live_keys(s, scene_code, now=now))
    keys.sort(key=lambda key: scope not in key.scopes)  # Of two signatures the one that may.
    key = keys[message.check(body, [secret_of(services.feed_key, key.id) for key in keys])]
    if scope not in key.scopes:
        raise FeedKeyLacksScope(scope)
    services.key_uses.note(services.database, key.id, now=now)
    remembered = f"message:{key.partner_code}:{message.id}"
    try:
        if not services.cache.first_use(remembered, REMEMBERED_S):
            raise MessageReplayed(message.id)
    except CacheAway as error:
        raise ReplayUnknown from error
    return remembered
