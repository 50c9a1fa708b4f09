"""Token keys are changed under running processes: nobody is signed out, no key signs unknown."""

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from service.admin.models import AdminAct
from service.app import create_app
from service.cli import tanhui
from service.identity.key_rotation import KEYS_MAX, add, promote, retire, token_key_list
from service.identity.token_file import CHECK_S, SEEN_MAX, TokenFile
from service.identity.tokens import LIFETIME, Caller, InvalidToken, SigningKey, Tokens
from service.keys import KeyFileError, pem_of

CLERK = Caller("clerk-7", "merchant", "0b5c9f4e")


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys" / "token.pem"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def tokens(path, clock):
    return TokenFile(path, "tanhui", "tanhui-api", clock=clock)


def issued(tokens: TokenFile) -> str:
    return tokens.issue(CLERK, now=datetime.now(UTC))


def kid(token: str) -> str:
    return jwt.get_unverified_header(token)["kid"]


def published(tokens: TokenFile) -> list[str]:
    return [key["kid"] for key in tokens.jwks()["keys"]]


def test_a_rotation_from_end_to_end(path, clock, tokens):
    old = tokens.keys[0].id
    early = issued(tokens)

    new = add(path).id
    clock.at += CHECK_S
    assert published(tokens) == [old, new]  # Known to all before it signs.
    assert kid(issued(tokens)) == old

    promote(path, new)
    clock.at += CHECK_S
    late = issued(tokens)
    assert kid(late) == new
    assert tokens.check(early) == tokens.check(late) == CLERK  # Until the old one is retired.

    retire(path, old)
    clock.at += CHECK_S
    assert published(tokens) == [new]
    assert tokens.check(late) == CLERK
    with pytest.raises(InvalidToken):
        tokens.check(early)


def test_the_file_is_looked_at_once_a_second(path, clock, tokens, monkeypatch):
    looks = []
    stat = type(path).stat
    monkeypatch.setattr(type(path), "stat", lambda self, **k: looks.append(self) or stat(self, **k))
    add(path)
    looks.clear()

    for _ in range(1_000):
        clock.at += CHECK_S / 2_000
        assert len(tokens.keys) == 1
    assert looks == []
    clock.at += CHECK_S
    for _ in range(1_000):
        assert len(tokens.keys) == 2
    before = len(looks)
    clock.at += CHECK_S
    assert len(tokens.keys) == 2  # Unchanged: not read again.
    assert len(looks) == before + 1


def test_a_file_that_cannot_be_used_leaves_the_keys_as_they_are(path, clock, tokens, caplog):
    good, token = path.read_bytes(), issued(tokens)
    for harm in (
        lambda: path.write_bytes(b"garbage"),
        lambda: path.write_bytes(good[:40]),
        lambda: path.write_bytes(b""),
        lambda: path.chmod(0o644),
        path.unlink,
    ):
        harm()
        clock.at += CHECK_S
        with caplog.at_level(logging.ERROR):
            caplog.clear()
            assert tokens.check(token) == CLERK
            clock.at += CHECK_S
            assert kid(issued(tokens)) == kid(token)
        assert len(caplog.records) <= 1  # Said once a change.
        assert not path.exists() or path.read_bytes() != good or path.stat().st_mode & 0o077
        path.unlink(missing_ok=True)
        path.write_bytes(good)
        path.chmod(0o600)
        clock.at += CHECK_S
        assert tokens.check(token) == CLERK


def test_a_file_that_is_gone_is_not_made_anew_by_a_running_process(path, clock, tokens):
    path.unlink()
    clock.at += CHECK_S

    assert tokens.check(issued(tokens)) == CLERK
    assert not path.exists()


def test_a_token_is_checked_once_and_believed_until_its_end(tokens, monkeypatch):
    checked, check = [], Tokens.check
    monkeypatch.setattr(
        Tokens, "check", lambda self, token: checked.append(token) or check(self, token)
    )
    now = datetime.now(UTC)
    good, old = issued(tokens), tokens.issue(CLERK, now=now - LIFETIME - timedelta(seconds=1))

    assert [tokens.check(good) for _ in range(3)] == [CLERK] * 3
    assert checked == [good]
    for _ in range(2):
        tokens.check(old)  # Ended, within the seconds for clocks: looked at each time.
        with pytest.raises(InvalidToken):
            tokens.check(good[:-1])
    assert checked[1:] == [old, good[:-1]] * 2


def test_what_is_remembered_has_a_bound(tokens):
    for number in range(SEEN_MAX + 1):
        tokens._tokens._seen[str(number)] = (CLERK, 0.0)

    tokens.check(issued(tokens))

    assert len(tokens._tokens._seen) == 1


def test_the_file_stays_its_owners_and_whole(path):
    token_key_list(path)
    new = add(path)
    promote(path, new.id[:20])

    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["token.pem"]
    assert token_key_list(path)[0].id == new.id


def test_a_link_to_the_file_stays_one(path, tmp_path):
    token_key_list(path)
    link = tmp_path / "token.pem"
    link.symlink_to(path)

    add(link)

    assert link.is_symlink()
    assert len(token_key_list(path)) == 2


def test_keys_that_are_added_at_once_are_all_there(path):
    first = token_key_list(path)[0].id

    with ThreadPoolExecutor(6) as threads:
        made = {key.id for key in threads.map(lambda _: add(path), range(6))}

    found = [key.id for key in token_key_list(path)]
    assert found[0] == first
    assert set(found[1:]) == made
    assert len(made) == 6


def test_what_cannot_be_done_is_refused_and_changes_nothing(path):
    signing = token_key_list(path)[0]
    second = add(path)
    before = path.read_bytes()

    for refuse in (
        lambda: retire(path, signing.id),
        lambda: retire(path, "nobody"),
        lambda: promote(path, ""),
        lambda: promote(path, "../../etc/passwd"),
    ):
        with pytest.raises(KeyFileError):
            refuse()
    assert path.read_bytes() == before
    assert promote(path, signing.id).id == signing.id  # It signs already.
    assert path.read_bytes() == before
    retire(path, second.id)
    with pytest.raises(KeyFileError):
        retire(path, second.id)


def test_no_more_keys_than_a_rotation_needs(path):
    for _ in range(KEYS_MAX - 1):
        add(path)

    with pytest.raises(KeyFileError, match="retire one"):
        add(path)


def test_a_folder_that_cannot_be_written_is_one_line(path):
    """A file stands where the folder should be, which stops root too."""
    path.parent.parent.mkdir(parents=True, exist_ok=True)
    path.parent.write_bytes(b"")

    with pytest.raises(KeyFileError, match=r"Not a directory|File exists"):
        add(path)


def test_a_running_application_takes_the_new_keys_without_a_restart(settings, path):
    old = token_key_list(path)[0].id
    app = create_app(replace(settings, token_key_file=path))
    services, clock = app.extensions["tanhui"], Clock()
    app.extensions["tanhui"] = replace(
        services, tokens=TokenFile(path, "tanhui", "tanhui-api", clock=clock)
    )
    client = app.test_client()

    def listed() -> list[str]:
        return [key["kid"] for key in client.get("/.well-known/jwks.json").json["keys"]]

    try:
        tokens = app.extensions["tanhui"].tokens
        caller = Caller("00000000-0000-0000-0000-000000000001", "resident")
        headers = {"Authorization": f"Bearer {tokens.issue(caller, now=datetime.now(UTC))}"}
        new = add(path).id
        clock.at += CHECK_S
        assert listed() == [old, new]
        promote(path, new)
        clock.at += CHECK_S
        assert listed() == [new, old]
        assert client.get("/v1/accounts", headers=headers).status_code == 200
        retire(path, old)
        clock.at += CHECK_S
        assert listed() == [new]
        assert client.get("/v1/accounts", headers=headers).status_code == 401
    finally:
        services.database.dispose()


def test_the_public_keys_are_public_and_cacheable(client, services):
    answer = client.get("/.well-known/jwks.json")

    assert answer.status_code == 200
    assert answer.content_type == "application/jwk-set+json"
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    found = answer.get_json(force=True)
    assert found == services.tokens.jwks()
    members = {"crv", "kty", "x", "kid", "use", "alg"}
    assert all(set(key) == members for key in found["keys"])  # No private half.
    again = client.get("/.well-known/jwks.json", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_anybody_checks_a_token_by_the_public_keys_alone(client, services):
    keys = jwt.PyJWKSet.from_dict(client.get("/.well-known/jwks.json").get_json(force=True))
    token = issued(services.tokens)

    claims = jwt.decode(
        token, keys[kid(token)].key, algorithms=["EdDSA"], audience=services.tokens.audience
    )

    assert claims["sub"] == CLERK.subject


@pytest.fixture
def run(settings, path, urls, database_url, tmp_path):
    token_key_list(path)

    def run(*words: str):
        environ = {
            "TANHUI_DATABASE_URL": database_url,
            "TANHUI_REDIS_URL": urls["redis"],
            "TANHUI_VAR_DIR": str(tmp_path),
            "TANHUI_TOKEN_KEY_FILE": str(path),
        }
        return CliRunner().invoke(tanhui, ["keys", *words], env=environ)

    return run


def test_an_id_may_begin_with_a_hyphen(run, path):
    odd = Ed25519PrivateKey.generate()
    while not SigningKey(odd).id.startswith("-"):  # One in sixty-four.
        odd = Ed25519PrivateKey.generate()
    path.write_bytes(path.read_bytes() + pem_of(odd))

    promoted = run("promote", SigningKey(odd).id, "--by", "li.na")
    old = token_key_list(path)[1].id
    retired = run("retire", old, "--by", "wang.wei")
    back = run("retire", SigningKey(odd).id[:5], "--by", "wang.wei")

    assert (promoted.exit_code, retired.exit_code) == (0, 0), promoted.output + retired.output
    assert isinstance(back.exception, KeyFileError)  # It signs: found, and not let go.


def test_the_commands_say_what_to_do_next(run, path, database):
    old = token_key_list(path)[0].id

    added = run("add", "--by", "li.na")
    new = added.stdout.strip()
    promoted = run("promote", new[:12], "--by", "li.na")
    retired = run("retire", old, "--by", "wang.wei")

    assert [each.exit_code for each in (added, promoted, retired)] == [0, 0, 0], added.output
    assert f"tanhui keys promote {new}" in added.stderr
    assert "retire the key before at" in promoted.output
    assert f"{old} is retired" in retired.output
    assert [key.id for key in token_key_list(path)] == [new]
    query = select(AdminAct).where(AdminAct.object_kind == "token_key").order_by(AdminAct.id)
    acts = database.transact(
        lambda s: [each for each in s.scalars(query) if each.object_id in (old, new)]
    )
    assert [(each.actor, each.what, each.object_id) for each in acts] == [
        ("li.na", "token_key.add", new),
        ("li.na", "token_key.promote", new),
        ("wang.wei", "token_key.retire", old),
    ]
    assert acts[1].before == {"keys": [old, new]}
    assert acts[1].after == {"keys": [new, old]}
    assert "PRIVATE" not in str([each.before for each in acts])


def test_the_list_has_no_secrets(run, path):
    add(path)

    plain, as_json = run("list"), run("list", "--json")

    first, second = (key.id for key in token_key_list(path))
    assert plain.exit_code == as_json.exit_code == 0
    assert first in plain.output
    assert f'[{{"id":"{first}","state":"signs"}},{{"id":"{second}","state":"checks"}}]' in (
        as_json.output
    )
    for line in path.read_text().splitlines():
        assert line not in plain.output + as_json.output


def test_a_refused_command_leaves_the_file_and_the_log_alone(run, path, database):
    before = path.read_bytes()

    done = run("retire", token_key_list(path)[0].id, "--by", "li.na")

    assert done.exit_code == 1
    assert "promote another key first" in str(done.exception)
    assert path.read_bytes() == before
