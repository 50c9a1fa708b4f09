"""A merchant with something of everything, for the pages of tills; a camera that sees a code."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import segno
from sqlalchemy import select
from sqlalchemy.orm import Session

from rewards.models import DoubleUse, Shop
from rewards.tills.live_codes import LiveCode, device_key, step_of, written
from rewards.voucher_codes import voucher_code
from service.demo_shops import DEMO_PROGRAMME
from service.identity.tokens import Caller
from tests import shopping
from tests.makers import a_resident, programme_holder
from tests.service.web.browsing import Site
from tests.settlements import LATELY, lines_for

XSS = '"><img src=x onerror="window.hurt=1"><script>window.hurt=1</script>'
LONG_ZH = "青浦区夏阳街道公园路绿色生活体验中心低碳咖啡与手工烘焙面包联合套餐兑换券"


@dataclass
class Stall:
    """A merchant, its people and a resident with points; everything asked over the API."""

    site: Site
    merchant_id: UUID
    holder_id: UUID
    offer_id: UUID
    pool_id: UUID

    def caller(self, role: str = "merchant") -> Caller:
        return Caller("xiao.wang", role, str(self.merchant_id), DEMO_PROGRAMME)

    def api(self, method: str, path: str, body: Any = None, *, role: str = "merchant_manager"):
        """The answer's JSON; a refusal fails the test."""
        who = self.caller(role)
        if role == "resident":
            who = Caller(str(self.holder_id), "resident")
        elif role == "operator":
            who = Caller("li.na", "operator", programme=DEMO_PROGRAMME)
        token = self.site.services.tokens.issue(who, now=datetime.now(UTC))
        client = self.site.app.test_client()
        headers = {"Authorization": f"Bearer {token}"}
        answer = client.open(path, method=method, json=body, headers=headers)
        assert answer.status_code < 300, answer.text
        return answer.json

    @staticmethod
    def now() -> datetime:
        return datetime.now(UTC)

    def url(self, path: str) -> str:
        return f"/v1/merchants/{self.merchant_id}{path}"

    def voucher(self) -> str:
        """The code of a voucher that the resident just redeemed."""
        id_ = uuid4()
        body = {"offer_id": str(self.offer_id)}
        self.api("PUT", f"/v1/redemptions/{id_}", body, role="resident")
        return voucher_code(self.site.services.voucher_key, id_)

    def taken(self, code: str = "") -> str:
        id_ = uuid4()
        self.api("PUT", f"/v1/consumptions/{id_}", {"code": code or self.voucher()})
        return str(id_)

    def live_code(self) -> str:
        """What the resident's phone shows now."""
        id_ = uuid4()
        self.api("PUT", f"/v1/code-devices/{id_}", {"name": "phone"}, role="resident")
        root = self.site.services.keyring.derived("live codes")
        return written(device_key(root, id_), LiveCode(id_, step_of(datetime.now(UTC))))

    def settlement(self) -> str:
        """A draft of the last days."""
        id_ = uuid4()
        self.site.services.database.transact(
            lambda s: lines_for(s, self.merchant_id, [1_500, 2_050, 1_500], at=LATELY.begins_at,
                                offer_id=self.offer_id)
        )  # fmt: skip
        body = {"period_from": str(LATELY.since), "period_to": str(LATELY.to)}
        self.api("PUT", self.url(f"/settlements/{id_}"), body, role="operator")
        return str(id_)

    def double_use(self) -> None:
        now = datetime.now(UTC)
        self.site.services.database.transact(lambda s: _double_use(s, self, now))


def a_stall(site: Site) -> Stall:
    """Two shops, an offer on sale, a pool, agreements; residents' texts are long ones."""

    def made(session: Session) -> Stall:
        holder = programme_holder(session)
        merchant_id = shopping.a_merchant(session, holder)
        second = Shop(
            id=uuid4(), merchant_id=merchant_id, name_zh="夏阳湖店", name_en="Lake branch",
            address="青浦区外青松公路 6300 号", division_code=None, made_by="tests",
            made_at=shopping.LONG_AGO + timedelta(days=1),
        )  # fmt: skip
        session.add(second)
        session.flush()
        offer_id = shopping.an_offer(
            session, holder, merchant_id, stock_units=500, settlement_fen=1_500, price_points=120,
            title_zh="美式咖啡一杯", title_en="A cup of black coffee", valid_days=30,
        )  # fmt: skip
        shopping.an_offer(
            session, holder, merchant_id, price_points=80, title_zh=LONG_ZH, title_en=XSS
        )
        pool_id = shopping.an_offer(
            session, holder, merchant_id, kind="pool_code", stock_units=0, title_zh=XSS,
            title_en="A cinema ticket",
        )  # fmt: skip
        shopping.a_webhook(session, merchant_id, dead=True)
        holder_id = a_resident(session, points=5_000)
        return Stall(site, merchant_id, holder_id, offer_id, pool_id)

    return site.services.database.transact(made)


def _double_use(session: Session, stall: Stall, now: datetime) -> None:
    shop_id = session.scalars(select(Shop.id).where(Shop.merchant_id == stall.merchant_id)).first()
    session.add(
        DoubleUse(
            id=uuid4(),
            merchant_id=stall.merchant_id,
            offer_id=stall.offer_id,
            redemption_id=uuid4(),
            code_sha256=uuid4().bytes * 2,
            why="consumed",
            scanned_at=now - timedelta(hours=2),
            shop_id=shop_id,
            scanner_id=None,
            recorded_at=now,
            recorded_by=XSS,
            first_id=uuid4(),
            first_at=now - timedelta(hours=3),
            first_shop_id=shop_id,
            first_scanner_id=None,
        )
    )


def seen_by_camera(code: str, path: Path, *, frames: int = 2) -> Path:
    """A short film of a QR code (YUV4MPEG2), which Chromium's false camera shows over and over."""
    width, height, scale = 640, 480, 9
    matrix = [list(row) for row in segno.make(code, error="m", micro=False).matrix_iter(border=4)]
    side = len(matrix) * scale
    left, top = (width - side) // 2, (height - side) // 2
    picture = bytearray(b"\xd0" * (width * height))
    for y in range(side):
        row = matrix[y // scale]
        line = b"".join((b"\x10" if dark else b"\xeb") * scale for dark in row)
        start = (top + y) * width + left
        picture[start : start + side] = line
    grey = b"\x80" * (width * height // 2)
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F10:1 Ip A1:1 C420jpeg\n".encode())
        for _ in range(frames):
            file.write(b"FRAME\n" + bytes(picture) + grey)
    return path
