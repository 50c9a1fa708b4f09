"""The page /verify in a real browser: what it calls good is good, and it sends nothing.

Needs Chromium, like nothing else here: without it these tests fail and say how to get it.
"""

import html
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from werkzeug.serving import make_server

from ledgers.log.receipts import Receipt
from service.db import Database
from service.settings import Settings
from tests.service.published import a_spender, an_app, many_earnings, receipt_of, seal_all

pytestmark = pytest.mark.once

TIMEOUT_S = 60
ALLOWED = re.compile(r"/(test|verify|favicon\.ico|static/.*|log/checkpoint|log/tile/.*)")


class Outcome(NamedTuple):
    """What the page showed: the verdict's state and text, and each step's mark and reason."""

    verdict: str
    text: str
    marks: dict[str, str]
    reasons: dict[str, str]


class Site:
    """A served log, and a page with a receipt already pasted into it."""

    def __init__(self, settings: Settings, database_url: str, folder: Path) -> None:
        self.app = an_app(settings, database_url, folder)
        self.services = self.app.extensions["tanhui"]
        self.asked: list[str] = []
        self.page, self.script = "", ""
        self.app.add_url_rule("/test", "test", lambda: self.page)
        self.app.add_url_rule("/static/test.js", "test-script", self._script)
        self.server = make_server("127.0.0.1", 0, self._listening, threaded=True)
        self.address = f"http://127.0.0.1:{self.server.port}"
        self.thread = Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def _script(self) -> tuple[str, dict[str, str]]:
        return self.script, {"Content-Type": "text/javascript"}

    def _listening(self, environ: dict[str, Any], start: Any) -> Any:
        self.asked.append(f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}")
        return self.app.wsgi_app(environ, start)

    def paste(self, receipt: str, *, key: str = "", before: str = "") -> str:
        """Where a page with this receipt submits itself; ``before`` runs ahead of its script."""
        page = self.app.test_client().get("/verify?lang=en").text
        page = page.replace('…"></textarea>', f'…">{html.escape(receipt)}</textarea>')
        assert html.escape(receipt) in page
        if key:
            page = page.replace(html.escape(str(self.services.log.verifier())), html.escape(key))
        page = page.replace("<script defer", '<script src="/static/test.js"></script><script defer')
        self.page = page.replace("</head>", '<script defer src="/static/test.js"></script></head>')
        submit = "document.getElementById('form').requestSubmit()"
        self.script = f"if (document.body) {{ {submit} }} else {{ {before} }}"
        return f"{self.address}/test"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        self.services.database.dispose()


class Published(NamedTuple):
    """``behind`` serves the same log as it was before the later receipt's entry."""

    site: Site
    behind: Site
    earlier: Receipt
    later: Receipt
    open: Callable[[Path], Site]


@pytest.fixture(scope="module")
def published(
    settings: Settings,
    copied_database: Callable[[], AbstractContextManager[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Published]:
    """A log of three and a bit tiles, and two receipts of it: one has an older proof."""
    now, before = tmp_path_factory.mktemp("now"), tmp_path_factory.mktemp("before")
    with copied_database() as url:
        database = Database(url)
        site = Site(settings, url, now)
        many_earnings(database, 300)
        resident = a_spender(database, spent=0)
        many_earnings(database, 5)
        seal_all(site.services)
        earlier = receipt_of(site.services, resident)
        shutil.copytree(now / "log", before / "log")
        many_earnings(database, 500)
        resident = a_spender(database)
        many_earnings(database, 9)
        seal_all(site.services)
        sites = [site, Site(settings, url, before)]

        def open_other(folder: Path) -> Site:
            sites.append(Site(settings, url, folder))
            return sites[-1]

        yield Published(*sites, earlier, receipt_of(site.services, resident, 1), open_other)
        for each in sites:
            each.close()
        database.dispose()


def look(site: Site, address: str, folder: Path) -> Outcome:
    """Open the page in Chromium, and read it when its script has ended."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.fail("these tests need Chromium: apt-get install chromium", pytrace=False)
    site.asked.clear()
    words = ["--headless", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    words += ["--no-first-run", f"--user-data-dir={folder / 'profile'}"]
    words += ["--virtual-time-budget=10000"]
    if os.geteuid() == 0:
        words.append("--no-sandbox")
    done = subprocess.run(
        [chromium, *words, address], capture_output=True, text=True, timeout=TIMEOUT_S, check=True
    )
    assert "Content Security Policy" not in done.stderr
    asked = [urlsplit(each) for each in site.asked]
    told = re.compile("(v=[0-9a-f]{12})?")  # A file's own version says nothing of the receipt.
    assert [
        each for each in asked if not ALLOWED.fullmatch(each.path) or not told.fullmatch(each.query)
    ] == []
    return _read(done.stdout)


def _read(page: str) -> Outcome:
    verdict = re.search(r'id="verdict"[^>]* data-state="(\w+)">([^<]*)<', page)
    assert verdict, page
    marks, reasons = {}, {}
    for name, mark, rest in re.findall(
        r'<li id="step-(\w+)" data-state="\w+"><span class="mark"[^>]*>(.)</span>(.*?)</li>',
        page,
        re.DOTALL,
    ):
        marks[name] = mark
        reason = re.search(r'class="why">([^<]*)<', rest)
        assert reason
        reasons[name] = reason[1]
    return Outcome(verdict[1], verdict[2], marks, {k: v for k, v in reasons.items() if v})


def flipped(text: str, at: int) -> str:
    """The text of a QR code with one bit of its bytes changed; ``at`` counts bytes."""
    receipt = Receipt.parse(text)
    fields = {
        name: getattr(receipt, name) for name in ("holder_salt", "record_salt", "record", "leaf")
    }
    for name, field in fields.items():
        if at < len(field):
            changed = field[:at] + bytes([field[at] ^ 1]) + field[at + 1 :]
            fields[name] = changed
            break
        at -= len(field)
    return Receipt(receipt.index, receipt.holder_id, **fields).qr_text()


def test_a_qr_codes_link_shows_what_the_entry_says(published, tmp_path):
    site, _, _, later, _ = published

    found = look(site, f"{site.address}/verify#{later.qr_text()}", tmp_path)

    assert found.verdict == "yes"
    assert found.marks == dict.fromkeys(("holder", "record", "signature", "leaf", "tree"), "✓")
    assert found.reasons == {}


def test_a_receipt_of_long_ago_is_checked_by_its_own_proof_too(published, tmp_path):
    site, _, earlier, _, _ = published

    found = look(site, site.paste(json.dumps(earlier.as_json(), indent=1)), tmp_path)

    assert found.verdict == "yes"
    assert set(found.marks) == {"holder", "record", "own", "signature", "leaf", "tree", "grown"}
    assert set(found.marks.values()) == {"✓"}


@pytest.mark.parametrize(("at", "step"), [(3, "holder"), (32 + 100, "record"), (176 + 11, "leaf")])
def test_one_changed_bit_is_a_cross(published, tmp_path, at, step):
    site, _, _, later, _ = published

    found = look(site, f"{site.address}/verify#{flipped(later.qr_text(), at)}", tmp_path)

    assert found.verdict == "no"
    assert found.marks[step] == "✗"
    assert found.marks["signature"] == "✓"  # The log itself is sound.


@pytest.mark.parametrize(
    "change",
    [
        lambda made: made["proof"].__setitem__(0, "00" * 32),
        lambda made: made.update(checkpoint=made["checkpoint"].replace("total point", "total fen")),
    ],
    ids=["hash", "checkpoint"],
)
def test_a_changed_proof_is_a_cross(published, tmp_path, change):
    site, _, earlier, _, _ = published
    made = earlier.as_json()
    untouched = json.dumps(made)
    change(made)
    assert json.dumps(made) != untouched

    found = look(site, site.paste(json.dumps(made)), tmp_path)

    assert (found.verdict, found.marks["own"]) == ("no", "✗")


def test_what_is_not_published_yet_is_not_called_good(published, tmp_path):
    _, behind, _, later, _ = published

    found = look(behind, f"{behind.address}/verify#{later.qr_text()}", tmp_path)

    assert found.verdict == "unknown"
    assert (found.marks["leaf"], found.marks["tree"]) == ("?", "?")


def test_a_log_that_was_rolled_back_is_named(published, tmp_path):
    _, behind, _, later, _ = published

    found = look(behind, behind.paste(json.dumps(later.as_json())), tmp_path)

    assert found.verdict == "no"
    assert found.marks["own"] == "✓"
    assert "rolled back" in found.reasons["grown"]


def test_a_garbled_tile_is_a_cross(published, tmp_path):
    site, _, earlier, _, open_other = published
    shutil.copytree(site.services.log.folder.path, tmp_path / "log")
    index, beside = divmod(earlier.index ^ 1, 256)
    tile = tmp_path / "log" / "tile" / "0" / f"{index:03}"
    content = bytearray(tile.read_bytes())
    content[32 * beside] ^= 1
    tile.write_bytes(content)
    garbled = open_other(tmp_path)

    found = look(garbled, f"{garbled.address}/verify#{earlier.qr_text()}", tmp_path)

    assert (found.verdict, found.marks["tree"]) == ("no", "✗")


def test_another_verifier_key_is_a_cross_and_proves_nothing(published, tmp_path):
    site, _, _, later, _ = published
    key = "tanhui.example/log+235ceadc+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"

    found = look(site, site.paste(later.qr_text(), key=key), tmp_path)

    assert (found.verdict, found.marks["signature"]) == ("no", "✗")
    assert (found.marks["leaf"], found.marks["tree"]) == ("?", "?")


def test_a_browser_without_ed25519_says_that_the_signature_was_not_checked(published, tmp_path):
    site, _, _, later, _ = published
    old = (
        "crypto.subtle.importKey = async () => { throw new DOMException('', 'NotSupportedError') }"
    )

    found = look(site, site.paste(later.qr_text(), before=old), tmp_path)

    assert found.verdict == "unknown"
    assert found.marks["signature"] == "?"
    assert "cannot verify Ed25519" in found.reasons["signature"]


@pytest.mark.parametrize("garbage", ["tanhui1:AAAA", '{"qr_text": "tanhui1:????"}'])
def test_garbage_is_called_garbage(published, tmp_path, garbage):
    site = published.site

    found = look(site, site.paste(garbage), tmp_path)

    assert (found.verdict, found.marks) == ("no", {})
    assert found.text == "This is not a receipt, or not all of it."
