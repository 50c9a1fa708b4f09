"""Which tokens are believed: ours, of now, for us, and nothing else."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from service.identity.tokens import LIFETIME, ROLES, Caller, InvalidToken, Tokens
from tests.service.forging import REQUIRED, bad_tokens, good_claims, signed

TOKENS = Tokens.of([Ed25519PrivateKey.generate()], "tanhui", "tanhui-api")
CLERK = Caller("clerk-7", "merchant", "0b5c9f4e")


def now() -> datetime:
    return datetime.now(UTC)


@pytest.mark.parametrize("role", ROLES)
def test_what_was_issued_is_believed(role):
    caller = replace(CLERK, role=role)

    assert TOKENS.check(TOKENS.issue(caller, now=now())) == caller


def test_a_token_says_no_more_than_it_must():
    token = TOKENS.issue(CLERK, now=now())

    claims = jwt.decode(token, options={"verify_signature": False})
    assert set(claims) == {*REQUIRED, "scope"}
    header = {"alg": "EdDSA", "typ": "at+jwt", "kid": TOKENS.keys[0].id}
    assert jwt.get_unverified_header(token) == header
    assert claims["exp"] - claims["iat"] == LIFETIME.total_seconds() == 600


def test_no_two_tokens_are_the_same():
    moment = now()

    assert TOKENS.issue(CLERK, now=moment) != TOKENS.issue(CLERK, now=moment)


def test_a_token_without_a_scope_has_none():
    claims = good_claims(TOKENS)
    del claims["scope"]

    assert TOKENS.check(signed(TOKENS, claims)).scope == ""


@pytest.mark.parametrize("name", bad_tokens(TOKENS))
def test_a_token_with_one_thing_wrong_is_refused(name):
    """Made anew, so that a slow run does not refuse it for its age alone."""
    token = bad_tokens(TOKENS)[name]
    assert TOKENS.check(signed(TOKENS, good_claims(TOKENS)))

    with pytest.raises(InvalidToken) as refusal:
        TOKENS.check(token)

    assert (
        "expired" in str(refusal.value) if name == "expired" else "not valid" in str(refusal.value)
    )


def test_no_letter_of_what_is_signed_can_be_changed():
    token = TOKENS.issue(CLERK, now=now())
    signed_part = token.rindex(".")

    for place in range(signed_part):
        letter = "A" if token[place] != "A" else "B"
        with pytest.raises(InvalidToken):
            TOKENS.check(token[:place] + letter + token[place + 1 :])


@settings(deadline=None, max_examples=50, database=None)
@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_whatever_else_comes_is_refused_and_nothing_worse(token):
    with pytest.raises(InvalidToken):
        TOKENS.check(token)


@pytest.mark.parametrize(
    "other",
    [
        replace(TOKENS, keys=Tokens.of([Ed25519PrivateKey.generate()], "", "").keys),
        replace(TOKENS, issuer="another"),
        replace(TOKENS, audience="another-api"),
    ],
    ids=["key", "issuer", "audience"],
)
def test_one_installation_does_not_believe_another(other):
    with pytest.raises(InvalidToken):
        TOKENS.check(other.issue(CLERK, now=now()))


def test_a_token_lasts_as_long_as_it_says_and_five_seconds_for_clocks():
    old, young = LIFETIME + timedelta(seconds=10), LIFETIME - timedelta(seconds=30)

    assert TOKENS.check(TOKENS.issue(CLERK, now=now() - young)) == CLERK
    assert TOKENS.check(TOKENS.issue(CLERK, now=now() + timedelta(seconds=3))) == CLERK
    assert TOKENS.check(TOKENS.issue(CLERK, now=now() - LIFETIME - timedelta(seconds=2))) == CLERK
    with pytest.raises(InvalidToken, match="expired"):
        TOKENS.check(TOKENS.issue(CLERK, now=now() - old))
    with pytest.raises(InvalidToken):
        TOKENS.check(TOKENS.issue(CLERK, now=now() + timedelta(seconds=30)))


def test_the_reason_does_not_repeat_the_token():
    for token in bad_tokens(TOKENS).values():
        with pytest.raises(InvalidToken) as refusal:
            TOKENS.check(token)
        assert token not in str(refusal.value)


def test_a_role_that_is_none_of_ours_is_not_issued():
    with pytest.raises(AssertionError):
        TOKENS.issue(replace(CLERK, role="root"), now=now())
