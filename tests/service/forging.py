"""Tokens that must not be believed, by what is wrong with them."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from service.identity.tokens import Tokens

REQUIRED = ("exp", "iat", "nbf", "iss", "aud", "sub", "role", "jti")


def good_claims(tokens: Tokens) -> dict[str, Any]:
    """What a token of now says; each forgery changes one thing of it."""
    now = int(datetime.now(UTC).timestamp())
    return {
        "iss": tokens.issuer,
        "aud": tokens.audience,
        "sub": str(uuid4()),
        "role": "resident",
        "scope": str(uuid4()),
        "jti": str(uuid4()),
        "iat": now,
        "nbf": now,
        "exp": now + 600,
    }


def signed(tokens: Tokens, claims: dict[str, Any], **header: Any) -> str:
    """By the right key, whatever it says."""
    payload = json.dumps(claims).encode()  # jwt.encode() would look at the claims.
    headers = {"typ": "at+jwt", "kid": tokens.keys[0].id} | header
    if not isinstance(headers["kid"], str):  # The library would refuse to make it.
        return _signed_by_hand(tokens, headers | {"alg": "EdDSA"}, payload)
    return jwt.PyJWS().encode(payload, tokens.keys[0].private, "EdDSA", headers=headers)


def _signed_by_hand(tokens: Tokens, headers: dict[str, Any], payload: bytes) -> str:
    message = f"{_coded(json.dumps(headers).encode())}.{_coded(payload)}"
    return f"{message}.{_coded(tokens.keys[0].private.sign(message.encode()))}"


def bad_tokens(tokens: Tokens, claims: dict[str, Any] | None = None) -> dict[str, str]:
    """By name. But for the garbage, each is wrong in one thing only."""
    claims = claims or good_claims(tokens)
    return _garbage() | _wrong_signatures(tokens, claims) | _wrong_claims(tokens, claims)


def _garbage() -> dict[str, str]:
    deep = _coded(b"[" * 5_000)
    return {
        "a word": "garbage",
        "dots": "...",
        "five parts": "a.b.c.d.e",
        "not ascii": "碳.惠.token".encode().decode("latin-1"),
        "not base64": "!!!.???.###",
        "header is no JSON": f"{_coded(b'{')}.{_coded(b'{}')}.{_coded(b'x')}",
        "header is a list": f"{_coded(b'[]')}.{_coded(b'{}')}.{_coded(b'x')}",
        "header is deep": f"{deep}.{_coded(b'{}')}.{_coded(b'x')}",
        "header has a huge number": _coded(b'{"alg":' + b"1" * 5_000 + b"}") + ".e30.e30",
        "very long": "a" * 100_000,
    }


def _wrong_signatures(tokens: Tokens, claims: dict[str, Any]) -> dict[str, str]:
    head, payload, signature = signed(tokens, claims).split(".")
    other_payload = signed(tokens, claims | {"sub": str(uuid4())}).split(".")[1]
    stranger = Ed25519PrivateKey.generate()
    kid, public = tokens.keys[0].id, tokens.keys[0].public
    secrets = {
        "PEM": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "DER": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "raw": public.public_bytes(Encoding.Raw, PublicFormat.Raw),
        "no": b"",
    }
    typed = {"typ": "at+jwt", "kid": kid}
    foreign = jwt.encode(claims, stranger, "EdDSA", headers=typed)
    jwk = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(stranger.public_key()))
    brought = {"typ": "at+jwt", "jwk": jwk, "jku": "http://127.0.0.1:9", "kid": "../key"}
    return {
        "another payload": f"{head}.{other_payload}.{signature}",
        "no signature": f"{head}.{payload}.",
        "half a signature": f"{head}.{payload}.{signature[:43]}",
        "another key": foreign,
        "a key of its own in the header": jwt.encode(claims, stranger, "EdDSA", headers=brought),
        "alg RS256": jwt.encode(claims, _rsa_key(), "RS256", headers=typed),
        "alg ES256": jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), headers=typed,
                                algorithm="ES256"),
        **{f"alg {name}": _by_hand(claims, name, kid, None)
           for name in ("none", "None", "NONE", "")},
        **{f"HS256 with the {name} public key": _by_hand(claims, "HS256", kid, secret)
           for name, secret in secrets.items()},
    }  # fmt: skip


@cache
def _rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65_537, 2_048)  # Takes a moment.


def _wrong_claims(tokens: Tokens, claims: dict[str, Any]) -> dict[str, str]:
    now = claims["iat"]
    changes: dict[str, dict[str, Any]] = {
        "expired": {"exp": now - 60},
        "not yet": {"nbf": now + 60},
        "issued in the future": {"iat": now + 60},
        "exp is a word": {"exp": "tomorrow"},
        "exp is null": {"exp": None},
        "another audience": {"aud": "another-api"},
        "the audience in a list": {"aud": [tokens.audience]},
        "the audience among others": {"aud": [tokens.audience, "another-api"]},
        "audience is empty": {"aud": ""},
        "another issuer": {"iss": "another"},
        "issuer in a list": {"iss": [tokens.issuer]},
        "an unknown role": {"role": "root"},
        "no role": {"role": None},
        "a role in capitals": {"role": "Resident"},
        "roles in a list": {"role": ["resident"]},
        "subject is a number": {"sub": 7},
        "subject is null": {"sub": None},
    }
    found = {name: signed(tokens, claims | change) for name, change in changes.items()}
    for name in REQUIRED:
        found[f"without {name}"] = signed(tokens, _without(claims, name))
    found["of another type"] = signed(tokens, claims, typ="JWT")
    found["of no type"] = signed(tokens, claims, typ=None)
    for kid in (None, "", "../../../dev/null", "/etc/passwd", "' OR 1=1 --", "A" * 10_000, 7, []):
        found[f"key id {str(kid)[:20]!r}"] = signed(tokens, claims, kid=kid)
    return found


def _without(claims: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in claims.items() if key != name}


def _by_hand(claims: dict[str, Any], algorithm: str, kid: str, secret: bytes | None) -> str:
    """The library would refuse to make it."""
    header = json.dumps({"alg": algorithm, "typ": "at+jwt", "kid": kid}).encode()
    message = f"{_coded(header)}.{_coded(json.dumps(claims).encode())}"
    if secret is None:
        return f"{message}."
    return f"{message}.{_coded(hmac.digest(secret, message.encode(), hashlib.sha256))}"


def _coded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
