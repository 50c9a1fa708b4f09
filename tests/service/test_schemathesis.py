"""Schemathesis against the running server, in each role: it finds nothing.

``TANHUI_FUZZ_SECONDS`` is the time of each role; ``make fuzz`` takes five minutes for all.
"""

import os
import socket

import pytest

from tests.service.fuzzing import fuzz, served

pytestmark = pytest.mark.once

SECONDS = int(os.environ.get("TANHUI_FUZZ_SECONDS", "3"))
ROLES = ("anybody", "resident", "auditor", "operator", "administrator", "partner")
ROLES += ("merchant", "merchant_manager")


@pytest.fixture(scope="module")
def target(copied_database, urls, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with copied_database() as url:
        environ = {
            "TANHUI_DATABASE_URL": url,
            "TANHUI_REDIS_URL": urls["redis"],
            "TANHUI_VAR_DIR": str(folder / "var"),
        }
        with served(environ, port, folder) as found:
            yield found


@pytest.mark.parametrize("role", ROLES)
def test_it_finds_nothing(target, tmp_path, role):
    status, output = fuzz(target, role, tmp_path, seconds=SECONDS)

    assert status == 0, output
    assert role != "partner" or "Authentication failed" not in output, "nothing was signed"
    assert "Traceback" not in target.log.read_text(encoding="utf-8")


def test_it_finds_nothing_in_what_ends_a_login(target, tmp_path):
    holder_id = target.side.neighbour

    status, output = fuzz(target, "resident", tmp_path, seconds=5, last=True, holder_id=holder_id)

    assert status == 0, output
