"""A programme with something of everything that the desk shows, some of it hostile."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from flask import Flask

from service.identity.logins.signing_in import Proof, add_proof
from service.identity.tokens import Caller
from service.identity.vault import Value, write_values
from tests.service.reach.world import Side, a_side
from tests.service.web.browsing import Site

XSS = '"><img src=x onerror=alert(1)><script>alert(2)</script>'
LONG_ZH = "青浦区朱家角镇淀山湖畔低碳生活示范社区垃圾分类与绿色出行联合志愿服务便民店" * 2
PHONE = "13812345678"


@dataclass
class Desk:
    """The world, and who works in it."""

    site: Site
    side: Side

    @property
    def operator(self) -> Caller:
        return Caller("li.na", "operator", "", "*")

    @property
    def second(self) -> Caller:
        return Caller("wang.wei", "operator", "", "*")

    @property
    def administrator(self) -> Caller:
        return Caller("zhou.min", "administrator", "", "*")

    @property
    def volunteer(self) -> Caller:
        return Caller("sun.li", "volunteer", "", self.side.programme)

    def api(self, method: str, path: str, body: Any = None, *, by: Caller | None = None) -> Any:
        """What the API answers to one of the staff."""
        app: Flask = self.site.app
        token = self.site.services.tokens.issue(by or self.operator, now=datetime.now(UTC))
        headers = {"Authorization": f"Bearer {token}"}
        answer = app.test_client().open(path, method=method, json=body, headers=headers)
        assert answer.status_code < 300, answer.text
        return answer.json

    def operators_pages(self) -> dict[str, str]:
        """All pages of an operator, by what the screenshot is called."""
        side = self.side
        resident = f"/residents/{side.resident}"
        merchant = f"/merchants/{side.merchant}"
        lists = (
            *("residents", "entry", "registration", "lost-card", "reviews", "appeals"),
            *("corrections", "scenes", "drafts", "rules", "methods", "factors", "behaviours"),
            *("tariffs", "merchants", "settlements", "budgets", "projects", "top-ups"),
            *("double-uses", "refund", "liability", "feeds", "jobs", "own"),
        )
        tabs = ("overview", "activities", "entries", "corrections")
        parts = ("overview", "agreements", "shops", "offers", "settlements")
        ride = next(iter(self.api("GET", "/v1/catalogue/methods?limit=1")["methods"]))
        factor = next(iter(self.api("GET", "/v1/catalogue/factors?limit=1")["factors"]))
        return {
            "home": "",
            **{name: f"/{name}" for name in lists},
            "registration-town": "/registration?town=夏阳",
            "resident-why": resident,
            **{f"resident-{tab}": f"{resident}?purpose=咨询&tab={tab}" for tab in tabs},
            "activity": f"{resident}/activities/{side.activity}",
            "review": f"/reviews/{side.resident}/{side.held}",
            "appeal": f"/appeals/{side.resident}/{side.refused}",
            "activity-correction": f"/activity-corrections/{side.resident}/"
            f"{side.activity_correction}",
            "ledger-correction": f"/ledger-corrections/{side.resident}/{side.correction}",
            "scene": f"/scenes/{side.scene}",
            "draft": f"/drafts/{side.draft}",
            "draft-impact": f"/drafts/{side.draft}?from=2026-11-10&to=2026-11-20",
            "method": f"/methods/{ride['code']}/{ride['version']}",
            "factor": f"/factors/{factor['code']}",
            **{f"merchant-{part}": f"{merchant}?tab={part}" for part in parts},
            "offer": f"{merchant}/offers/{side.offer}",
            "new-offer": f"{merchant}/new-offer",
            "settlement": f"/settlements/{side.merchant}/{side.settlement}",
            "budget": f"/budgets/{side.budget}",
            "projects-of": f"/projects?programme={side.programme}",
            "liability-of": f"/liability?programme={side.programme}",
            "top-up": f"/top-ups/{side.top_up}",
            "feed": f"/feeds/{side.scene}",
            "job": f"/jobs/{self.api('GET', '/v1/jobs')['jobs'][0]['name']}",
        }

    def administrators_pages(self) -> dict[str, str]:
        return {
            "admin": "",
            "members": "/members",
            "member": f"/members/{self.side.member}",
            "api-keys": "/api-keys",
            "admin-log": "/admin-log",
        }


def a_desk(site: Site) -> Desk:
    """Committed; names and reasons of people hold what would run if a page let it."""
    side = a_side(site.services)
    desk = Desk(site, side)
    keyring, now = site.services.keyring, datetime.now(UTC)

    def person(session: Any) -> None:
        add_proof(session, keyring, Proof("phone", (f"+86{PHONE}",)), side.resident, now=now)
        write_values(session, keyring, [Value(side.resident, "name", "欧阳小明")], now=now)

    site.services.database.transact(person)
    hostile = {"name_zh": LONG_ZH[:100], "name_en": XSS, "programme": side.programme}
    desk.api("PUT", f"/v1/merchants/{uuid4()}", hostile)
    shop = {"name_zh": XSS, "name_en": XSS, "address": XSS, "division": None}
    desk.api("PUT", f"/v1/merchants/{side.merchant}/shops/{uuid4()}", shop)
    asked = f"/v1/holders/{side.resident}/activity-corrections/{uuid4()}"
    wrong = {"activity_id": str(side.activity), "action": "withdraw", "reason": XSS}
    desk.api("PUT", asked, wrong, by=desk.second)
    member = {"login": f"xss.{uuid4().hex[:6]}", "display_name": XSS}
    desk.api("PUT", f"/v1/members/{uuid4()}", member, by=desk.administrator)
    return desk
