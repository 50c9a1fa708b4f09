"""docs/merchants.md and the live codes of docs/app.md: their programs, run against the service."""

import json
import os
import subprocess
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from threading import Thread
from uuid import UUID, uuid4

import pytest
from werkzeug.serving import make_server

from rewards.tills.live_codes import LiveCode, written
from rewards.tills.offline import signature
from service.api_keys.keys import NewKey, make
from tests.service.answers import a_shop
from tests.service.staffing import MACHINE
from tests.service.test_docs_commands import ROOT, blocks

PATIENCE_S = 60


@pytest.fixture(scope="module")
def url(app) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()


def a_program(folder, doc, chapter, name):
    (found,) = [each for each in blocks(doc, chapter, "python") if f"# {name}" in each]
    (folder / name).write_text(found, "utf-8")

    def run(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, name, *words],
            env=os.environ | environ, cwd=folder, capture_output=True, text=True,
            timeout=PATIENCE_S, check=False,
        )  # fmt: skip

    return run


def test_the_offline_queue_of_the_docs(url, client, bearer, database, services, tmp_path):
    holder_id, offer = a_shop(database)
    bought = client.put(
        f"/v1/redemptions/{uuid4()}",
        json={"offer_id": str(offer.id)},
        headers=bearer("resident", holder_id),
    )
    scanner_id, merchant_id = uuid4(), offer.merchant_id
    scanner = client.put(
        f"/v1/merchants/{merchant_id}/scanners/{scanner_id}",
        json={"name": "till"},
        headers=bearer("merchant_manager", "mia", merchant_id),
    )
    new = NewKey(uuid4(), "merchant", str(merchant_id), "till", ("consumptions",))
    key = database.transact(
        lambda s: make(s, services.keyring, new, actor=MACHINE, now=datetime.now(UTC)).written
    )
    environ = {
        "URL": url, "TILL": key, "SCANNER": str(scanner_id), "SCANNER_KEY": scanner.json["key"],
    }  # fmt: skip
    run = a_program(tmp_path, "merchants.md", "Offline", "till.py")
    code = bought.json["voucher_code"]

    for each in (code, code, "AAAA-AAAA"):
        scanned = run("scan", each, **environ)
        assert scanned.returncode == 0, scanned.stderr
    first, again = (run("send", **environ) for _ in range(2))

    assert first.returncode == 0, first.stderr
    told = [line.split()[1] for line in first.stdout.splitlines()]
    assert told == ["taken", "voucher-consumed", "unknown-voucher"]
    assert again.stdout == first.stdout
    day = client.get("/v1/consumptions", headers={"Authorization": f"Bearer {key}"})
    assert [each["offline"] for each in day.json["consumptions"]] == [True]


def test_what_the_docs_sign_is_what_we_check():
    text = (ROOT / "docs" / "merchants.md").read_text("utf-8")
    (example,) = blocks("merchants.md", "Offline", "json")
    (item,) = json.loads(example)["consumptions"]

    right = signature(bytes(range(32)), UUID(item["id"]), item["code"], item["scanned_at"])

    assert item["signature"] == right
    assert text.count(right) == 2
    assert urlsafe_b64encode(bytes(range(32))).rstrip(b"=").decode() in text


def test_the_live_code_of_the_docs(client, bearer, database, tmp_path):
    holder_id, offer = a_shop(database)
    device_id = uuid4()
    made = client.put(
        f"/v1/code-devices/{device_id}",
        json={"name": "phone"},
        headers=bearer("resident", holder_id),
    )
    run = a_program(tmp_path, "app.md", "Live codes: 动态码", "live_code.py")

    shown = run(made.json["key"], str(device_id)).stdout.strip()
    scanned = client.put(
        f"/v1/scans/{uuid4()}",
        json={"live_code": shown},
        headers=bearer("merchant", "clerk", offer.merchant_id),
    )

    assert scanned.status_code == 200, scanned.text
    assert [each["offer_id"] for each in scanned.json["offers"]] == [str(offer.id)]


def test_the_test_vector_of_the_docs(tmp_path):
    text = (ROOT / "docs" / "app.md").read_text("utf-8")
    (row,) = [line for line in text.splitlines() if line.startswith("| `AAECAwQF")]
    key, device, seconds, code = (each.strip(" `") for each in row.strip("|").split("|"))
    run = a_program(tmp_path, "app.md", "Live codes: 动态码", "live_code.py")

    ours = LiveCode(UUID(device), int(seconds) // 30)
    assert written(urlsafe_b64decode(key + "="), ours) == code
    assert run(key, device, seconds).stdout.strip() == code
