"""Checkpoints of the log, and that a newer one continues an older one."""

from itertools import pairwise

import pytest

from ledgers.log.merkle import verify_consistency
from ledgers.log.notes import open_note
from tests.service.answers import refused
from tests.service.published import an_app, many_earnings, seal_all

LIST = "/v1/audit/checkpoints"
COMPARE = f"{LIST}/consistency"


@pytest.fixture(scope="module")
def here(settings, copied_database, tmp_path_factory):
    """A log that grew five times."""
    with copied_database() as url:
        app = an_app(settings, url, tmp_path_factory.mktemp("log"), rate_limits=0.0)
        services = app.extensions["tanhui"]
        for count in (3, 5, 1, 300, 40):
            many_earnings(services.database, count)
            seal_all(services)
        yield app
        services.database.dispose()


@pytest.fixture
def get(here, bearer):
    client, headers = here.test_client(), bearer("auditor", "audit")

    def get(path, **query):
        return client.get(path, query_string=query, headers=headers)

    return get


@pytest.fixture
def sizes(get):
    return [one["size"] for one in get(LIST).json["checkpoints"]]


def test_checkpoints_are_listed_the_newest_first_as_they_were_signed(here, get, sizes):
    first = get(LIST, limit=2).json
    rest = get(LIST, cursor=first["next_cursor"]).json

    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == 5
    assert [one["size"] for one in first["checkpoints"] + rest["checkpoints"]] == sizes
    assert rest["next_cursor"] is None
    for one in rest["checkpoints"]:
        text = open_note(one["note"], [here.extensions["tanhui"].log.verifier()]).text
        assert text.split("\n")[1] == str(one["size"])
        assert len(one["root"]) == 64


def test_each_continues_those_before_and_the_proof_says_so(get, sizes):
    for newer, older in [*pairwise(sizes), (sizes[0], sizes[-1]), (sizes[0], sizes[0])]:
        answer = get(COMPARE, older_size=older, newer_size=newer)

        assert answer.status_code == 200, answer.text
        told = answer.json
        hashes = [bytes.fromhex(one) for one in told["proof"]]
        before, after = (bytes.fromhex(told[name]["root"]) for name in ("older", "newer"))
        verify_consistency(older, before, newer, after, hashes)


def test_what_is_no_published_checkpoint_is_refused(get, sizes):
    absent = next(size for size in range(1, 400) if size not in sizes)
    for older, newer, named in [
        (absent, sizes[0], absent),
        (sizes[0], sizes[0] + 10**9, sizes[0] + 10**9),
        (sizes[0], sizes[-1], sizes[0]),
    ]:
        answer = get(COMPARE, older_size=older, newer_size=newer)
        assert refused(answer, 404, "unknown-checkpoint")["size"] == named
    assert get(COMPARE, older_size=-1, newer_size="many").status_code == 422


def test_a_changed_file_of_the_log_is_not_passed_off_as_a_proof(here, get, sizes):
    folder = here.extensions["tanhui"].log.folder.path
    (tile,) = [path for path in (folder / "tile" / "0").rglob("000") if path.is_file()]
    content = tile.read_bytes()
    tile.chmod(0o644)
    tile.write_bytes(bytes(32) + content[32:])
    try:
        answer = get(COMPARE, older_size=sizes[-1], newer_size=sizes[0])
        assert refused(answer, 409, "log-broken")["why"]
    finally:
        tile.write_bytes(content)
