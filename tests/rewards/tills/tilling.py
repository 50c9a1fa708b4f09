"""A shop with vouchers, for the tests of tills."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from rewards.models import PoolCode, Scanner, SettlementLine, Shop
from rewards.redeeming.redemption import Redeemed, redeem
from rewards.tills.consuming import consume
from rewards.tills.deciding import Consumed
from tests import shopping
from tests.makers import CODES, NOW, a_buyer, a_resident, programme_holder


@dataclass(frozen=True)
class Counter:
    """A merchant with a shop and one offer."""

    session: Session
    merchant_id: UUID
    offer_id: UUID

    @property
    def shop_id(self) -> UUID:
        query = select(Shop.id).where(Shop.merchant_id == self.merchant_id)
        return self.session.scalars(query.order_by(Shop.made_at)).first()  # type: ignore[return-value]

    def buy(self, *, holder_id: UUID | None = None, now: datetime = NOW) -> Redeemed:
        """A voucher of a resident's."""
        holder_id = holder_id or a_resident(self.session, points=500)
        return redeem(
            self.session,
            uuid4(),
            buyer=a_buyer(self.session, holder_id),
            offer_id=self.offer_id,
            codes=CODES,
            now=now,
        )

    def code(self, **more: Any) -> str:
        code = self.buy(**more).voucher_code
        assert code is not None
        return code

    def take(self, code: str, id_: UUID | None = None, **more: Any) -> Consumed:
        given = {"merchant_id": self.merchant_id, "now": NOW, "actor": "clerk"} | more
        return consume(self.session, id_ or uuid4(), code=code, codes=CODES, **given)

    def scanner(self, *, shop_id: UUID | None = None, retired_at: datetime | None = None) -> UUID:
        one = Scanner(
            id=uuid4(), merchant_id=self.merchant_id, shop_id=shop_id, name="till",
            made_by="tests", made_at=NOW, retired_at=retired_at,
        )  # fmt: skip
        self.session.add(one)
        self.session.flush()
        return one.id

    def another_shop(self, name: str = "二号店") -> UUID:
        one = Shop(
            id=uuid4(), merchant_id=self.merchant_id, name_zh=name, name_en="Second shop",
            address="x", division_code=None, made_by="tests", made_at=NOW,
        )  # fmt: skip
        self.session.add(one)
        self.session.flush()
        return one.id

    def pool(self, *own_codes: str) -> None:
        """Codes of the merchant's own."""
        self.session.add_all(
            PoolCode(
                offer_id=self.offer_id,
                code_hash=CODES.pool_hash(self.merchant_id, each),
                sealed=CODES.seal(self.offer_id, each),
                file_id=uuid4(),
                redemption_id=None,
            )
            for each in own_codes
        )
        self.session.flush()

    def lines(self) -> list[tuple[str, int]]:
        """What the programme owes, in the order in which it was written."""
        query = select(SettlementLine.kind, SettlementLine.amount_fen).where(
            SettlementLine.merchant_id == self.merchant_id
        )
        return [tuple(row) for row in self.session.execute(query.order_by(SettlementLine.id))]


def a_counter(session: Session, *, merchant_id: UUID | None = None, **terms: Any) -> Counter:
    """Of a merchant of its own, unless one is named."""
    holder = programme_holder(session)
    merchant_id = merchant_id or shopping.a_merchant(session, holder)
    terms = {"settlement_fen": 1_500, "stock_units": 2_000} | terms
    return Counter(session, merchant_id, shopping.an_offer(session, holder, merchant_id, **terms))
