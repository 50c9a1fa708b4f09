"""A resident's home as a browser meets it first: bytes transferred, and time to interactive.

The real service (`tanhui serve`: granian, two workers) on a fresh database, and headless Chromium
at a phone's width with nothing kept. Bytes are those of the network, headers among them, of all
that the first view loads; interactive is when the page is parsed, its scripts have run, and no task
of more than 50 ms holds the main thread up, by the browser's clock from the start of navigation.
Prints the median and the worst of some visits. Usage: ``python -m benchmarks.pages [VISITS]``.
"""

import shutil
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from uuid import UUID, uuid4

from playwright.sync_api import Browser, sync_playwright
from sqlalchemy.orm import Session

from activities.catalogue.loading import load
from activities.events import Batch, Event
from activities.intake import record
from activities.participants import enrol
from benchmarks.machine import fresh_database, machine
from benchmarks.serving import Address, environ, served
from service.db import Database
from service.identity.tokens import Caller
from service.services import tokens
from service.settings import Settings

VISITS, ACTS = 9, 20
BYTES_MARK, INTERACTIVE_MARK_MS = 200_000, 1_000
PHONE = {"width": 390, "height": 844}
# When the page's scripts had run, or the last long task ended: whatever came later.
_INTERACTIVE = """() => new Promise((done) => {
    const ends = [performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd];
    new PerformanceObserver((list) => {
        for (const task of list.getEntries()) ends.push(task.startTime + task.duration);
    }).observe({type: "longtask", buffered: true});
    setTimeout(() => done(Math.max(...ends)), 300);
})"""


def main() -> None:
    """Run and print."""
    visits = int(sys.argv[1]) if len(sys.argv) > 1 else VISITS
    print(machine())
    with tempfile.TemporaryDirectory() as name, fresh_database() as url:
        folder = Path(name)
        folder.chmod(0o755)
        settings = environ(url, folder)
        holder_id = _resident(url)
        own = tokens(Settings.from_env(settings))
        with served(settings) as address:
            token = own.issue(Caller(str(holder_id), "resident"), now=datetime.now(UTC))
            measured = _measure(address, token, visits)
    sizes, times = zip(*measured, strict=True)
    print(
        f"resident's home, first view: {max(sizes):,} bytes transferred (mark {BYTES_MARK:,});"
        f" interactive after {median(times):.0f} ms, at the worst {max(times):.0f} ms"
        f" (mark {INTERACTIVE_MARK_MS:,})"
    )


def _resident(url: str) -> UUID:
    """Somebody of today's programme, with acts of the last days and points."""
    database, holder_id, now = Database(url), uuid4(), datetime.now(UTC)

    def make(session: Session) -> None:
        load(session, now=now)
        enrol(session, "demo-2016", {holder_id: "310118001"}, now=now)
        start = datetime(2016, 4, 11, 16, tzinfo=UTC)
        days = [start + timedelta(days=day) for day in range(ACTS)]
        events = [
            Event(uuid4().hex, "demo.walking", holder_id, day, day + timedelta(days=1), 9_000)
            for day in days
        ]
        record(session, Batch(events, "benchmark", now))

    database.transact(make)
    database.dispose()
    return holder_id


def _measure(address: Address, token: str, visits: int) -> list[tuple[int, float]]:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    assert found, "this benchmark needs Chromium: apt-get install chromium"
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        _visit(browser, address, token)  # The service's own first time is not the page's.
        measured = [_visit(browser, address, token) for _ in range(visits)]
        browser.close()
    return measured


def _visit(browser: Browser, address: Address, token: str) -> tuple[int, float]:
    """With nothing kept: bytes of all answers, milliseconds until interactive."""
    site = f"http://{address[0]}:{address[1]}"
    context = browser.new_context(viewport=PHONE, is_mobile=True, has_touch=True)  # type: ignore[arg-type]
    context.add_cookies([{"name": "tanhui_access", "value": token, "url": site}])
    page = context.new_page()
    network = context.new_cdp_session(page)
    network.send("Network.enable")
    sizes: list[int] = []
    network.on("Network.loadingFinished", lambda told: sizes.append(int(told["encodedDataLength"])))
    page.goto(f"{site}/my", wait_until="load")
    assert page.locator(".balance .large").is_visible()
    interactive: float = page.evaluate(_INTERACTIVE)
    context.close()
    return sum(sizes), interactive


if __name__ == "__main__":
    main()
