"""Which attestations are believed: of this activity and device, of now, by the one key."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from service import keys
from service.attestation import LENGTH_MAX, Attestations
from service.errors import InvalidAttestation
from service.keys import KeyFileError

EVENT, DEVICE = uuid4(), uuid4()
ED25519, P256 = Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
STRANGER = Ed25519PrivateKey.generate()
KEYS = {"EdDSA": ED25519, "ES256": P256}


def checker(algorithm: str = "EdDSA") -> Attestations:
    return Attestations(KEYS[algorithm].public_key(), "tanhui-api")


def good(**change: Any) -> dict[str, Any]:
    now = int(datetime.now(UTC).timestamp())
    return {
        "aud": "tanhui-api",
        "iat": now,
        "exp": now + 300,
        "device": str(DEVICE),
        "event": str(EVENT),
    } | change


def signed(claims: Any, algorithm: str = "EdDSA", key: Any = None, **header: Any) -> str:
    """By the right key, whatever it says."""
    return jwt.PyJWS().encode(
        json.dumps(claims).encode(),
        key or KEYS[algorithm],
        algorithm,
        headers={"typ": "tanhui-attestation+jwt"} | header,
    )


def check(sent: str | None, *, event_id: UUID = EVENT, device: UUID | None = DEVICE) -> bool:
    return checker().check(sent, event_id=event_id, device=device)


def why(sent: str, **of: Any) -> str:
    with pytest.raises(InvalidAttestation) as refusal:
        check(sent, **of)
    return refusal.value.why


@pytest.mark.parametrize("algorithm", KEYS)
def test_what_the_service_signed_for_this_event_and_device_is_believed(algorithm):
    sent = signed(good(), algorithm)

    assert checker(algorithm).check(sent, event_id=EVENT, device=DEVICE) is True


def test_without_one_nobody_is_attested():
    assert check(None) is False


def test_without_a_key_nobody_is_attested_whatever_is_sent():
    keyless = Attestations(None, "tanhui-api")

    assert keyless.check(signed(good()), event_id=EVENT, device=DEVICE) is False
    assert keyless.check("garbage", event_id=EVENT, device=DEVICE) is False


def test_one_of_another_activity_or_device_attests_nothing_here():
    sent = signed(good())

    assert why(sent, event_id=uuid4()) == "other_activity"
    assert why(sent, device=uuid4()) == "other_device"
    assert why(sent, device=None) == "other_device"


def test_it_is_good_for_five_minutes_and_five_seconds_for_clocks():
    now = good()["iat"]

    assert check(signed(good(iat=now - 300, exp=now - 2)))
    assert check(signed(good(iat=now + 3)))
    assert why(signed(good(iat=now - 310, exp=now - 10))) == "expired"
    assert why(signed(good(iat=now + 30))) == "invalid"


@pytest.mark.parametrize(
    "change",
    [
        lambda now: {"exp": now + 301},
        lambda now: {"exp": now + 86_400},
        lambda now: {"exp": str(now + 60)},
        lambda now: {"exp": now + 60.5},
        lambda now: {"exp": None},
        lambda now: {"iat": None},
        lambda now: {"iat": "now"},
        lambda now: {"nbf": now + 3_600},
        lambda _: {"device": None},
        lambda _: {"event": None},
        lambda _: {"aud": "another-api"},
        lambda _: {"aud": ["tanhui-api"]},
        lambda _: {"aud": ["tanhui-api", "another-api"]},
        lambda _: {"aud": None},
    ],
)
def test_a_claim_that_does_not_fit_is_refused(change):
    """Made of now, so that a slow run does not refuse it for its age alone."""
    claims = good()

    assert why(signed(claims | change(claims["iat"]))) == "invalid"


@pytest.mark.parametrize("name", ["aud", "iat", "exp", "device", "event"])
def test_every_claim_is_needed(name):
    claims = good()
    del claims[name]

    assert why(signed(claims)) == "invalid"


@pytest.mark.parametrize("value", [7, [], {}, "", "device", True], ids=repr)
def test_ids_that_are_none_are_nobodys(value):
    assert why(signed(good(event=value))) == "other_activity"
    assert why(signed(good(device=value))) == "other_device"


@pytest.mark.parametrize(
    "made",
    [
        lambda: signed(good(), key=STRANGER),
        lambda: signed(good(), "ES256"),
        lambda: signed(good(), typ="JWT"),
        lambda: signed(good(), typ="at+jwt"),
        lambda: signed(good(), typ=None),
        lambda: signed([good()]),
        lambda: signed("claims"),
        lambda: jwt.encode(good(), None, "none", headers={"typ": "tanhui-attestation+jwt"}),
        lambda: jwt.encode(
            good(),
            ED25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw),
            "HS256",
            headers={"typ": "tanhui-attestation+jwt"},
        ),
        lambda: signed(good(note="x" * LENGTH_MAX)),
        lambda: signed(good())[:-4],
        lambda: "a.b.c",
        lambda: "",
        lambda: "." * 5,
    ],
)
def test_what_the_key_did_not_sign_as_an_attestation_is_refused(made):
    """Made of now, so that a slow run does not refuse it for its age alone."""
    assert why(made()) == "invalid"


def test_an_access_token_of_the_same_key_attests_nothing():
    """Claims and type tell them apart, should somebody use one key for both."""
    claims = good(sub=str(uuid4()), role="resident", jti="x", nbf=good()["iat"], iss="tanhui")

    assert why(signed(claims, typ="at+jwt")) == "invalid"


@settings(deadline=None, max_examples=50, database=None)
@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_whatever_else_comes_is_refused_and_nothing_worse(sent):
    assert why(sent) == "invalid"


# --- The key --------------------------------------------------------------------------------------


def pem(key: Any) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_public_key_is_read_from_its_file(tmp_path, algorithm):
    (tmp_path / "key.pem").write_bytes(pem(KEYS[algorithm]))

    found = Attestations(keys.attestation_key(tmp_path / "key.pem"), "tanhui-api")

    assert found.check(signed(good(), algorithm), event_id=EVENT, device=DEVICE)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no public key"),
        (b"garbage", "no public key"),
        (pem(ec.generate_private_key(ec.SECP384R1())), "another kind"),
        (pem(rsa.generate_private_key(65_537, 2_048)), "another kind"),
    ],
    ids=["empty", "garbage", "P-384", "RSA"],
)
def test_a_file_with_anything_else_is_refused_in_one_line(tmp_path, content, says):
    (tmp_path / "key.pem").write_bytes(content)

    with pytest.raises(KeyFileError, match=says):
        keys.attestation_key(tmp_path / "key.pem")


def test_a_file_that_is_not_there_is_refused_in_one_line(tmp_path):
    with pytest.raises(KeyFileError, match="No such file"):
        keys.attestation_key(tmp_path / "key.pem")
