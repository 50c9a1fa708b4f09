"""A real Chromium in front of the real application: what people see, and what it complains of.

Needs Chromium (Debian: ``apt-get install chromium``); without it these tests fail and say so.
Screenshots go to ``build/screenshots`` (TANHUI_TEST_SCREENSHOTS), to be looked at by a person.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from werkzeug.serving import make_server

from service.app import create_app
from service.identity.tokens import Caller
from service.services import Services
from service.settings import Settings
from tests.service.staffing import CHEAP

AXE = Path(__file__).parent / "axe" / "axe.min.js"
SHOTS = Path(os.environ.get("TANHUI_TEST_SCREENSHOTS", "build/screenshots"))
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
WIDTHS = {"phone": PHONE, "desktop": DESKTOP}
LANGUAGES = ("zh-CN", "en")
TIMEOUT_MS = 15_000
_HEARD = """
    document.addEventListener("securitypolicyviolation", (event) =>
        window.__violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
    window.__violations = [];
"""
_RUN_AXE = """() => axe.run(document,
        {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
         resultTypes: ["violations"]})
    .then((found) => found.violations
        .filter((one) => ["serious", "critical"].includes(one.impact))
        .map((one) => `${one.id}: ${one.nodes.map((node) => node.target.join(" ")).join("; ")}`))"""


@dataclass
class Site:
    """The application, served over HTTP to browsers of this machine."""

    app: Flask
    address: str

    @property
    def services(self) -> Services:
        found: Services = self.app.extensions["tanhui"]
        return found


@contextmanager
def site(
    settings: Settings, copied_database: Callable[[], AbstractContextManager[str]], **changes: Any
) -> Iterator[Site]:
    """An application on a database of its own, without rate limits, with passwords of low cost."""
    with copied_database() as url:
        own = replace(settings, database_url=url, rate_limits=0.0, **changes)
        app = create_app(own)
        app.extensions["tanhui"] = replace(app.extensions["tanhui"], passwords=CHEAP)
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield Site(app, f"http://127.0.0.1:{server.port}")
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
            app.extensions["tanhui"].database.dispose()


@contextmanager
def chromium(**more: Any) -> Iterator[Browser]:
    """Debian's own Chromium."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    assert found, "these tests need Chromium: apt-get install chromium"
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=found, args=["--no-sandbox", *more.pop("args", ())], **more
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def another(browser: Browser, flags: list[str]) -> Iterator[Browser]:
    """A further Chromium beside the module's, started in its own way."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    made = browser.browser_type.launch(executable_path=found, args=["--no-sandbox", *flags])
    try:
        yield made
    finally:
        made.close()


@dataclass
class Visitor:
    """Somebody at a browser: one context (cookies, width, language) and its page."""

    site: Site
    context: BrowserContext
    page: Page
    name: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Go to a page of the site."""
        self.page.goto(self.site.address + path)
        return self.page

    def look(self, name: str) -> None:
        """Keep a screenshot, and hold the page against axe, the policy and the console."""
        self.shoot(name)
        self.check()

    def shoot(self, name: str) -> None:
        """Keep a screenshot of the whole page."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.wait_for_load_state()  # A click is over when the next page begins to come.
        self.page.screenshot(path=SHOTS / f"{self.name}-{name}.png", full_page=True)

    def check(self) -> None:
        """No complaint of the browser's, nothing serious of axe's, nothing wider than the page."""
        self.page.wait_for_load_state()
        self.complaints += self.page.evaluate("window.__violations")
        assert self.complaints == [], self.page.url
        self.page.evaluate(AXE.read_text())
        serious = self.page.evaluate(_RUN_AXE)
        assert serious == [], f"{self.page.url}: {serious}"
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert self.page.evaluate(wide) <= 0, f"{self.page.url} scrolls sideways"


@contextmanager
def visitor(
    browser: Browser,
    site: Site,
    name: str,
    *,
    width: str = "desktop",
    language: str = "zh-CN",
    signed_in: Caller | None = None,
    **more: Any,
) -> Iterator[Visitor]:
    """A fresh browser; ``signed_in`` as a session of ``signing_in`` or a token alone."""
    context = browser.new_context(
        viewport=WIDTHS[width],  # type: ignore[arg-type]
        locale=language,
        timezone_id="Asia/Shanghai",
        has_touch=width == "phone",
        is_mobile=width == "phone",
        **more,
    )
    context.set_default_timeout(TIMEOUT_MS)
    context.add_init_script(_HEARD)
    if signed_in is not None:
        cookies = {"tanhui_access": _token(site, signed_in)}
        context.add_cookies(
            [{"name": key, "value": value, "url": site.address} for key, value in cookies.items()]
        )
    page = context.new_page()
    made = Visitor(site, context, page, f"{name}-{width}-{language}")
    page.on("pageerror", lambda error: made.complaints.append(f"script: {error}"))
    page.on("console", lambda said: _hear(made, said))
    page.on("request", lambda asked: _at_home(made, asked.url))
    try:
        yield made
    finally:
        context.close()


def shows(page: Page, selector: str, text: str) -> None:
    """Wait until the first place found has the text where people see it."""
    expect(page.locator(selector).first).to_contain_text(text, use_inner_text=True)


def _token(site: Site, caller: Caller) -> str:
    return site.services.tokens.issue(caller, now=datetime.now(UTC))


def _hear(made: Visitor, said: Any) -> None:
    if said.type == "error" and "Failed to load resource" not in said.text:
        made.complaints.append(f"console: {said.text}")


def _at_home(made: Visitor, url: str) -> None:
    if not url.startswith((made.site.address, "data:", "blob:")):
        made.complaints.append(f"asked an outside host: {url}")
