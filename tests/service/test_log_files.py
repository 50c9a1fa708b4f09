"""The published files over HTTP: as they are, with honest headers, and nothing else."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ledgers.log.reading import verify_log
from service.db import Database
from service.settings import Settings
from tests.service.published import a_spender, an_app, many_earnings, seal_all

LEAVES = 602


@pytest.fixture(scope="module")
def published(
    settings: Settings,
    copied_database: Callable[[], AbstractContextManager[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Flask]:
    """A log of two full tiles and a partial one; beyond it lie files that nobody may see yet."""
    with copied_database() as url:
        database = Database(url)
        app = an_app(settings, url, tmp_path_factory.mktemp("own"))
        many_earnings(database, 600)
        a_spender(database)
        seal_all(app.extensions["tanhui"])
        folder = app.extensions["tanhui"].log.folder
        folder.append(LEAVES, folder.tiles(LEAVES).leaves(0)[:200])
        yield app
        app.extensions["tanhui"].database.dispose()
        database.dispose()


@pytest.fixture
def client(published: Flask) -> FlaskClient:
    return published.test_client()


def test_the_checkpoint_is_text_that_may_be_kept_for_seconds(client, published):
    answer = client.get("/log/checkpoint")

    assert answer.data == published.extensions["tanhui"].log.folder.read("checkpoint")
    assert answer.content_type == "text/plain; charset=utf-8"
    assert answer.headers["Cache-Control"] == "public, max-age=5"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.text.split("\n")[1] == str(LEAVES)


@pytest.mark.parametrize("path", ["tile/0/000", "tile/0/001", "tile/entries/000"])
def test_a_full_tile_may_be_kept_for_ever(client, published, path):
    answer = client.get(f"/log/{path}")

    assert answer.data == published.extensions["tanhui"].log.folder.read(path)
    assert answer.content_type == "application/octet-stream"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("path", ["tile/0/002.p/90", "tile/1/000.p/2", "tile/entries/002.p/90"])
def test_a_partial_tile_is_not_for_ever(client, path):
    answer = client.get(f"/log/{path}")

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "public, max-age=86400"


def test_who_has_it_is_not_sent_it_again(client):
    for path in ("checkpoint", "tile/0/000"):
        tag = client.get(f"/log/{path}").headers["ETag"]
        answer = client.get(f"/log/{path}", headers={"If-None-Match": tag})
        assert (answer.status_code, answer.data) == (304, b"")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Cache-Control"].startswith("public")


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/003",
        "tile/0/002",
        "tile/0/002.p/91",
        "tile/0/002.p/200",
        "tile/0/003.p/34",
        "tile/entries/002",
        "tile/entries/003.p/34",
        "tile/1/000.p/3",
        "tile/1/000",
        "tile/2/000.p/1",
        "tile/63/000",
    ],
)
def test_nothing_beyond_the_checkpoint_is_shown(client, path):
    answer = client.get(f"/log/{path}")

    assert answer.status_code == 404
    assert answer.headers["Cache-Control"] == "no-store"  # It may be there in a minute.
    assert answer.headers["Access-Control-Allow-Origin"] == "*"  # A page must see that it is not.


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/../../../keys/log.pem",
        "tile/0/%2e%2e/%2e%2e/%2e%2e/keys/log.pem",
        "tile/%2e%2e/checkpoint",
        "tile//etc/passwd",
        "tile/0/000/",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/000.p/256",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p",
        "tile/0/002.p/90%00",
        "tile/0/002.p/90%0a",
        "tile/0/٠٠٠",
        "tile/entries",
        "tile/entries/x999/x999/x999/x999/x999/x999/999",
        "tile/entries/x999/x999/x999/x999/x999/x999/x999/999",
        ".unfinished",
        "",
        "tile/",
    ],
)
def test_only_the_names_of_tiles_lead_anywhere(client, path):
    assert client.get(f"/log/{path}", follow_redirects=True).status_code == 404


def test_what_is_not_begun_is_not_there(settings, database_url, tmp_path):
    client = an_app(settings, database_url, tmp_path).test_client()

    for path in ("checkpoint", "tile/0/000.p/1", "tile/0/000"):
        assert client.get(f"/log/{path}").status_code == 404


def test_the_files_served_are_a_sound_log(client, published):
    class Served:
        def read(self, path):
            answer = client.get(f"/log/{path}")
            return answer.data if answer.status_code == 200 else None

    found = verify_log(Served(), published.extensions["tanhui"].log.verifier())

    assert found.checkpoint.size == LEAVES
