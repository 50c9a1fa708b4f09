"""Refusals of redemptions and vouchers, with their facts."""

from datetime import datetime
from uuid import UUID

from ledgers.errors import DomainError


class UnknownMerchant(DomainError):
    """There is no such merchant, or it is out of the caller's reach."""

    def __init__(self, merchant_id: UUID) -> None:
        super().__init__("there is no such merchant")
        self.merchant_id = merchant_id


class UnknownOffer(DomainError):
    """There is no such offer."""

    def __init__(self, offer_id: UUID) -> None:
        super().__init__("there is no such offer")
        self.offer_id = offer_id


class OfferNotOnSale(DomainError):
    """Not yet, or no longer, on sale."""

    def __init__(self, *, on_sale_from: datetime, on_sale_to: datetime) -> None:
        super().__init__("the offer is not on sale now")
        self.on_sale_from = on_sale_from.isoformat()
        self.on_sale_to = on_sale_to.isoformat()


class SoldOut(DomainError):
    """No unit is left."""

    def __init__(self, offer_id: UUID) -> None:
        super().__init__("the offer is sold out")
        self.offer_id = offer_id


class RedemptionReused(DomainError):
    """The id already stands for another redemption."""

    def __init__(self, redemption_id: UUID) -> None:
        super().__init__("this id already stands for another redemption")
        self.redemption_id = redemption_id


class UnknownRedemption(DomainError):
    """This resident has no such redemption."""

    def __init__(self, redemption_id: UUID) -> None:
        super().__init__("there is no such redemption")
        self.redemption_id = redemption_id


class UnknownVoucher(DomainError):
    """No voucher of this merchant has this code."""

    def __init__(self) -> None:
        super().__init__("no voucher of this merchant has this code")


class VoucherConsumed(DomainError):
    """The voucher was used before: when, in which shop, and under which consumption of the same
    merchant, where that is known.
    """

    def __init__(
        self,
        consumed_at: datetime,
        *,
        consumption_id: UUID | None = None,
        shop_id: UUID | None = None,
        shop_zh: str | None = None,
        shop_en: str | None = None,
    ) -> None:
        super().__init__("the voucher was used before")
        self.consumed_at = consumed_at.isoformat()
        self.consumption_id = consumption_id
        self.shop_id = shop_id
        self.shop = (shop_zh or "未登记的门店", shop_en or "a shop that was not named")


class VoucherLapsed(DomainError):
    """The voucher's owner closed the account before it was used."""

    def __init__(self, lapsed_at: datetime) -> None:
        super().__init__("the voucher has lapsed")
        self.lapsed_at = lapsed_at.isoformat()


class ConsumptionReused(DomainError):
    """The id already stands for the use of another voucher."""

    def __init__(self, consumption_id: UUID) -> None:
        super().__init__("this id already stands for the use of another voucher")
        self.consumption_id = consumption_id


class UnknownConsumption(DomainError):
    """Nothing was taken under this id, or by another merchant."""

    def __init__(self, consumption_id: UUID) -> None:
        super().__init__("there is no such consumption")
        self.consumption_id = consumption_id
