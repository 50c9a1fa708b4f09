"""The two sides, once a worker, and who may be asking."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

from service.authorisation import MERCHANT_ROLES
from service.feeds.keys import make, secret_of
from service.feeds.signatures import sign
from service.identity.tokens import Caller
from service.services import Services
from tests.service.reach.guesses import DIVISION, PROGRAMME, a_ride
from tests.service.reach.world import Side, a_side

Headers = dict[str, str]


class World(NamedTuple):
    """Who guesses is of ``mine``, in another programme and another district than ``theirs``."""

    mine: Side
    theirs: Side
    key: tuple[UUID, bytes]  # By which the partner of ``mine`` signs.


def bearer_of(services: Services, *said: Any, **more: Any) -> Headers:
    token = services.tokens.issue(Caller(*said, **more), now=datetime.now(UTC))
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="session")
def world(app: Flask) -> World:
    services: Services = app.extensions["tanhui"]
    mine, theirs = a_side(services, "330402007"), a_side(services, "310118001")
    _by_clients(services, app.test_client(), theirs)
    key = services.database.transact(
        lambda session: make(session, mine.scene, made_by="t", now=datetime.now(UTC)).id
    )
    return World(mine, theirs, (key, secret_of(services.feed_key, key)))


def _by_clients(services: Services, client: FlaskClient, side: Side) -> None:
    """What is written under ids that clients make."""
    sent: list[tuple[str, Headers, dict[str, Any]]] = [
        (
            f"activities/{side.app_activity}",
            bearer_of(services, str(side.resident), "resident"),
            a_ride(side.app_scene),
        ),
        (
            f"staff/activities/{side.entry}",
            bearer_of(services, "v", "volunteer", programme=side.programme),
            a_ride(side.staff_scene, card_number=side.card),
        ),
        (
            f"staff/residents/{side.registration}",
            bearer_of(services, "o", "operator", programme=side.programme),
            {
                "card_number": side.spare_card,
                "programme": side.programme,
                "division": side.town,
                "consents": [],
            },
        ),
        (
            f"consumptions/{side.consumption}",
            bearer_of(services, "m", "merchant", str(side.merchant), side.programme),
            {"code": side.voucher},
        ),
    ]
    for path, headers, body in sent:
        answer = client.put(f"/v1/{path}", json=body, headers=headers)
        assert answer.status_code == 201, answer.text


@pytest.fixture
def asking(services: Services, world: World) -> Callable[[str, str, bytes], Headers]:
    """Headers of who guesses: of a role, by a grant, with a body to be signed."""

    def headers(role: str, grant: str, body: bytes = b"") -> Headers:
        mine, theirs = world.mine, world.theirs
        everywhere = grant == DIVISION
        assert everywhere or grant == PROGRAMME
        if role == "signature":
            id_, now = f"msg_{datetime.now(UTC).timestamp()}", datetime.now(UTC)
            return {
                "webhook-id": id_,
                "webhook-timestamp": str(int(now.timestamp())),
                "webhook-signature": sign(world.key[1], id_, now, body),
            }
        if role == "key":
            return {"Authorization": f"Bearer {mine.api_key_written}"}
        if role == "resident":  # Of another programme, or next door.
            who = theirs.neighbour if everywhere else mine.resident
            return bearer_of(services, str(who), role)
        programme = "*" if everywhere else mine.programme
        if role in MERCHANT_ROLES:
            return bearer_of(services, "spy", role, str(mine.merchant), programme)
        return bearer_of(services, "spy", role, mine.district if everywhere else "", programme)

    return headers
