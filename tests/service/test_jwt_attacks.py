"""The known attacks on JWTs, by name, over HTTP at a route that would spend points."""

from uuid import uuid4

import pytest

from tests.service.answers import a_shop, nothing_written, refused
from tests.service.forging import bad_tokens, good_claims, signed

pytestmark = pytest.mark.once

ATTACKS = {
    "alg none": ("alg none", "alg None", "alg NONE", "alg "),
    "no signature": ("no signature", "half a signature"),
    "RS/HS confusion": (
        "HS256 with the PEM public key",
        "HS256 with the DER public key",
        "HS256 with the raw public key",
        "HS256 with the no public key",
        "alg RS256",
        "alg ES256",
    ),
    "another key": ("another key", "a key of its own in the header"),
    "wrong audience": (
        "another audience",
        "the audience in a list",
        "the audience among others",
        "audience is empty",
        "without aud",
    ),
    "wrong issuer": ("another issuer", "issuer in a list", "without iss"),
    "kid path traversal": (
        "key id '../../../dev/null'",
        "key id '/etc/passwd'",
        'key id "\' OR 1=1 --"',
        "key id 'None'",
        "key id ''",
    ),
    "expired": ("expired", "without exp", "exp is a word", "exp is null"),
    "not yet valid": ("not yet", "without nbf", "issued in the future"),
    "tampered": ("another payload",),
    "another type of token": ("of another type", "of no type"),
    "another role": ("an unknown role", "no role", "a role in capitals", "roles in a list"),
}


@pytest.fixture
def buy(client, database, services):
    """Redeem as a resident who could pay; the token is what a test makes of theirs."""
    holder_id, offer = a_shop(database)
    url, body = f"/v1/redemptions/{uuid4()}", {"offer_id": str(offer.id)}

    def sent(token: str):
        return client.put(url, json=body, headers={"Authorization": f"Bearer {token}"})

    sent.claims = good_claims(services.tokens) | {"sub": str(holder_id)}
    return sent


@pytest.mark.parametrize(
    ("attack", "name"), [(attack, name) for attack, names in ATTACKS.items() for name in names]
)
def test_an_attack_is_refused_and_nothing_is_written(buy, database, services, attack, name):
    with nothing_written(database):
        answer = buy(bad_tokens(services.tokens, buy.claims)[name])

        refused(answer, 401, "invalid-token")

    assert answer.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')


def test_tampering_with_any_part_is_refused(buy, database, services):
    head, payload, signature = signed(services.tokens, buy.claims).split(".")
    tampered = [
        f"{head[:-2]}AA.{payload}.{signature}",
        f"{head}.{payload[:-2]}AA.{signature}",
        f"{head}.{payload}.AA{signature[2:]}",
        f"{head}.{payload}",
        f"{payload}.{head}.{signature}",
    ]

    with nothing_written(database):
        for token in tampered:
            refused(buy(token), 401, "invalid-token")


def test_what_the_attacks_change_would_be_let_through_otherwise(buy, services):
    assert buy(signed(services.tokens, buy.claims)).status_code == 201


def test_no_attack_of_the_list_was_forgotten(services, buy):
    named = {name for names in ATTACKS.values() for name in names}

    assert named <= set(bad_tokens(services.tokens, buy.claims))
